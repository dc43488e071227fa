"""Log files of applications: JSON lines, CSV, Metarank's envelope.

Three shapes are understood, one record a line, plain or gzipped:

- **JSON lines** with the fields of :class:`~edge_rerank.types.Event`:
  ``{"user": "u1", "type": "click", "item": "i1" | {"id", "text", "categories", ...},
  "timestamp": ..., "dwell_s": ..., ...}``;
- **CSV** with a header of the same names; an item's text and categories stand in columns
  ``text`` and ``categories`` (separated by ``|``);
- **Metarank's event envelope** (https://docs.metarank.ai/reference/event-schema): ``item``
  events name the items, ``ranking`` events become impressions, ``interaction`` events
  become events of their ``type``; ``user`` events carry nothing the ranker uses.

Timestamps are UTC seconds, milliseconds (numbers from 10¹¹ on) or ISO 8601.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edge_rerank._check import check_id, check_list
from edge_rerank.errors import DataError, InvalidEvent, InvalidInput
from edge_rerank.formats.events import event_from_dict, item_from_dict, read_timestamp
from edge_rerank.types import Event, EventType, Item

MAX_LINE_CHARS = 1_000_000
_TEXT_FIELDS = ("text", "title", "name", "description")
_CATEGORY_FIELDS = ("categories", "category", "genres", "genre", "tags")
_NUMBERS = ("dwell_s", "scroll", "value")
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
    """One good event of a log: where it stood, whose it is, and what it says."""

    line: int
    user: str | None
    event: Event


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that could not be used; ``reason`` repeats none of its content."""

    line: int
    reason: str


def read_log(path: str | Path) -> Iterator[ImportedEvent | BadLine]:
    """Read a log line by line; a bad line is reported and the next one is read.

    Args:
        path: ``.jsonl``, ``.ndjson``, ``.json`` or ``.csv``, each with or without ``.gz``.

    Raises:
        DataError: when the file cannot be opened, is of another kind, or is a CSV file
            without a ``type`` column.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    if kind not in {".jsonl", ".ndjson", ".json", ".csv"}:
        raise DataError(path, "expected .jsonl, .ndjson, .json or .csv, plain or .gz")
    opener = gzip.open if suffixes[-1] == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", errors="replace", newline="") as stream:
            records = _csv_records(stream, path) if kind == ".csv" else _json_records(stream)
            yield from _events(records)
    except (OSError, EOFError) as error:
        raise DataError(path, f"cannot be read: {type(error).__name__}") from error


_Record = tuple[int, Mapping[str, Any] | str]
"""A line number with the record, or with the reason why there is none."""


def _json_records(stream: IO[str]) -> Iterator[_Record]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_CHARS:
            yield number, f"expected at most {MAX_LINE_CHARS} characters, got {len(line)}"
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "expected one JSON object, got something that is not JSON"
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            yield number, f"expected one JSON object, got {type(record).__name__}"


def _csv_records(stream: IO[str], path: Path) -> Iterator[_Record]:
    reader = csv.DictReader(line.replace("\0", "\ufffd") for line in stream)
    try:
        columns = reader.fieldnames or ()
    except csv.Error as error:
        raise DataError(path, f"the CSV header cannot be read: {error}", line=1) from None
    if "type" not in columns:
        raise DataError(path, "expected a header with a column named 'type'", line=1)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"not CSV: {error}"
            continue
        if None in row or None in row.values():
            yield reader.line_num, f"expected {len(columns)} columns, got another number"
            continue
        yield reader.line_num, _csv_record(row)


def _csv_record(row: Mapping[str, str]) -> dict[str, Any]:
    """Give a CSV row the shape of a JSON record; an empty cell is an absent field."""
    record: dict[str, Any] = {name: cell for name, cell in row.items() if cell.strip()}
    for name in _NUMBERS:
        if name in record:
            record[name] = _number_or_text(record[name])
    if "position" in record and str(record["position"]).strip().isdecimal():
        record["position"] = int(record["position"])
    if "item" in record:
        categories = record.get("categories", "")
        record["item"] = {
            "id": record["item"],
            "text": record.get("text", ""),
            "categories": [name for name in categories.split("|") if name],
        }
    return record


def _number_or_text(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell  # the Event's own check then says what is wrong with it


def _events(records: Iterator[_Record]) -> Iterator[ImportedEvent | BadLine]:
    catalogue: dict[str, Item] = {}
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
        except InvalidInput as error:
            yield BadLine(number, str(error))
            continue
        for user, event in found:
            yield ImportedEvent(number, user, event)


def _from_record(record: Mapping[str, Any], catalogue: dict[str, Item]) -> tuple[str | None, Event]:
    item = record.get("item")
    if isinstance(item, Mapping):
        item = item_from_dict(item)
        catalogue[item.id] = item
    elif item is not None:
        item_id = check_id(item, "item", InvalidEvent)
        item = catalogue.get(item_id) or Item(item_id)
    return _user(record), event_from_dict(record, item, any_time=True)


def _from_envelope(
    record: Mapping[str, Any], catalogue: dict[str, Item]
) -> list[tuple[str | None, Event]]:
    kind = record["event"]
    if kind == "item":
        fields = _fields(record)
        text = next((str(fields[name]) for name in _TEXT_FIELDS if fields.get(name)), "")
        categories = next((fields[name] for name in _CATEGORY_FIELDS if fields.get(name)), ())
        item = Item(
            check_id(record.get("item"), "item", InvalidEvent),
            text,
            [categories] if isinstance(categories, str) else categories,
        )
        catalogue[item.id] = item
        return []
    if kind == "user":
        return []
    if kind == "ranking":
        timestamp = read_timestamp(record.get("timestamp"))
        shown = record.get("items")
        shown = check_list(shown, "items", InvalidEvent, wanted="a list of the items shown")
        return [
            (
                _user(record),
                Event(
                    EventType.IMPRESSION,
                    _known(entry.get("id") if isinstance(entry, Mapping) else entry, catalogue),
                    timestamp=timestamp,
                    ranking=record.get("id"),
                    position=position,
                ),
            )
            for position, entry in enumerate(shown, start=1)
        ]
    if kind == "interaction":
        name = record.get("type")
        fields = _fields(record)
        ours = {
            "type": _METARANK_TYPES.get(name, name) if isinstance(name, str) else name,
            **{member: record.get(member) for member in ("timestamp", "ranking", "id")},
            **{member: fields.get(member) for member in _NUMBERS},
        }
        item = _known(record.get("item"), catalogue)
        return [(_user(record), event_from_dict(ours, item, any_time=True))]
    raise InvalidEvent("event: expected item, user, ranking or interaction")


def _known(item_id: object, catalogue: Mapping[str, Item]) -> Item:
    item_id = check_id(item_id, "item", InvalidEvent)
    return catalogue.get(item_id) or Item(item_id)


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Metarank's ``[{"name": ..., "value": ...}]`` as a mapping."""
    fields = record.get("fields") or []
    if not isinstance(fields, list) or not all(isinstance(field, Mapping) for field in fields):
        raise InvalidEvent("fields: expected a list of objects with name and value")
    return {str(field.get("name")): field.get("value") for field in fields}


def _user(record: Mapping[str, Any]) -> str | None:
    user = record.get("user")
    return None if user is None else check_id(user, "user", InvalidEvent)
