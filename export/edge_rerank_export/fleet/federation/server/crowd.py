"""What a catalogue says by itself of what people may have in common: where to look for it.

Whoever ranks the same catalogue knows these directions, and no device has to tell them: which way
its crowd goes, and the ways in which its categories lie apart. Means of 48 axes, most of them
noise, become five numbers, which are told from noise by themselves and say less of who took part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.types import Item

WAYS = 4
"""Directions beside the crowd's. Four find most of what kiosks have in common, 3.9 of 4.7 %, see
EXPERIMENTS.md; and what a prior says of a member of 200 grows with their number: without any noise,
five directions let an attack have an area of 0.544, 48 of them 0.636."""

_LEAST = 1e-6
"""Shorter is rounding: everything is chosen alike."""


def known_directions(
    items: Sequence[Item], vectors: NDArray[np.float32], axes: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Directions along a head's axes that a catalogue gives, each 1 long and across the others.

    The first goes from the middle of the catalogue to the middle of what is chosen of it, by its
    popularity; the others are the main ones of its categories' middles, across the first.

    Args:
        items: the catalogue, with popularity, categories or both.
        vectors: of their texts, float32 of shape (items, dim).
        axes: along which heads read these, float32 of shape (dim, axes).

    Returns:
        Float64 of shape (directions, axes), at most :data:`WAYS` and one more; ``None`` where the
        catalogue says none, or there are no axes.
    """
    along = vectors.astype(np.float64) @ axes.astype(np.float64)
    if not along.size:
        return None
    along -= along.mean(axis=0)
    found = _crowd(items, along)
    apart = _apart(items, along)
    apart -= apart @ found.T @ found
    _, lengths, ways = np.linalg.svd(apart, full_matrices=False)
    found = np.concatenate([found, ways[:WAYS][lengths[:WAYS] > _LEAST]])
    return found if len(found) else None


def _crowd(items: Sequence[Item], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the crowd goes, of shape (1, axes), or (0, axes) where popularity does not say."""
    chosen = np.array([item.popularity or 0.0 for item in items], dtype=np.float64)
    away = chosen @ along / max(chosen.sum(), _LEAST)
    length = float(np.linalg.norm(away))
    return away[None] / length if length > _LEAST else np.zeros((0, along.shape[1]))


def _apart(items: Sequence[Item], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Middles of categories, counted from the catalogue's, (categories, axes).

    Each is as long as the square root of how many items have it says.
    """
    rows: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        for name in item.categories:
            rows.setdefault(name, []).append(row)
    middles = [along[of].sum(axis=0) / len(of) ** 0.5 for of in rows.values()]
    return np.array(middles).reshape(-1, along.shape[1])
