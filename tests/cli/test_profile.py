from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge_rerank.history.importers import ImportedEvent, read_log

from .conftest import EVENTS, Run


@pytest.fixture
def robin(run: Run, tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history with the example events."""
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key", "--user", "robin")
    assert run("import", EVENTS, *stored, "--consent").code == 0
    return stored


def test_show(run: Run, robin: tuple[object, ...]) -> None:
    result = run("profile", "show", *robin)
    assert (result.code, result.err) == (0, "")
    for words in ("events", "12", "turns to: Kitchen", "long fermentation", "given"):
        assert words in result.out
    report = json.loads(run("profile", "show", *robin, "--json").out)
    assert report["events"] == 12
    assert report["consents"] == {"personalisation": True}


def test_export(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    printed = json.loads(run("profile", "export", *robin).out)
    assert printed["profile"]["events"] == len(printed["events"]) == 12
    output = tmp_path / "me.json"
    assert run("profile", "export", *robin, "--output", output).code == 0
    assert json.loads(output.read_text(encoding="utf-8")) == printed
    # What was exported can be imported again.
    log = tmp_path / "again.jsonl"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in printed["events"]))
    original = [found.event for found in read_log(EVENTS) if isinstance(found, ImportedEvent)]
    again = [found.event for found in read_log(log) if isinstance(found, ImportedEvent)]
    assert again == original


def test_export_that_cannot_be_written(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    result = run("profile", "export", *robin, "--output", tmp_path / "no" / "me.json")
    assert result.code == 2
    assert "cannot be written" in result.err


def test_forget(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    key = (tmp_path / "me.key").read_bytes()
    asked = run("profile", "forget", *robin)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert json.loads(run("profile", "show", *robin, "--json").out)["events"] == 12
    result = run("profile", "forget", *robin, "--yes")
    assert result.code == 0
    assert result.out.startswith("12 events erased")
    assert (tmp_path / "me.key").read_bytes() != key
    report = json.loads(run("profile", "show", *robin, "--json").out)
    assert (report["events"], report["consents"]) == (0, {})


def test_a_stranger(run: Run, robin: tuple[object, ...]) -> None:
    result = run("profile", "show", *robin[:-1], "nobody", "--json")
    assert json.loads(result.out)["events"] == 0


@pytest.mark.parametrize("action", ["show", "export", "forget"])
def test_no_history(run: Run, tmp_path: Path, action: str) -> None:
    extra = ("--yes",) if action == "forget" else ()
    stored = ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key")
    result = run("profile", action, *stored, "--user", "robin", *extra)
    assert result.code == 2
    assert "expected a history file, found none" in result.err
    assert not (tmp_path / "me.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs file modes")
def test_a_key_open_to_others(run: Run, robin: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "me.key").chmod(0o644)
    result = run("profile", "show", *robin)
    assert result.code == 2
    assert "chmod 600" in result.err
