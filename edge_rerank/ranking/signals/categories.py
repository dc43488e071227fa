"""Likeness of categories: of the sets, and of the most specific ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation, cosines


class Categories(Signal):
    """Cosine of the sets of categories, and whether the most specific ones agree."""

    name = "category"
    axes = Axes.PAIRS
    width = 2
    bit = "category"
    dropout = 0.3
    folds = True

    def raw(self, situation: Situation) -> Array:
        """Shape (..., 2, C, H)."""
        own, before = situation.candidates, situation.history
        leaves = before.leaves[..., None, :]
        same = (own.leaves[..., :, None] == leaves) & (leaves >= 0)
        alike = cosines(own.categories, before.categories)
        return np.stack([alike, same], axis=-3) * situation.pairs[..., None, :, :]


def numbered(every: Sequence[Sequence[str]]) -> dict[str, int]:
    """A number for each name, in the order in which the names come."""
    numbers: dict[str, int] = {}
    for names in every:
        for name in names:
            numbers.setdefault(name, len(numbers))
    return numbers


def category_rows(
    every: Sequence[Sequence[str]], numbers: Mapping[str, int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Categories of n items as arrays.

    Args:
        every: each item's categories, from general to specific.
        numbers: columns of the categories that count; others count in a row's length only.

    Returns:
        A unit row an item, float32 of shape (n, max(categories, 1)), and the number of the
        most specific category, int64 of shape (n,); -1 for none.
    """
    # Many items have the same ones: each different list is looked at once.
    numbering: dict[tuple[str, ...], int] = {}
    places = [numbering.setdefault(tuple(names), len(numbering)) for names in every]
    rows = np.zeros((len(numbering), max(len(numbers), 1)), dtype=np.float32)
    leaves = np.full(len(numbering), -1, dtype=np.int64)
    for row, names in enumerate(numbering):
        different = set(names)
        for name in different:
            if name in numbers:
                rows[row, numbers[name]] = len(different) ** -0.5
        if names:
            leaves[row] = numbers.get(names[-1], -1)
    return rows[places], leaves[places]
