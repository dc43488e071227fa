"""Log of a person's lists in a small state: counts by month and surface, and the newest lists.

Of two months it is counted what was offered and shown, see :mod:`~edge_rerank.learning.coverage`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

from edge_rerank.learning.coverage import SKETCH_BYTES, Sketch
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.list_record import RECORD_BYTES, WHOLE, ListRecord, moment_in

NEWEST = 200
"""Lists of which more than counts is kept."""

MONTHS = 13
"""Months that are counted, this one among them."""

SURFACES = 4
"""Surfaces that are counted by name; what the others do is counted together."""

EDGES = (1, 2, 3, 4, 5, 10, 20)
"""Last places of the bars of the histogram; the last bar is of all places below."""

RECIPROCAL = 2**32
"""What 1 is in a sum of reciprocals."""

RATED = 256
"""What 1 is in a sum of ratings."""

COVERED_MONTHS = 2
"""Months of which it is counted what was offered and shown: the last ones."""

_DAY_S = 86_400

_VERSION = 2
_START = struct.Struct("<BBBHB")
_TALLY = struct.Struct(f"<IIIIIQQQIqQ{len(EDGES) + 1}I")
_ROW = struct.Struct("<HB")
_MONTH = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and sums over lists, all of them whole numbers: exact in whatever order they come.

    Attributes:
        lists: that were shown.
        clicked: of them, that something was chosen from.
        refused: items that were disliked or dismissed.
        places: sum of the places of what was chosen, over the lists with a choice.
        satisfied: sum of the successes of what was chosen, in parts of ``WHOLE``.
        squares: sum of the squares of the places.
        reciprocals: sum of 1 / place, in parts of ``RECIPROCAL``.
        reciprocal_squares: sum of the squares of that, likewise.
        rated: lists that were rated as a whole.
        ratings: sum of these ratings, in parts of ``RATED``.
        rating_squares: sum of their squares, in parts of its square.
        histogram: lists by the place of what was chosen, see ``EDGES``.
    """

    lists: int = 0
    clicked: int = 0
    refused: int = 0
    places: int = 0
    satisfied: int = 0
    squares: int = 0
    reciprocals: int = 0
    reciprocal_squares: int = 0
    rated: int = 0
    ratings: int = 0
    rating_squares: int = 0
    histogram: tuple[int, ...] = (0,) * (len(EDGES) + 1)

    @classmethod
    def of(cls, record: ListRecord) -> Self:
        """Of one list."""
        place = record.place
        given = 0 if record.rating is None else round(RATED * record.rating)
        rated = cls(
            lists=1,
            refused=record.refused,
            rated=int(record.rating is not None),
            ratings=given,
            rating_squares=given**2,
        )
        if not place:
            return rated
        bar = sum(place > edge for edge in EDGES)
        return replace(
            rated,
            clicked=1,
            places=place,
            satisfied=round(WHOLE * record.success),
            squares=place**2,
            reciprocals=round(RECIPROCAL / place),
            reciprocal_squares=round(RECIPROCAL / place**2),
            histogram=tuple(int(one == bar) for one in range(len(EDGES) + 1)),
        )

    def __add__(self, other: Tally) -> Tally:
        bars = zip(self.histogram, other.histogram, strict=True)
        return Tally(
            self.lists + other.lists,
            self.clicked + other.clicked,
            self.refused + other.refused,
            self.places + other.places,
            self.satisfied + other.satisfied,
            self.squares + other.squares,
            self.reciprocals + other.reciprocals,
            self.reciprocal_squares + other.reciprocal_squares,
            self.rated + other.rated,
            self.ratings + other.ratings,
            self.rating_squares + other.rating_squares,
            tuple(one + another for one, another in bars),
        )

    def to_bytes(self) -> bytes:
        """The sums, little-endian."""
        return _TALLY.pack(
            self.lists,
            self.clicked,
            self.refused,
            self.places,
            self.satisfied,
            self.squares,
            self.reciprocals,
            self.reciprocal_squares,
            self.rated,
            self.ratings,
            self.rating_squares,
            *self.histogram,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        sums = _TALLY.unpack(raw)
        bars = len(EDGES) + 1
        return replace(cls(*sums[:-bars]), histogram=sums[-bars:])


@dataclass(frozen=True, slots=True, repr=False)
class FeedbackLog:
    """What came of a person's lists. A value: each list gives the next; equal lists, equal bytes.

    Attributes:
        tallies: by month, counted from the year 0, and surface, empty for all that are not counted
            by name.
        newest: the last lists as bytes, oldest first, at most ``NEWEST``: see :attr:`records`.
        covered: what was offered and shown, by month, of the last ``COVERED_MONTHS``.
    """

    tallies: Mapping[tuple[int, str], Tally] = field(default_factory=dict)
    newest: bytes = b""
    covered: Mapping[int, Sketch] = field(default_factory=dict)

    @property
    def records(self) -> list[ListRecord]:
        """The last lists, oldest first, as exact as they are kept."""
        return [ListRecord.from_bytes(one) for one in self._cut()]

    def _cut(self) -> list[bytes]:
        starts = range(0, len(self.newest), RECORD_BYTES)
        return [self.newest[one : one + RECORD_BYTES] for one in starts]

    def after(
        self, record: ListRecord, surface: str = "", sketch: Sketch | None = None
    ) -> FeedbackLog:
        """The log after another list.

        Args:
            record: what came of it.
            surface: which of the host's lists it was.
            sketch: of what it was made of and showed.
        """
        month = month_of(record.at)
        found = self.tallies.get((month, surface))
        if found is None or any(later > month for later, _ in self.tallies):
            covered = {} if sketch is None else {month: sketch}
            tallies = {(month, surface): Tally.of(record)}
            return self.merged(FeedbackLog(tallies, record.to_bytes(), covered))
        # Of a month and a surface that are counted already: nothing grows too old, none is new.
        return FeedbackLog(
            {**self.tallies, (month, surface): found + Tally.of(record)},
            (self.newest + record.to_bytes())[-NEWEST * RECORD_BYTES :],
            self.covered if sketch is None else _latest(self.covered, {month: sketch}),
        )

    def after_list(self, shown: Shown, deeds: Deeds) -> FeedbackLog:
        """The log after what a person did with a list, see :meth:`ListRecord.of`."""
        record = ListRecord.of(shown, deeds)
        return self.after(record, shown.surface, shown.variety.sketch)

    def merged(self, later: FeedbackLog) -> FeedbackLog:
        """The log after all lists of another one, within the bounds."""
        tallies = dict(self.tallies)
        names = dict.fromkeys(surface for _, surface in tallies if surface)
        for (month, surface), tally in later.tallies.items():
            known = surface in names or len(names) < SURFACES
            name = surface if known else ""
            if name:
                names[name] = None
            tallies[month, name] = tallies.get((month, name), Tally()) + tally
        first = max((month for month, _ in tallies), default=0) - MONTHS + 1
        kept = {key: tally for key, tally in tallies.items() if key[0] >= first}
        newest = (self.newest + later.newest)[-NEWEST * RECORD_BYTES :]
        return FeedbackLog(kept, newest, _latest(self.covered, later.covered))

    def since(self, oldest: float) -> FeedbackLog:
        """Without the lists, and the months, that ended before a moment in UTC seconds."""
        first = month_of(oldest)
        return FeedbackLog(
            {key: tally for key, tally in self.tallies.items() if key[0] >= first},
            b"".join(one for one in self._cut() if moment_in(one) >= oldest),
            {month: sketch for month, sketch in self.covered.items() if month >= first},
        )

    def to_bytes(self) -> bytes:
        """The log for the vault, at most 16 KiB: a version, names of surfaces, sums and lists."""
        names = sorted({surface for _, surface in self.tallies if surface})
        parts = [
            _START.pack(
                _VERSION,
                len(names),
                len(self.tallies),
                len(self.newest) // RECORD_BYTES,
                len(self.covered),
            )
        ]
        for name in names:
            text = name.encode()
            parts.append(bytes([len(text)]) + text)
        places = {"": 0} | {name: place for place, name in enumerate(names, start=1)}
        for (month, surface), tally in sorted(self.tallies.items()):
            parts += [_ROW.pack(month, places[surface]), tally.to_bytes()]
        for month, sketch in sorted(self.covered.items()):
            parts += [_MONTH.pack(month), sketch.to_bytes()]
        return b"".join([*parts, self.newest])

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self | None:
        """Read what :meth:`to_bytes` wrote; ``None`` where it is of another version."""
        try:
            return cls._read(raw)
        except (struct.error, IndexError, UnicodeDecodeError, ValueError):
            return None

    @classmethod
    def _read(cls, raw: bytes) -> Self | None:
        version, named, rows, lists, months = _START.unpack_from(raw)
        if version != _VERSION:
            return None
        at, names = _START.size, [""]
        for _ in range(named):
            end = at + 1 + raw[at]
            names.append(raw[at + 1 : end].decode())
            at = end
        tallies = {}
        for _ in range(rows):
            month, place = _ROW.unpack_from(raw, at)
            at += _ROW.size
            tally = Tally.from_bytes(raw[at : at + _TALLY.size])
            at += _TALLY.size
            tallies[month, names[place]] = tally
        covered = {}
        for _ in range(months):
            (month,) = _MONTH.unpack_from(raw, at)
            at += _MONTH.size
            covered[month] = Sketch.from_bytes(raw[at : at + SKETCH_BYTES])
            at += SKETCH_BYTES
        if len(raw) != at + lists * RECORD_BYTES:
            return None
        return cls(tallies, raw[at:], covered)


def _latest(earlier: Mapping[int, Sketch], later: Mapping[int, Sketch]) -> dict[int, Sketch]:
    """The sums of two logs by month, without months that are too old."""
    both = dict(earlier)
    for month, sketch in later.items():
        both[month] = both[month] + sketch if month in both else sketch
    first = max(both, default=0) - COVERED_MONTHS + 1
    return {month: sketch for month, sketch in both.items() if month >= first}


def month_of(at: float) -> int:
    """Months since the year 0, in UTC, of UTC seconds."""
    # Far from our days a platform's clock may know no year.
    return _month_of_day(int(min(max(at, 0.0), 2**32 - 1)) // _DAY_S)


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> int:
    then = time.gmtime(day * _DAY_S)
    return then.tm_year * 12 + then.tm_mon - 1
