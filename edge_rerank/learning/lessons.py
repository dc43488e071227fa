"""Lessons: what a list that was shown, and what a person did with it, says of their taste.

Which items were looked at follows from the cascade model (Craswell et al., "An experimental
comparison of click position-bias models", WSDM 2008): people read from the top, so everything
above the last click that satisfied them was looked at and passed over, and nothing is known of
what stands below. Where the host reports impressions of a list, these say what was looked at.
So a click on the first item teaches nothing, and a list in which nothing was chosen neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.layout import Layout
from edge_rerank.learning.variety import NO_VARIETY, Variety
from edge_rerank.types import Event, EventType

BOUNCE_S, SATISFIED_S = 5.0, 30.0
"""Seconds below which a visit was no success, and from which on it was a whole one; in between
the success grows along the logarithm. Kim et al., "Modeling dwell time to predict click-level
satisfaction", WSDM 2014; Fox et al., "Evaluating implicit measures to improve web search", 2005."""

_VISITS = frozenset({EventType.CLICK, EventType.VIEW})
_DEEDS = frozenset({EventType.COMPLETE, EventType.LIKE, EventType.ADD_TO_CART, EventType.PURCHASE})
_REFUSALS = frozenset({EventType.DISLIKE, EventType.DISMISS})


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A list as a person saw it, as far as it is learnt from.

    Attributes:
        ranking: ``Ranking.id``.
        at: UTC seconds at which it was made.
        ids: of the first items, in their order; m of them.
        base: what everything but the head says of them, in log-odds, float32 of shape (m,).
        features: float32 of shape (m, width), see :class:`Layout`.
        layout: of the features.
        surface: which of the host's lists it was; empty where the host did not say.
        host: places from 1 in the host's own order, 0 where it gave an item none, int64 of shape
            (m,); ``None`` where it gave none at all.
        without: places from 1 that the items would have had without the head, int64 of shape
            (m,); ``None`` where it moved nothing.
        used: which order it is, see :class:`~edge_rerank.learning.list_record.Used`; where it is
            not said, that of the pack or what was learnt made of it.
        pairs: by the upper place, the chance that two neighbours were tried; empty where nothing
            was left to chance.
        order: by place, the place before neighbours swapped, from 0; likewise.
        variety: of what it shows.
    """

    ranking: str
    at: float
    ids: tuple[str, ...]
    base: NDArray[np.float32]
    features: NDArray[np.float32]
    layout: Layout
    surface: str = ""
    host: NDArray[np.int64] | None = None
    without: NDArray[np.int64] | None = None
    used: str = ""
    pairs: tuple[float, ...] = ()
    order: tuple[int, ...] = ()
    variety: Variety = NO_VARIETY


@dataclass(frozen=True, slots=True, repr=False)
class Lesson:
    """Those of a list's items that were looked at, and what was chosen of them.

    Attributes:
        base: log-odds without the head, float64 of shape (k,).
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

    def heed(self, event: Event) -> None:
        """Take note of an event with an item of the list, or of a rating of all of it."""
        if event.of_list:
            self.rating = event.value
        if event.item is None:
            return
        one = event.item.id
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


def lesson_of(shown: Shown, deeds: Deeds) -> Lesson | None:
    """What the list teaches; ``None`` where that is nothing.

    Nothing was chosen of it, or of what was looked at nothing else was passed over.
    """
    successes = np.array([deeds.success(item) for item in shown.ids])
    satisfied = np.flatnonzero(successes > 0)
    if not len(satisfied):
        return None
    looked = _looked_at(shown.ids, deeds, last=int(satisfied[-1]))
    if len(looked) < 2:
        return None
    chosen = successes[looked]
    best = int(chosen.argmax())
    refused = [place for place, row in enumerate(looked) if shown.ids[row] in deeds.refused]
    return Lesson(
        base=shown.base[looked].astype(np.float64),
        features=shown.features[looked],
        chosen=chosen,
        preferred=tuple((best, place) for place in refused),
        at=shown.at,
    )


def _looked_at(ids: Iterable[str], deeds: Deeds, *, last: int) -> list[int]:
    """Rows of what was looked at: as the host reports, else down to the last success."""
    touched = {*deeds.visited, *deeds.done, *deeds.refused}
    reported = bool(deeds.seen)
    return [
        row
        for row, item in enumerate(ids)
        if item in touched or (item in deeds.seen if reported else row <= last)
    ]
