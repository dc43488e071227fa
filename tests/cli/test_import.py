from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from edge_rerank.history.history import History
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
    assert result.out.startswith(
        "Read as JSON lines in UTF-8, times as seconds since 1970.\n"
        "Events of 2 people, 1970-01-01 to 1970-01-01.\n"
    )
    first, second, hint = result.err.splitlines()
    assert first.startswith("line 5: type: expected one of ")
    assert second.startswith("line 6: expected one JSON object")
    assert "--type" in hint
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
        "form": "JSON lines in UTF-8, times as seconds since 1970",
        "people": 2,
        "first": 100,
        "last": 300,
        "without_text": 1,
    }
    assert len(result.err.splitlines()) == 3
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
    log.write_text("type,item,timestamp\nclick,a,1\n" + "stare,a,1\n" * 50)
    result = run("import", log, *stored, "--user", "ada", "--consent")
    assert result.code == 0
    assert counts(result.out)["bad lines, left out"] == 50
    *_, more, hint = result.err.splitlines()
    assert more == "30 more bad lines"
    assert "--type opened=view" in hint


def test_where_no_line_can_be_used_it_fails(
    run: Run, tmp_path: Path, stored: tuple[object, ...]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text("type,item,timestamp\nstare,a,1\nstare,b,2\n")
    result = run("import", log, *stored, "--user", "ada", "--consent")
    assert result.code == 2
    assert "nothing imported: no line of the log could be used" in result.err


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
    assert result.out.startswith(f"Read as {form}, times as seconds since 1970.\n")


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


RATINGS = (
    "userId,movieId,rating,timestamp\n"
    "1,10,4.5,1700000000\n"
    "1,11,0.5,1700000100\n"
    "2,10,3.0,1700000200\n"
    "2,99,3.0,soon\n"
)
MOVIES = "movieId,title,genres\n10,Alien Returns (1999),Sci-Fi|Horror\n"
MAPPED = ("--map", "user=userId,item=movieId", "--map", "value=rating", "--type", "rating")


@pytest.fixture
def ratings(tmp_path: Path) -> tuple[object, ...]:
    """A log of another program and its items, with the options that explain them."""
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "movies.csv").write_text(MOVIES)
    named = ("--items", tmp_path / "movies.csv", "--map-items", "id=movieId")
    return (tmp_path / "ratings.csv", *MAPPED, *named)


def test_a_log_of_another_program(
    run: Run, ratings: tuple[object, ...], stored: tuple[object, ...]
) -> None:
    result = run("import", *ratings, *stored, "--consent-all")
    assert result.code == 0
    assert counts(result.out)["stored"] == 3
    assert counts(result.out)["of items without a text"] == 1
    assert "Events of 2 people, 2023-11-14 to 2023-11-14." in result.out
    assert result.err.startswith("line 5: timestamp: expected ")
    assert "soon" not in result.err
    shown = json.loads(run("profile", "show", *stored, "--user", "1", "--json").out)
    assert shown["liked"] == ["10"]
    assert shown["disliked"] == ["11"]
    assert set(shown["top_categories"]) == {"Sci-Fi", "Horror"}


def test_what_the_layout_says_reaches_the_reader(
    run: Run, tmp_path: Path, stored: tuple[object, ...]
) -> None:
    log = tmp_path / "log.csv"
    log.write_bytes("Wer;Ding;date;was\na;b;03/04/2025;gekauft\n".encode("cp1252"))
    items = tmp_path / "items.csv"
    items.write_bytes("id;text\nb;Löffel\n".encode("cp1252"))
    named = ("--map", "user=Wer,item=Ding,type=was", "--items", items)
    arguments = ("import", log, *stored, "--consent-all", *named, "--type", "gekauft=purchase")
    refused = run(*arguments)
    assert refused.code == 2
    assert "items.csv:2: expected UTF-8" in refused.err
    result = run(*arguments, "--encoding", "cp1252", "--dates", "dmy")
    assert result.code == 0
    assert "2025-04-03 to 2025-04-03" in result.out
    assert counts(result.out)["of items without a text"] == 0
    data = json.loads(run("profile", "export", *stored, "--user", "a").out)
    assert data["events"][0]["item"]["text"] == "Löffel"


def test_everybodys_consent_asks_nobody_twice(
    run: Run, ratings: tuple[object, ...], stored: tuple[object, ...]
) -> None:
    assert run("consent", "give", *stored, "--user", "2").code == 0
    assert run("consent", "withdraw", *stored, "--user", "2").code == 0
    result = run("import", *ratings, *stored, "--consent-all")
    assert counts(result.out)["stored"] == 2
    assert counts(result.out)["of others without consent, left out"] == 1
    shown = run("consent", "show", *stored, "--user", "2", "--json")
    assert json.loads(shown.out) == {"personalisation": False}


def test_without_anybodys_consent(
    run: Run, ratings: tuple[object, ...], stored: tuple[object, ...], tmp_path: Path
) -> None:
    refused = run("import", *ratings, *stored)
    assert refused.code == 2
    assert "--consent-all" in refused.err
    assert not (tmp_path / "me.db").exists()
    nameless = run("import", *ratings, *stored, "--consent")
    assert (nameless.code, nameless.out) == (2, "")
    assert "expected together with --user" in nameless.err
    run("consent", "give", *stored, "--user", "1")
    result = run("import", *ratings, *stored)
    assert counts(result.out)["stored"] == 2


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--map", "user"), "expected OURS=THEIRS"),
        (("--map", "colour=c"), "columns: expected names of"),
        (("--map", "user=who"), "none called as was said of user"),
        (("--type", "stare"), "type: expected one of"),
        (("--type", ","), "expected a type of events"),
        (("--encoding", "latin-17"), "encoding: expected"),
    ],
)
def test_a_layout_that_is_none_leaves_nothing_behind(
    run: Run,
    ratings: tuple[object, ...],
    stored: tuple[object, ...],
    tmp_path: Path,
    flags: tuple[str, str],
    reason: str,
) -> None:
    before = sorted(tmp_path.iterdir())
    result = run("import", ratings[0], *stored, "--consent-all", *flags)
    assert result.code == 2
    assert reason in result.err
    assert sorted(tmp_path.iterdir()) == before


def test_the_bar_knows_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    lines = "".join(f"u{n % 40},view,i{n},{n}\n" for n in range(3_000))
    log.write_text(f"user,type,item,timestamp\n{lines}")
    told: list[tuple[int, int]] = []
    with History.open() as history:
        history.import_log(log, consent_all=True, progress=lambda *one: told.append(one))
        assert history.overview().people == 40
    assert {total for _, total in told} == {3_001}
    assert told == sorted(told)
    assert told[-1] == (3_001, 3_001)
    assert len(told) >= 40
