"""Scores kept by what they were read from, as digests: bounded, and free of any text."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.prefix_cache import DIGEST_BYTES

CACHED_SCORES = 65_536

_WAYS = 8
"""Places that a score may be kept at."""


class ScoreCache:
    """Scores by digest of all that is behind them. Safe from several threads.

    A table of 32 bytes a score, 2 MiB when it is full: as Python's own objects they would take
    15. A digest says at which eight places its score may be; where others are at all of them, the
    one that was not used for longest makes room.

    Args:
        capacity: how many are kept at most, ≥ 8.
    """

    def __init__(self, capacity: int = CACHED_SCORES) -> None:
        self._sets = capacity // _WAYS
        self._lock = threading.Lock()
        self.clear()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._used))

    def get(self, keys: Sequence[bytes]) -> list[float]:
        """The score of each key, a digest of 16 bytes; NaN where none is kept."""
        digests = _words(keys)
        with self._lock:
            sets, ways, kept = self._find(digests)
            self._calls += 1
            self._used[sets[kept], ways[kept]] = self._calls
            scores: list[float] = np.where(kept, self._scores[sets, ways], np.nan).tolist()
        return scores

    def put(self, keys: Sequence[bytes], scores: Sequence[float]) -> None:
        """Keep a score for each key."""
        last = dict(zip(keys, scores, strict=True))
        digests = _words([*last])
        with self._lock:
            self._calls += 1
            sets, ways, kept = self._find(digests)
            values = np.array([*last.values()])
            self._used[sets[kept], ways[kept]] = self._calls
            self._scores[sets[kept], ways[kept]] = values[kept]
            for one in np.flatnonzero(~kept).tolist():
                place = sets[one]
                way = self._used[place].argmin()
                self._digests[place, way] = digests[one]
                self._used[place, way] = self._calls
                self._scores[place, way] = values[one]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            shape = (self._sets, _WAYS)
            self._digests = np.zeros((*shape, 2), dtype=np.uint64)
            self._scores = np.zeros(shape)
            # The call that used it last, from 1 on; 0 where nothing is kept.
            self._used = np.zeros(shape, dtype=np.int64)
            self._calls = 0

    def _find(
        self, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Where the score of each digest is, and whether it is there."""
        sets = (digests[:, 0] % np.uint64(self._sets)).astype(np.intp)
        same = (self._digests[sets] == digests[:, None]).all(axis=2) & (self._used[sets] > 0)
        return sets, same.argmax(axis=1), same.any(axis=1)


def _words(keys: Sequence[bytes]) -> NDArray[np.uint64]:
    """Digests as numbers, uint64 of shape (len(keys), 2)."""
    return np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(-1, DIGEST_BYTES // 8)
