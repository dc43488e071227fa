"""``edge-rerank packs``: the packs that can be opened by name, and what they are."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from dataclasses import asdict, dataclass

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
)
from edge_rerank.errors import EdgeRerankError, PackNotFound
from edge_rerank.packs.installed import SHIPPED, installed_packs
from edge_rerank.packs.manifest import SIGNATURE_NAME, Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import MULTILINGUAL, multilingual_pack
from edge_rerank.render.texttable import Column

_MIB = 1 << 20
_DIGEST_SHOWN = 12
_UNQUANTISED = "float32"

_COLUMNS = (
    Column(""),
    Column("name"),
    Column("release", right=True),
    Column("holds", flexible=True),
    Column("MiB", right=True),
    Column("licence"),
    Column("digest"),
    Column("says", flexible=True),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One pack, or why it is none.

    Attributes:
        name: that it is opened by.
        release: of its manifest; 0 for one that cannot be opened.
        holds: its models, as "encoder" and "scorer (int8)".
        needs: what it takes from another pack; empty for nothing.
        size: bytes of all its files.
        licence: SPDX expression of the weights.
        digest: sha256 of its manifest, in hex.
        signed: whether it carries a signature; by whom, only a host's ``Trust`` can say.
        error: why it cannot be opened; empty where it can.
    """

    name: str
    release: int = 0
    holds: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    size: int = 0
    licence: str = ""
    digest: str = ""
    signed: bool = False
    error: str = ""


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "packs",
        help="list the packs that can be opened by name",
        description="List the shipped packs and those that pip has installed: what they hold, what "
        "they need of another pack, size, licence and digest. Every file is read and compared with "
        "its manifest; the check fails when one is not sound.",
        checks=True,
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Open each, and print."""
    found = [_look(name) for name in _names()]
    if arguments.json:
        packs = [asdict(one) for one in found]
        console.say(json.dumps({"packs": packs}, ensure_ascii=False, indent=2))
    else:
        console.table(_COLUMNS, [_row(one) for one in found])
    return EXIT_CHECK_FAILED if any(one.error for one in found) else EXIT_DONE


def _names() -> list[str]:
    shipped = [SHIPPED]
    with suppress(PackNotFound):  # a host may have left it out
        multilingual_pack()
        shipped.append(MULTILINGUAL)
    return [*dict.fromkeys([*shipped, *installed_packs()])]


def _look(name: str) -> Found:
    try:
        pack = Pack.open(name)
    except EdgeRerankError as error:
        return Found(name, error=str(error))
    manifest = pack.manifest
    return Found(
        name=name,
        release=manifest.release,
        holds=_models(manifest),
        # A scorer ranks beside an encoder's vectors; the shipped pack has one.
        needs=() if manifest.encoder else ("encoder",),
        size=sum(entry.size for entry in manifest.files),
        licence=manifest.licence,
        digest=pack.digest,
        signed=(pack.path / SIGNATURE_NAME).is_file(),
    )


def _models(manifest: Manifest) -> tuple[str, ...]:
    quantised = {
        "encoder": manifest.encoder,
        "scorer": manifest.scorer,
        "pairs": manifest.pair_scorer,
        "pictures": manifest.image_encoder,
        "sounds": manifest.audio_encoder,
    }
    models = [
        f"{name} ({_UNQUANTISED if part.quantisation == 'none' else part.quantisation})"
        for name, part in quantised.items()
        if part
    ]
    return (*models, *(["history encoder"] if manifest.history_encoder else []))


def _row(found: Found) -> tuple[str, ...]:
    if found.error:
        return ("✗", found.name, "", "", "", "", "", found.error)
    remarks = ["signed"] if found.signed else []
    remarks += [f"takes its {part} from the shipped pack or another" for part in found.needs]
    return (
        "✓",
        found.name,
        str(found.release),
        ", ".join(found.holds),
        f"{found.size / _MIB:.1f}",
        found.licence,
        found.digest[:_DIGEST_SHOWN],
        "; ".join(remarks),
    )
