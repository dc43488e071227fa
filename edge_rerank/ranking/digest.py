"""Digest of a history: what follows from its events until the next one, or until a session ends.

A history is read item by item, so that an event changes the preference for its own item alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np

from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.ranking.interests import Interest, Interests, Met, heaviest
from edge_rerank.ranking.signals.situation import places
from edge_rerank.ranking.strength import CHOSEN, Preference, preference_of
from edge_rerank.types import Event, EventType, Item

MAX_ITEMS = 50
"""The most recently touched items that take part; more add time but no quality."""

MAX_SEARCHES = 5

_HALF_LIFE_ITEMS = 20.0
_HALF_LIFE_SESSIONS = 20.0
_FORGIVEN_SESSIONS = 6.0
"""Sessions after which what was turned down counts half for its kind."""

_FORGIVING = _HALF_LIFE_SESSIONS / _FORGIVEN_SESSIONS

_TIRED_SESSIONS = 5.0
"""Sessions after which half of having been shown something in vain is forgotten."""

_DONE_DAYS = 7.0
"""Days after which having had a thing counts half,"""

_LEAST_DAYS = 0.25
_REPEATING = 20.0
"""less for who repeats: by this power of the share of what was new, and not below that. Groceries
of a household are bought half as often as else on the first two days, and as often from then on;
"""

_RHYTHM_TIMES = 3
_RHYTHM_PART = 1 / 10
"""or a part of the time between, of what was had so often: bread is needed sooner than coffee.
Groceries bought in three baskets and more: 5 % are bought again in the next basket in the first
tenth of the time between, 6 % up to a quarter, 8 % up to one and a half."""

_DAY_S = 86_400.0


class _Had(NamedTuple):
    """Something that the person had.

    Attributes:
        name: id of the item.
        when: UTC seconds; 0 where no time is known.
        session: how many sessions ago.
        half: days after which it counts half.
    """

    name: str
    when: float
    session: int
    half: float

    def freshness(self, now: float) -> float:
        """1 for what was had just now to 0 for long ago; sessions stand in for unknown days."""
        days = (now - self.when) / _DAY_S if self.when else float(self.session)
        return float(2.0 ** (-days / self.half))


@dataclass(frozen=True, slots=True, repr=False)
class Digest:
    """What a history says.

    Attributes:
        interests: but for :attr:`Interests.done`, which fades by the hour.
        had: what that is of.
    """

    interests: Interests
    had: tuple[_Had, ...]

    def at(self, now: float) -> Interests:
        """What it comes to at a moment, UTC seconds; the same object where nothing fades."""
        if not self.had:
            return self.interests
        return replace(self.interests, done={one.name: one.freshness(now) for one in self.had})


class _Touched(NamedTuple):
    """An item that the person did something with.

    Attributes:
        item: as it was when they last did; where that event names no more than its id, as it was
            before.
        preference: what their events with it show.
        session: how many sessions ago it was.
        when: UTC seconds; 0 where no time is known.
        visits: see :attr:`Interests.visits`, if it is chosen.
    """

    item: Item
    preference: Preference
    session: int
    when: float
    visits: tuple[int, ...]

    @classmethod
    def of(cls, events: Sequence[tuple[Event, int]], scale: RatingScale) -> Self:
        """Of all that was done with it, at least one event, and how many sessions ago each was."""
        preference = preference_of(events, scale)
        last, session = events[-1]
        assert last.item is not None  # noqa: S101 - events of an item
        item = last.item if _tells(last.item) else _last_told(events) or last.item
        visits = preference.visits or (session,)
        return cls(item, preference, session, last.timestamp or 0.0, visits)


def _tells(item: Item) -> bool:
    """Whether more is known of it than its id."""
    return bool(item.text or item.categories or item.vector is not None)


def _last_told(events: Sequence[tuple[Event, int]]) -> Item | None:
    items = (event.item for event, _ in reversed(events) if event.item is not None)
    return next(filter(_tells, items), None)


@dataclass(slots=True, repr=False)
class _ItemHistory:
    """All that a history has of one item.

    Attributes:
        events: with how many sessions ago each was, oldest first.
        touched: what the person did with it; ``None`` where it was only shown.
        shown: see :attr:`Interests.shown`; 0 for not since.
        categories: that it had in any event.
    """

    events: list[tuple[Event, int]] = field(default_factory=list)
    touched: _Touched | None = None
    shown: float = 0.0
    categories: frozenset[str] = frozenset()

    def read(self, scale: RatingScale) -> None:
        """Find what follows from the events."""
        touches: list[tuple[Event, int]] = []
        shown = 0.0
        for event, age in self.events:
            if event.type is EventType.IMPRESSION:
                shown += 2.0 ** (-age / _TIRED_SESSIONS)
            else:
                shown = 0.0
                touches.append((event, age))
        self.shown = shown
        self.touched = _Touched.of(touches, scale) if touches else None
        lists = {event.item.categories for event, _ in self.events if event.item is not None}
        self.categories = frozenset(chain.from_iterable(lists))


class Reading:
    """A history, read so far. Not safe from several threads.

    Events that come after, and those that fall out before, change the preferences for their own
    items. The digest is that of a fresh reading of the same events, to the last bit.

    Args:
        scale: of ratings.
    """

    def __init__(self, scale: RatingScale) -> None:
        self.scale = scale
        self._items: dict[str, _ItemHistory] = {}
        self._touched: dict[str, None] = {}  # ids, last touched last
        self._searches: dict[str, int] = {}  # how often each, last asked last

    def add(self, events: Iterable[Event], ages: Iterable[int]) -> None:
        """Read on.

        Args:
            events: with timestamps, oldest first, after those before.
            ages: how many sessions ago each was, counted as those before were.
        """
        changed: dict[str, _ItemHistory] = {}
        for event, age in zip(events, ages, strict=True):
            # Taken out and put back, so that the last is the last.
            if event.type is EventType.SEARCH or event.item is None:
                query = event.query or ""
                self._searches[query] = self._searches.pop(query, 0) + 1
                continue
            name = event.item.id
            entry = self._items.get(name)
            if entry is None:
                entry = self._items[name] = _ItemHistory()
            entry.events.append((event, age))
            changed[name] = entry
            if event.type is not EventType.IMPRESSION:
                self._touched.pop(name, None)
                self._touched[name] = None
        for entry in changed.values():
            entry.read(self.scale)

    def drop(self, events: Iterable[Event]) -> None:
        """Take out the oldest events, in their order."""
        changed: dict[str, _ItemHistory] = {}
        for event in events:
            if event.type is EventType.SEARCH or event.item is None:
                query = event.query or ""
                self._searches[query] -= 1
                if not self._searches[query]:
                    del self._searches[query]
                continue
            name = event.item.id
            changed[name] = self._items[name]
            del changed[name].events[0]
        for name, entry in changed.items():
            entry.read(self.scale)
            if entry.touched is None:
                self._touched.pop(name, None)
            if not entry.events:
                del self._items[name]

    def digest(self, *, liked: int | None = None) -> Digest:
        """What all of it says.

        Args:
            liked: as many liked items as are looked at, see :meth:`Interests.newest`.
        """
        told = [(name, self._items[name].touched) for name in self._touched]
        touched = {name: one for name, one in told if one is not None}
        chosen = {name: one for name, one in touched.items() if one.preference.strength >= CHOSEN}
        heavy = _heaviest(list(touched.values()), liked)
        interests = Interests(
            liked=tuple([one for one in heavy if one.strength > 0]),
            disliked=tuple([one for one in heavy if one.strength < 0]),
            searches=tuple(self._searches)[-MAX_SEARCHES:],
            shown={name: entry.shown for name, entry in self._items.items() if entry.shown},
            visits={name: one.visits for name, one in chosen.items()},
            met=self._met(),
            described=all(one.item.text and one.item.categories for one in heavy),
        )
        return Digest(interests, _had(chosen))

    def _met(self) -> Met:
        every = [entry.categories for entry in self._items.values()]
        return Met(frozenset(self._items), frozenset(chain.from_iterable(every)))


def _had(chosen: Mapping[str, _Touched]) -> tuple[_Had, ...]:
    half = _half_life_days([len(one.preference.had) for one in chosen.values()])
    return tuple(
        _Had(name, one.when, one.session, _rhythm_days(one.preference.had, half))
        for name, one in chosen.items()
        # Stars for what somebody plays each evening do not end it.
        if one.preference.had or (one.preference.done and len(one.visits) == 1)
    )


def _heaviest(touched: Sequence[_Touched], liked: int | None) -> list[Interest]:
    """The items that count most by now, oldest first; of liked ones at most ``liked``."""
    if not touched:
        return []
    strengths = np.array([one.preference.strength for one in touched])
    later = places(strengths)
    sessions = np.array([one.session for one in touched], dtype=np.float64)
    # What was turned down is forgiven sooner.
    sessions = np.where(strengths < 0, sessions * _FORGIVING, sessions)
    recency = np.exp2(-later / _HALF_LIFE_ITEMS - sessions / _HALF_LIFE_SESSIONS)
    weights = np.minimum(np.abs(strengths), 1.0) * recency
    kept = heaviest(weights, MAX_ITEMS)
    mine = [place for place in kept if strengths[place] > 0]
    if liked is not None and len(mine) > liked:
        others = set(kept).difference(mine)
        kept = sorted(others.union(mine[one] for one in heaviest(weights[mine], liked)))
    numbers = zip(*(each[kept].tolist() for each in (strengths, recency, later)), strict=True)
    return [
        # Data sets without times give 0: the beginning of 1970 is no time to reckon with.
        Interest(one.item, strength, weight, one.when or None, one.session, since)
        for one, (strength, weight, since) in zip(
            map(touched.__getitem__, kept), numbers, strict=True
        )
    ]


def _half_life_days(times: Sequence[int]) -> float:
    """Days after which having had a thing counts half for who had things so many times."""
    new = (len(times) - times.count(0) + 1) / (sum(times) + 1)
    return max(float(_DONE_DAYS * new**_REPEATING), _LEAST_DAYS)


def _rhythm_days(had: Mapping[Any, float], half: float) -> float:
    """Days after which something counts half that was had at these times."""
    times = [time for time in had.values() if time]
    if len(times) < _RHYTHM_TIMES:
        return half
    return _RHYTHM_PART * (max(times) - min(times)) / (len(times) - 1) / _DAY_S
