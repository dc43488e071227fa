"""The prefix cache: keys and values of histories that the scorer has read, in memory alone.

A prefix is known by a digest of its tokens, so the cache holds no text and no user ids. The
key and value tensors in it are derived from a person's behaviour all the same:
:meth:`PrefixCache.clear` drops them when someone is to be forgotten.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer
from edge_rerank.errors import InvalidRequest

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Prefix:
    """A history as the model remembers it.

    Attributes:
        keys: shape (layers, key heads, dim, tokens), float32 or float16.
        values: shape (layers, key heads, tokens, dim), of the same type.
        end: shape (1, hidden), the last state, from which the next token is predicted.
    """

    keys: NDArray[Any]
    values: NDArray[Any]
    end: NDArray[Any]

    @property
    def tokens(self) -> int:
        """Number of tokens read."""
        return int(self.keys.shape[3])

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self.keys.nbytes + self.values.nbytes + self.end.nbytes

    def extended(self, keys: NDArray[Any], values: NDArray[Any], end: NDArray[Any]) -> Prefix:
        """This prefix followed by the tokens whose tensors are given."""
        if not self.tokens:
            return Prefix(keys, values, end)
        return Prefix(
            np.concatenate([self.keys, keys], axis=3),
            np.concatenate([self.values, values], axis=2),
            end,
        )


def chain(digest: bytes, tokens: Sequence[int]) -> bytes:
    """The digest of a token sequence that goes on with ``tokens``."""
    raw = np.asarray(tokens, dtype=np.int64).tobytes()
    return blake2b(digest + raw, digest_size=DIGEST_BYTES).digest()


class PrefixCache:
    """Prefixes by digest, least recently used out first. Safe from several threads.

    Args:
        capacity: bytes of tensors kept at most, ≥ 0; 0 keeps nothing.

    Raises:
        InvalidRequest: when ``capacity`` is not such a number.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = check_integer(capacity, "prefix_bytes", InvalidRequest, minimum=0)
        self._prefixes: OrderedDict[bytes, Prefix] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._prefixes)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors kept."""
        return self._nbytes

    def longest(self, digests: Sequence[bytes]) -> tuple[bytes, Prefix] | None:
        """The last of ``digests`` that is known, with its prefix."""
        with self._lock:
            for digest in reversed(digests):
                prefix = self._prefixes.get(digest)
                if prefix is not None:
                    self._prefixes.move_to_end(digest)
                    return digest, prefix
        return None

    def put(self, digest: bytes, prefix: Prefix, *, replaces: bytes | None = None) -> None:
        """Keep ``prefix``, in place of the shorter one of the same history if there was one."""
        with self._lock:
            for old in (digest, replaces):
                if old is not None:
                    self._drop(old)
            if prefix.nbytes > self._capacity:
                return
            self._prefixes[digest] = prefix
            self._nbytes += prefix.nbytes
            while self._nbytes > self._capacity:
                self._drop(next(iter(self._prefixes)))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._prefixes.clear()
            self._nbytes = 0

    def _drop(self, digest: bytes) -> None:
        prefix = self._prefixes.pop(digest, None)
        if prefix is not None:
            self._nbytes -= prefix.nbytes
