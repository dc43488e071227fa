"""What a catalogue says by itself of what people have in common: which way its crowd goes.

Whoever ranks the same catalogue knows it, and no device has to tell. Of 48 axes of texts, what
people's heads have in common lies mostly along this one direction, so that it can be told from
noise that is as long as all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.sources.personal import read_axes
from edge_rerank.types import Item

_LEAST = 1e-6
"""Shorter is rounding: everything is chosen alike."""


def crowd_direction(
    items: Sequence[Item], vectors: NDArray[np.float32], pack: Pack
) -> NDArray[np.float64] | None:
    """From the middle of a catalogue to the middle of what is chosen of it, along a head's axes.

    Args:
        items: the catalogue, with popularity.
        vectors: of their texts, float32 of shape (items, dim).
        pack: whose axes heads read.

    Returns:
        Float64 of shape (axes,), 1 long; ``None`` where the catalogue does not say, or there are
        no axes.
    """
    chosen = np.array([item.popularity or 0.0 for item in items], dtype=np.float64)
    axes = read_axes(pack).astype(np.float64)
    if not chosen.sum() or not axes.shape[1]:
        return None
    away = (chosen / chosen.sum() - 1 / len(items)) @ vectors.astype(np.float64) @ axes
    length = float(np.linalg.norm(away))
    return away / length if length > _LEAST else None
