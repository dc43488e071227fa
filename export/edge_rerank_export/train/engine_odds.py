"""Log-odds by a ranking engine, which a scorer's numbers are added to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from edge_rerank.formats.dataset import Request
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Event, EventType, Item
from edge_rerank_export.train.domain import Batch

_LEAST_CHANCE = 1e-9


def log_odds(engine: RankingEngine, request: Request) -> NDArray[np.float64]:
    """Log-odds of a click by an engine without a scorer, up to a constant.

    Args:
        engine: of the pack with the encoder.
        request: what was shown to whom.

    Returns:
        float64 of shape (candidates,), in their order.
    """
    ranking = engine.rank(
        request.candidates, history=request.history, query=request.query, now=request.now
    )
    chances = {ranked.item.id: ranked.score for ranked in ranking}
    spec = engine.pack.manifest.history_encoder
    own = np.array([chances[item.id] for item in request.candidates])
    if spec is None:
        return own
    odds: NDArray[np.float64] = logit(own.clip(_LEAST_CHANCE, 1 - _LEAST_CHANCE)) / spec.slope
    return odds


def beside(engine: RankingEngine, items: Sequence[Item], batch: Batch) -> list[NDArray[np.float64]]:
    """The log-odds of each request of a batch.

    Args:
        engine: see :func:`log_odds`.
        items: see :func:`as_requests`.
        batch: likewise.

    Returns:
        Of each request float64 of shape (its candidates,), in their order.
    """
    return [log_odds(engine, request) for request in as_requests(items, batch)]


def as_requests(items: Sequence[Item], batch: Batch) -> Iterator[Request]:
    """A batch as the engine reads requests; what was clicked is taken off its own popularity.

    Args:
        items: the domain's, by row.
        batch: rows beyond them are items without text.
    """
    for row, now in enumerate(np.nan_to_num(batch.now).tolist()):
        clicked = batch.clicked[row]
        there = batch.candidates[row] >= 0
        candidates = [
            _item(items, number, chosen=chosen and batch.counted, place=place)
            for place, (number, chosen) in enumerate(
                zip(batch.candidates[row][there].tolist(), clicked[there].tolist(), strict=True)
            )
        ]
        before = batch.history[row] >= 0
        ages = np.nan_to_num(batch.age_s[row][before]).tolist()
        kinds = np.where(batch.strength[row][before] < 0, EventType.DISLIKE, EventType.CLICK)
        history = [
            Event(kind, _item(items, number), timestamp=max(now - age, 0.0))
            for kind, number, age in zip(
                kinds.tolist(), batch.history[row][before].tolist(), ages, strict=True
            )
        ]
        yield Request(
            user=None,
            history=tuple(history),
            candidates=tuple(candidates),
            clicked=frozenset(
                item.id for item, hit in zip(candidates, clicked[there], strict=True) if hit
            ),
            timestamp=now,
        )


def _item(items: Sequence[Item], row: int, *, chosen: bool = False, place: int = 0) -> Item:
    if row >= len(items):
        return Item(f"unknown {place}")
    item = items[row]
    if not chosen or not item.popularity:
        return item
    return replace(item, popularity=max(item.popularity - 1, 0.0))
