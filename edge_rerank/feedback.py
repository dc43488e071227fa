"""Feedback on rankings that were shown: where each item stood, and what follows from it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from edge_rerank.errors import ClosedError, HistoryError
from edge_rerank.history.history import History
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import Learner
from edge_rerank.learning.stats import Stats, read_stats
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.request import RankOptions
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Event, Item

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


class Feedback:
    """Ranks for the people of a history, and joins what they do with what they were shown.

    Safe from several threads.

    Args:
        engine: ranks.
        history: has what they did before, and tells what they do next.
        learning: whether a head is learnt of each person who agreed to personalisation.
    """

    def __init__(self, engine: RankingEngine, history: History, *, learning: bool) -> None:
        self._engine = engine
        self._history = history
        self._places = ShownRankings()
        self._learner = Learner(history) if learning else None
        history.before_record(self._places.place)
        if self._learner is not None:
            history.beside_record(self._learner.following)

    def rank(
        self,
        items: Sequence[Item],
        events: Sequence[Event],
        user: str | None,
        options: RankOptions,
    ) -> Ranking:
        """Order items, and remember for what comes next how they were shown.

        Args:
            items: candidates.
            events: the person's, read while :meth:`in_flight`.
            user: ``None`` for nobody.
            options: of the call.
        """
        learner = self._learner
        if learner is None or user is None:
            ranking = self._engine.rank(items, history=events, **options)
            self._places.remember(ranking)
            return ranking
        lost: list[HistoryError] = []

        def head_of(layout: Layout) -> Head | None:
            try:
                return learner.head(user, layout)
            except HistoryError as error:
                lost.append(error)
                return None
            except ClosedError:  # by somebody else meanwhile: what was read before still ranks
                return None

        answer = self._engine.answer(items, history=events, head_of=head_of, **options)
        ranking = answer.ranking
        if answer.shown is not None:
            learner.watch(user, answer.shown)
            if learner.was_reset(user, answer.shown.layout):
                ranking = _marked(ranking, Degradation.LEARNING_RESET)
        if lost:
            ranking = _marked(ranking, Degradation.HISTORY_UNAVAILABLE)
        self._places.remember(ranking)
        return ranking

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around reading a history and ranking: who is forgotten meanwhile leaves no trace."""
        with self._engine.in_flight(), self._places.in_flight():
            if self._learner is None:
                yield
            else:
                with self._learner.in_flight():
                    yield

    def stats(self, user: str) -> Stats:
        """How the person's lists did, see :meth:`edge_rerank.Reranker.stats`."""
        log = None if self._learner is None else self._learner.log(user)
        return read_stats(self._history, user, beside=log)

    def close(self) -> None:
        """Write what came of lists that nobody will answer any more."""
        if self._learner is not None:
            self._learner.close()

    def drop(self, user: str | None = None) -> None:
        """Empty what was derived from people: of places it is not known from whom."""
        self._places.clear()
        if self._learner is not None:
            self._learner.drop(user)
        self._engine.forget(user)


def _marked(ranking: Ranking, degradation: Degradation) -> Ranking:
    if degradation in ranking.degraded:
        return ranking
    return replace(ranking, degraded=(degradation, *ranking.degraded))
