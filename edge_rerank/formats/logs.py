"""Log files of applications: JSON lines, CSV, Metarank's envelope.

Three shapes are understood, one record a line, plain or gzipped, in UTF-8, UTF-16, GBK or an
encoding that is said:

- **JSON lines** with the fields of :class:`~edge_rerank.types.Event`:
  ``{"user": "u1", "type": "click", "item": "i1" | {"id", "text", "categories", ...},
  "timestamp": ..., "dwell_s": ..., ...}``;
- **CSV** with a header of the same names, separated by commas, semicolons, tabs or bars; an item's
  text and categories stand in columns ``text`` and ``categories`` (separated by ``|``);
- **Metarank's event envelope** (https://docs.metarank.ai/reference/event-schema): ``item``
  events name the items, ``ranking`` events become impressions, ``interaction`` events
  become events of their ``type``; ``user`` events carry nothing the ranker uses.

Names may be written otherwise, as ``User ID``, see :mod:`edge_rerank.formats.members`, or be said,
see :class:`~edge_rerank.formats.layout.FileLayout`. Identifiers are strings or whole numbers. A
line without a user says nothing of whose it is; a user of ``null``, or an empty cell, says that it
is nobody's. Times are what :mod:`edge_rerank.formats.times` reads; one that is empty is an error, a
missing one means now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_rerank._check import check_id, check_list
from edge_rerank.errors import DataError, InvalidEvent, InvalidInput
from edge_rerank.formats.events import event_from_dict, item_from_dict
from edge_rerank.formats.jsonl import expect_members, json_records
from edge_rerank.formats.layout import FileLayout, plain_word
from edge_rerank.formats.lines import Line, TextFile
from edge_rerank.formats.members import LOG
from edge_rerank.formats.table import (
    NUMBERS,
    SEPARATORS,
    TABLES,
    Record,
    Table,
    ending_of,
    is_table,
)
from edge_rerank.formats.times import day_comes_first, form_of, has_zone, read_timestamp
from edge_rerank.types import Event, EventType, Item

MAX_CATALOGUE_CHARS = 16 * 1024 * 1024
"""Text of the items that are remembered for events that name them by their id alone; the first
are forgotten beyond."""

_JSON = (".jsonl", ".ndjson", ".json")
_TYPES = frozenset(EventType)
_USUAL_TIMES = frozenset({"seconds since 1970", "milliseconds since 1970", "ISO 8601"})
_TEXT_FIELDS = ("text", "title", "name", "description")
_CATEGORY_FIELDS = ("categories", "category", "genres", "genre", "tags")
_METARANK_TYPES = {
    "cart": EventType.ADD_TO_CART,
    "add": EventType.ADD_TO_CART,
    "add-to-cart": EventType.ADD_TO_CART,
    "buy": EventType.PURCHASE,
    "order": EventType.PURCHASE,
    "skip": EventType.DISMISS,
    "rate": EventType.RATING,
    "finish": EventType.COMPLETE,
}


@dataclass(frozen=True, slots=True)
class ImportedEvent:
    """One good event of a log.

    Attributes:
        line: where it stood.
        user: whose it is; ``None`` where the line does not say.
        nobodys: whether the line says that nobody is known, by a null or an empty cell.
        event: what it says.
    """

    line: int
    user: str | None
    event: Event
    nobodys: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that could not be used; ``reason`` repeats none of its content."""

    line: int
    reason: str


class Log:
    """A log file: what it was found to be, and its events, read anew each time it is iterated.

    Attributes:
        form: encoding, shape and times in words, as "CSV in GBK, columns separated by semicolons,
            times as ISO 8601".
        usual: whether it is UTF-8 and, in a table, separated by commas: nothing was guessed.
    """

    def __init__(self, path: Path, layout: FileLayout, items: Iterable[Item]) -> None:
        self._layout = layout
        self._items = {item.id: item for item in items}
        self._table = None
        if not is_table(path) and ending_of(path) not in _JSON:
            raise DataError(path, f"expected {', '.join((*_JSON, *TABLES))}, plain or .gz")
        self._text = TextFile(path, layout.encoding)
        if is_table(path):
            self._table = Table.of(self._text, LOG, layout, _required(layout))
        else:
            expect_members(self._text, LOG, layout)
        times = list(self._first_times())
        day_first = layout.day_first
        self._day_first = day_comes_first(times) if day_first is None else day_first
        forms = _forms_of(times, self._day_first)
        self.usual = self._text.encoding_name == "UTF-8" and forms.keys() <= _USUAL_TIMES
        if self._table is None:
            self.form = f"JSON lines in {self._text.encoding_name}"
        else:
            self.usual = self.usual and self._table.separator == ","
            signs = SEPARATORS[self._table.separator]
            self.form = f"CSV in {self._text.encoding_name}, columns separated by {signs}"
            if self._table.decimal_comma:
                self.form += ", numbers with a decimal comma"
        if self._table is not None and "timestamp" not in self._table.places:
            self.usual, self.form = False, f"{self.form}, without times: all events count as now"
        elif forms:
            naive = "" if all(forms.values()) else ", in UTC where no zone is given"
            self.form += f", times as {' and '.join(forms)}{naive}"

    def __iter__(self) -> Iterator[ImportedEvent | BadLine]:
        """Each event or bad line.

        Raises:
            DataError: when the file cannot be read to its end.
        """
        table, lines = self._table, self._text.lines()
        if table is None:
            records = json_records(lines, LOG, self._layout.named)
        else:
            records = table.records(lines)
        return _events(records, self._layout, _Catalogue(self._items), self._day_first)

    def count_lines(self) -> int:
        """About how many lines there are, to tell how far the reading has come.

        Raises:
            DataError: when the file cannot be read.
        """
        return self._text.count_lines()

    def knows(self, item: Item) -> bool:
        """Whether the item is one of those that came along."""
        return item.id in self._items

    def _first_times(self) -> Iterator[object]:
        """What stands for a time in the first lines."""
        if self._table is not None:
            yield from self._table.cells(self._text.beginning(), "timestamp")
            return
        lines = (Line(number, text) for number, text in enumerate(self._text.beginning()))
        for _, record in json_records(lines, LOG, self._layout.named):
            if not isinstance(record, str) and record.get("timestamp") is not None:
                yield record["timestamp"]


def read_log(path: str | Path, layout: FileLayout | None = None, items: Iterable[Item] = ()) -> Log:
    """Look at a log, to be read line by line; a bad line is reported and the next one is read.

    Args:
        path: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv``, ``.tsv``, ``.txt`` or ``.dat``, with or
            without ``.gz``; the last four are tables.
        layout: what its columns are called and how it is written; ``None`` for our own names.
        items: give their text and categories to events that name an item by its id alone.

    Raises:
        DataError: when the file cannot be read, is of another kind, or is a CSV file
            without a ``type`` column or with one that looks like a person's identifier and is not
            called ``user``.
    """
    return Log(Path(path), layout or FileLayout(), items)


def _required(layout: FileLayout) -> str:
    """Our name of the column without which no event is one."""
    if layout.type is None:
        return "type"
    return "query" if layout.type is EventType.SEARCH else "item"


def _forms_of(times: Iterable[object], day_first: bool | None) -> dict[str, bool]:
    """The forms of times in words, each with whether all in that form have a zone."""
    forms: dict[str, bool] = {}
    for time in times:
        form = form_of(time, day_first=day_first)
        if form is not None:
            forms[form] = forms.get(form, True) and has_zone(time)
    return forms


class _Catalogue:
    """Items of a log by id, the last ones within :data:`MAX_CATALOGUE_CHARS`.

    Args:
        known: the host's own, in memory already.
    """

    def __init__(self, known: Mapping[str, Item]) -> None:
        self._host = known
        self._items: dict[str, Item] = {}
        self._chars = 0

    def put(self, item: Item) -> None:
        known = self._items.pop(item.id, None)
        self._chars += _size(item) - (0 if known is None else _size(known))
        self._items[item.id] = item
        while self._chars > MAX_CATALOGUE_CHARS:
            self._chars -= _size(self._items.pop(next(iter(self._items))))

    def get(self, item_id: object) -> Item:
        """The item of this id, without a text if it is unknown."""
        name = check_id(item_id, "item", InvalidEvent)
        return self._items.get(name) or self._host.get(name) or Item(name)


def _size(item: Item) -> int:
    numbers = 0 if item.vector is None else item.vector.size
    return _ITEM_CHARS + len(item.text) + sum(map(len, item.categories)) + 4 * numbers


_ITEM_CHARS = 500
"""What an item takes beside its texts, in bytes."""


def _events(
    records: Iterator[Record], layout: FileLayout, catalogue: _Catalogue, day_first: bool | None
) -> Iterator[ImportedEvent | BadLine]:
    for number, record in records:
        if isinstance(record, str):
            yield BadLine(number, record)
            continue
        try:
            found = (
                _from_envelope(record, catalogue)
                if "event" in record
                else [_from_record(record, layout, catalogue, day_first)]
            )
            user, nobodys = _user(record), "user" in record and record["user"] is None
        except InvalidInput as error:
            yield BadLine(number, str(error))
            continue
        for event in found:
            yield ImportedEvent(number, user, event, nobodys)


def _from_record(
    record: Mapping[str, Any],
    layout: FileLayout,
    catalogue: _Catalogue,
    day_first: bool | None,
) -> Event:
    _check_time(record)
    item = record.get("item")
    if isinstance(item, Mapping):
        item = item_from_dict(item)
        catalogue.put(item)
    elif item is not None and (record.get("text") or record.get("categories")):
        beside = {name: record[name] for name in ("text", "categories") if record.get(name)}
        item = item_from_dict({"id": item, **beside})
        catalogue.put(item)
    elif item is not None:
        item = catalogue.get(item)
    given = {
        **record,
        "type": _type(record.get("type"), layout),
        "timestamp": read_timestamp(record.get("timestamp"), day_first=day_first),
    }
    return event_from_dict(given, item)


def _type(word: object, layout: FileLayout) -> object:
    """The type of events that a word means; what means none is left to the Event's own check."""
    if word is None or word == "":
        return layout.type
    if not isinstance(word, str) or word in _TYPES:
        return word
    meant = layout.types.get(word)
    return plain_word(word) if meant is None else meant


def _check_time(record: Mapping[str, Any]) -> None:
    """Refuse a time that is empty: it says that there is one, and "now" would be invented."""
    if "timestamp" in record and (record["timestamp"] is None or record["timestamp"] == ""):
        raise InvalidEvent("timestamp: expected a time, got an empty one")


def _from_envelope(record: Mapping[str, Any], catalogue: _Catalogue) -> list[Event]:
    kind = record["event"]
    if kind == "item":
        fields = _fields(record)
        text = next((str(fields[name]) for name in _TEXT_FIELDS if fields.get(name)), "")
        categories = next((fields[name] for name in _CATEGORY_FIELDS if fields.get(name)), ())
        item_id = check_id(record.get("item"), "item", InvalidEvent)
        catalogue.put(
            Item(item_id, text, [categories] if isinstance(categories, str) else categories)
        )
        return []
    if kind == "user":
        return []
    _check_time(record)
    if kind == "ranking":
        timestamp = read_timestamp(record.get("timestamp"))
        shown = record.get("items")
        shown = check_list(shown, "items", InvalidEvent, wanted="a list of the items shown")
        return [
            Event(
                EventType.IMPRESSION,
                catalogue.get(entry.get("id") if isinstance(entry, Mapping) else entry),
                timestamp=timestamp,
                ranking=record.get("id"),
                position=position,
            )
            for position, entry in enumerate(shown, start=1)
        ]
    if kind == "interaction":
        name = record.get("type")
        fields = _fields(record)
        ours = {
            "type": _METARANK_TYPES.get(name, name) if isinstance(name, str) else name,
            **{member: record.get(member) for member in ("timestamp", "ranking", "id")},
            **{member: fields.get(member) for member in NUMBERS},
        }
        return [event_from_dict(ours, catalogue.get(record.get("item")), any_time=True)]
    raise InvalidEvent("event: expected item, user, ranking or interaction")


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Metarank's ``[{"name": ..., "value": ...}]`` as a mapping."""
    fields = record.get("fields") or []
    if not isinstance(fields, list) or not all(isinstance(field, Mapping) for field in fields):
        raise InvalidEvent("fields: expected a list of objects with name and value")
    return {str(field.get("name")): field.get("value") for field in fields}


def _user(record: Mapping[str, Any]) -> str | None:
    user = record.get("user")
    return None if user is None else check_id(user, "user", InvalidEvent)
