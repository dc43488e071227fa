"""Strength of events: the table of what each says of its item, and how the last word holds.

Every event has a strength in which an ordinary click counts 1, and a rank:

========================  ==========  ===================================================
event                     rank        strength
========================  ==========  ===================================================
impression                none        0; counted as shown, see :mod:`~.interests`
click, view               attention   1 and 0.8; :func:`attention` where dwell time or scroll
                                      depth are known
add to cart, complete     deed        1.5
purchase                  deed        2.25
like                      verdict     1.6
dislike                   verdict     -1.6
dismiss                   verdict     -1
rating                    verdict     -1.6 to 1.6, see :data:`RATING_STRENGTH`
========================  ==========  ===================================================

Of several events with one item:

- a verdict takes the place of everything before it, whatever that was: explicit beats
  implicit, later beats earlier;
- what follows a verdict is added to it; after one against the item attention counts a
  quarter, for opening a thing again is no change of mind, and a deed counts in full;
- the events of one session are one visit: its attention is the most that is known, so that
  a view of half a second says how the click before it ended;
- beside the strongest of visits and deeds the others count a quarter.

The sum is at most :data:`MOST` in size. For other items of the kind the same strengths count,
fading with what came after, see :class:`~.interests.Interest`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.learning.lessons import SATISFIED_S, satisfaction
from edge_rerank.types import Event, EventType

MOST = 2.5
"""Largest size of a strength."""

CHOSEN = 0.3
"""From here on an item counts as chosen: after more than a bounce, and less than half a minute."""

ABSORBED_S = 600.0
"""From here on more seconds say nothing."""

RATING_STRENGTH = ((-1.0, -1.6), (-0.5, -0.4), (0.0, 0.25), (0.5, 1.3), (1.0, 1.6))
"""Strengths of ratings by their place on the scale, -1 to 1; straight in between. The middle is
a little above 0: what is rated so was chosen all the same."""

_ABSORBED = 1.2
_BESIDE = 0.25
"""Of what counts beside the strongest."""

_ATTENTION = {EventType.CLICK: 1.0, EventType.VIEW: 0.8}
_DEEDS = {EventType.ADD_TO_CART: 1.5, EventType.COMPLETE: 1.5, EventType.PURCHASE: 2.25}
_VERDICTS = {EventType.LIKE: 1.6, EventType.DISLIKE: -1.6, EventType.DISMISS: -1.0}

_STANDARD_SCALES = (RatingScale(1.0, 5.0), RatingScale(0.0, 10.0), RatingScale(0.0, 100.0))


def attention(dwell_s: float | None, scroll: float | None = None) -> float:
    """How much of a visit's strength dwell time and scroll depth leave.

    0 for a bounce, which is less than five seconds, 1 after thirty and 1.2 after ten minutes,
    between these straight along the logarithm of the seconds. Of an item that was not scrolled at
    all half of it counts; without a dwell time, a fifth.

    Args:
        dwell_s: seconds, ≥ 0; ``None`` where unknown.
        scroll: 0 to 1; ``None`` where unknown.

    Returns:
        0 to 1.2; 1 where neither is known.
    """
    if dwell_s is None:
        return 1.0 if scroll is None else 0.2 + 0.8 * scroll
    stayed = _stayed(dwell_s)
    return stayed if scroll is None else stayed * (0.5 + 0.5 * scroll)


def _stayed(dwell_s: float) -> float:
    if dwell_s < SATISFIED_S:
        return satisfaction(dwell_s)
    absorbed = math.log(min(dwell_s, ABSORBED_S) / SATISFIED_S) / math.log(ABSORBED_S / SATISFIED_S)
    return 1.0 + absorbed * (_ABSORBED - 1.0)


def guess_scale(history: Iterable[Event]) -> RatingScale:
    """The rating scale of a host that states none: the smallest standard one that holds all values.

    One to five stars, ten, or a hundred points; with values below 0, as far up as down. A
    person's own lowest and highest are no scale: who rates only what they love has no bad 4.

    Args:
        history: events that say something of items, see
            :func:`~edge_rerank.ranking.interest_reader.without_list_ratings`.
    """
    values = [
        event.value
        for event in history
        if event.type is EventType.RATING and event.value is not None
    ]
    low, high = min(values, default=1.0), max(values, default=1.0)
    if low < 0:
        size = max(-low, high)
        return RatingScale(-size, size)
    for scale in _STANDARD_SCALES:
        if high <= scale.high:
            return scale
    return RatingScale(0.0, high)


def verdict_of(event: Event, scale: RatingScale) -> float | None:
    """The signed strength of an explicit verdict; ``None`` for a rating without a value."""
    if event.type is EventType.RATING:
        if event.value is None:
            return None
        places, strengths = zip(*RATING_STRENGTH, strict=True)
        return float(np.interp(scale.place(event.value), places, strengths))
    return _VERDICTS[event.type]


@dataclass(slots=True)
class _Visit:
    """The most attention in one session: where it is known how a visit ended, and where not."""

    known: float | None = None
    unknown: float = 0.0

    @property
    def attention(self) -> float:
        return self.unknown if self.known is None else self.known


@dataclass(slots=True, repr=False)
class ItemEvents:
    """A person's events with one item, summed up one by one, oldest first.

    Attributes:
        verdict: the last one's strength; ``None`` without one.
        done: whether the item was bought, completed or rated: had, and not only seen.
        had: when it was bought or completed, once a session, UTC seconds by session.
    """

    verdict: float | None = None
    done: bool = False
    had: dict[int, float] = field(default_factory=dict)
    _chosen: set[int] = field(default_factory=set)
    _visits: dict[int, _Visit] = field(default_factory=dict)
    _deeds: dict[EventType, float] = field(default_factory=dict)

    def take(self, event: Event, *, session: int, scale: RatingScale) -> None:
        """Take in the next event.

        Args:
            event: any with an item but an impression.
            session: a number of its own for each session.
            scale: of ratings.
        """
        kind = event.type
        if kind in _ATTENTION:
            self._look(event, session)
        elif kind in _DEEDS:
            self._deeds[kind] = _DEEDS[kind]
            self._chosen.add(session)
            if kind is not EventType.ADD_TO_CART:
                self.done = True
                self.had[session] = event.timestamp or 0.0
        else:
            self.done |= kind is EventType.RATING
            verdict = verdict_of(event, scale)
            if verdict is not None:
                self._chosen = self.sessions if verdict > 0 else set()
                self.verdict = verdict
                self._visits.clear()
                self._deeds.clear()

    def _look(self, event: Event, session: int) -> None:
        visit = self._visits.setdefault(session, _Visit())
        if event.dwell_s is None and event.scroll is None:
            visit.unknown = max(visit.unknown, _ATTENTION[event.type])
        else:
            visit.known = max(visit.known or 0.0, attention(event.dwell_s, event.scroll))

    @property
    def sessions(self) -> set[int]:
        """Those in which the item was chosen, and not only judged, since it was turned down."""
        looks = self._visits.items()
        return self._chosen | {session for session, one in looks if one.attention >= CHOSEN}

    @property
    def strength(self) -> float:
        """All of it, signed, at most :data:`MOST` in size."""
        visits = [visit.attention for visit in self._visits.values()]
        deeds = list(self._deeds.values())
        if self.verdict is None:
            total = _together(visits + deeds)
        elif self.verdict < 0:
            total = self.verdict + _BESIDE * _together(visits) + _together(deeds)
        else:
            total = self.verdict + _BESIDE * _together(visits + deeds)
        return max(-MOST, min(MOST, total))


class Preference(NamedTuple):
    """A person's preference for one item, from all events with it.

    Attributes:
        strength: signed, at most :data:`MOST` in size.
        done: see :attr:`ItemEvents.done`.
        had: see :attr:`ItemEvents.had`.
        visits: see :attr:`ItemEvents.sessions`, newest first; of a single event none.
    """

    strength: float
    done: bool
    had: Mapping[int, float]
    visits: tuple[int, ...] = ()


def preference_of(events: Sequence[tuple[Event, int]], scale: RatingScale) -> Preference:
    """The preference for an item that events with it show.

    Args:
        events: any but impressions, at least one, oldest first, and a number of its own for the
            session of each.
        scale: of ratings.
    """
    if len(events) == 1:  # by far the most
        return _preference_of_one(*events[0], scale)
    every = ItemEvents()
    for event, session in events:
        every.take(event, session=session, scale=scale)
    visits = tuple(sorted(every.sessions))
    return Preference(every.strength, every.done, every.had, visits)


def _preference_of_one(event: Event, session: int, scale: RatingScale) -> Preference:
    """What :class:`ItemEvents` come to that took in one event."""
    kind = event.type
    if kind in _ATTENTION:
        plain = event.dwell_s is None and event.scroll is None
        looked = _ATTENTION[kind] if plain else attention(event.dwell_s, event.scroll)
        return Preference(looked, False, _NEVER)
    if kind is EventType.ADD_TO_CART:
        return Preference(_DEEDS[kind], False, _NEVER)
    if kind in _DEEDS:
        return Preference(_DEEDS[kind], True, {session: event.timestamp or 0.0})
    return Preference(verdict_of(event, scale) or 0.0, kind is EventType.RATING, _NEVER)


_NEVER: Mapping[int, float] = MappingProxyType({})


def _together(strengths: list[float]) -> float:
    """The strongest, and a quarter of the others."""
    if len(strengths) < 2:  # by far the most
        return strengths[0] if strengths else 0.0
    strongest = max(strengths)
    return strongest + _BESIDE * (sum(strengths) - strongest)
