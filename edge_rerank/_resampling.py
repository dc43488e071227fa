"""Bootstrap intervals of means, on resamples that several columns share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95

AT_ONCE = 250
"""Resamples in one product, which bounds the memory to some megabytes."""


class Interval(NamedTuple):
    """From where to where a figure lies, at 95 %."""

    low: float
    high: float

    def __format__(self, form: str) -> str:
        """Both ends in the same form: ``f"{interval:.2f}"`` is "0.31 to 0.35"."""
        return f"{self.low:{form}} to {self.high:{form}}"


def bootstrap(
    values: NDArray[np.float64], rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> list[Interval]:
    """Percentile intervals of the means of several columns, all on the same resamples.

    Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 1979.

    Args:
        values: float64 of shape (requests, columns); NaN where a request says nothing about a
            column, which leaves it out of that column's mean.
        rng: all chance there is.
        resamples: how many.

    Returns:
        One interval for each column; of NaN for a column without a number.
    """
    return [middle(column) for column in resampled_means(values, rng, resamples=resamples).T]


def resampled_means(
    values: NDArray[np.float64], rng: np.random.Generator, *, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Means of several columns on resamples of the rows, see :func:`bootstrap`.

    Returns:
        float64 of shape (resamples, columns); NaN where a resample has no number in a column.
    """
    count, columns = values.shape
    if not count:
        return np.full((resamples, columns), np.nan)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    means = np.empty((resamples, columns))
    for start in range(0, resamples, AT_ONCE):
        rows = slice(start, min(start + AT_ONCE, resamples))
        picks = rng.multinomial(count, np.full(count, 1 / count), size=rows.stop - start)
        weights = picks.astype(np.float64)
        total = weights @ known
        means[rows] = np.divide(
            weights @ filled, total, out=np.full_like(total, np.nan), where=total > 0
        )
    return means


def middle(drawn: NDArray[np.float64]) -> Interval:
    """The middle 95 % of a figure on resamples, float64 of shape (resamples,), NaN left out."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return Interval(np.nan, np.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))
