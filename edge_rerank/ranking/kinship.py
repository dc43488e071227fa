"""Kinship: how much items are of one kind, by their categories, by their texts, by themselves.

What a person says of one item holds, weaker, for its kind: :mod:`~.policies.proportions` shares
the list out among kinds, and :mod:`~.sources.rules` sets what was turned down against what was
liked of a kind. A model's scores are of no use here: they mix the kind with everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.categories import CategoryLists

SAME_SORT = 0.5
"""Cosine of sets of categories from which on items begin to be of one kind: one of two in
common, or two of three, is not yet one."""

STRANGE_TEXTS, ALIKE_TEXTS = 0.3, 0.55
"""Cosine of text vectors up to which texts say nothing of a common kind, and from which on they
say all."""


@dataclass(frozen=True, slots=True, repr=False)
class CategoryRows:
    """Categories of n items as arrays, see :func:`~.signals.categories.category_rows`.

    Attributes:
        rows: unit rows, float32 of shape (n, categories of the history).
        leaves: numbers of the most specific ones, int64 of shape (n,); -1 for none.
    """

    rows: NDArray[np.float32]
    leaves: NDArray[np.int64]

    @classmethod
    def of(cls, items: CategoryLists, history: CategoryLists) -> Self:
        """Of some items; only categories of the history's items are told apart."""
        return cls(*items.rows(history.names))

    def __getitem__(self, part: slice | NDArray[np.intp]) -> CategoryRows:
        return CategoryRows(self.rows[part], self.leaves[part])


def kinship(
    left: CategoryRows, right: CategoryRows, cosines: NDArray[np.float64], same: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How much each of n items is of the kind of each of h others.

    Args:
        left: categories of n items.
        right: of h items of the history.
        cosines: of their texts or of the host's vectors, float64 of shape (n, h).
        same: where the two are one item, bool of shape (n, h).

    Returns:
        0 to 1, float64 of shape (n, h): what categories or texts say, whichever says more.
    """
    sorts = left.rows @ right.rows.T
    sorts -= SAME_SORT
    sorts /= 1 - SAME_SORT
    kin = cosines - STRANGE_TEXTS
    kin /= ALIKE_TEXTS - STRANGE_TEXTS
    np.maximum(sorts, kin, out=kin)
    np.clip(kin, 0.0, 1.0, out=kin)
    leaf = left.leaves[:, None] == right.leaves
    leaf &= right.leaves >= 0
    leaf |= same
    kin[leaf] = 1.0
    return kin
