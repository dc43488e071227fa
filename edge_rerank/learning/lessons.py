"""Lessons: what a list that was shown, and what a person did with it, says of their taste.

Which items were looked at follows from the cascade model (Craswell et al., "An experimental
comparison of click position-bias models", WSDM 2008): people read from the top, so everything
above the last click that satisfied them was looked at and passed over. Where the host reports
impressions of a list, these say what was looked at.

What stands further down was perhaps looked at, the less likely the further it is. To leave it out
would make whatever was chosen the lowest of the items that are compared, list after list, and
teach that low scores please. So it is compared, too, with its log-odds lowered by the logarithm of
that chance, as choices among samples of unlike chances are (McFadden, "Modelling the choice of
residential location", 1978). A list in which nothing was chosen teaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.examination import DECLINE
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.variety import NO_VARIETY, Variety
from edge_rerank.types import Event, EventType

BOUNCE_S, SATISFIED_S = 5.0, 30.0
"""Seconds below which a visit was no success, and from which on it was a whole one; in between
the success grows along the logarithm. Kim et al., "Modeling dwell time to predict click-level
satisfaction", WSDM 2014, find most dissatisfied clicks below the first; from the second on a click
counts as satisfied in Fox et al., "Evaluating implicit measures to improve web search", 2005."""

_VISITS = frozenset({EventType.CLICK, EventType.VIEW})
_DEEDS = frozenset({EventType.COMPLETE, EventType.LIKE, EventType.ADD_TO_CART, EventType.PURCHASE})
_REFUSALS = frozenset({EventType.DISLIKE, EventType.DISMISS})


class Features:
    """Features of a list's items, made when something is first learnt from them.

    Not safe from several threads.

    Args:
        make: gives them, float32 of shape (m, width); asked once, and let go of then.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], NDArray[np.float32]]) -> None:
        self._make: Callable[[], NDArray[np.float32]] | None = make
        self._made: NDArray[np.float32] | None = None

    def read(self) -> NDArray[np.float32]:
        """Float32 of shape (m, width), the same array each time."""
        if self._made is None:
            assert self._make is not None  # noqa: S101 - one of the two is always there
            self._made, self._make = self._make(), None
        return self._made


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A list as a person saw it, as far as it is learnt from.

    Attributes:
        ranking: ``Ranking.id``.
        at: UTC seconds at which it was made.
        ids: of the first items, in their order; m of them.
        base: what everything but the head says of them, in log-odds, float32 of shape (m,).
        made: gives the features when they are first read.
        layout: of the features.
        surface: which of the host's lists it was; empty where the host did not say.
        host: places from 1 in the host's own order, 0 where it gave an item none, int64 of shape
            (m,); ``None`` where it gave none at all.
        without: places from 1 that the items would have had without the head, int64 of shape
            (m,), 0 where that is not known; ``None`` where it moved nothing.
        used: which order it is, see :class:`~edge_rerank.learning.list_record.Used`; where it is
            not said, that of the pack or what was learnt made of it.
        pairs: by the upper place, the chance that two neighbours were tried; empty where nothing
            was left to chance.
        order: by place, the place before neighbours swapped, from 0; likewise.
        variety: of what it shows.
        teams: by place, whether the host's order or ours brought what stands there, where the list
            was drafted of both; ``None`` for what both began with, and for what was pinned.
        tilt: by how much a choice of each item speaks for more room beside the host's order, see
            :mod:`~edge_rerank.learning.room_test`, float64 of shape (m,); ``None`` where nothing
            does.
    """

    ranking: str
    at: float
    ids: tuple[str, ...]
    base: NDArray[np.float32]
    made: Features
    layout: Layout
    surface: str = ""
    host: NDArray[np.int64] | None = None
    without: NDArray[np.int64] | None = None
    used: str = ""
    pairs: tuple[float, ...] = ()
    order: tuple[int, ...] = ()
    variety: Variety = NO_VARIETY
    teams: tuple[Side | None, ...] | None = None
    tilt: NDArray[np.float64] | None = None

    @property
    def features(self) -> NDArray[np.float32]:
        """Features of the items, float32 of shape (m, width), see :class:`Layout`."""
        return self.made.read()


@dataclass(frozen=True, slots=True, repr=False)
class Lesson:
    """A list's items that were looked at, for certain or perhaps, and what was chosen of them.

    Attributes:
        base: log-odds without the head, and of having been looked at, float64 of shape (k,).
        features: float32 of shape (k, width).
        chosen: how much of a success each choice was, 0 for what was passed over, float64 of
            shape (k,).
        preferred: pairs of places, of which the first was chosen and the second turned down.
        at: UTC seconds.
    """

    base: NDArray[np.float64]
    features: NDArray[np.float32]
    chosen: NDArray[np.float64]
    preferred: tuple[tuple[int, int], ...]
    at: float

    def loss(self, scores: NDArray[np.float64]) -> float:
        """Log loss of the choices under the softmax of scores, float64 of shape (k,)."""
        highest = scores.max()
        normaliser = highest + np.log(np.exp(scores - highest).sum())
        return float(self.chosen @ (normaliser - scores))


@dataclass(slots=True, repr=False)
class Deeds:
    """What a person did with a list: grows with its events, in whatever order they come.

    Attributes:
        visited: how much of a success the visits to an item were, by its id; 1 while no dwell
            time is known.
        done: ids of what was completed, liked, bought or put in a cart.
        refused: ids of what was disliked or dismissed.
        seen: ids of what the host says was looked at.
        rating: of the list as a whole, the last one; ``None`` without one.
    """

    visited: dict[str, float | None] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    rating: float | None = None

    def copy(self) -> Deeds:
        """Another one that says the same, to be changed."""
        return Deeds(
            self.visited.copy(),
            self.done.copy(),
            self.refused.copy(),
            self.seen.copy(),
            self.rating,
        )

    def heed(self, event: Event, *, new: bool = True) -> None:
        """Take note of an event with an item of the list, or of a rating of all of it.

        Args:
            event: what was done.
            new: whether it was not kept before. What was may be told again because it is of
                another list than then, or by mistake: of an item that was judged since it then
                says nothing.
        """
        if event.of_list:
            self.rating = event.value
        if event.item is None:
            return
        one = event.item.id
        if not new and (one in self.done or one in self.refused):
            return
        if event.type in _VISITS:
            before = self.visited.get(one)
            now = None if event.dwell_s is None else satisfaction(event.dwell_s)
            # A dwell time that comes later says how the visit ended; of several the best counts.
            known = [value for value in (before, now) if value is not None]
            self.visited[one] = max(known, default=None)
        elif event.type in _DEEDS:
            self.done.add(one)
            self.refused.discard(one)
        elif event.type in _REFUSALS:
            self.refused.add(one)
            self.done.discard(one)
        elif event.type is EventType.IMPRESSION:
            self.seen.add(one)

    def success(self, item: str) -> float:
        """How much of a success the item was, 0 to 1."""
        if item in self.refused:
            return 0.0
        if item in self.done:
            return 1.0
        if item not in self.visited:
            return 0.0
        known = self.visited[item]
        return 1.0 if known is None else known


def satisfaction(dwell_s: float) -> float:
    """How much of a success a visit of so many seconds was, 0 to 1."""
    if dwell_s < BOUNCE_S:
        return 0.0
    if dwell_s >= SATISFIED_S:
        return 1.0
    return math.log(dwell_s / BOUNCE_S) / math.log(SATISFIED_S / BOUNCE_S)


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a list was looked at, and what was chosen of it. Equal ones teach the same.

    Attributes:
        rows: of the list, k of them, from the top.
        looked: chances that they were looked at, above 0 and at most 1.
        chosen: how much of a success each was, 0 to 1.
        preferred: see :class:`Lesson`.
    """

    rows: tuple[int, ...]
    looked: tuple[float, ...]
    chosen: tuple[float, ...]
    preferred: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, ids: Sequence[str], deeds: Deeds) -> Reading | None:
        """What the deeds say of a list; ``None`` where it teaches nothing.

        Nothing was chosen of it, or there was nothing else to choose.
        """
        successes = [deeds.success(item) for item in ids]
        satisfied = [row for row, success in enumerate(successes) if success > 0]
        if not satisfied:
            return None
        looked = _looked_at(ids, deeds, last=satisfied[-1])
        rows = list(looked)
        if len(rows) < 2:
            return None
        chosen = tuple(successes[row] for row in rows)
        best = chosen.index(max(chosen))
        refused = [place for place, row in enumerate(rows) if ids[row] in deeds.refused]
        return cls(
            tuple(rows),
            tuple(looked.values()),
            chosen,
            tuple((best, place) for place in refused),
        )

    def lesson(self, shown: Shown) -> Lesson:
        """What the list teaches."""
        rows = list(self.rows)
        return Lesson(
            base=shown.base[rows].astype(np.float64) + np.log(self.looked),
            features=shown.features[rows],
            chosen=np.array(self.chosen),
            preferred=self.preferred,
            at=shown.at,
        )


def _looked_at(ids: Sequence[str], deeds: Deeds, *, last: int) -> dict[int, float]:
    """Rows that were looked at, or may have been, and the chances of it.

    Those that the host reports, else all down to the last success, for certain; whatever stands
    below all of them with chances that fall from there.
    """
    touched = {*deeds.visited, *deeds.done, *deeds.refused}
    reported = bool(deeds.seen)
    certain = {
        row: 1.0
        for row, item in enumerate(ids)
        if item in touched or (item in deeds.seen if reported else row <= last)
    }
    lowest = max(certain)
    below = range(lowest + 1, len(ids))
    return certain | {row: ((row + 1) / (lowest + 1)) ** -DECLINE for row in below}
