"""Changes to real histories, each with the way in which the items alike must then move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_rerank.evaluation.expectations.kinds import Shelf, words
from edge_rerank.types import NOT_CHOSEN, Event, EventType, Item

OTHERS = 100
"""Candidates drawn by lot, beside those that are watched."""

RECENT = 5
"""Among how many of the last choices the one to be changed is drawn."""

LATER = 5
"""Events that come after a search grown old."""

BOUNCE_S = 0.5
READ_S = 5.0
"""A shorter dwell time is no choice."""

SOON_S = 600.0
"""From the last event to the ranking: still the same sitting."""

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_CLICKS = 3


@dataclass(frozen=True, slots=True)
class Ratings:
    """A rating that speaks for an item on the scale of a data set, and one against it."""

    good: float
    bad: float

    @classmethod
    def of(cls, highest: float) -> Ratings:
        """For the standard scale in which the highest rating that was given lies."""
        if highest <= 5:
            return cls(5.0, 1.0)
        return cls(9.0, 2.0) if highest <= 10 else cls(90.0, 20.0)

    @property
    def middle(self) -> float:
        """Where neither begins."""
        return (self.good + self.bad) / 2


@dataclass(frozen=True, slots=True, repr=False)
class Subject:
    """A real history to be changed.

    Attributes:
        history: dated, oldest first.
        shelf: where kinds are looked for.
        ratings: on the scale of the data set.
        rng: draws what is changed.
    """

    history: tuple[Event, ...]
    shelf: Shelf
    ratings: Ratings
    rng: np.random.Generator

    @property
    def known(self) -> frozenset[str]:
        """Ids of the items of the history."""
        return frozenset(event.item.id for event in self.history if event.item is not None)

    @property
    def end(self) -> float:
        """UTC seconds of the last event."""
        return self.history[-1].timestamp or 0.0

    def choices(self) -> list[int]:
        """Places of the events that choose an item which occurs once and has words."""
        seen = Counter(event.item.id for event in self.history if event.item is not None)
        return [
            place
            for place, event in enumerate(self.history)
            if event.item is not None
            and seen[event.item.id] == 1
            and words(event.item.text)
            and self._chooses(event)
        ]

    def recent_choice(self) -> int | None:
        """One of the last choices, by lot."""
        last = self.choices()[-RECENT:]
        return int(self.rng.choice(last)) if last else None

    def kind(self, event: Event) -> list[Item]:
        """The kind of an event's item, without what the history has."""
        return [] if event.item is None else self.shelf.kind(event.item, leave_out=self.known)

    def new_item(self) -> Item | None:
        """An item that the history lacks: anything, or of the kind of a recent choice."""
        place = self.recent_choice() if self.rng.random() < 0.5 else None
        if place is not None:
            kind = self.kind(self.history[place])
            return kind[int(self.rng.integers(len(kind)))] if kind else None
        drawn = self.shelf.draw(1, self.rng, leave_out=self.known)
        return drawn[0] if drawn else None

    def _chooses(self, event: Event) -> bool:
        if event.type is EventType.RATING:
            return event.value is not None and event.value > self.ratings.middle
        return event.type not in NOT_CHOSEN and not (
            event.dwell_s is not None and event.dwell_s < READ_S
        )


@dataclass(frozen=True, slots=True, repr=False)
class Change:
    """A history before and after.

    Attributes:
        before, after: events with timestamps, oldest first.
        watched: the items alike.
        now: UTC seconds of both rankings.
        query: what is asked for after the change; never before.
    """

    before: tuple[Event, ...]
    after: tuple[Event, ...]
    watched: Sequence[Item]
    now: float
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of change, and what must follow.

    Attributes:
        name: for tables.
        sentence: what must hold.
        rises: whether the watched items must rise; else they must fall.
        change: makes one of a subject; ``None`` where it does not fit the history.
    """

    name: str
    sentence: str
    rises: bool
    change: Callable[[Subject], Change | None]


def _instead(
    before: Callable[[Event, Ratings], Event], after: Callable[[Event, Ratings], Event]
) -> Callable[[Subject], Change | None]:
    """One recent choice in two versions."""

    def change(subject: Subject) -> Change | None:
        place = subject.recent_choice()
        if place is None:
            return None
        event, history = subject.history[place], subject.history

        def put(version: Callable[[Event, Ratings], Event]) -> tuple[Event, ...]:
            return (*history[:place], version(event, subject.ratings), *history[place + 1 :])

        return Change(put(before), put(after), subject.kind(event), subject.end + SOON_S)

    return change


def _as_it_is(event: Event, _: Ratings) -> Event:
    return event


def _with(kind: EventType, *, dwell_s: float | None = None) -> Callable[[Event, Ratings], Event]:
    def version(event: Event, _: Ratings) -> Event:
        return Event(kind, event.item, timestamp=event.timestamp, dwell_s=dwell_s)

    return version


def _rated(*, good: bool) -> Callable[[Event, Ratings], Event]:
    def version(event: Event, ratings: Ratings) -> Event:
        value = ratings.good if good else ratings.bad
        return Event(EventType.RATING, event.item, timestamp=event.timestamp, value=value)

    return version


def _query(subject: Subject) -> Change | None:
    """A query of the words of an item that the history lacks."""
    drawn = subject.shelf.draw(1, subject.rng, leave_out=subject.known)
    query = subject.shelf.query(drawn[0], subject.rng) if drawn else None
    if query is None:
        return None
    return Change(subject.history, subject.history, drawn, subject.end + SOON_S, query)


def _session(subject: Subject) -> Change | None:
    """A day later, three clicks on one kind."""
    drawn = subject.shelf.draw(1, subject.rng, leave_out=subject.known)
    if not drawn:
        return None
    kind = subject.shelf.kind(drawn[0], leave_out=subject.known)
    start = subject.end + _DAY_S
    clicks = tuple(
        Event(EventType.CLICK, item, timestamp=start + place * _MINUTE_S)
        for place, item in enumerate([*drawn, *kind][:_CLICKS])
    )
    after = (*subject.history, *clicks)
    return Change(subject.history, after, kind[_CLICKS - 1 :], start + SOON_S)


def _search_taken_away(subject: Subject) -> Change | None:
    search = _search(subject, subject.end + _MINUTE_S)
    if search is None:
        return None
    before = (*subject.history, search)
    return Change(before, subject.history, _fits(subject, search), subject.end + SOON_S)


def _search_grown_old(subject: Subject) -> Change | None:
    earlier, later = subject.history[:-LATER], subject.history[-LATER:]
    search = _search(subject, subject.end + _MINUTE_S)
    if search is None or not earlier:
        return None
    old = replace(search, timestamp=earlier[-1].timestamp)
    before, after = (*subject.history, search), (*earlier, old, *later)
    return Change(before, after, _fits(subject, search), subject.end + SOON_S)


def _search(subject: Subject, timestamp: float) -> Event | None:
    item = subject.new_item()
    query = None if item is None else subject.shelf.query(item, subject.rng)
    return None if query is None else Event(EventType.SEARCH, query=query, timestamp=timestamp)


def _fits(subject: Subject, search: Event) -> list[Item]:
    return subject.shelf.fitting(search.query or "", leave_out=subject.known)


def _added(
    *, before: Sequence[EventType] = (), after: Sequence[EventType], items: int = 1
) -> Callable[[Subject], Change | None]:
    """Events after the last one, on new items of one kind.

    Args:
        before: types of the events without the change.
        after: with it.
        items: how many items; event n concerns item n, or the only one.
    """

    def change(subject: Subject) -> Change | None:
        item = subject.new_item()
        if item is None:
            return None
        kind = subject.shelf.kind(item, leave_out=subject.known)
        touched = [item, *kind][:items]

        def put(types: Sequence[EventType]) -> tuple[Event, ...]:
            added = (
                Event(
                    type_,
                    touched[min(place, len(touched) - 1)],
                    timestamp=subject.end + (place + 1) * _MINUTE_S,
                )
                for place, type_ in enumerate(types)
            )
            return (*subject.history, *added)

        return Change(put(before), put(after), kind[items - 1 :], subject.end + SOON_S)

    return change


RELATIONS = (
    Relation(
        "bounce",
        "a choice that turns out to be a bounce lowers its kind",
        False,
        _instead(_as_it_is, _with(EventType.CLICK, dwell_s=BOUNCE_S)),
    ),
    Relation(
        "dislike",
        "a dislike instead of a like lowers its kind",
        False,
        _instead(_with(EventType.LIKE), _with(EventType.DISLIKE)),
    ),
    Relation(
        "rating",
        "a low rating instead of a high one lowers its kind",
        False,
        _instead(_rated(good=True), _rated(good=False)),
    ),
    Relation(
        "dwell-minute",
        "a view of a minute instead of two seconds lifts its kind",
        True,
        _instead(_with(EventType.VIEW, dwell_s=2.0), _with(EventType.VIEW, dwell_s=60.0)),
    ),
    Relation(
        "dwell-long",
        "a view of five minutes instead of ten seconds lifts its kind",
        True,
        _instead(_with(EventType.VIEW, dwell_s=10.0), _with(EventType.VIEW, dwell_s=300.0)),
    ),
    Relation(
        "purchase",
        "a purchase instead of a click lifts its kind",
        True,
        _instead(_with(EventType.CLICK), _with(EventType.PURCHASE)),
    ),
    Relation("query", "a query of an item's words brings it to the first places", True, _query),
    Relation("session", "a new session of three clicks lifts their kind", True, _session),
    Relation(
        "search-removed",
        "without the search that was recorded last, what fits it falls",
        False,
        _search_taken_away,
    ),
    Relation(
        "search-old",
        "what fits a search falls when five events have come after it",
        False,
        _search_grown_old,
    ),
    Relation("dismissal", "a dismissal lowers its kind", False, _added(after=(EventType.DISMISS,))),
    Relation(
        "second-dislike",
        "a second dislike of a kind lowers the kind",
        False,
        _added(before=(EventType.DISLIKE,), after=(EventType.DISLIKE, EventType.DISLIKE), items=2),
    ),
    Relation(
        "last-word",
        "a dislike after a like lowers the kind, against a like after a dislike",
        False,
        _added(
            before=(EventType.DISLIKE, EventType.LIKE), after=(EventType.LIKE, EventType.DISLIKE)
        ),
    ),
)
"""Every relation, in the order of the report."""
