"""Likeness of texts: cosines of sentence vectors and of word vectors."""

from __future__ import annotations

import numpy as np

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation, cosines


class Content(Signal):
    """Cosine of text vectors, cosine of word vectors; an item says nothing of itself."""

    name = "content"
    axes = Axes.PAIRS
    width = 2

    def raw(self, situation: Situation) -> Array:
        """Shape (..., 2, C, H)."""
        own, before = situation.candidates, situation.history
        other = own.items[..., :, None] != before.items[..., None, :]
        words = cosines(own.words, before.words) * other
        return np.stack([situation.cosine, words], axis=-3) * situation.pairs[..., None, :, :]
