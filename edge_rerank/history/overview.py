"""Overview of a history: how many people and events there are, and from when to when."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.store import HistoryStore


@dataclass(frozen=True, slots=True)
class HistoryOverview:
    """What a history file holds, in numbers.

    It names nobody: the file has a keyed hash of each identifier, from which nothing leads back.

    Attributes:
        people: how many there are.
        agreed: those whose consent to personalisation holds.
        withdrawn: those who have taken it back or refused.
        with_events: those with stored events.
        events: of all people.
        median_events, most_events: of one of the people with events.
        first, last: UTC seconds of the oldest and the newest event, ``None`` without any.
    """

    people: int
    agreed: int
    withdrawn: int
    with_events: int
    events: int
    median_events: int
    most_events: int
    first: float | None
    last: float | None

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes as one JSON object."""
        return json.dumps(asdict(self), indent=indent)


def overview_of(store: HistoryStore) -> HistoryOverview:
    """Count what a store holds; every event is opened once.

    Raises:
        HistoryError: when anything cannot be read.
    """
    people = agreed = withdrawn = 0
    counts: list[int] = []
    first, last = math.inf, -math.inf
    for decisions, events in store.everyone():
        people += 1
        agreed += decisions.get(PERSONALISATION) is True
        withdrawn += decisions.get(PERSONALISATION) is False
        if not events:
            continue
        counts.append(len(events))
        times = [event.timestamp or 0.0 for event in events]
        first, last = min(first, *times), max(last, *times)
    counts.sort()
    return HistoryOverview(
        people=people,
        agreed=agreed,
        withdrawn=withdrawn,
        with_events=len(counts),
        events=sum(counts),
        median_events=counts[(len(counts) - 1) // 2] if counts else 0,
        most_events=counts[-1] if counts else 0,
        first=first if counts else None,
        last=last if counts else None,
    )
