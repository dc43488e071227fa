"""Item vectors, computed once and kept: a bounded cache in front of the encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer
from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidRequest
from edge_rerank.inference.encoders.rows import DenseRows, PackedRows, Rows

_FIRST_ROWS = 256

_T = TypeVar("_T")
_In_contra = TypeVar("_In_contra", contravariant=True)


def text_keys(texts: Iterable[str]) -> list[bytes]:
    """By which caches know texts: BLAKE2b hashes of 16 bytes."""
    return [blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]


class MediaEncoder(Protocol[_In_contra]):
    """Turns things of one kind into vectors of one length, each by itself."""

    dim: int

    def encode(
        self, things: Sequence[_In_contra], /, *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Float32 of shape (len(things), dim)."""


class Encoder(MediaEncoder[str], Protocol):
    """Turns texts into vectors of one length, each text by itself."""


class VectorCache(Generic[_T]):
    """Unit vectors of things, least recently used out first. Safe from several threads.

    Things, texts by default, are known by their BLAKE2b hash, so the cache holds none of them. One
    cache belongs to one encoder, hence to one pack digest.

    Args:
        encoder: computes what is not cached.
        capacity: vectors kept, ≥ 1; each takes ``4 * dim`` bytes and about 140 for its key, and
            memory grows as needed.
        keys_of: hashes of things, 16 bytes each.
        sparse: whether most of their numbers are 0, which are then not kept.

    Raises:
        InvalidRequest: when ``capacity`` is below 1.
    """

    def __init__(
        self,
        encoder: MediaEncoder[_T],
        *,
        capacity: int,
        keys_of: Callable[[Sequence[Any]], list[bytes]] = text_keys,
        sparse: bool = False,
    ) -> None:
        self._encoder = encoder
        self._keys_of = keys_of
        self._capacity = check_integer(capacity, "cache_items", InvalidRequest, minimum=1)
        self._rows: dict[bytes, int] = {}
        dim = encoder.dim
        self._table: Rows = PackedRows(dim) if sparse else DenseRows(dim, self._capacity)
        # By row: whose it is, and when it was last asked for.
        self._keys: list[bytes] = []
        self._asked = np.zeros(min(_FIRST_ROWS, self._capacity), dtype=np.int64)
        self._calls = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._encoder.dim

    def get(
        self,
        things: Sequence[_T],
        *,
        keys: Sequence[bytes] | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Vectors of ``things``, float32 of shape (len(things), dim), a copy of the caller's own.

        Args:
            things: any.
            keys: of the things, as ``keys_of`` gives them, where the caller has them already.
            keep: whether to cache what is not cached yet.
            progress: called with (things done, things to do) while some are encoded.

        Raises:
            InferenceError: when the model fails; nothing is cached then.
        """
        if not things:
            return np.empty((0, self._encoder.dim), dtype=np.float32)
        keys = self._keys_of(things) if keys is None else keys
        with self._lock:
            found = self._find(keys)
            known = [row for row in found if row is not None]
            kept = self._table.take(known)
        if len(known) == len(found):
            return kept
        vectors = np.empty((len(things), self._encoder.dim), dtype=np.float32)
        vectors[[place for place, row in enumerate(found) if row is not None]] = kept
        missing: dict[bytes, list[int]] = {}
        for place, (key, row) in enumerate(zip(keys, found, strict=True)):
            if row is None:
                missing.setdefault(key, []).append(place)
        # Outside the lock: encoding is long, and other threads may be served meanwhile.
        fresh = self._encoder.encode(
            [things[places[0]] for places in missing.values()], progress=progress
        )
        with self._lock:
            for (key, places), vector in zip(missing.items(), fresh, strict=True):
                vectors[places] = vector
                if keep:
                    self._put(key, vector)
        return vectors

    def put(self, things: Sequence[_T], vectors: NDArray[np.float32]) -> None:
        """Take vectors that the same encoder made earlier, float32 of shape (len(things), dim).

        Raises:
            InvalidRequest: when they have another shape.
        """
        expected = (len(things), self._encoder.dim)
        if vectors.shape != expected:
            raise InvalidRequest(f"vectors: expected shape {expected}, got {vectors.shape}")
        with self._lock:
            for key, vector in zip(self._keys_of(things), vectors, strict=True):
                self._put(key, vector)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()
            self._keys.clear()
            self._table.clear()

    def _find(self, keys: Sequence[bytes]) -> list[int | None]:
        """Rows of what is cached, noting that it was asked for."""
        found = [self._rows.get(key) for key in keys]
        self._calls += 1
        self._asked[[row for row in found if row is not None]] = self._calls
        return found

    def _put(self, key: bytes, vector: NDArray[np.float32]) -> None:
        row = self._rows.get(key)
        if row is None:
            row = self._free_row()
            self._rows[key] = row
            self._keys[row] = key
        self._calls += 1
        self._asked[row] = self._calls
        self._table.put(row, vector)

    def _free_row(self) -> int:
        used = len(self._rows)
        if used == self._capacity:
            oldest = int(self._asked[:used].argmin())
            del self._rows[self._keys[oldest]]
            return oldest
        if used == len(self._asked):
            self._asked = _grown(self._asked, min(2 * used, self._capacity))
        self._keys.append(b"")
        return used


def _grown(array: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """A longer copy; what is new is 0."""
    longer = np.zeros(size, dtype=array.dtype)
    longer[: len(array)] = array
    return longer
