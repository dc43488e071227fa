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
        pairs = situation.pairs
        both = np.empty((*pairs.shape[:-2], 2, *pairs.shape[-2:]), dtype=np.float32)
        both[..., 0, :, :] = situation.cosine  # made float32 on the way: a product does so slowly
        both[..., 0, :, :] *= pairs
        words = cosines(own.words, before.words)
        np.multiply(words, pairs * other, out=both[..., 1, :, :])
        return both
