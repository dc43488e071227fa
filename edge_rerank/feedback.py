"""Feedback on rankings that were shown: where each item stood, and what follows from it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from edge_rerank.errors import ClosedError, HistoryError
from edge_rerank.history.history import History
from edge_rerank.learning.head import Head
from edge_rerank.learning.host_guard import HostGuard, Trial
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import Learner
from edge_rerank.ranking.answer import NO_PLACES, Places
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.options import RankOptions
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Event, Item

if TYPE_CHECKING:
    from edge_rerank.learning.share import FleetRound
    from edge_rerank.learning.stats import Stats

REMEMBERED_RANKINGS = 256

REMEMBERED_PLACES = 1 << 20
"""In all of them together, 8 bytes each: a hundred lists of 10,000."""


class ShownRankings:
    """Where items stood in the last rankings, to fill in ``Event.position``.

    Safe from several threads.
    """

    def __init__(self) -> None:
        self._rankings: OrderedDict[str, Places] = OrderedDict()
        self._places = 0
        self._lock = threading.Lock()
        self._cleared = 0

    def remember(self, ranking: str, places: Places) -> None:
        """Keep the places of a ranking by its id, another each time; the oldest makes room."""
        with self._lock:
            self._rankings[ranking] = places
            self._places += len(places)
            while len(self._rankings) > REMEMBERED_RANKINGS or self._places > REMEMBERED_PLACES:
                self._places -= len(self._rankings.popitem(last=False)[1])

    def place(self, event: Event) -> Event:
        """The event with its position filled in, where the ranking it names is known."""
        if event.ranking is None or event.position is not None or event.item is None:
            return event
        with self._lock:
            places = self._rankings.get(event.ranking, NO_PLACES)
        position = places.of(event.item.id)
        return event if position is None else replace(event, position=position)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._cleared += 1
            self._drop()

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around a ranking and its being remembered: if all were forgotten meanwhile, it is too."""
        before = self._cleared
        try:
            yield
        finally:
            with self._lock:
                if self._cleared != before:
                    self._drop()

    def _drop(self) -> None:
        self._rankings.clear()
        self._places = 0


class _Known:
    """What a learner knows of one person; what cannot be read is as if it were not there.

    Attributes:
        lost: whether something could not be read.
    """

    def __init__(self, learner: Learner, user: str) -> None:
        self._learner = learner
        self._user = user
        self.lost = False

    def head(self, layout: Layout) -> Head | None:
        """What was learnt of them."""
        return self._read(lambda: self._learner.head(self._user, layout))

    def trial(self, layout: Layout, surface: str) -> Trial | None:
        """Whose order their list is to be in, where the host gives one."""
        return self._read(lambda: self._learner.trial(self._user, layout, surface))

    def _read(self, reading: Callable[[], _T | None]) -> _T | None:
        try:
            return reading()
        except HistoryError:
            self.lost = True
            return None
        except ClosedError:  # by somebody else meanwhile: what was read before still ranks
            return None


_T = TypeVar("_T")


class Feedback:
    """Ranks for the people of a history, and joins what they do with what they were shown.

    Safe from several threads.

    Args:
        engine: ranks.
        history: has what they did before, and tells what they do next.
        learning: whether a head is learnt of each person who agreed to personalisation.
        guard: how the host's order is guarded, where it is learnt; ``None`` for not at all.
    """

    def __init__(
        self,
        engine: RankingEngine,
        history: History,
        *,
        learning: bool,
        guard: HostGuard | None = None,
    ) -> None:
        self._engine = engine
        self._history = history
        self._places = ShownRankings()
        self._learner = Learner(history, guard=guard) if learning else None
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
            answer = self._engine.answer(items, history=events, **options)
            self._places.remember(answer.ranking.id, answer.places)
            return answer.ranking
        known = _Known(learner, user)
        answer = self._engine.answer(
            items, history=events, head_of=known.head, trial_of=known.trial, **options
        )
        ranking = answer.ranking
        if answer.shown is not None:
            learner.watch(user, answer.shown)
            if learner.was_reset(user, answer.shown.layout):
                ranking = _marked(ranking, Degradation.LEARNING_RESET)
        if known.lost:
            ranking = _marked(ranking, Degradation.HISTORY_UNAVAILABLE)
        self._places.remember(ranking.id, answer.places)
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
        from edge_rerank.learning.stats import read_stats  # noqa: PLC0415 - few hosts ask for it

        log = None if self._learner is None else self._learner.log(user)
        return read_stats(self._history, user, beside=log)

    def share(self, user: str, terms: FleetRound) -> bytes:
        """What goes to a fleet, see :meth:`edge_rerank.Reranker.share`."""
        from edge_rerank.learning.share import share  # noqa: PLC0415 - few hosts ask for it

        learner = self._learner
        head = None if learner is None else learner.head(user, self._engine.layout)
        return share(self._history, user, head, terms)

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
