"""Profiles: what is known about one person, in a form to show to that person."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Self

from edge_rerank.formats.attributes import Values
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.history.history import History
from edge_rerank.history.sessions import session_ages
from edge_rerank.ranking.answer import UNREAD_SHARE
from edge_rerank.ranking.interest_reader import read_interests
from edge_rerank.ranking.interests import Interest, Interests
from edge_rerank.ranking.strength import CHOSEN
from edge_rerank.types import Degradation, Event, EventType

TOP = 5

_MAPPINGS = ("by_type", "top_categories", "consents", "attributes")
"""Attributes of a profile that nobody may change."""

ShareUnread = Callable[[Sequence[str]], float]
"""Says what share of texts a pack cannot read, see ``RankingEngine.unread``."""


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """Summary of a person's stored history.

    Attributes:
        events: number of stored events.
        sessions: number of sittings, cut at 30 minutes of silence.
        first, last: UTC seconds of the oldest and newest event, ``None`` without any.
        by_type: number of events by type.
        top_categories: the five the person turned to most, with their share of the
            interest, 0 to 1.
        liked, disliked: ids of the five strongest items each way.
        searches: the last five searches, newest first.
        consents: decisions by purpose.
        unread: share of the liked and disliked items with a text and of the searches that the
            pack cannot read, 0 to 1.
        degraded: ``TEXT_NOT_READ`` where that is a fifth or more: what the person did is known,
            but not what it was about.
        attributes: what the host has said of the person.
    """

    events: int
    sessions: int
    first: float | None
    last: float | None
    by_type: Mapping[EventType, int]
    top_categories: Mapping[str, float]
    liked: tuple[str, ...]
    disliked: tuple[str, ...]
    searches: tuple[str, ...]
    consents: Mapping[str, bool]
    unread: float
    degraded: tuple[Degradation, ...]
    attributes: Values = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _MAPPINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Copied and pickled by what it is made of: neither knows read-only mappings."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values |= {name: dict(values[name]) for name in _MAPPINGS}
        return type(self), tuple(values.values())

    def __repr__(self) -> str:
        return f"Profile(events={self.events}, sessions={self.sessions})"

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes as one JSON object."""
        return json.dumps(
            {
                "events": self.events,
                "sessions": self.sessions,
                "first": self.first,
                "last": self.last,
                "by_type": {kind.value: count for kind, count in self.by_type.items()},
                "top_categories": dict(self.top_categories),
                "liked": self.liked,
                "disliked": self.disliked,
                "searches": self.searches,
                "consents": dict(self.consents),
                "unread": self.unread,
                "degraded": [one.value for one in self.degraded],
                "attributes": dict(self.attributes),
            },
            ensure_ascii=False,
            indent=indent,
        )


def read_profile(
    history: History, user: str, *, unread: ShareUnread, ratings: RatingScale | None = None
) -> Profile:
    """Condense what a history holds about ``user``, whatever the consent; the audit log notes it.

    Args:
        history: where it is kept.
        user: about whom.
        unread: says what the pack cannot read.
        ratings: the host's scale; guessed if ``None``.

    Raises:
        InvalidRequest: when ``user`` is malformed.
        HistoryError: when the history cannot be read, or the reading not be noted.
    """
    events, consents = history.all_events(user), history.consents(user)
    known = summarise(events, consents=consents, now=time.time(), unread=unread, ratings=ratings)
    return replace(known, attributes=history.stored_description(user))


def summarise(
    history: Sequence[Event],
    *,
    consents: Mapping[str, bool],
    now: float,
    unread: ShareUnread,
    ratings: RatingScale | None = None,
) -> Profile:
    """Condense a history, events oldest first, ``now`` in UTC seconds."""
    times = [event.timestamp or 0.0 for event in history]
    interests = read_interests(history, now=now, ratings=ratings)
    weights: Counter[str] = Counter()
    for one in interests.liked:
        for category in one.item.categories:
            weights[category] += one.strength * one.recency / len(one.item.categories)  # type: ignore[assignment]
    total = sum(weights.values())
    share = unread(_texts(interests))
    sessions = int(session_ages(times, now=times[-1])[0]) + 1 if times else 0
    return Profile(
        events=len(history),
        sessions=sessions,
        first=times[0] if times else None,
        last=times[-1] if times else None,
        by_type=dict(Counter(event.type for event in history).most_common()),
        top_categories={category: weight / total for category, weight in weights.most_common(TOP)},
        liked=_strongest([one for one in interests.liked if one.strength >= CHOSEN]),
        disliked=_strongest(interests.disliked),
        searches=interests.searches[::-1],
        consents=consents,
        unread=share,
        degraded=(Degradation.TEXT_NOT_READ,) if share >= UNREAD_SHARE else (),
    )


def _texts(interests: Interests) -> list[str]:
    """Texts by which the history is compared: items that carry a vector need none."""
    touched = (one.item for one in (*interests.liked, *interests.disliked))
    return [*(item.text for item in touched if item.vector is None), *interests.searches]


def _strongest(interests: Sequence[Interest]) -> tuple[str, ...]:
    ranked = sorted(interests, key=lambda one: abs(one.strength) * one.recency, reverse=True)
    return tuple(one.item.id for one in ranked[:TOP])
