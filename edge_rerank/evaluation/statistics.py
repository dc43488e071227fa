"""Statistics of a figure: intervals by bootstrap, differences by randomisation, both paired.

The request is the unit of chance. Every way of ordering is judged on the same resamples of the
same requests, so that what makes a request hard for all of them drops out of a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import AT_ONCE, CONFIDENCE, Interval, bootstrap

PERMUTATIONS = 10_000


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


def compare(
    pack: NDArray[np.float64],
    baselines: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Comparison]:
    """Test the pack against each baseline.

    The signs of the paired differences are flipped at random (Fisher's randomisation test; for
    rankings see Smucker, Allan and Carterette, CIKM 2007).

    Args:
        pack: a figure for each request, float64 of shape (requests,).
        baselines: theirs, float64 of shape (requests, baselines).
        rng: all chance there is.
    """
    differences = pack[:, None] - baselines
    count, columns = differences.shape
    observed = np.abs(differences.sum(axis=0))
    as_large = np.zeros(columns)
    # Sums of the same numbers in another order may differ in the last digits.
    bound = observed * (1 - 1e-9)
    for start in range(0, PERMUTATIONS, AT_ONCE):
        signs = rng.integers(0, 2, size=(min(AT_ONCE, PERMUTATIONS - start), count)) * 2.0 - 1.0
        as_large += (np.abs(signs @ differences) >= bound).sum(axis=0)
    chances = (as_large + 1) / (PERMUTATIONS + 1)
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
