"""Data set folders: a catalogue, what people did before, and requests to judge by.

A folder holds, plain or gzipped, one JSON object a line:

- ``items.jsonl``: ``{"id", "text", "categories"?, "popularity"?, "image"?, "audio"?}``, the last
  two of files in ``media/``, see :mod:`edge_rerank.formats.dataset_media`;
- ``train.jsonl``, if there is any: ``{"user"?, "items": [ids], "timestamps"?: [...]}``;
- ``train_requests.jsonl``, ``valid.jsonl``, ``test.jsonl`` or any other split of requests:
  ``{"user"?, "history"?: [ids or {"item", "type"?, "timestamp"?, "dwell_s"?, "scroll"?, ...}],
  "candidates": [ids], "clicked": [ids], "dwell_s"?: [seconds or null for each of clicked],
  "popularity"?: [what was known at the time, for each of candidates], "query"?, "timestamp"?}``;
- ``users.jsonl``, if there is any: what is known of people, see
  :mod:`edge_rerank.formats.attributes`.

Ids and users are strings or integers. Timestamps are UTC seconds, milliseconds or ISO 8601.
Members that are not named here are ignored; a member that is there but malformed is an
error, so that no figure rests on half a file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from edge_rerank._check import check_id, check_integer, check_list, check_number, check_text
from edge_rerank.errors import DataError, InvalidEvent, InvalidRequest
from edge_rerank.formats.attributes import Attributes, read_users
from edge_rerank.formats.dataset_media import media_folder, with_media
from edge_rerank.formats.events import event_from_dict, item_from_dict
from edge_rerank.formats.jsonl import Record, read_records
from edge_rerank.formats.times import read_timestamp
from edge_rerank.types import NOT_CHOSEN, Event, EventType, Item

ITEMS = "items"
TRAIN = "train"
TRAIN_REQUESTS = "train_requests"
VALID = "valid"
USERS = "users"
NO_SPLITS = frozenset({ITEMS, TRAIN, USERS})
"""Names of files that hold no requests."""

_SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ITEM_MEMBERS = ("id", "text", "categories", "popularity")
_EVENT_MEMBERS = ("type", "timestamp", "dwell_s", "scroll", "query", "value", "position")


class Withheld(StrEnum):
    """What a host may not know of its items."""

    POPULARITY = "popularity"
    CATEGORIES = "categories"
    MEDIA = "media"
    """Pictures and sounds."""


_LOST: Mapping[Withheld, Mapping[str, Any]] = {
    Withheld.POPULARITY: {"popularity": None},
    Withheld.CATEGORIES: {"categories": ()},
    Withheld.MEDIA: {"image": None, "audio": None},
}


@dataclass(frozen=True, slots=True, repr=False)
class TrainSequence:
    """What one person chose, in order.

    Attributes:
        user: whose choices; ``None`` where the file does not say.
        items: item ids, oldest first.
        timestamps: UTC seconds, one for each item; empty where none are known.
    """

    user: str | None
    items: tuple[str, ...]
    timestamps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One list that was shown, or is treated as if it had been.

    Attributes:
        user: who saw it; ``None`` where the file does not say.
        history: the person's earlier events, oldest first, each with a timestamp. Unknown
            ones are those of the event before, all 0 where none is known.
        candidates: what was shown, each item once, with the popularity it had then where the
            request says so. An id that the catalogue lacks is an item without text.
        clicked: ids of the candidates that were chosen; may be empty.
        query: what was asked for.
        timestamp: UTC seconds; ``None`` where the file does not say.
        dwell_s: seconds spent with what was clicked, by id, where they are known.
    """

    user: str | None
    history: tuple[Event, ...]
    candidates: tuple[Item, ...]
    clicked: frozenset[str]
    query: str | None = None
    timestamp: float | None = None
    dwell_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """UTC seconds of the request; those of the last event where it has none, else 0."""
        if self.timestamp is not None:
            return self.timestamp
        return (self.history[-1].timestamp or 0.0) if self.history else 0.0


@dataclass(frozen=True, slots=True, repr=False)
class DataSet:
    """A data set folder; the catalogue is in memory, everything else is read as it is asked for.

    Attributes:
        folder: where it lies.
        items: the catalogue by id. Where no item has a popularity, it is how often the
            item was chosen in the training part.
        withheld: what nobody is to know of any item.
    """

    folder: Path
    items: Mapping[str, Item]
    withheld: frozenset[Withheld] = frozenset()

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the catalogue.

        Raises:
            DataError: when the folder or its catalogue is missing or malformed.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(folder, "expected a data set folder, found none")
        items: dict[str, Item] = {}
        path = locate(folder, ITEMS)
        parse = partial(parse_item, media=media_folder(folder))
        for line, item in read_records(path, parse):
            if item.id in items:
                raise DataError(path, "id: expected each item once, got one again", line=line)
            items[item.id] = item
        data = cls(folder, MappingProxyType(items))
        return (
            data if any(item.popularity is not None for item in items.values()) else data._counted()
        )

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name ("train", "test", ...)."""
        return bool(_present(self.folder, name))

    def splits(self) -> tuple[str, ...]:
        """Names of the files of requests, sorted."""
        stems = {
            path.name.removesuffix(".gz").removesuffix(".jsonl") for path in _files(self.folder)
        }
        return tuple(sorted(stems - NO_SPLITS))

    def sequences(self) -> Iterator[TrainSequence]:
        """The people of ``train``; nobody where the folder has none.

        Raises:
            DataError: at the first malformed line.
        """
        if self.has(TRAIN):
            for _, sequence in read_records(locate(self.folder, TRAIN), parse_sequence):
                yield sequence

    def requests(self, split: str, *, limit: int | None = None) -> Iterator[Request]:
        """The requests of a split, in the order of the file.

        Args:
            split: "valid", "test", "train_requests" or whatever the folder has.
            limit: how many to read at most.

        Raises:
            DataError: when there is no such split, or at the first malformed line.
            InvalidRequest: when an argument is malformed.
        """
        if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split) or split in NO_SPLITS:
            raise InvalidRequest('split: expected the name of a file of requests, as "test"')
        if limit is not None:
            wanted = "an integer ≥ 1 or None"
            limit = check_integer(limit, "limit", InvalidRequest, minimum=1, wanted=wanted)
        path = locate(self.folder, split)
        parse = partial(parse_request, self.items, popularity=self._popularity_known)
        for _, request in islice(read_records(path, parse), limit):
            yield request

    def attributes(self) -> Mapping[str, Attributes]:
        """What the folder says of people, by user; empty where it has no ``users``.

        Raises:
            DataError: at the first malformed line.
        """
        if not self.has(USERS):
            return MappingProxyType({})
        people = read_users(locate(self.folder, USERS))
        return MappingProxyType({one.user: one.attributes for one in people})

    def without(self, withheld: Collection[Withheld]) -> Self:
        """The same, read as if nobody knew this of any item."""
        if not withheld:
            return self
        lost: dict[str, Any] = {
            name: value for part in withheld for name, value in _LOST[part].items()
        }
        items = {name: replace(item, **lost) for name, item in self.items.items()}
        return replace(self, withheld=self.withheld.union(withheld), items=MappingProxyType(items))

    def people(self) -> Iterator[TrainSequence]:
        """What each person chose, in order, from the training part.

        The sequences of ``train`` or, where the folder has none, of ``train_requests``: what a
        person had done with pleasure before, then what they clicked.
        """
        if self.has(TRAIN):
            yield from self.sequences()
        elif self.has(TRAIN_REQUESTS):
            for request in self.requests(TRAIN_REQUESTS):
                before = chosen(request.history)
                clicks = [item.id for item in request.candidates if item.id in request.clicked]
                yield TrainSequence(request.user, (*(item.id for item in before), *clicks))

    def paths(self) -> Iterator[tuple[str, ...]]:
        """Item ids in the order in which one person chose them, see :meth:`people`."""
        for sequence in self.people():
            yield sequence.items

    @property
    def _popularity_known(self) -> bool:
        return Withheld.POPULARITY not in self.withheld

    def _counted(self) -> Self:
        counts = Counter(item for path in self.paths() for item in path)
        if not counts:
            return self
        items = {
            name: replace(item, popularity=float(counts[name])) for name, item in self.items.items()
        }
        return replace(self, items=MappingProxyType(items))


def chosen(history: Sequence[Event]) -> list[Item]:
    """Items of the events that speak for an item, oldest first, repeats included."""
    return [
        event.item for event in history if event.item is not None and event.type not in NOT_CHOSEN
    ]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz"))]


def _present(folder: Path, name: str) -> list[Path]:
    return [
        path for ending in (".jsonl.gz", ".jsonl") if (path := folder / (name + ending)).is_file()
    ]


def locate(folder: Path, name: str) -> Path:
    """The file of this name in a data set folder, gzipped or not.

    Raises:
        DataError: when there is none, or both.
    """
    found = _present(folder, name)
    if len(found) != 1:
        came = "both" if found else "neither"
        raise DataError(folder, f"expected {name}.jsonl.gz or {name}.jsonl, found {came}")
    return found[0]


def parse_item(record: Record, *, media: Path | None = None) -> Item:
    """A line of ``items``.

    Args:
        record: the line.
        media: where the files lie that it names; ``None`` for nowhere.

    Raises:
        InvalidItem: when it is malformed, or such a file is missing.
    """
    item = item_from_dict(_given(record), _ITEM_MEMBERS)
    return item if media is None else with_media(item, record, media)


def parse_sequence(record: Record) -> TrainSequence:
    """A line of ``train``.

    Raises:
        InvalidRequest: when it is malformed.
    """
    items = _ids(record, "items")
    times = record.get("timestamps")
    if times is None:
        return TrainSequence(_user(record), items)
    if not isinstance(times, list) or len(times) != len(items):
        raise InvalidRequest("timestamps: expected a list as long as items")
    return TrainSequence(
        _user(record), items, tuple([_seconds(time, required=True) for time in times])
    )


def parse_request(
    catalogue: Mapping[str, Item], record: Record, *, popularity: bool = True
) -> Request:
    """A line of a file of requests.

    Args:
        catalogue: the items by id.
        record: the line.
        popularity: whether the candidates are to have the popularity that the line gives them.

    Raises:
        InvalidInput: when it is malformed.
    """
    candidates = _candidates(catalogue, record)
    names = tuple(candidates)
    clicked = frozenset(_ids(record, "clicked"))
    if not clicked.issubset(names):
        raise InvalidRequest("clicked: expected ids from candidates, got another")
    query = record.get("query")
    if query is not None:
        check_text(query, "query", InvalidRequest, wanted="a string or null")
    return Request(
        user=_user(record),
        history=_history(catalogue, record.get("history")),
        candidates=tuple(candidates.values())
        if popularity
        else tuple(_known(catalogue, name) for name in names),
        clicked=clicked,
        query=query,
        timestamp=_seconds(record.get("timestamp")),
        dwell_s=_dwell(record),
    )


def _candidates(catalogue: Mapping[str, Item], record: Record) -> dict[str, Item]:
    """The candidates by id, each with the popularity that the record gives it."""
    names = _ids(record, "candidates")
    values = record.get("popularity")
    if values is None:
        return {name: _known(catalogue, name) for name in names}
    if not isinstance(values, list) or len(values) != len(names):
        raise InvalidRequest("popularity: expected a list as long as candidates")
    items = {}
    for name, value in zip(names, values, strict=True):
        items[name] = replace(_known(catalogue, name), popularity=value)
    return items


def _dwell(record: Record) -> Mapping[str, float]:
    values = record.get("dwell_s")
    if values is None:
        return {}
    clicked = _ids(record, "clicked")
    if not isinstance(values, list) or len(values) != len(clicked):
        raise InvalidRequest("dwell_s: expected a list as long as clicked")
    known = {}
    for name, value in zip(clicked, values, strict=True):
        seconds = check_number(value, "dwell_s", InvalidRequest, minimum=0.0)
        if seconds is not None:
            known[name] = seconds
    return known


def _history(catalogue: Mapping[str, Item], entries: object) -> tuple[Event, ...]:
    if entries is None:
        return ()
    entries = check_list(entries, "history", InvalidRequest)
    events = [_event(catalogue, entry) for entry in entries]
    last = next((event.timestamp for event in events if event.timestamp is not None), 0.0)
    dated = []
    for event in events:
        last = event.timestamp if event.timestamp is not None else last
        dated.append(event if event.timestamp is not None else replace(event, timestamp=last))
    return tuple(sorted(dated, key=lambda event: event.timestamp or 0.0))


def _event(catalogue: Mapping[str, Item], entry: object) -> Event:
    if not isinstance(entry, Mapping):
        return Event(EventType.CLICK, _known(catalogue, check_id(entry, "history", InvalidEvent)))
    name = entry.get("item")
    item = None if name is None else _known(catalogue, check_id(name, "item", InvalidEvent))
    record = {"type": EventType.CLICK, **_given(entry)}
    return event_from_dict(record, item, _EVENT_MEMBERS, any_time=True)


def _known(catalogue: Mapping[str, Item], name: str) -> Item:
    return catalogue.get(name) or Item(name)


def _user(record: Record) -> str | None:
    user = record.get("user")
    return None if user is None else check_id(user, "user", InvalidRequest)


def _ids(record: Record, member: str) -> tuple[str, ...]:
    values = check_list(record.get(member), member, InvalidRequest, wanted="a list of ids")
    return tuple([check_id(value, member, InvalidRequest) for value in values])


def _seconds(value: object, *, required: bool = False) -> Any:
    seconds = check_number(read_timestamp(value), "timestamp", InvalidRequest, minimum=0.0)
    if seconds is None and required:
        raise InvalidRequest("timestamps: expected a time for each item, got null")
    return seconds


def _given(record: Record) -> Record:
    """The members that are not null, which means the same as missing here."""
    return {name: value for name, value in record.items() if value is not None}
