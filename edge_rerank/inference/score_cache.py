"""Scores kept by what they were read from, as digests: bounded, and free of any text."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence

CACHED_SCORES = 65_536


class ScoreCache:
    """Scores by digest of all that is behind them, least recently used out first.

    Safe from several threads.

    Args:
        capacity: how many are kept.
    """

    def __init__(self, capacity: int = CACHED_SCORES) -> None:
        self._capacity = capacity
        self._scores: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, keys: Sequence[bytes]) -> list[float]:
        """The score of each key, NaN where none is kept."""
        with self._lock:
            for key in keys:
                if key in self._scores:
                    self._scores.move_to_end(key)
            return [self._scores.get(key, math.nan) for key in keys]

    def put(self, keys: Sequence[bytes], scores: Sequence[float]) -> None:
        """Keep a score for each key."""
        with self._lock:
            self._scores.update(zip(keys, scores, strict=True))
            while len(self._scores) > self._capacity:
                self._scores.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._scores.clear()
