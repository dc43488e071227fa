"""Counting what people of a catalogue chose together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.together import Together, item_key

WINDOW = 60
"""Places apart at most; longer than the history the ranker looks at."""

NEAR = 3
"""Places within which one choice counts as following another, by 1 / distance."""

MAX_PAIRS = 2_000_000
MIN_NEIGHBOURS = 50
_BUFFER = 4_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Pairs:
    """The counts of a catalogue.

    Attributes:
        table: what the runtime looks up.
        order: the table's row of each item of the catalogue, int64 of shape (items,).
    """

    table: Together
    order: NDArray[np.int64]


def count_pairs(names: Sequence[str], paths: Iterable[NDArray[np.int64]]) -> Pairs:
    """Count pairs, and keep the closest of each item.

    Args:
        names: ids of the catalogue's items.
        paths: item rows one person chose, in order, each item once.
    """
    count = len(names)
    keys = np.array([item_key(name) for name in names], dtype=np.uint64)
    by_key = np.argsort(keys, kind="stable")
    order = np.empty(count, dtype=np.int64)
    order[by_key] = np.arange(count)
    chosen = np.zeros(count, dtype=np.int64)
    counts = _Counts()
    people = 0
    for path in paths:
        people += 1
        rows = order[path]
        chosen[rows] += 1
        for distance in range(1, min(WINDOW, len(rows) - 1) + 1):
            near = 1 / distance if distance <= NEAR else 0.0
            counts.add(rows[:-distance] * count + rows[distance:], near)
            counts.add(rows[distance:] * count + rows[:-distance], 0.0)
    pair, common, following = counts.finish()
    before, after = pair // count, pair % count
    limit = max(MIN_NEIGHBOURS, MAX_PAIRS // count)
    close = common / np.sqrt(chosen[after])
    by_closeness = np.lexsort((-close, before))
    first = np.searchsorted(before[by_closeness], before[by_closeness], side="left")
    kept = np.sort(by_closeness[np.arange(len(pair)) - first < limit])
    starts = np.searchsorted(before[kept], np.arange(count + 1)).astype(np.int64)
    table = Together(
        ids=keys[by_key],
        chosen=chosen.astype(np.uint32),
        starts=starts,
        columns=after[kept].astype(np.int32),
        counts=common[kept].clip(max=np.iinfo(np.uint16).max).astype(np.uint16),
        following=following[kept].astype(np.float16),
        people=max(people, 1),
    )
    return Pairs(table, order)


_Sums = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


class _Counts:
    """Adds up keys without ever holding all of them unsorted."""

    def __init__(self) -> None:
        self._keys: list[NDArray[np.int64]] = []
        self._near: list[NDArray[np.float32]] = []
        self._waiting = 0
        self._done: _Sums = (
            np.zeros(0, dtype=np.int64),
            np.zeros(0, dtype=np.int64),
            np.zeros(0, dtype=np.float64),
        )

    def add(self, keys: NDArray[np.int64], near: float) -> None:
        self._keys.append(keys)
        self._near.append(np.full(len(keys), near, dtype=np.float32))
        self._waiting += len(keys)
        if self._waiting > _BUFFER:
            self.finish()

    def finish(self) -> _Sums:
        """Keys in rising order, how often each came, and the sum of its nearness."""
        old_keys, old_counts, old_near = self._done
        keys = np.concatenate([old_keys, *self._keys])
        counts = np.concatenate([old_counts, np.ones(self._waiting, dtype=np.int64)])
        near = np.concatenate([old_near, *self._near])
        unique, place = np.unique(keys, return_inverse=True)
        self._done = (
            unique,
            np.bincount(place, counts, minlength=len(unique)).astype(np.int64),
            np.bincount(place, near, minlength=len(unique)).astype(np.float64),
        )
        self._keys, self._near, self._waiting = [], [], 0
        return self._done
