"""Principal axes of item vectors, along which a personal head learns on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.layout import AXES

AXES_NAME = "axes.npy"

_OF_EACH = 4_000
"""Items of a data set that are looked at, so that a large one does not decide for all."""


def principal_axes(
    vectors: Sequence[NDArray[np.float32]], *, seed: int, count: int = AXES
) -> NDArray[np.float16]:
    """The directions in which items differ most, by principal component analysis.

    Args:
        vectors: unit rows by data set, each float32 of shape (items, dim); rows of zeros, of
            texts that cannot be read, are left out.
        seed: of the items that are drawn.
        count: how many axes; fewer where vectors have fewer numbers.

    Returns:
        Unit columns, the largest variance first, each with its largest entry above 0, so that
        equal vectors give equal axes; float16 of shape (dim, axes). Columns of zeros, which say
        nothing of any item, where no text could be read.
    """
    rng = np.random.default_rng([seed, 3])
    drawn = [_some(one[one.any(axis=1)], rng) for one in vectors]
    items = np.concatenate(drawn).astype(np.float64)
    if not len(items):
        dim = items.shape[1]
        return np.zeros((dim, min(count, dim)), dtype=np.float16)
    centred = items - items.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :count]  # eigh gives the smallest first
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return np.asarray(axes.astype(np.float16))


def _some(items: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(items) <= _OF_EACH:
        return items
    return items[np.sort(rng.permutation(len(items))[:_OF_EACH])]
