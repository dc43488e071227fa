"""Hosts and people of a play: somebody visits, does things at known times, and gets a list.

All goes through the public door, as an application would use it: consent, record, rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from edge_rerank.evaluation.expectations.catalogue import Catalogue
from edge_rerank.profile import Profile
from edge_rerank.ranking.options import RankOptions
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.types import Event, EventName, EventType, Item

BEGINNING = 1_709_542_800.0
"""When every play begins: 4 March 2024, 9:00 UTC, in the past of any clock."""

BOUNCE_S = 2.0
LONG_READ_S = 600.0

_BETWEEN_EVENTS_S = 45.0
_HOUR_S = 3600.0


class Host:
    """An application that shows a catalogue.

    Attributes:
        reranker: opened by the caller, with a history in memory.
        catalogue: what is shown.
        scripts: a few items in other scripts.
    """

    def __init__(self, reranker: Reranker, catalogue: Catalogue, scripts: Catalogue) -> None:
        self.reranker = reranker
        self.catalogue = catalogue
        self.scripts = scripts
        self._people = 0
        self._to_strangers: dict[str | None, Ranking] = {}

    def person(self) -> Person:
        """Somebody new, who agrees to personalisation."""
        self._people += 1
        user = f"person {self._people}"
        self.reranker.consent(user, True)
        return Person(self, user)

    def nobody(
        self, items: Sequence[Item] | None = None, **options: Unpack[RankOptions]
    ) -> Ranking:
        """What a stranger gets: the catalogue, or ``items``."""
        options.setdefault("now", BEGINNING)
        shown = self.catalogue.items if items is None else items
        return self.reranker.rank(shown, **self.asked(options))

    def asked(self, options: RankOptions) -> RankOptions:
        """The options with the query as it is typed at this catalogue."""
        query = options.get("query")
        return options if query is None else {**options, "query": self.catalogue.asked(query)}

    def to_stranger(self, query: str | None = None) -> Ranking:
        """What a stranger gets of the catalogue, asked for once."""
        if query not in self._to_strangers:
            self._to_strangers[query] = self.nobody(query=query)
        return self._to_strangers[query]


class Person:
    """One person at a host, with a clock of their own.

    Attributes:
        user: the host's identifier.
        now: UTC seconds; each event moves it on.
    """

    def __init__(self, host: Host, user: str) -> None:
        self.user = user
        self.now = BEGINNING
        self._host = host

    def did(
        self,
        what: EventType | EventName,
        *items: Item,
        dwell_s: float | None = None,
        scroll: float | None = None,
        value: float | None = None,
        ranking: str | None = None,
    ) -> Person:
        """One event for each item, one after the other; arguments as those of ``Event``."""
        events = []
        for item in items:
            events.append(
                Event(
                    what,
                    item,
                    timestamp=self.now,
                    dwell_s=dwell_s,
                    scroll=scroll,
                    value=value,
                    ranking=ranking,
                )
            )
            self.now += _BETWEEN_EVENTS_S + (dwell_s or 0.0)
        self._host.reranker.record(events, user=self.user)
        return self

    def clicked(self, *items: Item, dwell_s: float | None = None) -> Person:
        """Opened each; nobody measured for how long, unless said."""
        return self.did(EventType.CLICK, *items, dwell_s=dwell_s)

    def bounced(self, *items: Item, dwell_s: float = BOUNCE_S) -> Person:
        """Opened each and was back at once."""
        return self.clicked(*items, dwell_s=dwell_s)

    def read(self, *items: Item, dwell_s: float = LONG_READ_S) -> Person:
        """Opened each and stayed: a click, then a view that says for how long."""
        for item in items:
            self.clicked(item)
            self.did(EventType.VIEW, item, dwell_s=dwell_s, scroll=1.0)
        return self

    def rated(self, item: Item, value: float) -> Person:
        """Gave so many stars."""
        return self.did(EventType.RATING, item, value=value)

    def searched(self, query: str) -> Person:
        """Typed into the search box, and the host recorded it."""
        typed = self._host.catalogue.asked(query)
        event = Event(EventType.SEARCH, query=typed, timestamp=self.now)
        self._host.reranker.record(event, user=self.user)
        self.now += _BETWEEN_EVENTS_S
        return self

    def saw(self, ranking: Ranking, top: int = 10) -> Person:
        """Was shown the first ``top`` and chose none."""
        items = [ranked.item for ranked in ranking[:top]]
        return self.did(EventType.IMPRESSION, *items, ranking=ranking.id)

    def later(self, *, hours: float = 24.0) -> Person:
        """Came back after a while, which begins a session."""
        self.now += hours * _HOUR_S
        return self

    def list(self, items: Sequence[Item] | None = None, **options: Unpack[RankOptions]) -> Ranking:
        """What the host shows now: the catalogue, or ``items``, for this person."""
        options.setdefault("now", self.now)
        shown = self._host.catalogue.items if items is None else items
        return self._host.reranker.rank(shown, user=self.user, **self._host.asked(options))

    def profile(self) -> Profile:
        """What the host says it knows."""
        return self._host.reranker.profile(self.user)
