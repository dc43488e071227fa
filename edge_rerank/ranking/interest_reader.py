"""Reader of histories: condenses each once, and goes on from there when something was done."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from operator import is_
from typing import NamedTuple

from edge_rerank._check import check_sequence
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.history.sessions import is_over, session_ages
from edge_rerank.ranking.digest import Digest, Reading
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.strength import guess_scale
from edge_rerank.types import Event, EventType

_REMEMBERED = 16
"""Histories that are remembered, with vectors of their items: those of people who are there now."""

_GONE = 8
"""Of the oldest events at most so many may have fallen out where a reading is continued."""


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


class _Begun(NamedTuple):
    """A reading, for events that come after to be read on from.

    Attributes:
        reading: whoever continues it owns it.
        events: that were read.
        over: whether their last session was.
        gone: how many of the oldest are not in the history that is to be read.
    """

    reading: Reading
    events: Sequence[Event]
    over: bool
    gone: int = 0

    def continued(
        self, tastes: Sequence[Event], *, now: float, ratings: RatingScale | None
    ) -> Reading | None:
        """The reading with the other events, too; ``None`` where those before say something else.

        Args:
            tastes: the events that are left, and others after them.
            now: UTC seconds.
            ratings: the host's scale, if it gave one.
        """
        gone, new = self.events[: self.gone], tastes[len(self.events) - self.gone :]
        ages = session_ages(_times([self.events[-1], *new]), now=now).tolist()
        if ages[0] != self.over:  # another session has begun, or ended
            return None
        rated = any(event.type is EventType.RATING for event in (*gone, *new))
        if ratings is None and rated and guess_scale(tastes) != self.reading.scale:
            return None
        self.reading.drop(gone)
        self.reading.add(new, ages[1:])
        return self.reading


class _Known(NamedTuple):
    """What is remembered of a history.

    Attributes:
        history: as it came.
        tastes: what of it says something of items, see :func:`without_list_ratings`.
        over: whether its last session was.
        digest: of that; ``None`` where it was not condensed yet.
        begun: the reading behind that, or one to be continued.
    """

    history: tuple[Event, ...]
    tastes: Sequence[Event]
    over: bool = False
    digest: Digest | None = None
    begun: _Begun | None = None


class InterestReader:
    """Condenses histories, and remembers the last ones. Safe from several threads.

    A history that is a tuple is remembered: it is neither checked nor read again when it comes
    again, unless a session ended since. Of one that goes on from it in the same session only
    the other events are.

    Args:
        liked: how many liked items are looked at: those that count most by now; all if ``None``.
    """

    def __init__(self, *, liked: int | None = None) -> None:
        self._liked = liked
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
        if not isinstance(history, tuple) or not history:
            events = check_sequence(history, "history", InvalidRequest, wanted=wanted, of=Event)
            return without_list_ratings(events)
        begun = self._before(history)
        known_events = 0 if begun is None else len(begun.events) - begun.gone
        new = history[known_events:]
        check_sequence(new, "history", InvalidRequest, wanted=wanted, of=Event)
        if without_list_ratings(new) is new:
            self._remember(_Known(history, history, begun=begun))
            return history
        tastes = without_list_ratings(history)
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
        begun = self._taken(history)
        reading = None if begun is None else begun.continued(tastes, now=now, ratings=ratings)
        if reading is None:
            reading = Reading(ratings or guess_scale(tastes))
            reading.add(tastes, session_ages(_times(tastes), now=now).tolist())
        digest = reading.digest(liked=self._liked)
        if known is not None:
            begun = _Begun(reading, tastes, over)
            self._remember(known._replace(over=over, digest=digest, begun=begun))
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

    def _before(self, history: tuple[Event, ...]) -> _Begun | None:
        """The reading that ``history`` goes on from, which is no more remembered where it was."""
        with self._lock:
            for known in reversed(self._known.values()):
                gone = _gone(known.history, history)
                if gone is not None and known.begun is not None and known.tastes is known.history:
                    del self._known[id(known.history)]
                    return known.begun._replace(gone=gone)
        return None

    def _taken(self, history: object) -> _Begun | None:
        """The reading behind what is remembered, for one who asks."""
        with self._lock:
            known = self._known.get(id(history))
            if known is None or known.begun is None:
                return None
            for one in {id(known.history), id(known.tastes)}:
                self._known[one] = known._replace(begun=None)
            return known.begun

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


def _gone(before: Sequence[Event], after: Sequence[Event]) -> int | None:
    """How many of the oldest are gone where events go on from others; ``None`` where they do not.

    By identity: events that were read again are others.
    """
    first = after[0]
    oldest = enumerate(before[: _GONE + 1])
    gone = next((place for place, event in oldest if event is first), None)
    if gone is None or len(before) - gone > len(after):
        return None
    return gone if all(map(is_, before[gone:], after)) else None


def _times(events: Sequence[Event]) -> list[float]:
    """UTC seconds of each."""
    return [event.timestamp or 0.0 for event in events]
