"""Records of lists that were shown: what came of each, in numbers alone.

A record names no item. It says where the item that was chosen stood, where the host's own order
and the order without the personal head would have put it, how much of a success it was, how the
list was rated, how varied it was, and which neighbours were left to chance.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.exploration import MOST, NeighbourSwaps
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.variety import PLACES

T = TypeVar("T")

_FORM = struct.Struct(f"<IBBBHHIHH{PLACES}Be3B")
WHOLE = 255
"""What a whole success is as a number of a record in bytes."""

_EPSILON = 65_535 / MOST
_SHARE, _UNKNOWN = 254, 255

RECORD_BYTES = _FORM.size

_EVERY, _NONE = (True,) * PLACES, (0.0,) * PLACES


class Used(StrEnum):
    """Which order a list was shown in."""

    PACK = "pack"
    """As for anybody with this history: nothing that was learnt on the device moved it."""
    LEARNT = "learnt"
    """With what was learnt on the device of the person."""
    HOST = "host"
    """The application's own."""
    MIXED = "mixed"
    """The application's and ours in turn, to compare the two."""


_USED = tuple(Used)


@dataclass(frozen=True, slots=True)
class ListRecord:
    """What came of a list.

    Attributes:
        at: UTC seconds at which it was made.
        refused: items of it that were disliked or dismissed.
        place: of the item that was chosen, from 1, 0 if none was: the one with the greatest
            success, the uppermost of equal ones.
        success: of that item, 0 to 1.
        host: its place in the host's own order, 0 where the host gave none.
        without: its place without the head.
        used: which order it was shown in.
        rating: of the list as a whole, in the host's unit; ``None`` without one.
        same: whether the order without the head has the same item there, of the first places.
        within: whether chance could have put the item there that the order without the head has.
        rewards: successes of what stood there, 0 to 1, likewise.
        epsilon: chance that two neighbours were tried where they may be, 0 to ½.
        tried: by the upper place, whether two neighbours may have been, of the first places.
        swapped: whether they stand swapped, likewise.
        categories, vectors, recall: see :class:`~edge_rerank.learning.variety.Variety`.
    """

    at: float
    refused: int
    place: int
    success: float
    host: int
    without: int
    used: Used
    rating: float | None
    same: tuple[bool, ...]
    within: tuple[bool, ...]
    rewards: tuple[float, ...]
    epsilon: float
    tried: tuple[bool, ...]
    swapped: tuple[bool, ...]
    categories: float | None
    vectors: float | None
    recall: float | None

    @classmethod
    def of(cls, shown: Shown, deeds: Deeds) -> Self:
        """What came of a list that nothing more is expected of.

        Args:
            shown: the list.
            deeds: what the person did with it.
        """
        without = shown.without
        touched = _touched(shown.ids, deeds)
        chosen = max(touched, key=lambda row: (touched[row], -row), default=None)
        tried, swapped = shown.pairs[:PLACES], _swapped(shown.order)
        return cls(
            at=shown.at,
            refused=len(deeds.refused.intersection(shown.ids)) if deeds.refused else 0,
            place=0 if chosen is None else chosen + 1,
            success=0.0 if chosen is None else touched[chosen],
            host=0 if chosen is None or shown.host is None else int(shown.host[chosen]),
            without=_place_without(without, chosen),
            used=Used(shown.used) if shown.used else _used(shown),
            rating=deeds.rating,
            same=_EVERY if without is None else _same(without),
            within=_within(shown),
            rewards=tuple(touched.get(row, 0.0) for row in range(PLACES)) if touched else _NONE,
            epsilon=max(tried, default=0.0),
            tried=_filled([one > 0 for one in tried], False),
            swapped=_filled(swapped, False),
            categories=shown.variety.categories,
            vectors=shown.variety.vectors,
            recall=shown.variety.recall,
        )

    @property
    def explored(self) -> bool:
        """Whether something of the first places was left to chance."""
        return any(self.tried)

    @property
    def placements(self) -> tuple[float, ...]:
        """Chances that what stands at the first places stands there, whatever stands elsewhere."""
        return _chances(self.epsilon, self.tried, self.swapped)[0]

    @property
    def steps(self) -> tuple[float, ...]:
        """Likewise given what stands above."""
        return _chances(self.epsilon, self.tried, self.swapped)[1]

    def to_bytes(self) -> bytes:
        """The record in ``RECORD_BYTES`` bytes, little-endian.

        Successes are kept to 1 in 255, the chance of neighbours to 1 in 131,070, ratings as
        numbers of half precision, variety to 1 in 254.
        """
        marks = _bits((*self.same, *self.tried, *self.swapped)) << 2 | _USED.index(self.used)
        return _FORM.pack(
            min(max(int(self.at), 0), 2**32 - 1),
            min(self.refused, 255),
            min(self.place, 255),
            round(WHOLE * self.success),
            min(self.host, 65_535),
            min(self.without, 65_535),
            marks,
            _bits(self.within),
            round(self.epsilon * _EPSILON),
            *(round(WHOLE * one) for one in self.rewards),
            math.nan if self.rating is None else self.rating,
            *(_share(one) for one in (self.categories, self.vectors, self.recall)),
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote; ``raw`` has ``RECORD_BYTES`` bytes."""
        at, refused, place, success, host, without, marks, within, epsilon, *rest = _FORM.unpack(
            raw
        )
        rating, categories, vectors, recall = rest[PLACES:]
        flags = [_flags(marks >> 2 + part * PLACES) for part in range(3)]
        return cls(
            at=float(at),
            refused=refused,
            place=place,
            success=success / WHOLE,
            host=host,
            without=without,
            used=_USED[marks & 3],
            rating=None if math.isnan(rating) else rating,
            same=flags[0],
            within=_flags(within),
            rewards=tuple(one / WHOLE for one in rest[:PLACES]),
            epsilon=epsilon / _EPSILON,
            tried=flags[1],
            swapped=flags[2],
            categories=_known(categories),
            vectors=_known(vectors),
            recall=_known(recall),
        )


def moment_in(raw: bytes) -> int:
    """``ListRecord.at`` of a record in bytes, in whole UTC seconds."""
    return int.from_bytes(raw[:4], "little")


def _used(shown: Shown) -> Used:
    """Learnt or not, by whether the head moved something."""
    if shown.without is None:
        return Used.PACK
    before = np.arange(len(shown.ids))
    before[: len(shown.order)] = shown.order[: len(before)]
    return Used.PACK if np.array_equal(shown.without, before + 1) else Used.LEARNT


def _touched(ids: Sequence[str], deeds: Deeds) -> dict[int, float]:
    """Successes of what was chosen, by row."""
    if not (deeds.visited or deeds.done):
        return {}
    return {
        row: deeds.success(one)
        for row, one in enumerate(ids)
        if one in deeds.visited or one in deeds.done
    }


def _place_without(without: NDArray[np.int64] | None, chosen: int | None) -> int:
    if chosen is None:
        return 0
    return chosen + 1 if without is None else int(without[chosen])


def _same(without: NDArray[np.int64]) -> tuple[bool, ...]:
    """By place, whether the order without the head has the same item there."""
    return _filled((without == np.arange(1, len(without) + 1)).tolist(), True)


def _within(shown: Shown) -> tuple[bool, ...]:
    """By place, whether swaps reach the item that the order without the head has there."""
    if shown.without is None and not shown.order:
        return _EVERY
    own = np.arange(1, len(shown.ids) + 1)
    without = own if shown.without is None else shown.without
    reached = [False] * min(len(shown.ids), PLACES)
    # Only the first places are asked for, and few items are for one of them.
    (rows,) = np.nonzero(without <= PLACES)
    for row, target in zip(rows.tolist(), (without[rows] - 1).tolist(), strict=True):
        before = shown.order[row] if row < len(shown.order) else row
        upper = min(before, target)
        near = 0 <= upper < len(shown.pairs) and shown.pairs[upper] > 0
        if target < len(reached) and (target == before or (abs(target - before) == 1 and near)):
            reached[target] = True
    return _filled(reached, True)


def _swapped(order: Sequence[int]) -> list[bool]:
    """By the upper place, whether two neighbours stand swapped."""
    return [before == place + 1 for place, before in enumerate(order[:PLACES])]


@lru_cache(maxsize=1_024)
def _chances(
    epsilon: float, tried: tuple[bool, ...], swapped: tuple[bool, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Chances of the first places, and given those above: those below change neither."""
    swaps = NeighbourSwaps(np.where(tried, epsilon, 0.0))
    order = np.arange(PLACES + 1)
    for place in np.flatnonzero(swapped):
        order[[place, place + 1]] = order[[place + 1, place]]
    placements, steps = swaps.placements(order)[:PLACES], swaps.steps(order)[:PLACES]
    return tuple(placements.tolist()), tuple(steps.tolist())


def _filled(values: Iterable[T], filling: T) -> tuple[T, ...]:
    """The first places, those that a short list lacks filled up."""
    return (*values, *[filling] * PLACES)[:PLACES]


@lru_cache(maxsize=256)
def _bits(flags: tuple[bool, ...]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def _flags(bits: int) -> tuple[bool, ...]:
    return tuple(bool(bits >> place & 1) for place in range(PLACES))


def _share(value: float | None) -> int:
    return _UNKNOWN if value is None else round(_SHARE * value)


def _known(byte: int) -> float | None:
    return None if byte == _UNKNOWN else byte / _SHARE
