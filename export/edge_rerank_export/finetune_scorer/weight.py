"""What a trained scorer weighs beside the other evidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logit, logsumexp

from edge_rerank.evaluation.dataset import VALID, DataSet, Request
from edge_rerank.inference.scorer import Scorer
from edge_rerank.ranking.engine import REFINED, RankingEngine
from edge_rerank.ranking.transcript import transcript

MAX_WEIGHT = 4.0
_UNKNOWN = 1.0
_LEAST_CHANCE = 1e-9


def fit_weight(scorer: Scorer, folders: Sequence[Path], *, limit: int) -> float:
    """The weight with which scores and the shipped pack's log-odds predict choices best.

    The listwise softmax's likelihood of what was clicked, over those candidates that the
    scorer would refine, as a function of this one number.

    Args:
        scorer: gives the scores.
        folders: data sets; those without a validation split say nothing.
        limit: validation requests of each folder.

    Returns:
        From 0 to :data:`MAX_WEIGHT`; 1 where no request says anything.
    """
    lists: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]] = []
    with RankingEngine.open() as engine:
        for folder in folders:
            data = DataSet.open(folder)
            requests = islice(data.requests(VALID), limit) if data.has(VALID) else ()
            lists += [_judge(engine, scorer, one) for one in requests if one.history]
    useful = [(own, new, hit) for own, new, hit in lists if 0 < hit.sum() < len(hit)]
    if not useful:
        return _UNKNOWN

    def loss(weight: float) -> float:
        both = [(own + weight * new, hit) for own, new, hit in useful]
        return float(np.mean([logsumexp(one) - one[hit].mean() for one, hit in both]))

    return float(minimize_scalar(loss, bounds=(0.0, MAX_WEIGHT), method="bounded").x)


def _judge(
    engine: RankingEngine, scorer: Scorer, request: Request
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Log-odds by the engine up to a constant, scores, and clicks, of its best candidates."""
    ranking = engine.rank(
        request.candidates, history=request.history, query=request.query, now=request.now
    )
    best = list(ranking)[:REFINED]
    chances = np.array([ranked.score for ranked in best])
    spec = engine.pack.manifest.history_encoder
    slope = 1.0 if spec is None else spec.slope
    texts = {item.id: item.text for item in request.candidates}
    scores = scorer.score([ranked.item.text for ranked in best], transcript(request.history, texts))
    clicked = np.array([ranked.item.id in request.clicked for ranked in best])
    return logit(chances.clip(_LEAST_CHANCE, 1 - _LEAST_CHANCE)) / slope, scores, clicked
