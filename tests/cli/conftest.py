from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_rerank.cli import main

CATALOGUE = Path(__file__).parents[2] / "examples" / "catalogue"
ITEMS = CATALOGUE / "items.jsonl"
EVENTS = CATALOGUE / "events.jsonl"


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, as in a pipe: ``run("demo", "--threads", 1)``."""
    # Test runners set the width of a terminal that there is not.
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: object) -> Result:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as exit_:  # argparse leaves this way
            code = exit_.code if isinstance(exit_.code, int) else 1
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with two people, a duplicate, an anonymous event and two bad lines."""
    lines = [
        {"user": "ada", "type": "click", "item": {"id": "a", "text": "Tea"}, "timestamp": 100},
        {"user": "ada", "type": "click", "item": "a", "timestamp": 100},
        {"user": "bob", "type": "like", "item": "b", "timestamp": 200},
        {"type": "search", "query": "green tea", "timestamp": 300},
        {"user": "ada", "type": "stare", "item": "secret-item"},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{not json\n")
    return path
