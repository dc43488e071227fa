"""Interests: what a history says a person likes, dislikes and searches for.

Many events may concern one item; they are added up to one signed strength, in which an
ordinary click counts 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.history.sessions import session_ages
from edge_rerank.types import Event, EventType, Item

MAX_ITEMS = 50
"""The most recently touched items that take part; more add time but no quality."""

MAX_SEARCHES = 5
MAX_STRENGTH = 2.0

STRENGTH = {
    EventType.IMPRESSION: 0.0,
    EventType.CLICK: 1.0,
    EventType.VIEW: 0.8,
    EventType.LIKE: 1.5,
    EventType.DISLIKE: -1.5,
    EventType.DISMISS: -1.0,
    EventType.ADD_TO_CART: 1.5,
    EventType.PURCHASE: 2.0,
    EventType.COMPLETE: 1.5,
}
"""Strength of one event, before dwell time and scroll depth."""

SEARCH_STRENGTH = 0.7
RATING_STRENGTH = 1.5

LONG_DWELL_S = 30.0
"""A click followed by this many seconds is counted as satisfied in the literature on
search logs (Fox et al., "Evaluating implicit measures to improve web search", 2005)."""

_HALF_LIFE_ITEMS = 20.0
_HALF_LIFE_SESSIONS = 20.0


@dataclass(frozen=True, slots=True)
class Interest:
    """One item of the history with what the person thinks of it.

    Attributes:
        item: as it was when the person last touched it.
        strength: signed, at most 2 in size; an ordinary click is 1.
        recency: 1 for the newest, halved every 20 items and every 20 sessions.
        age_s: seconds since the person last touched it; ``None`` where no time is known.
    """

    item: Item
    strength: float
    recency: float
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Interests:
    """What the ranker knows of a person.

    Attributes:
        liked: items with positive strength, oldest first.
        disliked: items with negative strength, oldest first.
        searches: the words of the last searches with their recency, oldest first.
        shown: how often an item was shown and not chosen, by item id.
    """

    liked: tuple[Interest, ...] = ()
    disliked: tuple[Interest, ...] = ()
    searches: tuple[tuple[str, float], ...] = ()
    shown: dict[str, int] | None = None

    def newest(self, most: int) -> Interests:
        """The same with no more than ``most`` liked items."""
        return replace(self, liked=self.liked[-most:])

    def __bool__(self) -> bool:
        return bool(self.liked or self.disliked or self.searches or self.shown)


def read_interests(history: Sequence[Event], *, now: float) -> Interests:
    """Condense a history.

    Args:
        history: events with timestamps, oldest first.
        now: UTC seconds, at least the last timestamp.
    """
    if not history:
        return Interests()
    ages = session_ages([event.timestamp or 0.0 for event in history], now=now)
    ratings = _RatingScale.of(history)
    touched: dict[str, tuple[Item, float, int, float | None]] = {}
    shown: dict[str, int] = {}
    searches: dict[str, int] = {}
    for event, age in zip(history, ages.tolist(), strict=True):
        if event.type is EventType.SEARCH:
            query = event.query or ""
            searches.pop(query, None)
            searches[query] = age
            continue
        item = event.item
        if item is None:
            continue
        if event.type is EventType.IMPRESSION:
            shown[item.id] = shown.get(item.id, 0) + 1
            continue
        earlier = touched.pop(item.id, None)
        strength = _strength(event, ratings) + (earlier[1] if earlier else 0.0)
        # Data sets without times give 0: the beginning of 1970 is no time to reckon with.
        seconds = now - event.timestamp if event.timestamp else None
        touched[item.id] = (item, strength, age, seconds)
    newest = list(touched.values())[-MAX_ITEMS:]
    recency = _recency([age for _, _, age, _ in newest])
    interests = [
        Interest(item, max(-MAX_STRENGTH, min(MAX_STRENGTH, strength)), weight, seconds)
        for (item, strength, _, seconds), weight in zip(newest, recency.tolist(), strict=True)
    ]
    last_searches = list(searches.items())[-MAX_SEARCHES:]
    search_recency = _recency([age for _, age in last_searches])
    return Interests(
        liked=tuple(one for one in interests if one.strength > 0),
        disliked=tuple(one for one in interests if one.strength < 0),
        searches=tuple(
            (query, weight)
            for (query, _), weight in zip(last_searches, search_recency.tolist(), strict=True)
        ),
        shown={item_id: count for item_id, count in shown.items() if item_id not in touched},
    )


def _recency(ages: Sequence[int]) -> NDArray[np.float64]:
    places = np.arange(len(ages))[::-1]
    return np.exp2(-places / _HALF_LIFE_ITEMS - np.asarray(ages) / _HALF_LIFE_SESSIONS)


def _strength(event: Event, ratings: _RatingScale) -> float:
    if event.type is EventType.RATING:
        return ratings.strength(event.value)
    strength = STRENGTH[event.type]
    if strength > 0 and event.type in {EventType.CLICK, EventType.VIEW}:
        strength *= _attention(event)
    return strength


def _attention(event: Event) -> float:
    """0.3 for a bounce to 1 for a long read; 1 where neither dwell nor scroll is known."""
    parts = []
    if event.dwell_s is not None:
        parts.append(min(1.0, math.log1p(event.dwell_s) / math.log1p(LONG_DWELL_S)))
    if event.scroll is not None:
        parts.append(min(max(event.scroll, 0.0), 1.0))
    return 0.3 + 0.7 * (sum(parts) / len(parts)) if parts else 1.0


@dataclass(frozen=True, slots=True)
class _RatingScale:
    """Ratings are read against the person's own: the host's scale is not known."""

    low: float
    high: float

    @classmethod
    def of(cls, history: Sequence[Event]) -> _RatingScale:
        values = [
            event.value
            for event in history
            if event.type is EventType.RATING and event.value is not None
        ]
        return cls(min(values), max(values)) if values else cls(0.0, 0.0)

    def strength(self, value: float | None) -> float:
        if value is None:
            return 0.0
        if self.low == self.high:
            # One rating, or all alike: thumbs down is below zero on every scale that has it.
            return RATING_STRENGTH / 2 if value > 0 else -RATING_STRENGTH
        return RATING_STRENGTH * (2 * (value - self.low) / (self.high - self.low) - 1)
