"""Popularity of the candidates, against each other and against the history's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation


class Popularity(Signal):
    """Log, standardised log, log against the history's, rank."""

    name = "popularity"
    axes = Axes.CANDIDATES
    width = 4
    bit = "popularity"
    dropout = 0.25

    def raw(self, situation: Situation) -> Array:
        """Shape (..., C, 4)."""
        crowd, present = situation.crowd, situation.present
        numbers = np.stack(
            [
                (crowd.log / 5).clip(max=1.5),
                (crowd.log - crowd.centre) / (crowd.spread + 0.3),
                ((crowd.log - crowd.usual) / 3).clip(-2, 2),
                _rank(crowd.log, present),
            ],
            axis=-1,
        )
        return np.asarray(numbers * (present & crowd.counted[..., None])[..., None])


def _rank(values: Array, present: NDArray[np.bool_]) -> Array:
    """Share of the candidates that stand below, ties counted half; shape as ``values``."""
    ranks = np.zeros(values.shape)
    for at in np.ndindex(values.shape[:-1]):
        own = values[at][present[at]]
        order = own.argsort()
        # What is looked for in its order is found near the one before.
        own = own[order]
        below = np.searchsorted(own, own, side="left")
        not_above = np.searchsorted(own, own, side="right")
        ranks[at][np.flatnonzero(present[at])[order]] = (below + not_above) / (2 * max(len(own), 1))
    return ranks
