"""Figures of an order by relevance, beside those of BM25 and cosine fused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from edge_rerank.learning.examination import discounts
from edge_rerank.ranking.relevance.relevance import WEIGHTS, Level
from edge_rerank_export.studies.relevance.lists import Listed

PLACES, FIRST, BINS = 10, 5, 10


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over queries, 0 to 1.

    Attributes:
        mrr: reciprocal rank of the first that fits.
        recall: share of what fits among the first 5.
        ndcg: NDCG@10.
    """

    mrr: float
    recall: float
    ndcg: float

    def __str__(self) -> str:
        return f"{self.mrr:.3f} {self.recall:.3f} {self.ndcg:.3f}"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Whether the chance that a candidate fits can be taken at its word, each list alike.

    Attributes:
        right: mean of those that fit, 0 to 1.
        wrong: of those that do not.
        error: expected calibration error over ten bins of equal width (Naeini et al., "Obtaining
            well calibrated probabilities using Bayesian binning", AAAI 2015).
    """

    right: float
    wrong: float
    error: float

    def __str__(self) -> str:
        return f"{self.right:.3f} {self.wrong:.3f} {self.error:.4f}"


def calibrated(lists: Iterable[Listed], weights: Mapping[str, float], level: Level) -> Calibrated:
    """How well a level fits lists, in some of which nothing may fit."""
    own = np.array([weights[name] for name in WEIGHTS])
    every = [(level.of(one.features @ own), one.fits) for one in lists]
    chances = np.concatenate([chance for chance, _ in every])
    fits = np.concatenate([fits for _, fits in every])
    counts = np.concatenate([np.full(len(fits), 1 / len(fits)) for _, fits in every])
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    off = np.bincount(bins, counts * (chances - fits), minlength=BINS)
    return Calibrated(
        float(np.average(chances[fits], weights=counts[fits])),
        float(np.average(chances[~fits], weights=counts[~fits])),
        float(np.abs(off).sum() / counts.sum()),
    )


def figures(lists: Iterable[Listed], weights: Mapping[str, float]) -> tuple[Figures, Figures]:
    """Of the order by weighted features, and of that by fused ranks."""
    own = np.array([weights[name] for name in WEIGHTS])
    judged = [one for one in lists if one.fits.any()]
    ours = np.mean([_figures(one.features @ own, one.fits) for one in judged], axis=0)
    fused = np.mean([_figures(one.fused, one.fits) for one in judged], axis=0)
    return Figures(*ours.tolist()), Figures(*fused.tolist())


def _figures(scores: NDArray[np.float64], fits: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Equal scores share their mean rank, so that no order of the file helps."""
    ranks = np.sort(rankdata(-scores)[fits])
    gain = (1 / np.log2(ranks[ranks <= PLACES] + 1)).sum()
    best = discounts(min(len(ranks), PLACES)).sum()
    found = int((ranks <= FIRST).sum()) / min(len(ranks), FIRST)
    return float(1 / ranks[0]), found, float(gain / best)
