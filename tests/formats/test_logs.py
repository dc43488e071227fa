from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from edge_rerank.errors import DataError
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
