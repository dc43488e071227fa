"""Likeness of categories: of the sets, and of the most specific ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation

_ROUND = 8
"""Columns are a multiple of it, so that more people's have one shape."""


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
        shape = situation.cosine.shape
        both = np.empty((*shape[:-2], 2, *shape[-2:]), dtype=np.float32)
        np.matmul(own.categories, before.categories.swapaxes(-1, -2), out=both[..., 0, :, :])
        both[..., 1, :, :] = (own.leaves[..., :, None] == leaves) & (leaves >= 0)
        if not situation.whole:
            both *= situation.pairs[..., None, :, :]
        return both


@dataclass(frozen=True, slots=True, repr=False)
class CategoryLists:
    """Lists of categories of n items: many items have the same one.

    Attributes:
        lists: the different ones, each from general to specific.
        of_item: which each item has, intp of shape (n,).
        names: numbers of the different categories.
        sizes: different categories of each list, int64 of shape (lists,).
        leaves: number of the most specific one of each, int64 of shape (lists,); -1 for none.
        pairs: a list and the number of one of its categories, intp of shape (2, pairs).
    """

    lists: tuple[tuple[str, ...], ...]
    of_item: NDArray[np.intp]
    names: Mapping[str, int]
    sizes: NDArray[np.int64]
    leaves: NDArray[np.int64]
    pairs: NDArray[np.intp]

    @classmethod
    def of(cls, every: Sequence[Sequence[str]]) -> Self:
        """Number the categories of each item."""
        numbering: dict[tuple[str, ...], int] = {}
        of_item = [numbering.setdefault(tuple(names), len(numbering)) for names in every]
        names = numbered(numbering)
        different = [dict.fromkeys(one) for one in numbering]
        which = [names[name] for one in different for name in one]
        sizes = np.array([len(one) for one in different], dtype=np.int64)
        return cls(
            lists=tuple(numbering),
            of_item=np.array(of_item, dtype=np.intp),
            names=names,
            sizes=sizes,
            leaves=np.array([names[one[-1]] if one else -1 for one in numbering], dtype=np.int64),
            pairs=np.array([np.repeat(np.arange(len(sizes)), sizes), which], dtype=np.intp),
        )

    def part(self, rows: NDArray[np.intp]) -> CategoryLists:
        """Those of some of the items, with no other lists: a part costs as much as it is."""
        used: dict[int, int] = {}
        of_item = [used.setdefault(one, len(used)) for one in self.of_item[rows].tolist()]
        lists = CategoryLists.of([self.lists[one] for one in used])
        return replace(lists, of_item=np.array(of_item, dtype=np.intp))

    def rows(self, numbers: Mapping[str, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Categories of the items as arrays, see :func:`category_rows`."""
        columns = self._columns(numbers)
        width = -(-max(len(numbers), 1) // _ROUND) * _ROUND
        rows = np.zeros((len(self.lists), width), dtype=np.float32)
        lists, names = self.pairs
        counts = columns[names] >= 0
        lists = lists[counts]
        # As Python has the root of a number, which numpy need not.
        lengths = np.array([0.0, *(n**-0.5 for n in range(1, int(self.sizes.max(initial=0)) + 1))])
        rows[lists, columns[names[counts]]] = lengths[self.sizes[lists]]
        return rows[self.of_item], columns[self.leaves][self.of_item]

    def any_of(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which items have one of some categories, bool of shape (n,)."""
        wanted = np.zeros(len(self.names), dtype=np.bool_)
        wanted[[self.names[name] for name in names if name in self.names]] = True
        lists, which = self.pairs
        found = np.zeros(len(self.lists), dtype=np.bool_)
        found[lists[wanted[which]]] = True
        return found[self.of_item]

    @property
    def some(self) -> NDArray[np.bool_]:
        """Which items have any category, bool of shape (n,)."""
        return (self.sizes > 0)[self.of_item]

    def _columns(self, numbers: Mapping[str, int]) -> NDArray[np.int64]:
        """By the number of a name, and last for none, what ``numbers`` says of it, or -1."""
        columns = np.full(len(self.names) + 1, -1, dtype=np.int64)
        for name, number in numbers.items():
            if name in self.names:
                columns[self.names[name]] = number
        return columns


def numbered(every: Iterable[Sequence[str]]) -> dict[str, int]:
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
        A unit row an item, float32 of shape (n, categories and at most 7 zeros), and the number of
        the most specific category, int64 of shape (n,); -1 for none.
    """
    return CategoryLists.of(every).rows(numbers)
