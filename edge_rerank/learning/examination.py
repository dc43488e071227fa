"""Examination of places: how likely a person looks at each, as is usual of lists.

Beside it stands what places count in metrics, which is a convention and no chance.

Place k is looked at with a chance of k^−0.7 of the first's. It is the same for everybody and on all
surfaces: what one person clicks on swapped neighbours is too little to learn it from
(export/EXPERIMENTS.md, "Judging orders on the device").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DECLINE = 0.7
"""θ_k = k^−0.7."""

MAX_WEIGHT = 10.0
"""The largest weight of a choice, however seldom its place is looked at."""


def weights(places: int) -> NDArray[np.float64]:
    """What a choice at each place counts: min(1 / θ, 10).

    Args:
        places: how many, from the top.

    Returns:
        Float64 of shape (places,).
    """
    usual = np.arange(1, places + 1, dtype=np.float64) ** DECLINE
    return np.asarray(np.minimum(usual, MAX_WEIGHT))


def discounts(places: int) -> NDArray[np.float64]:
    """What the places of a list count in DCG: 1 / log2(1 + place).

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.

    Args:
        places: how many, from the top.

    Returns:
        Float64 of shape (places,).
    """
    return np.asarray(1.0 / np.log2(np.arange(2, places + 2)))
