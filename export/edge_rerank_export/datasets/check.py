"""Check of a data set folder: every line against every rule, and what else one should know."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edge_rerank._files import reason_of
from edge_rerank.errors import DataError, InvalidInput
from edge_rerank.formats.attributes import parse_person
from edge_rerank.formats.dataset import (
    ITEMS,
    NO_SPLITS,
    TRAIN,
    TRAIN_REQUESTS,
    USERS,
    Request,
    TrainSequence,
    locate,
    parse_item,
    parse_request,
    parse_sequence,
)
from edge_rerank.formats.dataset_media import media_folder
from edge_rerank.formats.jsonl import Record, parse_object
from edge_rerank.history.aggregates import MIN_PEOPLE
from edge_rerank.types import Item
from edge_rerank_export.datasets.late import late_share
from edge_rerank_export.progress import Steps, silent

T = TypeVar("T")

_WORTH_SAYING = 0.01
"""Share of what was not clicked and occurs nowhere before, or of what is learnt too late."""

_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken.

    Attributes:
        file: name in the folder; the folder's own where a file is missing.
        line: 1-based; ``None`` where the whole file is meant.
        reason: what was expected and what came, without any content.
    """

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class AttributeCount:
    """How much is known of one attribute.

    Attributes:
        people: of whom it is known.
        values: how many there are.
        rare: of these, what fewer than 20 people have.
    """

    people: int
    values: int
    rare: int

    def __str__(self) -> str:
        rare = f", {self.rare} of them rare" if self.rare else ""
        return f"{self.people} people, {self.values} values{rare}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        violations: in the order of the files, then of the lines.
        counts: good lines by file.
        remarks: what is allowed, and makes figures mean less.
        attributes: of ``users``, by name.
    """

    violations: tuple[Violation, ...]
    counts: Mapping[str, int]
    remarks: tuple[str, ...]
    attributes: Mapping[str, AttributeCount]

    def to_dict(self) -> dict[str, Any]:
        """All attributes as JSON-ready values."""
        return {
            "violations": [asdict(one) for one in self.violations],
            "counts": dict(self.counts),
            "remarks": list(self.remarks),
            "attributes": {name: asdict(one) for name, one in self.attributes.items()},
        }


def check(folder: Path, *, steps: Steps = silent) -> Checked:
    """Read every line of every file of a folder.

    Args:
        folder: see :mod:`edge_rerank.formats.dataset`.
        steps: announces the files.

    Raises:
        DataError: when there is no folder.
    """
    if not folder.is_dir():
        raise DataError(folder, "expected a data set folder, found none")
    return _Check(folder, steps).run()


class _Check:
    def __init__(self, folder: Path, steps: Steps) -> None:
        self._folder = folder
        self._steps = steps
        self._violations: list[Violation] = []
        self._counts: dict[str, int] = {}
        self._remarks: list[str] = []
        self._catalogue: dict[str, Item] = {}
        self._train: dict[str, dict[str, float | None]] = {}
        self._born: dict[str, float] = {}
        self._learnt: list[float] = []
        self._beside: dict[str, list[tuple[float, list[str]]]] = {}
        self._people: set[str] = set()
        self._values: dict[str, Counter[str]] = {}

    def run(self) -> Checked:
        names = self._names()
        for name, read in ((ITEMS, self._items), (TRAIN, self._sequences)):
            if name in names or name == ITEMS:
                self._read(name, read)
        splits = sorted(names - NO_SPLITS)
        for split in splits:
            self._read(split, partial(self._requests, split=split))
        if USERS in names:
            self._read(USERS, self._users)
        self._say_unborn()
        self._say_late()
        if not splits:
            wanted = "expected test.jsonl or another file of requests, found none"
            self._violations.append(Violation(self._folder.name, None, wanted))
        if TRAIN not in names and TRAIN_REQUESTS not in names:
            self._remarks.append("no train and no train_requests: nothing can be learnt from it")
        return Checked(
            tuple(self._violations), self._counts, tuple(self._remarks), self._attributes()
        )

    def _names(self) -> set[str]:
        return {
            path.name.removesuffix(".gz").removesuffix(".jsonl")
            for path in self._folder.iterdir()
            if path.name.endswith(_SUFFIXES)
        }

    def _read(self, name: str, read: Callable[[Path], None]) -> None:
        with self._steps(name):
            try:
                read(locate(self._folder, name))
            except DataError as error:
                file = self._folder.name if error.path == self._folder else error.path.name
                self._violations.append(Violation(file, error.line, error.reason))

    def _lines(self, path: Path, parse: Callable[[Record], T]) -> Iterator[tuple[int, T]]:
        """The good lines with their numbers; the others are noted."""
        self._counts[path.name] = 0
        for number, raw in _raw_lines(path):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self._note(path, number, "expected UTF-8, got other bytes")
                continue
            if not text.strip():
                continue
            record = parse_object(text)
            try:
                if isinstance(record, str):
                    self._note(path, number, record)
                    continue
                parsed = parse(record)
            except InvalidInput as error:
                self._note(path, number, str(error))
                continue
            self._counts[path.name] += 1
            yield number, parsed

    def _note(self, path: Path, line: int, reason: str) -> None:
        self._violations.append(Violation(path.name, line, reason))

    def _items(self, path: Path) -> None:
        parse = partial(parse_item, media=media_folder(path.parent))
        for number, item in self._lines(path, parse):
            if item.id in self._catalogue:
                self._note(path, number, "id: expected each item once, got one again")
            self._catalogue[item.id] = item
        silent_items = sum(not item.text for item in self._catalogue.values())
        if silent_items:
            self._remarks.append(f"{silent_items} of {len(self._catalogue)} items have no text")

    def _sequences(self, path: Path) -> None:
        strange = total = 0
        for number, one in self._lines(path, parse_sequence):
            if list(one.timestamps) != sorted(one.timestamps):
                self._note(path, number, "timestamps: expected them oldest first")
            self._remember(path, number, one)
            total += len(one.items)
            strange += sum(name not in self._catalogue for name in one.items)
        self._say_strange(path, strange, total)

    def _remember(self, path: Path, number: int, one: TrainSequence) -> None:
        self._learnt += one.timestamps
        times: tuple[float | None, ...] = one.timestamps or (None,) * len(one.items)
        for name, time in zip(one.items, times, strict=True):
            if time is not None:
                self._born[name] = min(time, self._born.get(name, time))
        if one.user is None:
            return
        if one.user in self._train:
            self._note(path, number, "user: expected each person once, got one again")
        self._people.add(one.user)
        self._train[one.user] = dict(zip(one.items, times, strict=True))

    def _requests(self, path: Path, *, split: str) -> None:
        unclicked = all_clicked = bare = strange = total = 0
        beside: list[tuple[float, list[str]]] = []
        parse = partial(_request, self._catalogue)
        for number, (request, candidates) in self._lines(path, parse):
            if len(candidates) != len(set(candidates)):
                self._note(path, number, "candidates: expected each item once, got one again")
            self._check_time(path, number, request)
            if split != TRAIN_REQUESTS:
                self._check_leak(path, number, request)
            total += len(request.candidates)
            strange += sum(item.id not in self._catalogue for item in request.candidates)
            unclicked += not request.clicked
            all_clicked += len(request.clicked) == len(request.candidates)
            bare += not request.history and request.query is None
            self._note_births(request)
            self._people.update([] if request.user is None else [request.user])
            if request.timestamp is not None:
                others = [one.id for one in request.candidates if one.id not in request.clicked]
                beside.append((request.timestamp, others))
        self._beside[path.name] = beside
        self._say_strange(path, strange, total)
        for count, what in (
            (unclicked, "without a click: they judge nothing"),
            (all_clicked, "with nothing but what was clicked: they judge nothing"),
            (bare, "with neither history nor query: everybody gets the same list"),
        ):
            if count:
                self._remarks.append(f"{path.name}: {count} requests {what}")

    def _users(self, path: Path) -> None:
        seen: set[str] = set()
        for number, one in self._lines(path, parse_person):
            if one.user in seen:
                self._note(path, number, "user: expected each person once, got one again")
                continue
            seen.add(one.user)
            for name, value in one.attributes.items():
                self._values.setdefault(name, Counter())[value] += 1
        strangers = len(seen - self._people)
        if strangers:
            what = f"{strangers} of {len(seen)} people are in no other file"
            self._remarks.append(f"{path.name}: {what}: nothing is learnt from what they are")

    def _attributes(self) -> dict[str, AttributeCount]:
        return {
            name: AttributeCount(
                counts.total(), len(counts), sum(one < MIN_PEOPLE for one in counts.values())
            )
            for name, counts in sorted(self._values.items())
        }

    def _note_births(self, request: Request) -> None:
        """When the items of a request first occur in the folder, as far as it tells."""
        seen = [(event.item, event.timestamp) for event in request.history]
        for item, time in seen:
            if item is not None and time:
                self._born[item.id] = min(time, self._born.get(item.id, time))
        if request.timestamp is not None:
            for name in request.clicked:
                born = self._born.get(name, request.timestamp)
                self._born[name] = min(request.timestamp, born)

    def _say_unborn(self) -> None:
        for name, beside in self._beside.items():
            others = sum(len(items) for _, items in beside)
            late = sum(
                self._born.get(item, time) >= time for time, items in beside for item in items
            )
            if late and self._born and late >= _WORTH_SAYING * others:
                what = f"{late / others:.0%} of what was not clicked occurs nowhere before"
                self._remarks.append(f"{name}: {what}: what did not exist yet is easily told")

    def _say_late(self) -> None:
        """How much of what is learnt from lies in the future of the lists of each split."""
        for name, beside in self._beside.items():
            late = late_share(self._learnt, [time for time, _ in beside])
            if late >= _WORTH_SAYING:
                what = f"{late:.0%} of the choices in train are later than a list, in the mean"
                self._remarks.append(f"{name}: {what}: what is learnt knows of its future")

    def _check_time(self, path: Path, number: int, request: Request) -> None:
        last = max((event.timestamp or 0.0 for event in request.history), default=0.0)
        if request.timestamp is not None and last > request.timestamp:
            self._note(path, number, "history: expected events up to the request, got a later one")

    def _check_leak(self, path: Path, number: int, request: Request) -> None:
        """What is asked for must not have been learnt from."""
        if request.user is None:
            return
        learnt = self._train.get(request.user, {})
        before = {event.item.id for event in request.history if event.item is not None}
        for name in request.clicked & learnt.keys():
            time = learnt[name]
            if time is not None and request.timestamp is not None:
                leaks = time >= request.timestamp
            else:
                leaks = name not in before
            if leaks:
                self._note(path, number, "clicked: expected a choice that train does not hold")

    def _say_strange(self, path: Path, strange: int, total: int) -> None:
        if strange:
            what = f"{strange} of {total} ids are not in the catalogue: items without a text"
            self._remarks.append(f"{path.name}: {what}")


def _request(catalogue: Mapping[str, Item], record: Record) -> tuple[Request, list[str]]:
    request = parse_request(catalogue, record)
    return request, [str(name) for name in record["candidates"]]


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            yield from enumerate(stream, start=1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error
