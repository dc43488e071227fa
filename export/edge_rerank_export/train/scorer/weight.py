"""The weight of a trained scorer beside the other evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from edge_rerank.formats.dataset import VALID, DataSet, Request
from edge_rerank.inference.pair_scorer import PairScorer
from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import ScorerSpec
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.sources.scorer import REFINED, TextScorer, transcript
from edge_rerank_export.train.engine_odds import log_odds

MAX_WEIGHT = 4.0
_UNKNOWN = 1.0


def fit_weight(scorer: TextScorer, folders: Sequence[Path], *, limit: int) -> float:
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


def fitted_weight(folders: Sequence[Path], *, limit: int) -> Callable[[Pack], Manifest]:
    """Puts what :func:`fit_weight` says into the manifest of a pack with a scorer, or one of pairs.

    Args:
        folders: data sets.
        limit: validation requests of each.
    """

    def settle(pack: Pack) -> Manifest:
        manifest = pack.manifest
        if manifest.pair_scorer is not None:
            weight = fit_weight(PairScorer(pack), folders, limit=limit)
            return replace(manifest, pair_scorer=replace(manifest.pair_scorer, weight=weight))
        spec = cast("ScorerSpec", manifest.scorer)
        weight = fit_weight(Scorer(pack), folders, limit=limit)
        return replace(manifest, scorer=replace(spec, weight=weight))

    return settle


def _judge(
    engine: RankingEngine, scorer: TextScorer, request: Request
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Log-odds by the engine up to a constant, scores, and clicks, of its best candidates."""
    own = log_odds(engine, request)
    best = np.argsort(-own, kind="stable")[:REFINED]
    shown = [request.candidates[row] for row in best.tolist()]
    texts = {item.id: item.text for item in request.candidates}
    scores = scorer.score([item.text for item in shown], transcript(request.history, texts))
    return own[best], scores, np.array([item.id in request.clicked for item in shown])
