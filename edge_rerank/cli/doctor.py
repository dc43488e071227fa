"""``edge-rerank doctor``: what runs here, and whether all is well."""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
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
    add_json,
    add_key_file,
    add_pack,
    add_runtime,
    runtime_of,
)
from edge_rerank.errors import EdgeRerankError, InferenceError
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.inference.session import available_providers
from edge_rerank.packs.shipped import SHIPPED_DIGEST
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.render.texttable import Column
from edge_rerank.types import Item

_LIBRARIES = ("onnxruntime", "tokenizers", "numpy", "cryptography", "sqlite-utils")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its name, what was found, and whether that is as it should be."""

    name: str
    found: str
    ok: bool = True


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "doctor",
        help="check this installation",
        description="Print versions, the execution provider that really runs, the state of "
        "telemetry, and whether the pack, and the key file if one is named, are sound.",
        checks=True,
    )
    add_key_file(parser, required=False)
    add_pack(parser)
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Look and print."""
    findings = tuple(_look(arguments))
    healthy = all(finding.ok for finding in findings)
    if arguments.json:
        report = {"ok": healthy, "findings": [asdict(finding) for finding in findings]}
        console.say(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        columns = (Column(""), Column("what"), Column("found", flexible=True))
        rows = [("✓" if one.ok else "✗", one.name, one.found) for one in findings]
        console.table(columns, rows)
    return EXIT_DONE if healthy else EXIT_CHECK_FAILED


def _look(arguments: argparse.Namespace) -> Iterator[Finding]:
    yield Finding("edge-rerank", edge_rerank.__version__)
    yield Finding(
        "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for name in _LIBRARIES:
        yield _library(name)
    yield Finding("SQLite", sqlite3.sqlite_version)
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


def _telemetry_state() -> Finding:
    if _telemetry.TELEMETRY_OFF:
        return Finding("telemetry of onnxruntime", "off")
    found = "may be on: onnxruntime was imported before edge_rerank"
    return Finding("telemetry of onnxruntime", found, ok=False)


def _pack(arguments: argparse.Namespace) -> Iterator[Finding]:
    try:
        engine = RankingEngine.open(arguments.pack, runtime=runtime_of(arguments))
    except EdgeRerankError as error:
        yield Finding("pack", str(error), ok=False)
        return
    with engine:
        manifest = engine.pack.manifest
        yield Finding("pack", f"{manifest.name}, release {manifest.release}, {manifest.licence}")
        pinned = " (as pinned)" if engine.pack.digest == SHIPPED_DIGEST else ""
        yield Finding("pack digest", engine.pack.digest + pinned)
        yield Finding(
            "provider that runs", f"{', '.join(engine.providers)}; {engine.threads} threads"
        )
        yield _checked("model", lambda: _try_model(engine))


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


def _key(path: Path) -> str:
    KeyFile(path).load()
    return "32 bytes, closed to other users"


def _checked(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look())
    except EdgeRerankError as error:
        return Finding(name, str(error), ok=False)
