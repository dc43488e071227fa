"""Statistics of a figure: intervals by bootstrap, differences by randomisation, both paired.

The request is the unit of chance. Every way of ordering is judged on the same resamples of the
same requests, so that what makes a request hard for all of them drops out of a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
PERMUTATIONS = 10_000
CONFIDENCE = 0.95

_AT_ONCE = 250
"""Resamples in one product, which bounds the memory to some megabytes."""


class Interval(NamedTuple):
    """The middle 95 % of a figure's bootstrap distribution."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A baseline against the pack, on the same requests.

    Attributes:
        difference: mean of the pack minus mean of the baseline.
        interval: of the difference.
        p: two-sided, of a randomisation test of no difference.
        p_holm: the same corrected for the number of baselines.
    """

    difference: float
    interval: Interval
    p: float
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the difference holds at the 5 % level after correction."""
        return self.p_holm < 1 - CONFIDENCE


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
    for start in range(0, resamples, _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, resamples))
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


def compare(
    pack: NDArray[np.float64],
    baselines: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    permutations: int = PERMUTATIONS,
) -> list[Comparison]:
    """Test the pack against each baseline.

    The signs of the paired differences are flipped at random (Fisher's randomisation test; for
    rankings see Smucker, Allan and Carterette, CIKM 2007).

    Args:
        pack: a figure for each request, float64 of shape (requests,).
        baselines: theirs, float64 of shape (requests, baselines).
        rng: all chance there is.
        permutations: how many.
    """
    differences = pack[:, None] - baselines
    count, columns = differences.shape
    observed = np.abs(differences.sum(axis=0))
    as_large = np.zeros(columns)
    # Sums of the same numbers in another order may differ in the last digits.
    bound = observed * (1 - 1e-9)
    for start in range(0, permutations, _AT_ONCE):
        signs = rng.integers(0, 2, size=(min(_AT_ONCE, permutations - start), count)) * 2.0 - 1.0
        as_large += (np.abs(signs @ differences) >= bound).sum(axis=0)
    chances = (as_large + 1) / (permutations + 1)
    return [
        Comparison(float(mean), interval, float(p), corrected)
        for mean, interval, p, corrected in zip(
            differences.mean(axis=0) if count else np.zeros(columns),
            bootstrap(differences, rng),
            chances,
            holm(chances),
            strict=True,
        )
    ]


def holm(chances: NDArray[np.float64]) -> list[float]:
    """P values corrected for their number, in the order in which they came.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 1979.
    """
    corrected = np.empty(len(chances))
    order = np.argsort(chances, kind="stable")
    factors = np.arange(len(chances), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(chances[order] * factors), 1.0)
    values: list[float] = corrected.tolist()
    return values
