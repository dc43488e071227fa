"""Running a pack and the baselines over a split, as a user's calls would.

The order in which a file lists its candidates never counts (except for the baseline that is
that order): candidates go to the pack shuffled, and ties are broken by lot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.evaluation.baselines import (
    RECENT_ITEMS,
    Baseline,
    Vectors,
    default_baselines,
    lottery,
)
from edge_rerank.evaluation.dataset import DataSet, Request, chosen
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.interests import read_interests
from edge_rerank.ranking.metrics import (
    auc,
    catalogue_coverage,
    hit_rate,
    intra_list_diversity,
    ndcg,
    reciprocal_rank,
)
from edge_rerank.types import Item

VISIBLE = 10
"""Places at the top over which coverage and diversity are taken."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good one way of ordering is, means over the requests, 0 to 1, higher is better.

    Accuracy is averaged over the requests with a click, ``auc`` over those of them that
    also have a candidate without one.

    Attributes:
        ndcg_1, ndcg_5, ndcg_10, ndcg_20: normalised discounted cumulative gain.
        mrr: mean reciprocal rank of the first click.
        hit_1, hit_10: share of requests with a click in the first places.
        auc: chance that a clicked item stands above another one.
        coverage: share of all candidates that stand in some request's top ten.
        diversity: mean dissimilarity of the texts in a top ten.
    """

    ndcg_1: float
    ndcg_5: float
    ndcg_10: float
    ndcg_20: float
    mrr: float
    hit_1: float
    hit_10: float
    auc: float
    coverage: float
    diversity: float

    def to_dict(self) -> dict[str, float]:
        """By the names of the report: ``ndcg@1``, ``hit@10``, ``mrr``, ..."""
        return {
            one.name.replace("_", "@"): round(getattr(self, one.name), 6) for one in fields(self)
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A pack beside the baselines on one split.

    Attributes:
        folder: the data set, as it was named.
        split: which requests.
        requests: how many there were, those without a click included.
        pack: the pack's quality.
        baselines: that of the others by name.
    """

    folder: str
    split: str
    requests: int
    pack: Quality
    baselines: Mapping[str, Quality]

    def to_json(self, *, indent: int | None = 2) -> str:
        """``{"folder", "split", "requests", "pack": {...}, "baselines": {name: {...}}}``."""
        return json.dumps(
            {
                "folder": self.folder,
                "split": self.split,
                "requests": self.requests,
                "pack": self.pack.to_dict(),
                "baselines": {name: one.to_dict() for name, one in self.baselines.items()},
            },
            ensure_ascii=False,
            indent=indent,
        )


def evaluate(
    pack: str | Path | None,
    folder: str | Path,
    split: str,
    *,
    limit: int | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a pack.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        folder: see :mod:`edge_rerank.evaluation.dataset`.
        split: name of a file of requests, as "test".
        limit: how many requests at most.
        providers: as in :meth:`~edge_rerank.ranking.engine.RankingEngine.open`.
        threads: likewise.
        progress: see :data:`Progress`.

    Raises:
        DataError: when a file is missing or malformed, or no request has a click.
        PackError, InferenceError: when the pack cannot be loaded or run.
        InvalidRequest: when an argument is malformed.
    """
    data = DataSet.open(folder)
    requests = list(data.requests(split, limit=limit))
    if not any(request.clicked for request in requests):
        raise DataError(data.folder, f"{split}: expected at least one request with a click")
    items = _needed(requests)
    with RankingEngine.open(
        pack, providers=providers, threads=threads, cache_items=max(len(items), 1)
    ) as engine:
        engine.warmup(items, progress=_named(progress, "item texts"))
        vectors = {
            item.id: vector for item, vector in zip(items, engine.vectors(items), strict=True)
        }
        quality = _judge(
            requests, vectors, partial(_order_by_pack, engine), _named(progress, "requests")
        )
    baselines = {
        one.name: _judge(requests, vectors, partial(_order_by_baseline, one))
        for one in default_baselines(data, vectors)
    }
    return Evaluation(
        folder=str(folder),
        split=split,
        requests=len(requests),
        pack=quality,
        baselines=MappingProxyType(baselines),
    )


def _needed(requests: Iterable[Request]) -> list[Item]:
    """Every item whose text some order depends on: candidates, and the last of each history."""
    items: dict[str, Item] = {}
    for request in requests:
        interests = read_interests(request.history, now=request.now)
        touched = [one.item for one in (*interests.liked, *interests.disliked)]
        recent = chosen(request.history)[-RECENT_ITEMS:]
        items.update((item.id, item) for item in (*request.candidates, *touched, *recent))
    return list(items.values())


def _order_by_pack(engine: RankingEngine, request: Request) -> list[str]:
    shuffled = [request.candidates[row] for row in np.argsort(lottery(request, salt=b"shuffle"))]
    ranking = engine.rank(shuffled, history=request.history, query=request.query, now=request.now)
    return [ranked.item.id for ranked in ranking]


def _order_by_baseline(baseline: Baseline, request: Request) -> list[str]:
    order = np.lexsort((lottery(request, salt=b"ties"), -baseline.scores(request)))
    return [request.candidates[row].id for row in order]


def _judge(
    requests: Sequence[Request],
    vectors: Vectors,
    order: Callable[[Request], list[str]],
    progress: Callable[[int, int], None] | None = None,
) -> Quality:
    tops: list[list[str]] = []
    clicks: list[NDArray[np.bool_]] = []
    for done, request in enumerate(requests, start=1):
        names = order(request)
        tops.append(names[:VISIBLE])
        if request.clicked:
            clicks.append(np.array([name in request.clicked for name in names]))
        if progress is not None:
            progress(done, len(requests))
    return Quality(
        ndcg_1=_mean(ndcg(one, 1) for one in clicks),
        ndcg_5=_mean(ndcg(one, 5) for one in clicks),
        ndcg_10=_mean(ndcg(one, 10) for one in clicks),
        ndcg_20=_mean(ndcg(one, 20) for one in clicks),
        mrr=_mean(reciprocal_rank(one) for one in clicks),
        hit_1=_mean(hit_rate(one, 1) for one in clicks),
        hit_10=_mean(hit_rate(one, 10) for one in clicks),
        auc=_mean((auc(one) for one in clicks if not one.all()), default=0.5),
        coverage=catalogue_coverage(
            tops, (item.id for request in requests for item in request.candidates)
        ),
        diversity=_mean(
            intra_list_diversity(np.stack([vectors[name] for name in names]))
            for names in tops
            if len(names) > 1
        ),
    )


def _mean(values: Iterable[float], *, default: float = 0.0) -> float:
    every = list(values)
    return sum(every) / len(every) if every else default


def _named(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else partial(progress, what)
