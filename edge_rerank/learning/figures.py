"""Figures with intervals of 95 %: shares, means, and means on resamples.

Shares have the interval of Wilson, "Probable inference, the law of succession, and statistical
inference", JASA 1927; means that of the normal distribution; comparisons the bootstrap's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap

LEAST = 10
"""Below so many, a mean has no interval, and nothing is compared."""

SEED = 0
"""Of all resamples, so that equal logs give equal figures."""

_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its 95 % interval.

    Attributes:
        value: the estimate.
        low, high: bounds of the interval, ``None`` where too little is known for one.
    """

    value: float
    low: float | None = None
    high: float | None = None


def share_of(part: float, count: int) -> Figure | None:
    """A mean of numbers from 0 to 1; between them they vary less, and the interval is wide."""
    if not count:
        return None
    share = part / count
    much = _Z**2 / count
    centre = (share + much / 2) / (1 + much)
    reach = _Z * math.sqrt(share * (1 - share) / count + much / (4 * count)) / (1 + much)
    return Figure(share, max(centre - reach, 0.0), min(centre + reach, 1.0))


def mean_of(total: float, squares: float, count: int, bounds: tuple[float, float]) -> Figure | None:
    """A mean, from the sums of numbers and of their squares.

    Args:
        total: sum of the numbers.
        squares: sum of their squares.
        count: how many; ``None`` is the mean of none.
        bounds: that no mean can be outside of.
    """
    if not count:
        return None
    mean = total / count
    if count < LEAST:
        return Figure(mean)
    variance = max(squares - count * mean**2, 0.0) / (count - 1)
    reach = _Z * math.sqrt(variance / count)
    return Figure(mean, max(mean - reach, bounds[0]), min(mean + reach, bounds[1]))


def resampled(columns: NDArray[np.float64]) -> list[Figure]:
    """Means of columns, all on the same resamples of the rows, float64 of shape (n, columns)."""
    intervals = bootstrap(columns, np.random.default_rng(SEED))
    means = columns.mean(axis=0).tolist()
    return [figure_of(mean, one) for mean, one in zip(means, intervals, strict=True)]


def figure_of(value: float, interval: Interval) -> Figure:
    """A figure with an interval from elsewhere."""
    return Figure(value, interval.low, interval.high)
