"""Log of a person's lists in a small state: counts by month and surface, and the newest lists."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

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

_VERSION = 1
_START = struct.Struct("<BBBH")
_TALLY = struct.Struct(f"<IIIIIQQQ{len(EDGES) + 1}I")
_ROW = struct.Struct("<HB")


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
    histogram: tuple[int, ...] = (0,) * (len(EDGES) + 1)

    @classmethod
    def of(cls, record: ListRecord) -> Self:
        """Of one list."""
        place = record.place
        if not place:
            return cls(lists=1, refused=record.refused)
        bar = sum(place > edge for edge in EDGES)
        return cls(
            lists=1,
            clicked=1,
            refused=record.refused,
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
            *self.histogram,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        lists, clicked, refused, places, satisfied, squares, once, twice, *bars = _TALLY.unpack(raw)
        return cls(
            lists, clicked, refused, places, satisfied, squares, once, twice, histogram=tuple(bars)
        )


@dataclass(frozen=True, slots=True, repr=False)
class FeedbackLog:
    """What came of a person's lists. A value: each list gives the next; equal lists, equal bytes.

    Attributes:
        tallies: by month, counted from the year 0, and surface, empty for all that are not counted
            by name.
        newest: the last lists as bytes, oldest first, at most ``NEWEST``: see :attr:`records`.
    """

    tallies: Mapping[tuple[int, str], Tally] = field(default_factory=dict)
    newest: bytes = b""

    @property
    def records(self) -> list[ListRecord]:
        """The last lists, oldest first, as exact as they are kept."""
        return [ListRecord.from_bytes(one) for one in self._cut()]

    def _cut(self) -> list[bytes]:
        starts = range(0, len(self.newest), RECORD_BYTES)
        return [self.newest[one : one + RECORD_BYTES] for one in starts]

    def after(self, record: ListRecord, surface: str = "") -> FeedbackLog:
        """The log after another list.

        Args:
            record: what came of it.
            surface: which of the host's lists it was.
        """
        one = FeedbackLog({(month_of(record.at), surface): Tally.of(record)}, record.to_bytes())
        return self.merged(one)

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
        return FeedbackLog(kept, (self.newest + later.newest)[-NEWEST * RECORD_BYTES :])

    def since(self, oldest: float) -> FeedbackLog:
        """Without the lists, and the months, that ended before a moment in UTC seconds."""
        first = month_of(oldest)
        return FeedbackLog(
            {key: tally for key, tally in self.tallies.items() if key[0] >= first},
            b"".join(one for one in self._cut() if moment_in(one) >= oldest),
        )

    def to_bytes(self) -> bytes:
        """The log for the vault, at most 16 KiB: a version, names of surfaces, sums and lists."""
        names = sorted({surface for _, surface in self.tallies if surface})
        parts = [
            _START.pack(_VERSION, len(names), len(self.tallies), len(self.newest) // RECORD_BYTES)
        ]
        for name in names:
            text = name.encode()
            parts.append(bytes([len(text)]) + text)
        places = {"": 0} | {name: place for place, name in enumerate(names, start=1)}
        for (month, surface), tally in sorted(self.tallies.items()):
            parts += [_ROW.pack(month, places[surface]), tally.to_bytes()]
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
        version, named, rows, lists = _START.unpack_from(raw)
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
        if len(raw) != at + lists * RECORD_BYTES:
            return None
        return cls(tallies, raw[at:])


def month_of(at: float) -> int:
    """Months since the year 0, in UTC, of UTC seconds."""
    # Far from our days a platform's clock may know no year.
    then = time.gmtime(min(max(at, 0.0), 2**32 - 1))
    return then.tm_year * 12 + then.tm_mon - 1
