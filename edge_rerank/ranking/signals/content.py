"""Likeness of texts: cosines of sentence vectors and of word vectors."""

from __future__ import annotations

import numpy as np

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation


class Content(Signal):
    """Cosine of text vectors, cosine of word vectors; an item says nothing of itself."""

    name = "content"
    axes = Axes.PAIRS
    width = 2

    def raw(self, situation: Situation) -> Array:
        """Shape (..., 2, C, H)."""
        own, before = situation.candidates, situation.history
        shape = situation.cosine.shape
        both = np.empty((*shape[:-2], 2, *shape[-2:]), dtype=np.float32)
        both[..., 0, :, :] = situation.cosine  # made float32 on the way: a product does so slowly
        np.matmul(own.words, before.words.swapaxes(-1, -2), out=both[..., 1, :, :])
        same = own.items[..., :, None] == before.items[..., None, :]
        np.copyto(both[..., 1, :, :], 0.0, where=same)
        if not situation.whole:
            both *= situation.pairs[..., None, :, :]
        return both
