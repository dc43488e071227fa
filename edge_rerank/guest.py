"""Kiosk sessions held in memory: a visitor whom nobody will remember."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self, Unpack

from edge_rerank._process import OwnProcess
from edge_rerank.feedback import Feedback
from edge_rerank.formats.attributes import Value
from edge_rerank.history.history import PERSONALISATION, History
from edge_rerank.learning.host_guard import HostGuard
from edge_rerank.profile import Profile, read_profile
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.options import ListOptions, RankOptions
from edge_rerank.result import Ranking, timed
from edge_rerank.texts import RankedTexts, items_of_texts
from edge_rerank.types import Event, Item

if TYPE_CHECKING:
    from edge_rerank.learning.stats import Stats

_GUEST = "guest"


class GuestSession:
    """One visitor, in memory only. Made by :meth:`edge_rerank.Reranker.guest_session`."""

    def __init__(
        self, engine: RankingEngine, *, learning: bool = True, guard: HostGuard | None = None
    ) -> None:
        self._engine = engine
        self._history = History.open()
        self._history.consent(_GUEST, True)
        self._feedback = Feedback(engine, self._history, learning=learning, guard=guard)
        self._process = OwnProcess("the guest session")

    def rank(self, items: Iterable[Item], **options: Unpack[RankOptions]) -> Ranking:
        """Order ``items`` for the visitor, see :meth:`edge_rerank.Reranker.rank`."""
        started = time.perf_counter()
        candidates = self._engine.candidates(items)
        with self._feedback.in_flight():
            events = self._history.events(_GUEST, among=candidates)
            ranking = self._feedback.rank(candidates, events, _GUEST, options)
        return timed(ranking, started)

    async def rank_async(self, items: Iterable[Item], **options: Unpack[RankOptions]) -> Ranking:
        """:meth:`rank` in a worker thread, for event loops."""
        import asyncio  # noqa: PLC0415 - see Reranker.rank_async

        return await asyncio.to_thread(self.rank, items, **options)

    def rank_texts(
        self,
        query: str | None,
        texts: Iterable[str | Mapping[str, object] | Item],
        **options: Unpack[ListOptions],
    ) -> RankedTexts:
        """Order ``texts`` for the visitor, see :meth:`edge_rerank.Reranker.rank_texts`."""
        items = items_of_texts(texts)
        return RankedTexts.of(self.rank(items, query=query, **options), items)

    async def rank_texts_async(
        self,
        query: str | None,
        texts: Iterable[str | Mapping[str, object] | Item],
        **options: Unpack[ListOptions],
    ) -> RankedTexts:
        """:meth:`rank_texts` in a worker thread, for event loops."""
        import asyncio  # noqa: PLC0415 - see Reranker.rank_async

        return await asyncio.to_thread(self.rank_texts, query, texts, **options)

    def record(self, event: Event | Iterable[Event]) -> int:
        """Remember what the visitor did until the session ends; see ``Reranker.record``."""
        return self._history.record(event, user=_GUEST)

    def describe(self, attributes: Mapping[str, Value | None]) -> None:
        """Keep what is known of the visitor until the session ends; see ``Reranker.describe``."""
        self._history.describe(_GUEST, attributes)

    def consent(self, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether the visitor agrees; a session begins with consent."""
        self._history.consent(_GUEST, granted, purpose)

    def profile(self) -> Profile:
        """What the session knows of the visitor."""
        return read_profile(
            self._history, _GUEST, unread=self._engine.unread, ratings=self._engine.ratings
        )

    def stats(self) -> Stats:
        """Statistics of the lists that the visitor was shown; see ``Reranker.stats``."""
        return self._feedback.stats(_GUEST)

    def close(self) -> None:
        """Forget the visitor. May be called twice; other calls then raise ClosedError."""
        if not self._process.here:
            return
        self._history.close()
        self._feedback.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
