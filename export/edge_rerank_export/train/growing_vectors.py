"""Vectors in a file that grows as they are made, so that a run that is broken off keeps them.

Layout, little-endian: :data:`MAGIC`, the encoder's name and a line break; then for each vector its
key, 16 bytes, its numbers, float32, and the first 8 bytes of the BLAKE2b hash of both. What follows
a record that was cut off or changed since is made anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._files import MODE, reason_of, replace_file
from edge_rerank.errors import DataError
from edge_rerank.inference.encoders.vector_file import KEY

MAGIC = b"edge-rerank growing vectors 1\n"

_CHECK = 8


class GrowingVectors:
    """Vectors by key, in memory and in a file.

    Args:
        path: the file, made if missing, and begun anew if it is of another encoder.
        encoder: names what makes them, in one line.
        dim: length of a vector.

    Raises:
        DataError: when something else lies there, or it cannot be read or written.
    """

    def __init__(self, path: Path, *, encoder: str, dim: int) -> None:
        self._path = path
        self._record = np.dtype(
            [("key", "u1", KEY), ("vector", "<f4", dim), ("check", "u1", _CHECK)]
        )
        self._vectors: dict[bytes, NDArray[np.float32]] = {}
        head = MAGIC + encoder.encode() + b"\n"
        try:
            content = path.read_bytes() if path.exists() else b""
            if content and not content.startswith(MAGIC):
                raise DataError(path, "expected a file of vectors that grows, or none")
            if content.startswith(head):
                whole = self._take(content[len(head) :])
                os.truncate(path, len(head) + whole)
            else:
                replace_file(path, head)
        except OSError as error:
            raise DataError(path, f"cannot be kept: {type(error).__name__}") from error

    def __contains__(self, key: bytes) -> bool:
        return key in self._vectors

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep vectors; they are on disk when this returns.

        Args:
            keys: of n vectors, 16 bytes each.
            vectors: float32 of shape (n, dim).

        Raises:
            DataError: when the file cannot be written.
        """
        records = np.zeros(len(keys), dtype=self._record)
        records["key"] = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY)
        records["vector"] = vectors
        for record in records:
            record["check"] = np.frombuffer(_check(record), dtype=np.uint8)
        try:
            with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND, MODE), "wb") as stream:
                stream.write(records.tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise DataError(self._path, f"cannot be written: {reason_of(error)}") from error
        self._vectors |= zip(keys, records["vector"], strict=True)

    def of(self, keys: Sequence[bytes]) -> NDArray[np.float32]:
        """Vectors of keys that are there, float32 of shape (keys, dim)."""
        dim = self._record["vector"].shape[0]
        found = [self._vectors[key] for key in keys]
        return np.array(found, dtype=np.float32).reshape(-1, dim)

    def _take(self, raw: bytes) -> int:
        """Take records up to the first that is not whole; how many bytes those are."""
        count = len(raw) // self._record.itemsize
        records = np.frombuffer(raw, dtype=self._record, count=count)
        for place, record in enumerate(records):
            if record["check"].tobytes() != _check(record):
                return place * self._record.itemsize
            self._vectors[record["key"].tobytes()] = record["vector"]
        return count * self._record.itemsize


def _check(record: np.void) -> bytes:
    return blake2b(record.tobytes()[:-_CHECK], digest_size=_CHECK).digest()
