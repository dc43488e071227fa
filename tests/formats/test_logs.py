from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from edge_rerank.errors import DataError
from edge_rerank.formats import logs
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.logs import BadLine, ImportedEvent, read_log
from edge_rerank.types import EventType


def write(path: Path, *records: object) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_json_lines_good_and_bad(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl",
        {
            "user": "u",
            "type": "view",
            "item": {"id": "a", "text": "A"},
            "timestamp": 5,
            "dwell_s": 3,
        },
        "{not json",
        {"user": "u", "type": "click", "item": "a", "timestamp": "2024-01-01T00:00:00Z"},
        {"user": "u", "type": "teleport", "item": "a"},
        {"user": "u", "type": "view", "item": "a", "dwell_s": "NaN"},
        [1, 2],
        {"type": "search", "query": "tea", "timestamp": 1_700_000_000_000},
    )
    entries = list(read_log(log))
    good = [entry for entry in entries if isinstance(entry, ImportedEvent)]
    bad = [entry for entry in entries if isinstance(entry, BadLine)]
    assert [entry.line for entry in good] == [1, 3, 7]
    assert [entry.line for entry in bad] == [2, 4, 5, 6]
    assert good[1].event.item is not None
    assert good[1].event.item.text == "A"  # known from line 1
    assert good[1].event.timestamp == 1_704_067_200
    assert good[2].event.timestamp == 1_700_000_000
    assert good[2].user is None
    assert "teleport" not in bad[1].reason


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("user,type,item,text,categories,timestamp,dwell_s,scroll\n")
        stream.write('u,view,a,"Tea, green",Drinks|Tea,100,12.5,0.5\n')
        stream.write("u,view,a,,,100,minus one,\n")
        stream.write("u,view\n")
    first, second, third = read_log(path)
    assert isinstance(first, ImportedEvent)
    assert first.event.item is not None
    assert first.event.item.categories == ("Drinks", "Tea")
    assert (first.event.dwell_s, first.event.scroll) == (12.5, 0.5)
    assert isinstance(second, BadLine)
    assert second.reason.startswith("dwell_s")
    assert isinstance(third, BadLine)


def test_metarank_envelope(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log.jsonl",
        {
            "event": "item",
            "id": "e0",
            "item": "p1",
            "timestamp": "1599391467000",
            "fields": [{"name": "title", "value": "Lamp"}, {"name": "category", "value": "Home"}],
        },
        {"event": "user", "id": "e1", "user": "u1", "timestamp": "1599391467000", "fields": []},
        {
            "event": "ranking",
            "id": "r1",
            "timestamp": "1599391467000",
            "user": "u1",
            "items": [{"id": "p2", "relevancy": 1.0}, {"id": "p1"}],
        },
        {
            "event": "interaction",
            "id": "e2",
            "ranking": "r1",
            "timestamp": "1599391468000",
            "user": "u1",
            "session": "s1",
            "type": "purchase",
            "item": "p1",
            "fields": [],
        },
        {"event": "weather"},
    )
    entries = list(read_log(log))
    events = [entry.event for entry in entries if isinstance(entry, ImportedEvent)]
    assert [event.type for event in events] == [
        EventType.IMPRESSION,
        EventType.IMPRESSION,
        EventType.PURCHASE,
    ]
    assert [event.position for event in events] == [1, 2, None]
    assert events[2].item is not None
    assert (events[2].item.text, events[2].item.categories) == ("Lamp", ("Home",))
    assert (events[2].timestamp, events[2].ranking, events[2].id) == (1599391468.0, "r1", "e2")
    assert isinstance(entries[-1], BadLine)


@pytest.mark.parametrize("name", ["log.xml", "log", "missing.jsonl"])
def test_unreadable_files(tmp_path: Path, name: str) -> None:
    if name != "missing.jsonl":
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError):
        list(read_log(tmp_path / name))


def test_a_csv_without_the_type_column_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\nu,a\n")
    with pytest.raises(DataError, match=r":1: expected a header"):
        list(read_log(path))


def test_a_truncated_archive(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"type": "search", "query": "tea"}\n' * 5000)[:60])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_log(path))


ROWS = (
    ("user", "type", "item", "text", "timestamp", "dwell_s"),
    ("ada", "view", "a", "初学者的第一台望远镜与月球地图", "100", "3.5"),
    ("bob", "view", "b", "面包", "200", ""),
)


def events_of(path: Path) -> list[ImportedEvent]:
    entries = list(read_log(path))
    assert not [entry for entry in entries if isinstance(entry, BadLine)]
    return [entry for entry in entries if isinstance(entry, ImportedEvent)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk"])
@pytest.mark.parametrize(("sign", "word"), [(",", "commas"), (";", "semicolons"), ("\t", "tabs")])
def test_what_spreadsheets_write(tmp_path: Path, encoding: str, sign: str, word: str) -> None:
    path = tmp_path / "log.csv"
    text = "\r\n".join(sign.join(row) for row in ROWS)
    path.write_bytes(text.encode(encoding))
    ada, bob = events_of(path)
    assert (ada.user, ada.line, ada.event.dwell_s, ada.nobodys) == ("ada", 2, 3.5, False)
    assert ada.event.item is not None
    assert ada.event.item.text == ROWS[1][3]
    assert (bob.user, bob.event.timestamp, bob.event.dwell_s) == ("bob", 200, None)
    assert f", columns separated by {word}, times as seconds since 1970" in read_log(path).form
    path.write_bytes(f"sep={sign}\r\n{text}".encode(encoding))
    assert [one.line for one in events_of(path)] == [3, 4]


def test_blank_lines_before_the_header_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\n \nuser,type,item\n\nu,view,a\nu,view\n")
    good, bad = read_log(path)
    assert isinstance(good, ImportedEvent) and isinstance(bad, BadLine)
    assert (good.line, bad.line) == (5, 6)


def test_two_columns_of_one_name_are_not_chosen_between(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,type,item,user,note,note\nu,view,a,v,x,y\n")
    with pytest.raises(DataError, match=r"log\.csv:1: expected one column for 'user', got several"):
        read_log(path)
    path.write_text("user,type,item,note,note\nu,view,a,x,y\n")
    (entry,) = read_log(path)
    assert isinstance(entry, ImportedEvent)


def test_a_byte_order_mark_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = '{"user": "ada", "type": "search", "query": "tea", "timestamp": 1}\n'
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes((line * 2).encode(encoding))
        assert [one.user for one in events_of(path)] == ["ada", "ada"]


@pytest.mark.parametrize(
    "name", ["user", "User", " USER ", "user_id", "User ID", "userId", "UserID", "user-id"]
)
def test_the_user_by_names_that_mean_it(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "log.jsonl", {name: 7, "type": "search", "query": "tea"})
    assert [one.user for one in events_of(path)] == ["7"]
    table = tmp_path / "log.csv"
    table.write_text(f"{name},type,query\n7,search,tea\n")
    assert [one.user for one in events_of(table)] == ["7"]


@pytest.mark.parametrize(
    "name",
    [
        *("customer_id", "customerId", "CustomerID", "customerid", "Customer No.", "visitor"),
        *("client_id", "member-id", "anonymous_id", "distinct_id", "user_pseudo_id", "username"),
        *("user_email", "E-Mail", "uid", "user_uuid", "device_id", "Kundennummer", "Benutzername"),
        *("用户", "用户ID", "会员编号", "顾客"),
    ],
)
def test_what_looks_like_a_person_is_never_another_one(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / "log.jsonl",
        {name: "ada", "type": "search", "query": "tea"},
        {name: "ada", "user": "bob", "type": "search", "query": "tea"},
    )
    bad, good = read_log(path)
    assert isinstance(bad, BadLine)
    assert bad.reason.startswith("user: expected a member of that name")
    assert isinstance(good, ImportedEvent)
    assert good.user == "bob"
    table = tmp_path / "log.csv"
    table.write_text(f"{name},type,query\nada,search,tea\n", encoding="utf-8")
    with pytest.raises(DataError, match=r":1: user: expected a column of that name"):
        read_log(table)


@pytest.mark.parametrize(
    "name",
    [
        *("user_agent", "User Age", "client", "device", "guest", "member_price", "account_type"),
        *("session_id", "page", "page_id", "id", "name", "用户年龄", "ref", "", "login", "tags"),
    ],
)
def test_what_does_not_look_like_a_person_is_passed_over(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "log.jsonl", {name: "x", "type": "search", "query": "tea"})
    assert [one.user for one in events_of(path)] == [None]


def test_whole_numbers_are_identifiers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.jsonl",
        {"user": 1, "type": "view", "item": {"id": 2, "text": "Tea"}, "id": 3, "ranking": 4},
        {"user": 1, "type": "view", "item": 2},
        {"event": "item", "item": 5, "fields": [{"name": "title", "value": "Lamp"}]},
        {"event": "ranking", "id": 6, "user": 7, "items": [{"id": 5}, 2], "timestamp": 1},
        {"event": "interaction", "type": "click", "item": 5, "user": 7, "ranking": 6, "id": 8},
    )
    entries = events_of(path)
    assert [one.user for one in entries] == ["1", "1", "7", "7", "7"]
    items = [one.event.item for one in entries if one.event.item is not None]
    assert [(item.id, item.text) for item in items] == [
        *(("2", "Tea"), ("2", "Tea"), ("5", "Lamp"), ("2", "Tea"), ("5", "Lamp"))
    ]
    assert [(one.event.id, one.event.ranking) for one in entries] == [
        *(("3", "4"), (None, None), (None, "6"), (None, "6"), ("8", "6"))
    ]


def test_numbers_that_stand_in_strings_are_numbers(tmp_path: Path) -> None:
    values = ['"4"', '" 4.5 "', '"-1"', '""', "null", '"4,5"', '"five"', '"nan"', '"1e999"', "true"]
    lines = [f'{{"user": "u", "type": "rating", "item": "i", "stars": {one}}}' for one in values]
    path = write(tmp_path / "log.jsonl", *lines)
    entries = list(read_log(path, FileLayout({"value": "stars"})))
    good = [one.event.value for one in entries if isinstance(one, ImportedEvent)]
    bad = [one.line for one in entries if isinstance(one, BadLine)]
    assert (good, bad) == ([4.0, 4.5, -1.0, None, None], [6, 7, 8, 9, 10])
    write(path, {"user": "u", "type": "view", "item": "i", "dwell_s": "12", "scroll": "0.5"})
    (entry,) = read_log(path)
    assert isinstance(entry, ImportedEvent)
    assert (entry.event.dwell_s, entry.event.scroll) == (12.0, 0.5)


def test_a_user_that_is_null_is_nobody(tmp_path: Path) -> None:
    event = {"type": "search", "query": "tea", "timestamp": 1}
    interaction = {"event": "interaction", "type": "click", "item": "a", "timestamp": 1}
    path = write(
        tmp_path / "log.jsonl",
        event,
        {**event, "user": None},
        {**interaction, "user": None},
        {**event, "user": ""},
    )
    unsaid, null, anonymous, empty = read_log(path)
    assert isinstance(unsaid, ImportedEvent)
    assert (unsaid.user, unsaid.nobodys) == (None, False)
    for one in (null, anonymous):
        assert isinstance(one, ImportedEvent)
        assert (one.user, one.nobodys) == (None, True)
    assert isinstance(empty, BadLine)
    table = tmp_path / "log.csv"
    table.write_text("user,type,query\n ,search,tea\nada,search,tea\n")
    assert [(one.user, one.nobodys) for one in events_of(table)] == [(None, True), ("ada", False)]


@pytest.mark.parametrize("time", [None, "", " "])
def test_an_empty_time_is_a_bad_line(tmp_path: Path, time: str | None) -> None:
    path = write(
        tmp_path / "log.jsonl",
        {"type": "search", "query": "tea", "timestamp": time},
        {"event": "interaction", "type": "click", "item": "a", "user": "u", "timestamp": time},
        {"event": "ranking", "id": "r", "items": ["a"], "user": "u", "timestamp": time},
        {"type": "search", "query": "tea"},
    )
    *bad, missing = read_log(path)
    assert all(isinstance(one, BadLine) and one.reason.startswith("timestamp") for one in bad)
    assert isinstance(missing, ImportedEvent)
    table = tmp_path / "log.csv"
    table.write_text(f"type,query,timestamp\nsearch,tea,{time or ''}\nsearch,tea,5\n")
    first, second = read_log(table)
    assert isinstance(first, BadLine)
    assert isinstance(second, ImportedEvent)


def test_lines_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_bytes(b"type,query\nsearch,tea\nsearch,caf\xe9\nsearch,bread\n")
    first, bad, last = read_log(table)
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.reason[:15]) == (3, "expected UTF-8,")
    assert isinstance(first, ImportedEvent)
    assert isinstance(last, ImportedEvent)
    assert (first.line, last.line) == (2, 4)


def test_a_cell_may_hold_several_lines(tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text('type,item,text\nview,a,"Tea\nGreen"\nview,b,Milk\n')
    first, second = events_of(table)
    assert first.event.item is not None
    assert first.event.item.text == "Tea\nGreen"
    assert (first.line, second.line) == (3, 4)


def test_the_catalogue_of_a_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_CATALOGUE_CHARS", 5_000)
    named = [{"type": "view", "item": {"id": str(n), "text": f"Item {n}"}} for n in range(20)]
    known = [{"type": "view", "item": str(n)} for n in range(20)]
    entries = events_of(write(tmp_path / "log.jsonl", *named, *known))[20:]
    texts = [one.event.item.text for one in entries if one.event.item is not None]
    assert texts[0] == ""
    assert texts[-1] == "Item 19"
    assert 5 <= sum(map(bool, texts)) <= 10
