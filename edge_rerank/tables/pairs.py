"""Counts of pairs: what people of a catalogue chose together.

Counted by blocks of whole rows, so that the memory does not grow with the number of pairs of a
log: 60 of them a choice, where a table keeps a few a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.pairs import PairTable, closeness
from edge_rerank.ranking.signals.table import item_keys

WINDOW = 60
"""Places apart at most; longer than the history the ranker looks at."""

NEAR = 3
"""Places within which one choice counts as following another, by 1 / distance."""

MAX_PAIRS = 6_000_000
"""Pairs kept; 6 bytes each in a file before compression, 16 at run time."""

MIN_NEIGHBOURS = 50

_BLOCK = 1 << 20
"""Pairs of choices counted at once, about; 8 bytes each, several times."""


@dataclass(frozen=True, slots=True, repr=False)
class CountedPairs:
    """The counts of a catalogue.

    Attributes:
        table: what is looked up when ranking.
        order: the table's row of each item of the catalogue, int64 of shape (items,).
        least: how close a pair of each row has to be to stay in the table, see
            :func:`~edge_rerank.ranking.signals.pairs.closeness`; float32 of shape (items,), by
            the table's rows.
    """

    table: PairTable
    order: NDArray[np.int64]
    least: NDArray[np.float32]


def count_pairs(
    names: Sequence[str],
    paths: Iterable[NDArray[np.int64]],
    *,
    most: int = MAX_PAIRS,
    min_people: int = 1,
) -> CountedPairs:
    """Count pairs, and keep the closest of each item.

    Args:
        names: ids of the catalogue's items.
        paths: item rows one person chose, in order, each item once.
        most: pairs in the table, but for the ``MIN_NEIGHBOURS`` that every item may keep.
        min_people: a pair that fewer people chose is not kept, nor, of one that is, what fewer
            people chose soon one after the other.
    """
    count = len(names)
    keys = item_keys(names)
    by_key = np.argsort(keys, kind="stable")
    order = np.empty(count, dtype=np.int64)
    order[by_key] = np.arange(count)
    sequences = [order[path].astype(np.int32) for path in paths]
    items = np.concatenate(sequences) if sequences else np.zeros(0, dtype=np.int32)
    chosen = np.bincount(items, minlength=count)
    limit = max(MIN_NEIGHBOURS, most // max(count, 1))
    least = np.zeros(count, dtype=np.float32)
    lengths = np.zeros(count, dtype=np.int64)
    columns, counts, following = [], [], []
    lengths_of_paths = np.array([len(path) for path in sequences], dtype=np.int64)
    for row, every in _blocks(items, lengths_of_paths, count):
        block = every.of_many(min_people)
        rows = slice(row, row + len(block.starts) - 1)
        close = closeness(block.people, chosen[block.columns])
        least[rows] = _thresholds(close, block.starts, limit)
        before = np.repeat(np.arange(rows.start, rows.stop), np.diff(block.starts))
        kept = close >= least[before]
        lengths[rows] = np.bincount(before[kept] - row, minlength=rows.stop - row)
        columns.append(block.columns[kept].astype(np.int32))
        counts.append(block.people[kept].clip(max=np.iinfo(np.uint16).max).astype(np.uint16))
        following.append(block.following[kept].astype(np.float16))
    table = PairTable(
        ids=keys[by_key],
        chosen=chosen.astype(np.uint32),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        columns=_joined(columns, np.int32),
        counts=_joined(counts, np.uint16),
        following=_joined(following, np.float16),
        people=max(len(sequences), 1),
    )
    return CountedPairs(table, order, least)


@dataclass(frozen=True, slots=True, repr=False)
class _Block:
    """All pairs of some rows that follow each other, by row and column.

    Attributes:
        starts: int64 of shape (rows + 1,), where each row begins.
        columns: int64 of shape (pairs,).
        people: int64 of shape (pairs,), who chose both at most ``WINDOW`` places apart.
        following: float64 of shape (pairs,), 1 / distance of those who chose the column at most
            ``NEAR`` places after the row, added up.
        near: int64 of shape (pairs,), how many these are.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    people: NDArray[np.int64]
    following: NDArray[np.float64]
    near: NDArray[np.int64]

    def of_many(self, least: int) -> _Block:
        """Without what fewer than ``least`` people did."""
        if least <= 1:
            return self
        kept = self.people >= least
        places = np.concatenate([[0], np.cumsum(kept)])
        return _Block(
            places[self.starts],
            self.columns[kept],
            self.people[kept],
            np.where(self.near >= least, self.following, 0.0)[kept],
            self.near[kept],
        )


def _blocks(
    items: NDArray[np.int32], lengths: NDArray[np.int64], count: int
) -> Iterator[tuple[int, _Block]]:
    """The first row and the pairs of each block.

    Args:
        items: what was chosen, one person after the other.
        lengths: how much each person chose.
        count: all items.
    """
    length = np.repeat(lengths, lengths)
    place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    before = np.minimum(place, WINDOW)
    around = before + np.minimum(length - 1 - place, WINDOW)
    by_item = np.argsort(items, kind="stable")
    ends = np.cumsum(np.bincount(items, minlength=count))
    work = np.concatenate([[0], np.cumsum(around[by_item])])[np.concatenate([[0], ends])]
    row = 0
    while row < count:
        until = max(int(np.searchsorted(work, work[row] + _BLOCK, side="right")) - 1, row + 1)
        own = by_item[(ends[row - 1] if row else 0) : ends[until - 1]]
        pairs, distance = _pairs(items, own, before[own], around[own])
        yield row, _block(pairs, distance, range(row, until), count)
        row = until


def _pairs(
    items: NDArray[np.int32],
    own: NDArray[np.int64],
    before: NDArray[np.int64],
    around: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Each choice at ``own`` with the others of its person near it, int32 of shape (2, n).

    Args:
        items: what was chosen.
        own: places in ``items``.
        before: how many of the person's choices before each of them are near.
        around: how many before it and after it.

    Returns:
        The pairs, and how many places after the first the second stands.
    """
    first = np.repeat(np.cumsum(around) - around, around)
    distance = np.arange(len(first)) - first - np.repeat(before, around)
    distance += distance >= 0  # nothing is paired with itself
    middle = np.repeat(own, around)
    return np.stack([items[middle], items[middle + distance]]), distance


def _block(
    pairs: NDArray[np.int32], distance: NDArray[np.int64], rows: range, count: int
) -> _Block:
    keys = pairs[0].astype(np.int64) * count + pairs[1]
    found, people = np.unique(keys, return_counts=True)
    soon = (distance > 0) & (distance <= NEAR)
    at = np.searchsorted(found, keys[soon])
    return _Block(
        starts=np.searchsorted(found, np.arange(rows.start, rows.stop + 1) * count),
        columns=found % count,
        people=people,
        following=np.bincount(at, 1 / distance[soon], minlength=len(found)).astype(np.float64),
        near=np.bincount(at, minlength=len(found)),
    )


def _thresholds(
    close: NDArray[np.float32], starts: NDArray[np.integer[Any]], limit: int
) -> NDArray[np.float32]:
    """The closeness that at most ``limit`` pairs of a row exceed; 0 for shorter rows."""
    least = np.zeros(len(starts) - 1, dtype=np.float32)
    for row in np.flatnonzero(np.diff(starts) > limit):
        values = close[starts[row] : starts[row + 1]]
        # The next one below is out, and all that are as close as it.
        least[row] = np.nextafter(
            np.partition(values, len(values) - limit - 1)[len(values) - limit - 1],
            np.float32(np.inf),
        )
    return least


def _joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
