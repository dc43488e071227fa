from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from edge_rerank import Event, Item
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.rekey import begin_epoch
from edge_rerank.history.vault.store import HistoryStore

from .conftest import Run


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    path, key = tmp_path / "me.db", tmp_path / "key"
    with HistoryStore.open(path, KeyFile.create(key)) as store:
        for user in ("alice", "bob"):
            store.set_consent(user, "personalisation", True)
            store.append(user, [Event("click", Item(str(n)), timestamp=n) for n in range(3)])
    return ["--history", str(path), "--key-file", str(key)]


def test_a_whole_history(run: Run, arguments: list[str]) -> None:
    result = run("audit", "verify", *arguments)
    assert result.code == 0
    assert result.out.startswith("whole: 6 events of 2 people and 3 audit entries")
    report = json.loads(run("audit", "verify", *arguments, "--json").out)
    assert (report["ok"], report["events"], report["findings"]) == (True, 6, [])


def test_a_changed_history(run: Run, arguments: list[str]) -> None:
    with sqlite3.connect(arguments[1]) as connection:
        connection.execute("DELETE FROM events WHERE key = (SELECT max(key) FROM events)")
    connection.close()
    result = run("audit", "verify", *arguments)
    assert result.code == 1
    assert result.out.startswith("damaged or changed: ")


def test_what_is_not_there(run: Run, arguments: list[str], tmp_path: Path) -> None:
    assert run("audit", "verify", "--history", "none", "--key-file", "none").code == 2
    assert run("audit", "verify", *arguments[:2], "--key-file", str(tmp_path / "no")).code == 2


def test_the_report_in_three_forms(run: Run, arguments: list[str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("audit", "report", *arguments, "--json", "--html", str(page))
    assert result.code == 1  # no retention is set, and the key lies beside the history
    assert json.loads(result.out)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    text = run("audit", "report", *arguments)
    assert "at least one check failed" in text.out


def test_an_old_copy_with_an_anchor(run: Run, arguments: list[str], tmp_path: Path) -> None:
    path, key, anchor = Path(arguments[1]), Path(arguments[3]), tmp_path / "anchor"
    anchored = (*arguments, "--anchor", str(anchor))
    assert "the anchor agrees" in run("audit", "verify", *anchored).out
    before = path.read_bytes()
    with HistoryStore.open(path, KeyFile(key), anchor=anchor) as store:
        store.set_consent("alice", "aggregates", True)
    path.write_bytes(before)
    result = run("audit", "verify", *anchored)
    assert result.code == 1
    assert "newer state" in result.out


def test_every_key_is_replaced(run: Run, arguments: list[str], tmp_path: Path) -> None:
    former = Path(arguments[3]).read_bytes()
    result = run("audit", "rekey", *arguments)
    assert result.code == 0
    assert result.out.startswith("2 people with 6 events and ")
    assert Path(arguments[3]).read_bytes() != former
    receipt = json.loads(run("audit", "rekey", *arguments, "--json").out)
    assert (receipt["people"], receipt["events"], receipt["resumed"]) == (2, 6, False)
    assert run("audit", "verify", *arguments).code == 0
    (tmp_path / "former").write_bytes(former)
    (tmp_path / "former").chmod(0o600)
    assert run("audit", "rekey", *arguments[:3], str(tmp_path / "former")).code == 2
    assert run("audit", "rekey", "--history", "none", "--key-file", "none").code == 2


def test_a_rekey_that_was_cut_short_goes_on(run: Run, arguments: list[str]) -> None:
    with HistoryStore.open(Path(arguments[1]), KeyFile(arguments[3])) as store:
        begin_epoch(store._vault)
    result = run("audit", "rekey", *arguments)
    assert result.code == 0
    assert "cut short before: call again" in result.out
    assert "cut short" not in run("audit", "rekey", *arguments).out


def test_a_rekey_leaves_what_is_damaged_behind(run: Run, arguments: list[str]) -> None:
    with sqlite3.connect(arguments[1]) as connection:
        connection.execute("DELETE FROM events WHERE key = (SELECT max(key) FROM events)")
    connection.close()
    result = run("audit", "rekey", *arguments)
    assert result.code == 1
    assert "1 damaged records were left behind" in result.err


@pytest.mark.parametrize(
    "given",
    [
        ("--key-env", "EDGE_RERANK_UNSET"),
        ("--keyring", "edge-rerank", "history"),
        ("--key-file", "key", "--passphrase-env", "EDGE_RERANK_UNSET"),
        (),
    ],
)
def test_a_report_needs_the_key_wherever_it_is_kept(
    run: Run, arguments: list[str], given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    result = run("audit", "report", *arguments[:2], *given)
    assert result.code == 2
    assert result.err
