"""Interests: what a history says a person likes, dislikes and searches for.

Many events may concern one item; they come to one signed strength, in which an ordinary click
counts 1, see :mod:`~.strength`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_sequence
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.history.sessions import is_over, session_ages
from edge_rerank.ranking.signals.situation import places
from edge_rerank.ranking.strength import CHOSEN, Standing, guess_scale
from edge_rerank.types import Event, EventType, Item

_T = TypeVar("_T")

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

_REMEMBERED = 16
"""Histories that are remembered, with vectors of their items: those of people who are there now."""


@dataclass(frozen=True, slots=True, repr=False)
class Interest:
    """One item of the history with what the person thinks of it.

    Attributes:
        item: as it was when the person last touched it.
        strength: signed, at most 2.5 in size; an ordinary click is 1.
        recency: 1 for the newest, halved every 20 items and every 20 sessions, or 6 of what was
            turned down.
        when: UTC seconds at which the person last touched it; ``None`` where no time is known.
        session: how many sessions ago that was, 0 for the present one.
        later: how much the person turned to others that are liked since, in clicks.
    """

    item: Item
    strength: float
    recency: float
    when: float | None = None
    session: int = 0
    later: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Met:
    """What a history has anything of, whatever that says.

    Attributes:
        ids: of items.
        categories: that these have.
    """

    ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    @classmethod
    def of(cls, history: Iterable[Event]) -> Self:
        """Of events."""
        items = [event.item for event in history if event.item is not None]
        lists = {item.categories for item in items}
        return cls(frozenset([item.id for item in items]), frozenset(chain.from_iterable(lists)))


NOTHING_MET = Met()


@dataclass(frozen=True, repr=False)
class Interests:
    """What the ranker knows of a person.

    Attributes:
        liked: items with positive strength, oldest first.
        disliked: items with negative strength, oldest first.
        searches: the words of the last searches, oldest first.
        shown: how often an item was shown since it was last chosen, if ever, by item id;
            halved every five sessions.
        done: items that the person had, and not only saw (bought, completed, rated), by id:
            1 for just now, halved every seven days, sooner for who repeats, or every tenth of the
            time between where it was bought or completed in three sessions and more; not what was
            rated and come back to.
        visits: the sessions in which each item was chosen, by id, as for :attr:`Interest.session`,
            newest first; not of what is liked no more.
        met: whatever there was, liked or not.
        described: whether each liked or disliked item has a text and categories.
    """

    liked: tuple[Interest, ...] = ()
    disliked: tuple[Interest, ...] = ()
    searches: tuple[str, ...] = ()
    shown: Mapping[str, float] = field(default_factory=dict)
    done: Mapping[str, float] = field(default_factory=dict)
    visits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    met: Met = NOTHING_MET
    described: bool = False
    _kept: dict[Hashable, tuple[object, Any]] = field(default_factory=dict, compare=False)

    def newest(self, most: int) -> Interests:
        """The same with no more than ``most`` liked items: those that count most by now."""
        if len(self.liked) <= most:
            return self
        newest = self.derived(most, lambda: self.but(self._heaviest_liked(most)))
        return newest if newest.done is self.done else replace(newest, done=self.done)

    def _heaviest_liked(self, most: int) -> tuple[Interest, ...]:
        weights = np.array([min(abs(one.strength), 1.0) * one.recency for one in self.liked])
        return tuple([self.liked[place] for place in _heaviest(weights, most)])

    @cached_property
    def touched(self) -> tuple[Interest, ...]:
        """Liked items, then disliked ones."""
        return (*self.liked, *self.disliked)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of :attr:`touched`."""
        return self.derived("ids", lambda: tuple([one.item.id for one in self.touched]))

    def but(
        self, liked: tuple[Interest, ...], disliked: tuple[Interest, ...] | None = None
    ) -> Interests:
        """The same with other items, of which nothing follows yet."""
        disliked = self.disliked if disliked is None else disliked
        return replace(self, liked=liked, disliked=disliked, described=False, _kept={})

    def derived(self, what: Hashable, make: Callable[[], _T], *, beside: object = None) -> _T:
        """What follows from liked and disliked items, made once for each history.

        Args:
            what: names it; with whoever makes it, where another would make something else.
            make: makes it, a value; of arrays nobody changes one.
            beside: what else it follows from; beside another it is made anew.
        """
        known, found = self._kept.get(what, (None, None))
        if found is None or known is not beside:
            found = make()
            if isinstance(found, np.ndarray):
                found.setflags(write=False)
            self._kept[what] = beside, found
        return cast("_T", found)

    def __bool__(self) -> bool:
        return bool(self.liked or self.disliked or self.searches or self.shown)


def weights_of(interests: Sequence[Interest]) -> NDArray[np.float64]:
    """Sizes of strengths as far as they are recent, float64 of shape (n,)."""
    return np.array([abs(one.strength) * one.recency for one in interests])


@dataclass(slots=True, repr=False)
class _Touched:
    """An item with what was said of it, and when last."""

    item: Item
    standing: Standing
    session: int
    when: float
    strength: float = 0.0


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
class _Digest:
    """What a history says that does not change while nobody does anything and no session ends.

    Attributes:
        interests: but for :attr:`Interests.done`, which fades by the hour.
        had: what that is of.
    """

    interests: Interests
    had: tuple[_Had, ...]

    @classmethod
    def of(cls, history: Sequence[Event], ages: Sequence[int], scale: RatingScale) -> Self:
        """Of events with timestamps, oldest first.

        Args:
            history: the events.
            ages: how many sessions ago each was.
            scale: of ratings.
        """
        touched: dict[str, _Touched] = {}
        shown: dict[str, float] = {}
        searches: dict[str, None] = {}
        repeated: set[str] = set()
        for event, age in zip(history, ages, strict=True):
            item = event.item
            if item is None:
                query = event.query or ""
                searches.pop(query, None)
                searches[query] = None
            elif event.type is EventType.IMPRESSION:
                shown[item.id] = shown.get(item.id, 0.0) + 2.0 ** (-age / _TIRED_SESSIONS)
            else:
                shown.pop(item.id, None)
                # Taken out and put back, so that the last touched is the last.
                earlier = touched.pop(item.id, None)
                if earlier is None:
                    standing = Standing()
                else:
                    standing = earlier.standing
                    repeated.add(item.id)
                standing.take(event, session=age, scale=scale)
                touched[item.id] = _Touched(item, standing, age, event.timestamp or 0.0)
        for one in touched.values():
            one.strength = one.standing.strength
        heaviest = _interests(list(touched.values()), MAX_ITEMS)
        chosen = {name: one for name, one in touched.items() if one.strength >= CHOSEN}
        visits = {
            name: (name in repeated and tuple(sorted(one.standing.sessions))) or (one.session,)
            for name, one in chosen.items()
        }
        half = _half_life_days([len(one.standing.had) for one in chosen.values()])
        interests = Interests(
            liked=tuple(one for one in heaviest if one.strength > 0),
            disliked=tuple(one for one in heaviest if one.strength < 0),
            searches=tuple(searches)[-MAX_SEARCHES:],
            shown=shown,
            visits=visits,
            met=Met.of(history),
            described=all(one.item.text and one.item.categories for one in heaviest),
        )
        had = tuple(
            _Had(name, one.when, one.session, _rhythm_days(one.standing.had, half))
            for name, one in chosen.items()
            # Stars for what somebody plays each evening do not end it.
            if one.standing.had or (one.standing.done and len(visits[name]) == 1)
        )
        return cls(interests, had)

    def at(self, now: float) -> Interests:
        """What it comes to at a moment, UTC seconds; the same object where nothing fades."""
        if not self.had:
            return self.interests
        return replace(self.interests, done={one.name: one.freshness(now) for one in self.had})


def without_list_ratings(history: Sequence[Event]) -> Sequence[Event]:
    """The events that say something of an item, and searches, in their order.

    What a person thinks of a whole list is for statistics: whatever reads a history for tastes
    reads it through this, and so cannot take it for a word on an item.

    Returns:
        The same object where there is nothing else in it.
    """
    if all(event.item is not None or event.type is EventType.SEARCH for event in history):
        return history
    return tuple(event for event in history if not event.of_list)


class _Known(NamedTuple):
    """What is remembered of a history.

    Attributes:
        history: as it came.
        tastes: what of it says something of items, see :func:`without_list_ratings`.
        over: whether its last session was.
        digest: of that; ``None`` where it was not condensed yet.
    """

    history: tuple[Event, ...]
    tastes: Sequence[Event]
    over: bool = False
    digest: _Digest | None = None


class InterestReader:
    """Condenses histories, and remembers the last ones. Safe from several threads.

    A history that is a tuple is remembered: it is neither checked nor read again when it comes
    again, unless a session ended since.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def tastes(self, history: object) -> Sequence[Event]:
        """What of a history says something of items.

        Args:
            history: events with timestamps, oldest first.

        Raises:
            InvalidRequest: when it is something else.
        """
        known = self._remembered(history)
        if known is not None:
            return known.tastes
        wanted = "a sequence of Event"
        events = check_sequence(history, "history", InvalidRequest, wanted=wanted, of=Event)
        tastes = without_list_ratings(events)
        if isinstance(history, tuple) and history:
            self._remember(_Known(history, tastes))
        return tastes

    def read(
        self, history: Sequence[Event], *, now: float, ratings: RatingScale | None = None
    ) -> Interests:
        """Condense a history.

        Args:
            history: events with timestamps, oldest first; ratings of whole lists are passed over.
            now: UTC seconds, at least the last timestamp.
            ratings: the host's scale, the same in each call; guessed if ``None``.
        """
        tastes = self.tastes(history)
        if not tastes:
            return Interests()
        over = is_over(tastes[-1].timestamp or 0.0, now)
        known = self._remembered(history)
        if known is not None and known.digest is not None and known.over == over:
            return known.digest.at(now)
        ages = session_ages([event.timestamp or 0.0 for event in tastes], now=now)
        digest = _Digest.of(tastes, ages.tolist(), ratings or guess_scale(tastes))
        if known is not None:
            self._remember(known._replace(over=over, digest=digest))
        return digest.at(now)

    def forget(self, user: str | None = None) -> None:
        """Let go of all histories, whoever it is about."""
        del user
        with self._lock:
            self._known.clear()

    def _remembered(self, history: object) -> _Known | None:
        # By identity, which is safe because what is remembered stays as long as its number.
        with self._lock:
            return self._known.get(id(history))

    def _remember(self, known: _Known) -> None:
        with self._lock:
            # What passes for a history by itself, for a call may hand on what says something.
            for one in {id(known.history), id(known.tastes)}:
                self._known[one] = known
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def read_interests(
    history: Sequence[Event], *, now: float, ratings: RatingScale | None = None
) -> Interests:
    """Condense a history once, see :meth:`InterestReader.read`."""
    return InterestReader().read(history, now=now, ratings=ratings)


def _interests(touched: Sequence[_Touched], most: int) -> list[Interest]:
    """The ``most`` items that count most by now, oldest first."""
    strengths = np.array([one.strength for one in touched])
    later = places(strengths)
    sessions = np.array([one.session for one in touched])
    # What was turned down is forgiven sooner.
    sessions = np.where(strengths < 0, sessions * _FORGIVING, sessions)
    recency = np.exp2(-later / _HALF_LIFE_ITEMS - sessions / _HALF_LIFE_SESSIONS)
    told = list(zip(touched, strengths.tolist(), recency.tolist(), later.tolist(), strict=True))
    kept = _heaviest(np.minimum(np.abs(strengths), 1.0) * recency, most)
    return [
        # Data sets without times give 0: the beginning of 1970 is no time to reckon with.
        Interest(one.item, strength, weight, one.when or None, one.session, since)
        for one, strength, weight, since in map(told.__getitem__, kept)
    ]


def _heaviest(weights: NDArray[np.float64], most: int) -> list[int]:
    """Places of the ``most`` largest of them, rising; of equal ones the last."""
    kept = len(weights) - 1 - np.argsort(-weights[::-1], kind="stable")[:most]
    return sorted(kept.tolist())


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
