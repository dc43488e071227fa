"""A visitor whom nobody will remember."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self, Unpack

from edge_rerank.feedback import ShownRankings, as_events
from edge_rerank.history.history import PERSONALISATION, RecentHistory
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.profile import Profile, summarise
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.request import RankOptions
from edge_rerank.result import Ranking
from edge_rerank.types import Event, Item

_GUEST = "guest"


class GuestSession:
    """One visitor, in memory only. Made by :meth:`~edge_rerank.Reranker.guest_session`."""

    def __init__(self, engine: RankingEngine) -> None:
        self._engine = engine
        self._history = RecentHistory(HistoryStore.open(None, None))
        self._history.set_consent(_GUEST, PERSONALISATION, granted=True)
        self._shown = ShownRankings()

    def rank(self, items: Sequence[Item], **options: Unpack[RankOptions]) -> Ranking:
        """Order ``items`` for the visitor, see :meth:`~edge_rerank.Reranker.rank`."""
        ranking = self._engine.rank(items, history=self._history.events(_GUEST), **options)
        self._shown.remember(ranking)
        return ranking

    async def rank_async(self, items: Sequence[Item], **options: Unpack[RankOptions]) -> Ranking:
        """:meth:`rank` in a worker thread."""
        import asyncio  # noqa: PLC0415 - see Reranker.rank_async

        def call() -> Ranking:
            return self.rank(items, **options)

        return await asyncio.to_thread(call)

    def record(self, event: Event | Sequence[Event]) -> int:
        """Remember what the visitor did until the session ends; see ``Reranker.record``."""
        events = [self._shown.place(one) for one in as_events(event)]
        return self._history.record(_GUEST, events, now=time.time())

    def consent(self, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether the visitor agrees; a session begins with consent."""
        self._history.set_consent(_GUEST, purpose, granted=granted)

    def profile(self) -> Profile:
        """What the session knows of the visitor."""
        return summarise(
            self._history.all_events(_GUEST),
            consents=self._history.consents(_GUEST),
            now=time.time(),
        )

    def close(self) -> None:
        """Forget the visitor. May be called twice; other calls then raise ClosedError."""
        self._history.close()
        self._shown.clear()
        self._engine.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
