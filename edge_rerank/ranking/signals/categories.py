"""Likeness of categories: of the sets, and of the most specific ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
        names: numbers of categories, those of the lists among them.
        sizes: different categories of each list, int64 of shape (lists,).
        starts: where each list's begin in :attr:`categories`, likewise.
        leaves: number of the most specific one of each, int64 of shape (lists,); -1 for none.
        categories: numbers of the categories of the first list, then of the second, and so on, intp
            of shape (sum of sizes,).
    """

    lists: tuple[tuple[str, ...], ...]
    of_item: NDArray[np.intp]
    names: Mapping[str, int]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    leaves: NDArray[np.int64]
    categories: NDArray[np.intp]

    @classmethod
    def of(cls, every: Sequence[Sequence[str]]) -> Self:
        """Number the categories of each item."""
        numbering: dict[tuple[str, ...], int] = {}
        of_item = [numbering.setdefault(tuple(names), len(numbering)) for names in every]
        names = numbered(numbering)
        different = [dict.fromkeys(one) for one in numbering]
        sizes = np.array([len(one) for one in different], dtype=np.int64)
        return cls(
            lists=tuple(numbering),
            of_item=np.array(of_item, dtype=np.intp),
            names=names,
            sizes=sizes,
            starts=_starts(sizes),
            leaves=np.array([names[one[-1]] if one else -1 for one in numbering], dtype=np.int64),
            categories=np.array([names[name] for one in different for name in one], dtype=np.intp),
        )

    def part(self, rows: NDArray[np.intp]) -> CategoryLists:
        """Those of some of the items, with no other lists: a part costs as much as it is."""
        used: dict[int, int] = {}
        of_item = [used.setdefault(one, len(used)) for one in self.of_item[rows].tolist()]
        lists = np.array(list(used), dtype=np.intp)
        sizes = self.sizes[lists]
        starts = _starts(sizes)
        before = np.repeat(self.starts[lists] - starts, sizes)  # among all, and not in the part
        return CategoryLists(
            lists=tuple([self.lists[one] for one in used]),
            of_item=np.array(of_item, dtype=np.intp),
            names=self.names,
            sizes=sizes,
            starts=starts,
            leaves=self.leaves[lists],
            categories=self.categories[np.arange(len(before)) + before],
        )

    def rows(self, numbers: Mapping[str, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Categories of the items as arrays, see :func:`category_rows`."""
        columns = self._columns(numbers)
        width = -(-max(len(numbers), 1) // _ROUND) * _ROUND
        rows = np.zeros((len(self.sizes), width), dtype=np.float32)
        places = columns[self.categories]
        counts = places >= 0
        lists = self._lists[counts]
        # As Python has the root of a number, which numpy need not.
        lengths = np.array([0.0, *(n**-0.5 for n in range(1, int(self.sizes.max(initial=0)) + 1))])
        rows[lists, places[counts]] = lengths[self.sizes[lists]]
        return rows[self.of_item], columns[self.leaves][self.of_item]

    def any_of(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which items have one of some categories, bool of shape (n,)."""
        wanted = np.zeros(len(self.names), dtype=np.bool_)
        wanted[[self.names[name] for name in names if name in self.names]] = True
        found = np.zeros(len(self.sizes), dtype=np.bool_)
        found[self._lists[wanted[self.categories]]] = True
        return found[self.of_item]

    @property
    def some(self) -> NDArray[np.bool_]:
        """Which items have any category, bool of shape (n,)."""
        return (self.sizes > 0)[self.of_item]

    @property
    def different(self) -> list[str]:
        """Names of the categories that any item has."""
        return list(dict.fromkeys(chain.from_iterable(self.lists)))

    @property
    def _lists(self) -> NDArray[np.intp]:
        """The list of each of :attr:`categories`."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def _columns(self, numbers: Mapping[str, int]) -> NDArray[np.int64]:
        """By the number of a name, and last for none, what ``numbers`` says of it, or -1."""
        columns = np.full(len(self.names) + 1, -1, dtype=np.int64)
        for name, number in numbers.items():
            if name in self.names:
                columns[self.names[name]] = number
        return columns


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(sizes) - sizes


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
