from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from edge_rerank.history.keys.sources import KeyFile

from .conftest import Run


@pytest.fixture
def stored(tmp_path: Path) -> tuple[object, ...]:
    """Options that name a history file and its key."""
    return ("--history", tmp_path / "me.db", "--key-file", tmp_path / "me.key")


def counts(text: str) -> dict[str, int]:
    rows = re.findall(r"^\s*(\w.*?)\s{2,}(\d+)\s*$", text, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows}


def test_import(run: Run, log: Path, stored: tuple[object, ...], tmp_path: Path) -> None:
    result = run("import", log, *stored, "--user", "ada", "--consent")
    assert result.code == 0
    assert counts(result.out) == {
        "good events": 4,
        "stored": 2,
        "known already": 1,
        "of others without consent, left out": 1,
        "of nobody, left out": 0,
        "bad lines, left out": 2,
    }
    assert result.out.startswith("Read as JSON lines in UTF-8.\n")
    first, second = result.err.splitlines()
    assert first.startswith("line 5: type: expected one of ")
    assert second.startswith("line 6: expected one JSON object")
    assert "secret-item" not in result.err
    if os.name == "posix":
        assert (tmp_path / "me.key").stat().st_mode & 0o077 == 0
    assert b"green tea" not in (tmp_path / "me.db").read_bytes()


def test_consent_is_needed_once(run: Run, log: Path, stored: tuple[object, ...]) -> None:
    refused = run("import", log, *stored, "--user", "ada")
    assert refused.code == 2
    assert refused.err == (
        "edge-rerank: the person has not agreed to personalisation: give --consent if they have\n"
    )
    assert not Path(str(stored[1])).exists()
    assert not Path(str(stored[3])).exists()
    assert run("import", log, *stored, "--user", "ada", "--consent").code == 0
    again = run("import", log, *stored, "--user", "ada")
    assert again.code == 0
    assert counts(again.out)["known already"] == 3
    assert run("import", log, *stored, "--user", "bob").code == 2


def test_json(run: Run, log: Path, stored: tuple[object, ...]) -> None:
    result = run("import", log, *stored, "--user", "ada", "--consent", "--json")
    assert result.code == 0
    summary = json.loads(result.out)
    assert [bad["line"] for bad in summary.pop("bad_lines")] == [5, 6]
    assert summary == {
        "read": 4,
        "stored": 2,
        "duplicates": 1,
        "without_user": 0,
        "without_consent": 1,
        "bad": 2,
        "form": "JSON lines in UTF-8",
    }
    assert len(result.err.splitlines()) == 2
    assert "secret-item" not in result.out + result.err


def test_an_anchor(run: Run, log: Path, stored: tuple[object, ...], tmp_path: Path) -> None:
    anchor = ("--anchor", tmp_path / "anchor")
    run("import", log, *stored, "--user", "ada", "--consent", *anchor)
    before = (tmp_path / "me.db").read_bytes()
    run("import", log, *stored, "--user", "bob", "--consent", *anchor)
    (tmp_path / "me.db").write_bytes(before)
    old = run("import", log, *stored, "--user", "ada", *anchor)
    assert old.code == 2
    assert "newer state" in old.err


def test_many_bad_lines_are_counted(run: Run, tmp_path: Path, stored: tuple[object, ...]) -> None:
    log = tmp_path / "log.csv"
    log.write_text("type,item,timestamp\n" + "stare,a,1\n" * 50)
    result = run("import", log, *stored, "--user", "ada", "--consent")
    assert result.code == 0
    assert counts(result.out)["bad lines, left out"] == 50
    assert result.err.splitlines()[-1] == "30 more bad lines"


def test_the_wrong_key(run: Run, log: Path, stored: tuple[object, ...], tmp_path: Path) -> None:
    run("import", log, *stored, "--user", "ada", "--consent")
    (tmp_path / "me.key").unlink()
    missing = run("import", log, *stored, "--user", "ada", "--consent")
    assert missing.code == 2
    assert "me.key: expected the key of the history file" in missing.err
    KeyFile.create(tmp_path / "me.key")
    other = run("import", log, *stored, "--user", "ada", "--consent")
    assert other.code == 2
    assert other.err.count("\n") == 1


@pytest.mark.parametrize("user", ["", "\udcff", "u" * 513])
def test_who_is_nobody(run: Run, log: Path, stored: tuple[object, ...], user: str) -> None:
    result = run("import", log, *stored, "--user", user, "--consent")
    assert result.code == 2
    assert "argument --user: user: expected" in result.err


def test_a_log_that_is_none(run: Run, tmp_path: Path, stored: tuple[object, ...]) -> None:
    result = run("import", tmp_path / "log.xml", *stored, "--user", "ada", "--consent")
    assert result.code == 2
    assert "expected .jsonl" in result.err


def test_a_table_with_a_byte_order_mark_is_everybodys_own(
    run: Run, tmp_path: Path, stored: tuple[object, ...]
) -> None:
    log = tmp_path / "log.csv"
    rows = "".join(f"u{number};view;a{number};{number}\r\n" for number in range(1, 101))
    log.write_text(f"User;Type;Item;Timestamp\r\n{rows}", encoding="utf-8-sig", newline="")
    result = run("import", log, *stored, "--user", "u1", "--consent")
    assert result.code == 0
    assert counts(result.out)["stored"] == 1
    assert counts(result.out)["of others without consent, left out"] == 99
    form = "CSV in UTF-8 with a byte-order mark, columns separated by semicolons"
    assert result.out.startswith(f"Read as {form}.\n")


def test_events_of_nobody_are_nobodys(run: Run, tmp_path: Path, stored: tuple[object, ...]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"user": null, "type": "search", "query": "tea", "timestamp": 1}\n')
    result = run("import", log, *stored, "--user", "ada", "--consent")
    assert counts(result.out)["of nobody, left out"] == 1
    assert counts(result.out)["stored"] == 0


@pytest.mark.parametrize("content", [None, "user,item\nu,a\n", "customer_id,type\nu,view\n"])
def test_what_is_no_log_leaves_nothing_behind(
    run: Run, tmp_path: Path, stored: tuple[object, ...], content: str | None
) -> None:
    log = tmp_path / "log.csv"
    if content is not None:
        log.write_text(content)
    before = sorted(tmp_path.iterdir())
    assert run("import", log, *stored, "--user", "ada", "--consent").code == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_history_that_cannot_be_made_leaves_nothing_behind(
    run: Run, tmp_path: Path, log: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    nowhere = ("--history", tmp_path / "missing" / "me.db", "--key-file", tmp_path / "me.key")
    result = run("import", log, *nowhere, "--user", "ada", "--consent")
    assert result.code == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_log_notes_no_consent(
    run: Run, tmp_path: Path, log: Path, stored: tuple[object, ...]
) -> None:
    assert run("import", log, *stored, "--user", "ada", "--consent").code == 0
    assert run("import", tmp_path / "no.csv", *stored, "--user", "bob", "--consent").code == 2
    refused = run("import", log, *stored, "--user", "bob")
    assert "has not agreed" in refused.err
