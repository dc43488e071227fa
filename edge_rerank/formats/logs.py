"""Log files of applications: JSON lines, CSV, Metarank's envelope.

Three shapes are understood, one record a line, plain or gzipped, in UTF-8, UTF-16 or GBK:

- **JSON lines** with the fields of :class:`~edge_rerank.types.Event`:
  ``{"user": "u1", "type": "click", "item": "i1" | {"id", "text", "categories", ...},
  "timestamp": ..., "dwell_s": ..., ...}``;
- **CSV** with a header of the same names, separated by commas, semicolons or tabs; an item's text
  and categories stand in columns ``text`` and ``categories`` (separated by ``|``);
- **Metarank's event envelope** (https://docs.metarank.ai/reference/event-schema): ``item``
  events name the items, ``ranking`` events become impressions, ``interaction`` events
  become events of their ``type``; ``user`` events carry nothing the ranker uses.

Names may be written otherwise, as ``User ID``, see :mod:`edge_rerank.formats.members`.
Identifiers are strings or whole numbers. A line without a user says nothing of whose it is; a
user of ``null``, or an empty cell, says that it is nobody's. Timestamps are UTC seconds,
milliseconds (numbers from 10¹¹ on) or ISO 8601; one that is empty is an error, a missing one
means now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_rerank._check import check_id, check_list
from edge_rerank.errors import DataError, InvalidEvent, InvalidInput
from edge_rerank.formats.events import event_from_dict, item_from_dict, read_timestamp
from edge_rerank.formats.lines import Line, TextFile
from edge_rerank.formats.members import Members, members_of, not_called_user
from edge_rerank.formats.table import NUMBERS, SEPARATORS, Record, Table
from edge_rerank.types import Event, EventType, Item

MAX_CATALOGUE_CHARS = 16 * 1024 * 1024
"""Text of the items that are remembered for events that name them by their id alone; the first
are forgotten beyond."""

_JSON = (".jsonl", ".ndjson", ".json")
_CSV = (".csv", ".tsv")
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
        form: encoding and shape in words, as "CSV in GBK, columns separated by semicolons".
        usual: whether it is UTF-8 and, in a table, separated by commas: nothing was guessed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        suffixes = [suffix.lower() for suffix in path.suffixes]
        if suffixes[-1:] == [".gz"]:
            suffixes.pop()
        kind = suffixes[-1] if suffixes else ""
        if kind not in {*_JSON, *_CSV}:
            raise DataError(path, f"expected {', '.join((*_JSON, *_CSV))}, plain or .gz")
        self._text = TextFile(path)
        self._table = Table.of(self._text) if kind in _CSV else None
        self.usual = self._text.encoding == "utf-8"
        if self._table is None:
            self.form = f"JSON lines in {self._text.encoding_name}"
        else:
            self.usual = self.usual and self._table.separator == ","
            signs = SEPARATORS[self._table.separator]
            self.form = f"CSV in {self._text.encoding_name}, columns separated by {signs}"

    def __iter__(self) -> Iterator[ImportedEvent | BadLine]:
        """Each event or bad line.

        Raises:
            DataError: when the file cannot be read to its end.
        """
        table = self._table
        lines = self._text.lines()
        return _events(_json_records(lines) if table is None else table.records(lines))


def read_log(path: str | Path) -> Log:
    """Look at a log, to be read line by line; a bad line is reported and the next one is read.

    Args:
        path: ``.jsonl``, ``.ndjson``, ``.json``, ``.csv`` or ``.tsv``, with or without ``.gz``.

    Raises:
        DataError: when the file cannot be read, is of another kind, or is a CSV file
            without a ``type`` column or with one that looks like a person's identifier and is not
            called ``user``.
    """
    return Log(Path(path))


def _json_records(lines: Iterable[Line]) -> Iterator[Record]:
    for line in lines:
        if line.fault is not None:
            yield line.number, line.fault
            continue
        if not line.text.strip():
            continue
        try:
            record = json.loads(line.text)
        except (ValueError, RecursionError):
            yield line.number, "expected one JSON object, got something that is not JSON"
            continue
        if not isinstance(record, dict):
            yield line.number, f"expected one JSON object, got {type(record).__name__}"
            continue
        members = members_of(tuple(record))
        if members.suspect is not None:
            yield line.number, not_called_user("member", members.suspect)
        else:
            yield line.number, _renamed(record, members)


def _renamed(record: dict[str, Any], members: Members) -> dict[str, Any]:
    for ours, theirs in members.theirs.items():
        if ours != theirs:
            record[ours] = record.pop(theirs)
    return record


class _Catalogue:
    """Items of a log by id, the last ones within :data:`MAX_CATALOGUE_CHARS`."""

    def __init__(self) -> None:
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
        return self._items.get(name) or Item(name)


def _size(item: Item) -> int:
    numbers = 0 if item.vector is None else item.vector.size
    return _ITEM_CHARS + len(item.text) + sum(map(len, item.categories)) + 4 * numbers


_ITEM_CHARS = 500
"""What an item takes beside its texts, in bytes."""


def _events(records: Iterator[Record]) -> Iterator[ImportedEvent | BadLine]:
    catalogue = _Catalogue()
    for number, record in records:
        if isinstance(record, str):
            yield BadLine(number, record)
            continue
        try:
            found = (
                _from_envelope(record, catalogue)
                if "event" in record
                else [_from_record(record, catalogue)]
            )
            user, nobodys = _user(record), "user" in record and record["user"] is None
        except InvalidInput as error:
            yield BadLine(number, str(error))
            continue
        for event in found:
            yield ImportedEvent(number, user, event, nobodys)


def _from_record(record: Mapping[str, Any], catalogue: _Catalogue) -> Event:
    item = record.get("item")
    if isinstance(item, Mapping):
        item = item_from_dict(item)
        catalogue.put(item)
    elif item is not None:
        item = catalogue.get(item)
    _check_time(record)
    return event_from_dict(record, item, any_time=True)


def _check_time(record: Mapping[str, Any]) -> None:
    """Refuse a time that is empty: it says that there is one, and "now" would be invented."""
    if "timestamp" in record and record["timestamp"] in {None, ""}:
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
