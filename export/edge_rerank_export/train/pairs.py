"""Counts of pairs: what people of a catalogue chose together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from edge_rerank.ranking.signals.pairs import PairTable, closeness
from edge_rerank.ranking.signals.table import item_keys

WINDOW = 60
"""Places apart at most; longer than the history the ranker looks at."""

NEAR = 3
"""Places within which one choice counts as following another, by 1 / distance."""

MAX_PAIRS = 6_000_000
"""Pairs kept; 6 bytes each in a pack before compression, 16 at run time."""

MIN_NEIGHBOURS = 50


@dataclass(frozen=True, slots=True, repr=False)
class CountedPairs:
    """The counts of a catalogue.

    Attributes:
        table: what the runtime looks up.
        order: the table's row of each item of the catalogue, int64 of shape (items,).
        least: how close a pair of each row has to be to stay in the table, see
            :func:`~edge_rerank.ranking.signals.pairs.closeness`; float32 of shape (items,), by
            the table's rows.
    """

    table: PairTable
    order: NDArray[np.int64]
    least: NDArray[np.float32]


def count_pairs(
    names: Sequence[str], paths: Iterable[NDArray[np.int64]], *, most: int = MAX_PAIRS
) -> CountedPairs:
    """Count pairs, and keep the closest of each item.

    Args:
        names: ids of the catalogue's items.
        paths: item rows one person chose, in order, each item once.
        most: pairs in the table, but for the ``MIN_NEIGHBOURS`` that every item may keep.
    """
    count = len(names)
    keys = item_keys(names)
    by_key = np.argsort(keys, kind="stable")
    order = np.empty(count, dtype=np.int64)
    order[by_key] = np.arange(count)
    sequences = [order[path].astype(np.int32) for path in paths]
    items = np.concatenate(sequences) if sequences else np.zeros(0, dtype=np.int32)
    people = np.repeat(np.arange(len(sequences)), [len(path) for path in sequences])
    chosen = np.bincount(items, minlength=count)
    common, following = _count(items, people, count)
    before = np.repeat(np.arange(count), np.diff(common.indptr))
    close = closeness(common.data, chosen[common.indices])
    least = _thresholds(close, common.indptr, max(MIN_NEIGHBOURS, most // max(count, 1)))
    kept = close >= least[before]
    table = PairTable(
        ids=keys[by_key],
        chosen=chosen.astype(np.uint32),
        starts=np.concatenate([[0], np.cumsum(np.bincount(before[kept], minlength=count))]),
        columns=common.indices[kept].astype(np.int32),
        counts=common.data[kept].clip(max=np.iinfo(np.uint16).max).astype(np.uint16),
        following=following[kept].astype(np.float16),
        people=max(len(sequences), 1),
    )
    return CountedPairs(table, order, least)


def _count(
    items: NDArray[np.int32], people: NDArray[np.int64], count: int
) -> tuple[csr_array, NDArray[np.float32]]:
    """People who chose both, and how often the column came soon after the row.

    Both are symmetric in where they are not 0, so the second is given on the first's places.
    """
    forward, near = [], []
    for distance in range(1, WINDOW + 1):
        together = people[:-distance] == people[distance:]
        if not together.any():
            break
        pair = np.stack([items[:-distance][together], items[distance:][together]])
        forward.append(pair)
        if distance <= NEAR:
            near.append((pair, np.full(pair.shape[1], 1 / distance, dtype=np.float32)))
    if not forward:
        return csr_array((count, count), dtype=np.int32), np.zeros(0, dtype=np.float32)
    ordered = _matrix(np.concatenate(forward, axis=1), None, count)
    common = (ordered + ordered.T).tocsr()
    common.sort_indices()
    soon = _matrix(
        np.concatenate([pair for pair, _ in near], axis=1),
        np.concatenate([weight for _, weight in near]),
        count,
    ).tocoo()
    rows = np.repeat(np.arange(count, dtype=np.int64), np.diff(common.indptr))
    places = np.searchsorted(
        rows * count + common.indices, soon.row.astype(np.int64) * count + soon.col
    )
    following = np.zeros(common.nnz, dtype=np.float32)
    following[places] = soon.data
    return common, following


def _matrix(pairs: NDArray[np.int32], weights: NDArray[np.float32] | None, count: int) -> csr_array:
    values = np.ones(pairs.shape[1], dtype=np.int32) if weights is None else weights
    return coo_array((values, (pairs[0], pairs[1])), shape=(count, count)).tocsr()


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
