"""Full ranking: what a person chose, against every item of the catalogue they had not had.

Lists of twenty flatter whoever tells easy negatives apart; most published figures of recommenders
are therefore taken over the whole catalogue (Krichene and Rendle, "On Sampled Metrics for Item
Recommendation", KDD 2020).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap
from edge_rerank.evaluation.baselines import Baseline
from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank.inference.runtime import Runtime
from edge_rerank.learning.examination import discounts
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.strength import guess_scale
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole
from edge_rerank_export.progress import Update

CUT = 10
"""Places that count."""

SEED = 0
"""Of what is drawn and of the intervals."""

AT_ONCE = 256
"""Requests in one matrix of scores, which takes some megabytes for each 10,000 items."""

CatalogueScores = Callable[[Sequence[Request]], NDArray[np.floating]]
"""Scores of the whole catalogue in the order of ``DataSet.items``, one row for each request, shape
(requests, items), higher is better."""

PlaceFinder = Callable[[Sequence[Request]], Iterable[tuple[int, ...]]]
"""For each request the 1-based places of what was chosen, best first, among the items of the
catalogue that are not in the person's history; what the catalogue lacks has none."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the chosen items stand.

    Attributes:
        ndcg_10: for each request, float64 of shape (requests,), 0 to 1.
        hit_10: 1 where a chosen item is among the first ten, float64 of shape (requests,).
        places: for each request the 1-based places of what was chosen, best first; what the
            catalogue lacks has none.
    """

    ndcg_10: NDArray[np.float64]
    hit_10: NDArray[np.float64]
    places: tuple[tuple[int, ...], ...]

    def interval(self) -> Interval:
        """The 95 % interval of the mean NDCG@10."""
        return bootstrap(self.ndcg_10[:, None], np.random.default_rng(SEED))[0]


def find_places(
    requests: Sequence[Request], find: PlaceFinder, update: Update | None = None
) -> Places:
    """Rank the catalogue for each request.

    What is in a person's history is left out, unless it was chosen again; equal scores go against
    whoever ranks. What was chosen and is not in the catalogue counts as not found.

    Args:
        requests: with at least one click each.
        find: see there.
        update: told how far it is, in requests.
    """
    found: list[tuple[int, ...]] = []
    for start in range(0, len(requests), AT_ONCE):
        found += find(requests[start : start + AT_ONCE])
        if update is not None:
            update(len(found), len(requests))
    sizes = [len(request.clicked) for request in requests]
    return Places(
        ndcg_10=np.array([_ndcg(one, size) for one, size in zip(found, sizes, strict=True)]),
        hit_10=np.array([float(any(place <= CUT for place in one)) for one in found]),
        places=tuple(found),
    )


def by_scores(data: DataSet, scores: CatalogueScores) -> PlaceFinder:
    """Places by the scores of the whole catalogue."""
    rows = {name: row for row, name in enumerate(data.items)}

    def one(request: Request, own: NDArray[np.floating]) -> tuple[int, ...]:
        clicked = [rows[name] for name in request.clicked if name in rows]
        rivals = np.ones(len(own), dtype=np.bool_)
        rivals[[rows[name] for name in had(request) if name in rows]] = False
        rivals[clicked] = False
        return _places(own[clicked], own[rivals])

    return lambda some: [one(request, own) for request, own in zip(some, scores(some), strict=True)]


def by_baseline(data: DataSet, baseline: Baseline) -> PlaceFinder:
    """Places by a baseline that needs no training, which gets the whole catalogue as candidates."""
    everything = tuple(data.items.values())

    def scores(requests: Sequence[Request]) -> NDArray[np.floating]:
        wide = (replace(request, candidates=everything) for request in requests)
        return np.stack([baseline.scores(request) for request in wide])

    return by_scores(data, scores)


@contextmanager
def by_pack(data: DataSet, pack: Path, requests: Sequence[Request]) -> Iterator[PlaceFinder]:
    """Places by a pack.

    A call of ``rank()`` takes 10,000 candidates, and what it says of one depends on the others. So
    a larger catalogue is shared out evenly over several calls, each of which has what was chosen
    among its candidates, and the rivals above it are added up. What rearranges a list by more than
    its scores, as near-copies apart, plays no part.

    Args:
        data: the folder; its texts are encoded first.
        pack: a pack folder.
        requests: of which the ratings' scale is read.

    Raises:
        PackError, InferenceError: when the pack cannot be loaded or run.
        RecipeError: when it has a scorer, which refines the best of a call alone.
    """
    everything = tuple(data.items.values())
    ratings = guess_scale(event for request in requests for event in request.history)
    runtime = Runtime(None, None, cache_items=max(len(everything), 1))
    with RankingEngine.open(pack, runtime=runtime, ratings=ratings) as engine:
        if engine.scorer is not None:
            raise RecipeError(
                "--beside: expected a pack without a scorer: it refines parts of a list"
            )
        engine.warmup(everything)

        def one(request: Request) -> tuple[int, ...]:
            out = had(request)
            rivals = [item for item in everything if item.id not in out | request.clicked]
            clicked = [data.items[name] for name in sorted(request.clicked) if name in data.items]
            places = np.arange(1, len(clicked) + 1)
            calls = max(1, -(-len(rivals) // (MAX_CANDIDATES - len(clicked))))
            for call in range(calls if clicked else 0):
                some = rivals[call::calls]
                ranking = engine.rank(
                    [*clicked, *some],
                    history=request.history,
                    query=request.query,
                    now=request.now,
                )
                known = {ranked.item.id: ranked.score for ranked in ranking}
                own = np.array([known[item.id] for item in clicked])
                above = _places(own, np.array([known[item.id] for item in some]))
                places += np.array(above) - np.arange(1, len(clicked) + 1)
            return tuple(places.tolist())

        yield lambda some: [one(request) for request in some]


def had(request: Request) -> set[str]:
    """Ids in a person's history that were not chosen again: nobody would be shown them."""
    before = {event.item.id for event in request.history if event.item is not None}
    return before - request.clicked


def _places(own: NDArray[np.floating], rivals: NDArray[np.floating]) -> tuple[int, ...]:
    """Places of what was chosen, best first; a rival with an equal score, or none, is above."""
    best_first = sorted(own.tolist(), reverse=True)
    return tuple(
        1 + earlier + int((~(rivals < score)).sum()) for earlier, score in enumerate(best_first)
    )


def _ndcg(places: Sequence[int], clicked: int) -> float:
    """NDCG@10 with gains 0 and 1, see :func:`edge_rerank.evaluation.metrics.ndcg`."""
    worth = discounts(CUT)
    gained = sum(worth[place - 1] for place in places if place <= CUT)
    return float(gained / worth[:clicked].sum())


def asked_of(data: DataSet, split: str, *, limit: int | None = None) -> list[tuple[int, Request]]:
    """Requests with a click, by their number in the file; some of them, drawn by chance.

    Args:
        data: the folder.
        split: which requests.
        limit: how many at most; ``None`` for all.
    """
    known = [
        (number, request) for number, request in enumerate(data.requests(split)) if request.clicked
    ]
    if limit is None or len(known) <= limit:
        return known
    drawn = np.random.default_rng(SEED).permutation(len(known))[:limit]
    return [known[row] for row in sorted(drawn.tolist())]


def write_places(places: Places, numbers: Sequence[int], target: Path) -> None:
    """Write a line for each request, all of them or none.

    Args:
        places: see there.
        numbers: of the requests, in the file of the split.
        target: ``{"request", "places"}`` a line.
    """
    found = zip(numbers, places.places, strict=True)
    lines = (json.dumps({"request": number, "places": own}) + "\n" for number, own in found)
    write_whole(target, "".join(lines))
