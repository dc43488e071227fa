"""Feedback on rankings that were shown: where each item stood."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from edge_rerank.result import Ranking
from edge_rerank.types import Event

REMEMBERED_RANKINGS = 256


class ShownRankings:
    """Where items stood in the last rankings, to fill in ``Event.position``.

    Safe from several threads.
    """

    def __init__(self) -> None:
        self._rankings: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._cleared = 0

    def remember(self, ranking: Ranking) -> None:
        """Keep the places of a ranking; the oldest known one makes room."""
        places = {ranked.item.id: ranked.rank for ranked in ranking}
        with self._lock:
            self._rankings[ranking.id] = places
            if len(self._rankings) > REMEMBERED_RANKINGS:
                self._rankings.popitem(last=False)

    def place(self, event: Event) -> Event:
        """The event with its position filled in, where the ranking it names is known."""
        if event.ranking is None or event.position is not None or event.item is None:
            return event
        with self._lock:
            position = self._rankings.get(event.ranking, {}).get(event.item.id)
        return event if position is None else replace(event, position=position)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._cleared += 1
            self._rankings.clear()

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around a ranking and its being remembered: if all were forgotten meanwhile, it is too."""
        before = self._cleared
        try:
            yield
        finally:
            with self._lock:
                if self._cleared != before:
                    self._rankings.clear()
