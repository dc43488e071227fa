"""Popularity of the candidates, against each other and against the history's."""

from __future__ import annotations

import numpy as np

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
        offer, usual = situation.offer, situation.crowd.usual
        level, standard, rank = offer.own
        numbers = np.empty((*offer.log.shape, self.width))
        numbers[..., 0], numbers[..., 1], numbers[..., 3] = level, standard, rank
        np.divide(offer.log - usual, 3, out=numbers[..., 2])
        np.clip(numbers[..., 2], -2, 2, out=numbers[..., 2])
        numbers *= offer.counts[..., None]
        return numbers
