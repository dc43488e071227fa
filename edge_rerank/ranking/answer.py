"""Answer of an engine: a ranking, and what a learner has to know of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Shown
from edge_rerank.packs.specs import HistoryEncoderSpec
from edge_rerank.ranked import RankedItems
from edge_rerank.ranking.candidates import Candidates, mark
from edge_rerank.ranking.evidence import Call, Evidence
from edge_rerank.ranking.explain import explain
from edge_rerank.ranking.host_order import Listed, TrialOf
from edge_rerank.ranking.options import RankOptions
from edge_rerank.ranking.policies import POLICIES
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.relevance.relevance import Level
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.history_model import probabilities_of
from edge_rerank.ranking.sources.personal import PersonalSource
from edge_rerank.ranking.sources.search import QUERY
from edge_rerank.ranking.truths import note_truths
from edge_rerank.result import Ranking, elapsed_ms
from edge_rerank.types import Degradation, Event, Item, LeftOut, ListOrder, Reason, Unread

UNREAD_SHARE = 0.2
"""Share of the candidates or of the history from which on texts that cannot be read are a
degradation; a foreign title here and there is none."""

ONE_OF_TWENTY = Level(constant=-float(np.log(19)), slope=1.0)
"""Log-odds against a list's mean, where no history model was fitted that says more: somebody
chooses one of about twenty."""

PlainCall: TypeAlias = tuple[Candidates, Sequence[Event], RankOptions]
"""Candidates, history and options of a call."""

PlainList: TypeAlias = tuple[list[str], list[float]]
"""Ids and scores of a list, best first."""

HeadOf = Callable[[Layout], Head | None]
"""Gives what was learnt of a person, for features of a layout."""


class Places:
    """Places of items in a list, by id: it holds 8 bytes an item, and no id.

    Args:
        marks: of the items in the list, in its order, see
            :attr:`~edge_rerank.ranking.candidates.Candidates.marks`; int64 of shape (m,).
    """

    __slots__ = ("_marks",)

    def __init__(self, marks: NDArray[np.int64]) -> None:
        self._marks = marks

    def __len__(self) -> int:
        return len(self._marks)

    def of(self, name: str) -> int | None:
        """The item's place from 1; ``None`` where it is not in the list."""
        (found,) = np.nonzero(self._marks == mark(name))
        return int(found[0]) + 1 if len(found) else None


NO_PLACES = Places(np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A ranking, and what a learner has to know of it.

    Attributes:
        ranking: for the host.
        places: of the items in it.
        shown: ``None`` where nobody is learnt of, or the list is empty or not shown.
    """

    ranking: Ranking
    places: Places = NO_PLACES
    shown: Shown | None = None


class Answers:
    """Makes answers of what was found out about candidates. Safe from several threads.

    Args:
        pack: name of the one that ranks.
        spec: of its history model, which says how likely each candidate is to be chosen; ``None``
            without one.
        personal: notes what a learner has to know of a list.
    """

    def __init__(
        self, pack: str, spec: HistoryEncoderSpec | None, personal: PersonalSource
    ) -> None:
        self._pack, self._spec, self._personal = pack, spec, personal

    def of(
        self,
        request: Request,
        evidence: Evidence,
        blocked: tuple[LeftOut, ...],
        *,
        started: float,
        trial_of: TrialOf | None = None,
    ) -> Answer:
        """The scores, arranged and explained.

        Args:
            request: the call.
            evidence: about its candidates.
            blocked: what its list policy left out before.
            started: when the call began, by ``time.perf_counter()``.
            trial_of: says whose order the list is to be in; ``None`` for always ours.
        """
        if not request.candidates:
            locale = request.locale
            return Answer(
                Ranking((), ranking_id(), pack=self._pack, left_out=blocked, locale=locale)
            )
        note_truths(request, evidence)
        scores = evidence.scores()
        listed = Listed.of(request, evidence, scores, trial_of, self._personal.layout)
        order = self._begun(request, evidence, listed, scores)
        for policy in POLICIES:
            order = policy.arrange(order, request)
        rows = order.rows[: request.keep]
        reasons = explain(listed.evidence, request.candidates, rows, order.moves)
        told = partial(told_scores, order.scores, evidence, self._spec)
        ranking = Ranking(
            ranked(request.candidates, rows, told, reasons),
            id=ranking_id(),
            took_ms=elapsed_ms(started),
            personalised=bool(request.interests),
            degraded=degradations(evidence, order, request.comparisons.unread),
            unread=request.comparisons.unread,
            pack=self._pack,
            chances=order.explored.placements,
            left_out=(*blocked, *left_out_of(order, request)),
            order=order.order,
            locale=request.locale,
        )
        places = Places(request.candidates.marks[rows])
        if request.head is None or not request.shown:
            return Answer(ranking, places)
        shown = self._personal.shown(
            request, evidence, scores, rows=rows, ranking=ranking.id, explored=order.explored
        )
        return Answer(ranking, places, listed.noted(shown, rows, order.pinned))

    def plain(self, calls: Sequence[Call]) -> list[PlainList]:
        """Ids and scores of several lists, each as in the ranking that :meth:`of` makes."""
        some = [call for call in calls if call[0].candidates]
        requests, orders = [request for request, _ in some], []
        for request, evidence in some:
            scores = evidence.scores()
            orders.append(self._begun(request, evidence, Listed(evidence, scores), scores))
        for policy in POLICIES:
            orders = policy.arrange_each(orders, requests)
        arranged = iter(orders)
        return [
            self._plain(*call, next(arranged)) if call[0].candidates else ([], []) for call in calls
        ]

    def _plain(self, request: Request, evidence: Evidence, order: Arrangement) -> PlainList:
        rows, items = order.rows[: request.keep], request.candidates.items
        scores = told_scores(order.scores, evidence, self._spec)
        return [items[row].id for row in rows.tolist()], scores[rows].tolist()

    def _begun(
        self, request: Request, evidence: Evidence, listed: Listed, scores: NDArray[np.float64]
    ) -> Arrangement:
        """The order of a list before policies arrange it; ``scores`` are those of the evidence."""
        floor = request.policy.floor
        relevance = None if floor is None else told_scores(scores, evidence, self._spec)
        return listed.arrangement(asked=bool(evidence[QUERY.name].any()), relevance=relevance)


def degradations(evidence: Evidence, order: Arrangement, unread: Unread) -> tuple[Degradation, ...]:
    """Why a ranking is poorer than it could have been, each once.

    Args:
        evidence: what its sources could not do.
        order: what policies could not do, and whose order it was.
        unread: texts that the pack cannot read; so many that it is a degradation?
    """
    found = [*evidence.degraded]
    if order.order is ListOrder.HOST:
        found.append(Degradation.HOST_ORDER)
    found += order.degraded
    if unread.query or max(unread.candidates, unread.history) >= UNREAD_SHARE:
        found.append(Degradation.TEXT_NOT_READ)
    return tuple(dict.fromkeys(found))


def left_out_of(order: Arrangement, request: Request) -> list[LeftOut]:
    """What rules left out, as the ranking tells of it."""
    told = order.told(request.keep)
    return [LeftOut(request.candidates[row].id, code) for row, code in told]


def ranked(
    candidates: Candidates,
    rows: NDArray[np.intp],
    told: Callable[[], NDArray[np.float64]],
    reasons: Sequence[tuple[Reason, ...]],
) -> RankedItems:
    """The candidates of ``rows`` in their places.

    Args:
        candidates: of the call.
        rows: best first, intp of shape (m,).
        told: gives what is told of the scores of all candidates, float64 of shape (n,); asked when
            the first place is read.
        reasons: of each of ``rows``.
    """

    def listed() -> tuple[list[Item], list[float]]:
        items = candidates.items
        return [items[row] for row in rows.tolist()], told()[rows].tolist()

    return RankedItems(listed, reasons)


def told_scores(
    scores: NDArray[np.float64], evidence: Evidence, model: HistoryEncoderSpec | None
) -> NDArray[np.float64]:
    """What a ranking says of its scores: 0 to 1, in their order, float64 of shape (n,).

    Args:
        scores: of all candidates, float64 of shape (n,).
        evidence: about them.
        model: says how likely each is to be chosen, where there is no query.
    """
    relevance = evidence.relevance(scores)
    if relevance is not None:
        return relevance
    if model is not None:
        return probabilities_of(model, scores)
    return ONE_OF_TWENTY.of(scores - scores.mean())


def ranking_id() -> str:
    """An id that no other ranking has."""
    return secrets.token_hex(8)
