"""A pack's folder, written whole or not at all.

A pack is put together in a temporary folder beside its destination, loaded through
edge_rerank, and only then renamed, so that nobody ever sees half a pack.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
)
from edge_rerank.packs.pack import Pack
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.sources.weights import file_sha256

CARD_NAME = "MODEL_CARD.md"


@contextmanager
def staged(output: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes ``output`` when the block ends without an error.

    Args:
        output: the pack's folder to be.
        overwrite: whether a pack that is there already may be replaced.

    Raises:
        RecipeError: when something is at ``output`` that may not be replaced.
    """
    output = output.absolute()
    if output.exists() and not (overwrite and (output / MANIFEST_NAME).is_file()):
        wanted = "a pack to replace" if overwrite else "nothing there yet, or --overwrite"
        raise RecipeError(f"output: expected {wanted} at {output.name}, found something else")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as work:
        stage = Path(work) / "new"
        stage.mkdir()
        yield stage
        if output.exists():
            output.rename(Path(work) / "old")
        stage.rename(output)


def file_entries(stage: Path) -> tuple[FileEntry, ...]:
    """Name, size and sha256 of every file in ``stage`` but the manifest, by name."""
    return tuple(
        FileEntry(path.name, path.stat().st_size, file_sha256(path))
        for path in sorted(stage.iterdir())
        if path.name != MANIFEST_NAME
    )


def write_manifest(stage: Path, manifest: Manifest) -> Pack:
    """Write ``manifest.json`` and read the pack back through the runtime.

    Raises:
        PackError: when the runtime refuses it.
    """
    (stage / MANIFEST_NAME).write_bytes(manifest.to_json())
    return Pack.open(stage)


def add_findings(stage: Path, section: str, figures: Mapping[str, float]) -> Pack:
    """Write what was found by running a pack on its card and into its manifest.

    Args:
        stage: a whole pack.
        section: Markdown, to stand at the end of the card.
        figures: for ``verification``, beside those that are there.

    Raises:
        PackError: when the runtime refuses the pack, before or after.
    """
    manifest = Pack.open(stage).manifest
    card = stage / CARD_NAME
    card.write_text(f"{card.read_text(encoding='utf-8')}\n{section}", encoding="utf-8")
    verification = {**manifest.verification, **figures}
    return write_manifest(
        stage, replace(manifest, files=file_entries(stage), verification=verification)
    )
