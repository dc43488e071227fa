"""Strength of interests: how much each item of the history is liked or disliked."""

from __future__ import annotations

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation


class Strength(Signal):
    """Signed: an ordinary click is 1, what was turned down is below 0, padding is 0.

    A model that takes it bounds by it what a place of the history can do, and reads disliked
    items; one that does not is given liked items alone.
    """

    name = "strength"
    axes = Axes.EVENT

    def raw(self, situation: Situation) -> Array:
        """Shape (..., H)."""
        return situation.strength
