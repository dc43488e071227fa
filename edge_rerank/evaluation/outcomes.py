"""Outcomes of one way of ordering, request by request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.evaluation.baselines import Baseline, Vectors, lottery
from edge_rerank.evaluation.metrics import (
    auc,
    graded_ndcg,
    hit_rate,
    intra_list_diversity,
    ndcg,
    reciprocal_rank,
)
from edge_rerank.formats.dataset import Request
from edge_rerank.history.clean import MAX_DWELL_S
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Item

VISIBLE = 10
"""Places at the top over which coverage, diversity and novelty are taken."""

LONG_CLICK_S = 30.0
"""What counts as read (Fox et al., "Evaluating implicit measures", TOIS 2005)."""

FIGURES = (
    "ndcg@1",
    "ndcg@5",
    "ndcg@10",
    "ndcg@20",
    "mrr",
    "hit@1",
    "hit@10",
    "auc",
    "diversity",
    "novelty_bits",
    "dwell_ndcg@10",
    "long_click@1",
)
"""What is known of a single request, the columns of :attr:`Outcomes.figures`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The order of one request's candidates.

    Attributes:
        names: ids, best first.
        probabilities: of a click, float64 of shape (n,) in that order; ``None`` where the
            scores mean something else.
        seconds: how long it took; ``None`` where it was not computed here.
    """

    names: list[str]
    probabilities: NDArray[np.float64] | None
    seconds: float | None


Order = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True, repr=False)
class Outcomes:
    """What one way of ordering came to.

    Attributes:
        figures: float64 of shape (requests, figures), columns by :data:`FIGURES`; NaN where a
            request says nothing about a figure.
        tops: ids in the first places of each request.
        seconds: for each request; empty where the order was not computed here.
        probabilities: of all candidates of all requests, float64 of shape (n,), or ``None``.
        clicked: whether they were, bool of shape (n,).
    """

    figures: NDArray[np.float64]
    tops: list[list[str]]
    seconds: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    clicked: NDArray[np.bool_]

    def column(self, figure: str) -> NDArray[np.float64]:
        """One of :data:`FIGURES`, float64 of shape (requests,)."""
        return self.figures[:, FIGURES.index(figure)]

    def mean(self, figure: str) -> float | None:
        """Mean over the requests that say something; ``None`` where none does."""
        values = self.column(figure)
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else None


def by_pack(engine: RankingEngine) -> Order:
    """The order of a pack, which sees the candidates shuffled."""
    # Only with a history encoder is a score a probability.
    calibrated = engine.pack.manifest.history_encoder is not None

    def order(request: Request) -> Answer:
        shuffled = [
            request.candidates[row] for row in np.argsort(lottery(request, salt=b"shuffle"))
        ]
        began = time.perf_counter()
        ranking = engine.rank(
            shuffled, history=request.history, query=request.query, now=request.now
        )
        seconds = time.perf_counter() - began
        scores = np.array([ranked.score for ranked in ranking])
        names = [ranked.item.id for ranked in ranking]
        return Answer(names, scores if calibrated else None, seconds)

    return order


def by_baseline(baseline: Baseline, *, timed: bool) -> Order:
    """The order of a baseline, equal scores by lot."""

    def order(request: Request) -> Answer:
        began = time.perf_counter()
        scores = baseline.scores(request)
        seconds = time.perf_counter() - began
        places = np.lexsort((lottery(request, salt=b"ties"), -scores))
        return Answer(
            [request.candidates[row].id for row in places], None, seconds if timed else None
        )

    return order


def ask(
    requests: Sequence[Request],
    order: Order,
    vectors: Vectors,
    surprise: Callable[[Item], float],
    progress: Progress | None = None,
) -> Outcomes:
    """Let ``order`` answer every request.

    Args:
        requests: at least one.
        order: see there.
        vectors: of all candidates.
        surprise: self-information of an item in bits, NaN where unknown.
        progress: called with (done, total).
    """
    figures = np.full((len(requests), len(FIGURES)), np.nan)
    tops: list[list[str]] = []
    seconds: list[float] = []
    probabilities: list[NDArray[np.float64]] = []
    clicked: list[NDArray[np.bool_]] = []
    for row, request in enumerate(requests):
        answer = order(request)
        hits = np.array([name in request.clicked for name in answer.names], dtype=np.bool_)
        top = answer.names[:VISIBLE]
        known = {item.id: item for item in request.candidates}
        figures[row] = [
            *_accuracy(hits),
            intra_list_diversity(np.stack([vectors[name] for name in top]))
            if len(top) > 1
            else np.nan,
            _mean(surprise(known[name]) for name in top),
            *_satisfaction(answer.names, request),
        ]
        tops.append(top)
        if answer.seconds is not None:
            seconds.append(answer.seconds)
        if answer.probabilities is not None:
            probabilities.append(answer.probabilities)
            clicked.append(hits)
        if progress is not None:
            progress(row + 1, len(requests))
    return Outcomes(
        figures,
        tops,
        np.array(seconds),
        np.concatenate(probabilities) if probabilities else None,
        np.concatenate(clicked) if clicked else np.zeros(0, dtype=np.bool_),
    )


def self_information(items: Sequence[Item]) -> Callable[[Item], float]:
    """How surprising an item is: -log2 of the share of all choices that fell on it.

    Zhou et al., "Solving the apparent diversity-accuracy dilemma", PNAS 2010. Every count is
    one larger, so that what was never chosen has an answer.

    Args:
        items: the catalogue; items without a popularity have no answer.
    """
    counts = [item.popularity for item in items if item.popularity is not None]
    total = sum(counts) + len(counts)

    def surprise(item: Item) -> float:
        if item.popularity is None or not total:
            return float("nan")
        return float(np.log2(total) - np.log2(item.popularity + 1))

    return surprise


def _accuracy(hits: NDArray[np.bool_]) -> list[float]:
    if not hits.any():
        return [np.nan] * 8
    cuts = [partial(ndcg, k=1), partial(ndcg, k=5), partial(ndcg, k=10), partial(ndcg, k=20)]
    return [
        *(cut(hits) for cut in cuts),
        reciprocal_rank(hits),
        hit_rate(hits, 1),
        hit_rate(hits, 10),
        np.nan if hits.all() else auc(hits),
    ]


def _satisfaction(names: Sequence[str], request: Request) -> list[float]:
    if not request.dwell_s:
        return [np.nan, np.nan]
    dwell = np.array([min(request.dwell_s.get(name, 0.0), MAX_DWELL_S) for name in names])
    # A logarithm: ten minutes are better than one, but not ten times.
    return [graded_ndcg(np.log1p(dwell), 10), float(dwell[0] >= LONG_CLICK_S)]


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")
