"""Fitting the weights of relevance, listwise, and the chance that a candidate fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from edge_rerank.ranking.relevance.relevance import Level
from edge_rerank.ranking.relevance.sense import Chance, standing
from edge_rerank_export.studies.relevance.lists import Listed
from edge_rerank_export.studies.relevance.queries import Kind

RIDGE = 1e-3
"""Penalty on squared weights: what the lists do not tell stays small."""


def fit(
    lists: Sequence[Listed], names: Sequence[str], held: Mapping[str, float]
) -> dict[str, float]:
    """Weights by which what fits is told from what does not.

    The likelihood that what fits is chosen from its list (conditional logit; ListNet: Cao et
    al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007). How much
    sense weighs where no word is found is fitted first, on the queries whose words no
    candidate has: beside known items stand those most alike to them, so that likeness seems
    to speak against them.

    Args:
        lists: queries with candidates.
        names: of the features, "sense" among them.
        held: weights that are given; the only ones that may be below 0.
    """
    at = {name: place for place, name in enumerate(names)}
    lists = [one for one in lists if one.fits.any()]
    topics = [one for one in lists if one.kind is Kind.TOPIC]
    others = [one for one in lists if one.kind is not Kind.TOPIC]
    first = _maximised([one.features[:, [at["sense"]]] for one in topics], topics, np.zeros(1), [0])
    start = np.zeros(len(names))
    start[at["sense"]] = first[0]
    start[[at[name] for name in held]] = list(held.values())
    free = [place for name, place in at.items() if name not in {"sense", *held}]
    weights = _maximised([one.features for one in others], others, start, free)
    return {name: float(weights[place]) for name, place in at.items()}


def fit_chance(lists: Sequence[Listed], sense: int) -> Chance:
    """The chance that a candidate fits, by its sense alone.

    Args:
        lists: queries of which something, or nothing, is among the candidates.
        sense: place of the feature.
    """
    senses = [one.features[:, sense] for one in lists]
    rows = np.column_stack(
        [
            np.ones(sum(map(len, senses))),
            np.concatenate(senses),
            np.concatenate([standing(one) for one in senses]),
        ]
    )
    fits = np.concatenate([one.fits for one in lists])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = rows @ weights
        value = np.logaddexp(0.0, odds).mean() - (odds * fits).mean()
        slope = rows.T @ (expit(odds) - fits) / len(fits)
        return float(value + RIDGE * 1e-3 * weights @ weights), slope + 2e-3 * RIDGE * weights

    return Chance(*minimize(loss, np.zeros(3), jac=True, method="BFGS").x.tolist())


def fit_level(lists: Sequence[Listed], weights: Mapping[str, float]) -> Level:
    """What log-odds by given weights are as a probability, each list counting the same.

    Args:
        lists: short and long ones, some in which nothing fits.
        weights: by the names of the features, in their order.
    """
    own = np.array(list(weights.values()))
    log_odds = np.concatenate([one.features @ own for one in lists])
    fits = np.concatenate([one.fits for one in lists])
    counts = np.concatenate([np.full(len(one.fits), 1 / len(one.fits)) for one in lists])
    rows = np.column_stack([np.ones(len(log_odds)), log_odds])

    def loss(level: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = rows @ level
        value = counts @ (np.logaddexp(0.0, odds) - odds * fits)
        slope = rows.T @ (counts * (expit(odds) - fits))
        return float(value / len(lists)), slope / len(lists)

    return Level(*minimize(loss, np.zeros(2), jac=True, method="BFGS").x.tolist())


def _maximised(
    features: Sequence[NDArray[np.float64]],
    lists: Sequence[Listed],
    start: NDArray[np.float64],
    free: Sequence[int],
) -> NDArray[np.float64]:
    """Weights with the largest likelihood; those that are not free stay as they are."""
    targets = [one.fits / one.fits.sum() for one in lists]
    weights = start.copy()

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights[free] = values
        total, slope = 0.0, np.zeros(len(weights))
        for rows, target in zip(features, targets, strict=True):
            scores = rows @ weights
            total -= float(target @ log_softmax(scores))
            slope -= rows.T @ (target - softmax(scores))
        return (
            total / len(lists) + RIDGE * float(values @ values),
            slope[free] / len(lists) + 2 * RIDGE * values,
        )

    found = minimize(
        loss,
        np.zeros(len(free)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * len(free),
    )
    weights[free] = found.x
    return weights
