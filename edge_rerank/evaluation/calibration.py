"""Calibration: whether a probability of click can be taken at its word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10
_LEAST = 1e-15
"""What a probability of 0 or 1 counts as in the log loss."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Candidates with much the same probability.

    Attributes:
        count: how many.
        predicted: their mean probability.
        observed: the share of them that was clicked.
    """

    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities beside what was clicked, over all candidates of all requests.

    Attributes:
        expected_error: mean distance between predicted and observed over the bins, weighted by
            their size (ECE; Naeini, Cooper and Hauskrecht, AAAI 2015).
        log_loss: mean negative log-likelihood, in nats.
        base_log_loss: that of the share of clicks as everyone's probability: what is to beat.
        bins: equally many candidates in each, the least probable first.
    """

    expected_error: float
    log_loss: float
    base_log_loss: float
    bins: tuple[ReliabilityBin, ...]


def calibration(
    probabilities: NDArray[np.float64], clicked: NDArray[np.bool_], *, bins: int = BINS
) -> Calibration:
    """Judge probabilities.

    Bins hold equally many candidates: of equal width, almost all candidates of a list of
    twenty would lie in the first.

    Args:
        probabilities: float64 of shape (n,), 0 to 1, n ≥ 1.
        clicked: bool of shape (n,).
        bins: how many, fewer where there are fewer candidates.
    """
    order = np.argsort(probabilities, kind="stable")
    pieces = [rows for rows in np.array_split(order, bins) if rows.size]
    made = tuple(
        ReliabilityBin(len(rows), float(probabilities[rows].mean()), float(clicked[rows].mean()))
        for rows in pieces
    )
    error = sum(one.count * abs(one.predicted - one.observed) for one in made) / len(order)
    return Calibration(
        expected_error=error,
        log_loss=_log_loss(probabilities, clicked),
        base_log_loss=_log_loss(np.full(len(clicked), clicked.mean()), clicked),
        bins=made,
    )


def _log_loss(probabilities: NDArray[np.float64], clicked: NDArray[np.bool_]) -> float:
    bounded = probabilities.clip(_LEAST, 1 - _LEAST)
    return float(-np.where(clicked, np.log(bounded), np.log1p(-bounded)).mean())
