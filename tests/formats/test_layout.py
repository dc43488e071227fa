"""Logs and item tables that were not written for this package: named, sniffed, hostile."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rerank.errors import DataError, InvalidRequest
from edge_rerank.formats.items import read_items
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.logs import BadLine, ImportedEvent, Log, read_log
from edge_rerank.types import EventType, Item

SHOP = FileLayout({"item": "Product", "time": "When", "value": "Betrag"}, EventType.PURCHASE)
ORDERS = (
    "User ID;Product;When;Betrag;Kanal\r\n"
    "ada;A-1;24.12.2025 18:30;1.299,50;Geschäft\r\n"
    "bob;A-2;03.01.2026 08:00;4,90;Geschäft\r\n"
)


def both(log: Log) -> tuple[list[ImportedEvent], list[BadLine]]:
    entries = list(log)
    good = [one for one in entries if isinstance(one, ImportedEvent)]
    return good, [one for one in entries if isinstance(one, BadLine)]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_an_export_of_a_german_shop(tmp_path: Path, encoding: str) -> None:
    layout = FileLayout(SHOP.columns, SHOP.type, encoding="cp1252")
    log = read_log(write(tmp_path / "log.csv", ORDERS, encoding), layout)
    good, bad = both(log)
    assert not bad
    assert [one.user for one in good] == ["ada", "bob"]
    assert [one.event.value for one in good] == [1299.5, 4.9]
    assert [one.event.timestamp for one in good] == [1766601000, 1767427200]
    assert {one.event.type for one in good} == {EventType.PURCHASE}
    assert log.form.endswith(
        "columns separated by semicolons, numbers with a decimal comma, times as D.M.Y, "
        "in UTC where no zone is given"
    )
    assert log.usual is False


def test_an_encoding_is_not_guessed(tmp_path: Path) -> None:
    good, bad = both(read_log(write(tmp_path / "log.csv", ORDERS, "cp1252"), SHOP))
    assert not good
    assert [one.line for one in bad] == [2, 3]
    assert "--encoding" in bad[0].reason
    header = write(tmp_path / "head.csv", "Käufer;type\nada;view\n", "cp1252")
    with pytest.raises(DataError, match=r"head\.csv:1: expected UTF-8"):
        read_log(header)


def test_one_line_in_another_encoding_among_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("type,item,text\nview,a,Käse\n".encode() + "view,b,Größe\n".encode("cp1252"))
    good, bad = both(read_log(path, FileLayout(encoding="cp1252")))
    assert not bad
    assert [one.event.item.text for one in good if one.event.item] == ["Käse", "Größe"]


@pytest.mark.parametrize(("encoding", "text"), [("shift_jis", "望遠鏡"), ("cp500", "Tee")])
def test_other_encodings_that_are_said(tmp_path: Path, encoding: str, text: str) -> None:
    path = write(tmp_path / "log.csv", f"type,item,text\nview,a,{text}\n" * 1, encoding)
    good, bad = both(read_log(path, FileLayout(encoding=encoding)))
    assert not bad
    assert [one.event.item.text for one in good if one.event.item] == [text]


def test_a_file_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "u.data.txt", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    layout = FileLayout(
        {"user": "#1", "item": "#2", "rating": "#3", "time": "#4"}, EventType.RATING
    )
    good, bad = both(read_log(path, layout))
    assert not bad
    assert [(one.user, one.line, one.event.value) for one in good] == [("196", 1, 3), ("186", 2, 3)]
    items = write(tmp_path / "u.item.txt", "242|Kolya (1996)|drama\n302|Film|noir\n")
    named = FileLayout({"id": "#1", "text": "#2", "categories": "#3"})
    assert read_items(items, named) == [
        Item("242", "Kolya (1996)", ["drama"]),
        Item("302", "Film", ["noir"]),
    ]
    with pytest.raises(DataError, match="column for 'item', separated alike"):
        read_log(path, FileLayout({"item": "#9"}, EventType.VIEW))


def test_double_colons(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n")
    columns = {"user": "#1", "item": "#2", "rating": "#3", "time": "#4"}
    log = read_log(path, FileLayout(columns, "rating"))
    good, bad = both(log)
    assert not bad
    assert [one.event.value for one in good] == [5, 3]
    assert "separated by double colons" in log.form


def test_a_table_without_times_says_so(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "log.csv", "user,item\na,b\n"), FileLayout(type="View"))
    assert log.form.endswith("without times: all events count as now")
    assert (len(both(log)[0]), log.usual) == (1, False)


@pytest.mark.parametrize("text", ['[{"id": "a"}]', '[\n  {"id": "a"}\n]', "\ufeff [\n]"])
def test_an_array_is_no_lines(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "items.json", text)
    for read in (read_items, read_log):
        with pytest.raises(DataError, match=r"items\.json:1: .*got an array: jq"):
            read(path)


def test_words_for_types(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.csv",
        "visitorid,event type,itemid,time\n1,transaction,a,1\n1,Add-to cart,b,2\n1,,c,3\n1,x,d,4\n",
    )
    layout = FileLayout({"user": "visitorid"}, EventType.VIEW, {"transaction": EventType.PURCHASE})
    good, bad = both(read_log(path, layout))
    assert [one.event.type.value for one in good] == ["purchase", "add_to_cart", "view"]
    assert [one.line for one in bad] == [5]


def test_a_column_that_is_not_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,item,timestamp,type\na,b,1,ebook\n")
    assert both(read_log(path))[0] == []
    good, _ = both(read_log(path, FileLayout({"type": ""}, EventType.VIEW)))
    assert [one.event.type for one in good] == [EventType.VIEW]


def test_json_lines_by_other_names(tmp_path: Path) -> None:
    records = [
        {"who": "ada", "what": "seen", "sku": 7, "title": "Tea", "dept": "Food|Tea", "ts": 5},
        {"who": "bob", "what": "seen", "sku": 7, "ts": 6},
    ]
    path = write(tmp_path / "log.jsonl", "".join(f"{json.dumps(one)}\n" for one in records))
    columns = {
        **{"user": "who", "type": "what", "item": "sku", "text": "title"},
        **{"categories": "dept", "timestamp": "ts"},
    }
    good, bad = both(read_log(path, FileLayout(columns, types={"seen": EventType.VIEW})))
    assert not bad
    assert [one.user for one in good] == ["ada", "bob"]
    assert {one.event.item for one in good} == {Item("7", "Tea", ["Food", "Tea"])}
    with pytest.raises(DataError, match="has a member as was said of user"):
        read_log(path, FileLayout({"user": "who?"}))
    with pytest.raises(DataError, match="by number"):
        read_log(path, FileLayout({"user": "#1"}))


def test_names_may_be_exchanged(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"type": "a", "item": "view", "timestamp": 5}\n')
    good, _ = both(read_log(path, FileLayout({"type": "item", "item": "type"})))
    assert good[0].event.type is EventType.VIEW
    assert good[0].event.item == Item("a")


def test_the_hosts_items_are_joined(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "user,type,item,timestamp\na,view,1,1\na,view,2,2\n")
    good, _ = both(read_log(path, items=[Item("1", "Tea", ["Food"])]))
    assert [one.event.item for one in good] == [Item("1", "Tea", ["Food"]), Item("2")]


def test_tables_of_items(tmp_path: Path) -> None:
    path = write(
        tmp_path / "items.csv",
        'movieId,title,genres,popularity\n1,"Toy, Story",Fun > Kids,12\n2,Heat,,\n',
    )
    assert read_items(path, FileLayout({"id": "movieId"})) == [
        Item("1", "Toy, Story", ["Fun", "Kids"], 12),
        Item("2", "Heat"),
    ]
    shop = write(tmp_path / "shop.csv", "sku;name;about;dept;class\n7;Pan;Iron;Kitchen;Pans\n")
    layout = FileLayout({"id": "sku", "text": ("name", "about"), "categories": ("dept", "class")})
    assert read_items(shop, layout) == [Item("7", "Pan\nIron", ["Kitchen", "Pans"])]
    records = write(tmp_path / "items.jsonl", '{"sku": 7, "name": "Pan", "x": 1}\n')
    assert read_items(records, FileLayout({"id": "sku"})) == [Item("7", "Pan")]
    with pytest.raises(DataError, match=r"items\.csv:1: .*none called as was said of id"):
        read_items(path, FileLayout({"id": "sku"}))
    with pytest.raises(DataError, match=r"broken\.csv:3: expected 2 columns"):
        read_items(write(tmp_path / "broken.csv", "id,text\na,A\nb\n"))
    with pytest.raises(DataError, match=r"empty\.csv:2: item id"):
        read_items(write(tmp_path / "empty.csv", "id,text\n,A\n"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "column named 'item'"),
        ("user;time\na;1\n", "column named 'item'"),
        ("User,Item\na,b\n", "none called as was said of timestamp"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, text: str, reason: str) -> None:
    named = {"timestamp": "When"} if "Item" in text else {}
    with pytest.raises(DataError, match=reason):
        read_log(write(tmp_path / "log.csv", text), FileLayout(named, EventType.VIEW))


def test_what_is_hostile_costs_its_own_line(tmp_path: Path) -> None:
    rows = [
        "user,item,timestamp,value",
        "ada,a,2025-12-24,1",
        f"ada,{'x' * 1_000_000},5,1",
        '"ada","b","1735000000","1,234.5"',
        ",c,1735000000000,",
        "ada,d,1735000000000000,12,5",
        f"ada,{'y' * 600},6,1",
        "ada,e,13/13/2025,1",
        "ada,f,,1",
        "ada,g,2025-01-01,many",
        'bob,"h""h",2025-01-01,',
    ]
    log = read_log(write(tmp_path / "log.csv", "\n".join(rows)), FileLayout(type=EventType.VIEW))
    good, bad = both(log)
    assert [(one.line, one.user, one.nobodys) for one in good] == [
        *((2, "ada", False), (4, "ada", False), (5, None, True), (11, "bob", False))
    ]
    assert [one.line for one in bad] == [3, 6, 7, 8, 9, 10]
    assert good[1].event.value == 1234.5
    assert good[2].event.timestamp == 1735000000
    assert not any("xx" in one.reason or "yy" in one.reason for one in bad)


def test_an_ambiguous_date_needs_a_word(tmp_path: Path) -> None:
    text = "user,item,date\na,b,03/04/2025\na,c,05/04/2025\n"
    path = write(tmp_path / "log.csv", text)
    assert [one.line for one in both(read_log(path, FileLayout(type=EventType.VIEW)))[1]] == [2, 3]
    good, _ = both(read_log(path, FileLayout(type=EventType.VIEW, day_first=True)))
    assert len(good) == 2
    told, _ = both(
        read_log(write(path, f"{text}a,d,30/04/2025\n"), FileLayout(type=EventType.VIEW))
    )
    assert [one.event.timestamp for one in told[:2]] == [one.event.timestamp for one in good]


def test_a_timestamp_of_another_kind_is_a_bad_line(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", '{"type": "view", "item": "a", "timestamp": [1]}\n')
    assert [one.line for one in both(read_log(path))[1]] == [1]


def test_a_layout_is_copied_whole() -> None:
    layout = FileLayout({"text": ("a", "b"), "title": "c"}, "view", {"x": "like"}, "cp1252", True)
    assert copy.deepcopy(layout) == pickle.loads(pickle.dumps(layout)) == layout
    assert dict(layout.columns) == {"text": ("a", "b", "c")}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: FileLayout({"colour": "c"}), "expected names of type"),
        (lambda: FileLayout({"item": 5}), "expected a name for item"),  # type: ignore[dict-item]
        (lambda: FileLayout({"item": ("a", "b")}), "expected one for item"),
        (lambda: FileLayout({"item": "#1", "user": "who"}), "all of them by number"),
        (lambda: FileLayout(type="stare"), "type: expected one of"),  # type: ignore[arg-type]
        (lambda: FileLayout(types={"x": "y"}), "type: expected one of"),  # type: ignore[dict-item]
        (lambda: FileLayout(encoding="latin-17"), "encoding: expected"),
        (lambda: FileLayout(encoding="base64"), "encoding: expected"),
        (lambda: FileLayout([]), "as mappings"),  # type: ignore[arg-type]
        (lambda: FileLayout(day_first="yes"), "day_first"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_layout(make: Any, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        make()


cells = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)
rows = st.lists(
    st.tuples(cells.filter(str.strip), cells.filter(str.strip), st.integers(0, 2**31)), min_size=1
)


@settings(max_examples=40, deadline=None)
@given(rows, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, int]],
    sign: str,
    encoding: str,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sign)
    writer.writerows([("Whose", "Thing", "When"), *rows])
    path = tmp_path_factory.mktemp("table") / "log.csv"
    write(path, text.getvalue(), encoding)
    columns = {"user": "Whose", "item": "Thing", "timestamp": "When"}
    good, bad = both(read_log(path, FileLayout(columns, EventType.VIEW)))
    assert not bad
    assert [
        (one.user, one.event.item.id, one.event.timestamp) for one in good if one.event.item
    ] == [(user, item, float(time)) for user, item, time in rows]
