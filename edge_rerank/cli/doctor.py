"""``edge-rerank doctor``: what runs here, and whether all is well."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import edge_rerank
from edge_rerank import _telemetry
from edge_rerank.cli.console import HAS_RICH, Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_encoding,
    add_history,
    add_items,
    add_json,
    add_pack,
    add_runtime,
    add_user,
    items_of,
    open_history,
    runtime_of,
)
from edge_rerank.errors import EdgeRerankError, InferenceError, InvalidRequest, PackNotFound
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.sqlite import sqlite_facts
from edge_rerank.inference.providers import forms, judge
from edge_rerank.inference.session import available_providers
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import multilingual_pack
from edge_rerank.profile import read_profile
from edge_rerank.ranking.answer import UNREAD_SHARE
from edge_rerank.ranking.choice import open_engine
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.render.texttable import Column
from edge_rerank.types import Item

SCRIPTS = {
    "Latin": "how to bake bread at home",
    "Cyrillic": "как испечь хлеб дома",
    "Greek": "πώς να ψήσετε ψωμί στο σπίτι",
    "Arabic": "كيف تخبز الخبز في المنزل",
    "Hebrew": "איך לאפות לחם בבית",
    "Devanagari": "घर पर रोटी कैसे बनाएं",
    "Bengali": "বাড়িতে রুটি কীভাবে বানাবেন",
    "Tamil": "வீட்டில் ரொட்டி செய்வது எப்படி",
    "Thai": "วิธีอบขนมปังที่บ้าน",
    "Georgian": "როგორ გამოვაცხოთ პური სახლში",
    "Armenian": "ինչպես հաց թխել տանը",
    "Chinese": "怎样在家里烤面包",
    "Japanese": "家でパンを焼く方法",
    "Korean": "집에서 빵을 굽는 방법",
}
"""How to bake bread at home, in the scripts that most is written in."""

_LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "cryptography", "sqlite-utils")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its name, what was found, and whether that is as it should be.

    A warning is fine here, and would be better elsewhere. What is absent need not be there.
    """

    name: str
    found: str
    ok: bool = True
    warning: bool = False
    absent: bool = False


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "doctor",
        help="check this installation",
        description="Print versions, the execution provider that really runs, the state of "
        "telemetry, whether the pack, and the key file if one is named, are sound, in which "
        "scripts the pack reads, and which providers take it; with --items, or --history, "
        "--key-file and --user, also what share of their texts it cannot read.",
        checks=True,
    )
    add_items(parser, required=False)
    add_encoding(parser)
    add_history(parser, required=False)
    add_user(parser, required=False)
    add_pack(parser)
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Look and print."""
    _check_combination(arguments)
    findings = tuple(_look(arguments))
    healthy = all(finding.ok for finding in findings)
    if arguments.json:
        report = {"ok": healthy, "findings": [asdict(finding) for finding in findings]}
        console.say(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        columns = (Column(""), Column("what"), Column("found", flexible=True))
        rows = [(_mark(one), one.name, one.found) for one in findings]
        console.table(columns, rows)
    return EXIT_DONE if healthy else EXIT_CHECK_FAILED


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "✗"
    if finding.absent:
        return "-"
    return "!" if finding.warning else "✓"


def _check_combination(arguments: argparse.Namespace) -> None:
    if arguments.history is None:
        for flag, value in (("--user", arguments.user), ("--anchor", arguments.anchor)):
            if value is not None:
                raise InvalidRequest(f"{flag}: expected together with --history")
    elif arguments.key_file is None or arguments.user is None:
        raise InvalidRequest("--history: expected together with --key-file and --user")


def _look(arguments: argparse.Namespace) -> Iterator[Finding]:
    yield Finding("edge-rerank", edge_rerank.__version__)
    yield Finding(
        "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for name in _LIBRARIES:
        yield _library(name)
    yield _sqlite()
    yield Finding("rich", "installed" if HAS_RICH else "not installed: plain tables")
    yield _telemetry_state()
    yield _checked("providers offered", lambda: ", ".join(available_providers()))
    yield from _pack(arguments)
    if arguments.key_file is not None:
        yield _checked("key file", lambda: _key(arguments.key_file))


def _library(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, f"not installed: pip install {name}", ok=False)


def _sqlite() -> Finding:
    facts = sqlite_facts()
    if not facts.flaws:
        return Finding("SQLite", facts.version)
    found = (
        f"{facts.version}, known for {', '.join(facts.flaws)}: unless your system has mended that "
        f"in it, update SQLite to {facts.mended}"
    )
    return Finding("SQLite", found, warning=True)


def _telemetry_state() -> Finding:
    if _telemetry.TELEMETRY_OFF:
        return Finding("telemetry of onnxruntime", "off")
    found = "may be on: onnxruntime was imported before edge_rerank"
    return Finding("telemetry of onnxruntime", found, ok=False)


def _pack(arguments: argparse.Namespace) -> Iterator[Finding]:
    try:
        engine = open_engine(arguments.pack, runtime=runtime_of(arguments))
    except EdgeRerankError as error:
        yield Finding("pack", str(error), ok=False)
        return
    with engine:
        manifest = engine.pack.manifest
        yield Finding("pack", f"{manifest.name}, release {manifest.release}, {manifest.licence}")
        pinned = " (as pinned)" if engine.pack.pinned else ""
        yield Finding("pack digest", engine.pack.digest + pinned)
        yield Finding(
            "provider that runs", f"{', '.join(engine.providers)}; {engine.threads} threads"
        )
        yield _checked("model", lambda: _try_model(engine))
        yield Finding("scripts that it reads", _scripts(engine))
        if arguments.pack is None:
            yield _second()
        yield from _texts(arguments, engine)
    yield from _providers(engine.pack.path)


def _second() -> Finding:
    """The pack that ranks what the default one cannot read; a host may have left it out."""
    name = "for texts that are not English"
    try:
        manifest = Pack.open(multilingual_pack()).manifest
    except PackNotFound as error:
        return Finding(name, str(error), warning=True)
    except EdgeRerankError as error:
        return Finding(name, str(error), ok=False)
    return Finding(name, f"{manifest.name}, release {manifest.release}, {manifest.licence}")


def _providers(folder: Path) -> Iterator[Finding]:
    """Which providers take the pack, and why others do not."""
    pack = Pack.open(folder)
    held = ", ".join(f"{part} {form}" for part, form in forms(pack.manifest).items())
    yield Finding("forms of its weights", held)
    for one in judge(pack):
        suits = one.takes is not False
        yield Finding(f"on {one.provider}", one.found, warning=not suits, absent=not one.installed)


def _try_model(engine: RankingEngine) -> str:
    near, far, query = engine.vectors(
        [
            Item("1", "how to bake bread"),
            Item("2", "football cup final"),
            Item("3", "baking a loaf"),
        ]
    )
    if not np.isclose(np.linalg.norm(near), 1.0, atol=1e-3) or near @ query <= far @ query:
        raise InferenceError("its vectors make no sense")
    return f"runs, vectors of {near.size} numbers"


def _scripts(engine: RankingEngine) -> str:
    read = [name for name, text in SCRIPTS.items() if not engine.unread([text])]
    return ", ".join(read) or "none of those that are tried"


def _texts(arguments: argparse.Namespace, engine: RankingEngine) -> Iterator[Finding]:
    """What of the host's own texts cannot be read."""
    if arguments.items is not None:
        yield _unread("texts of the items", lambda: _share_of_items(arguments, engine))
        if arguments.pack is None:
            yield _pack_for_items(arguments, engine)
    if arguments.history is not None:
        yield _unread("texts of the history", lambda: _share_of_history(arguments, engine))


def _pack_for_items(arguments: argparse.Namespace, engine: RankingEngine) -> Finding:
    """Which of the shipped packs the texts of the items are for."""
    name = "pack that ranks the items"
    try:
        manifest = engine.pack_for(items_of(arguments)).manifest
    except EdgeRerankError as error:
        return Finding(name, str(error), ok=False)
    return Finding(name, f"{manifest.name}, by the language of their texts")


def _share_of_items(arguments: argparse.Namespace, engine: RankingEngine) -> float:
    return engine.unread([item.text for item in items_of(arguments) if item.vector is None])


def _share_of_history(arguments: argparse.Namespace, engine: RankingEngine) -> float:
    with open_history(arguments) as history:
        return read_profile(history, arguments.user, unread=engine.unread).unread


def _unread(name: str, look: Callable[[], float]) -> Finding:
    try:
        share = look()
    except EdgeRerankError as error:
        return Finding(name, str(error), ok=False)
    return Finding(name, f"{share:.0%} cannot be read", ok=share < UNREAD_SHARE)


def _key(path: Path) -> str:
    KeyFile(path).load()
    return "32 bytes, closed to other users"


def _checked(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look())
    except EdgeRerankError as error:
        return Finding(name, str(error), ok=False)
