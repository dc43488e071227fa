"""Vectors of a catalogue in a file, so that the next process need not read the texts again.

They are vectors of the host's own items, not of a person, and lie there as they are: the file is
readable by its owner alone, and holds no text. What it holds is hashed, and looked at whole before
it is used; what was cut off, or changed since, is made anew.

Layout, little-endian: :data:`MAGIC`; two uint64, how many and of which length; the BLAKE2b hash, 32
bytes, of the encoder's name and all that follows; keys of the texts, 16 bytes each, see
:func:`~.cache.text_keys`; from the next multiple of 64 bytes on the vectors, float32.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._files import reason_of, replace_file
from edge_rerank.errors import DataError

MAGIC = b"edge-rerank vectors 1\n"

_COUNTS = struct.Struct("<QQ")
_HASH = 32
KEY = 16
_ALIGNED = 64
_HEAD = len(MAGIC) + _COUNTS.size + _HASH


@dataclass(frozen=True, slots=True, repr=False)
class VectorFile:
    """Vectors by the keys of their texts.

    Attributes:
        keys: of n texts, 16 bytes each.
        vectors: float32 of shape (n, dim), read-only, mapped from the file.
    """

    keys: tuple[bytes, ...]
    vectors: NDArray[np.float32]

    @classmethod
    def open(cls, path: Path, *, encoder: str, dim: int) -> Self | None:
        """Vectors that were written for an encoder.

        Args:
            path: the file.
            encoder: names it, as the digest of its pack.
            dim: length of its vectors.

        Returns:
            ``None`` where there is no file, or one of another encoder, cut off or changed.

        Raises:
            DataError: when something else lies there, or it cannot be read.
        """
        try:
            if not path.exists():
                return None
            with path.open("rb") as stream:
                head = stream.read(_HEAD)
                if not head.startswith(MAGIC):
                    raise DataError(path, "expected a file of vectors, or none")
                if len(head) < _HEAD:
                    return None
                count, length = _COUNTS.unpack_from(head, len(MAGIC))
                begin = _begin(count)
                whole = path.stat().st_size == begin + 4 * count * length
                if length != dim or not whole:
                    return None
                raw = stream.read(count * KEY)
            vectors = np.memmap(path, np.float32, "r", begin, (count, dim)) if count else None
        except OSError as error:
            raise DataError(path, f"cannot be read: {reason_of(error)}") from error
        if vectors is None:
            return cls((), np.zeros((0, dim), dtype=np.float32))
        if head[-_HASH:] != _hash(encoder, raw, vectors):
            return None
        return cls(tuple(raw[at : at + KEY] for at in range(0, len(raw), KEY)), vectors)

    def rows(self, keys: Sequence[bytes]) -> NDArray[np.intp]:
        """Rows of texts by their keys, intp of shape (keys,); -1 for those that are missing."""
        known = {key: row for row, key in enumerate(self.keys)}
        return np.array([known.get(key, -1) for key in keys], dtype=np.intp)


def kept_vectors(
    path: Path,
    keys: Sequence[bytes],
    read: Callable[[Sequence[int]], NDArray[np.float32]],
    *,
    encoder: str,
    dim: int,
) -> NDArray[np.float32]:
    """Vectors of things, from a file that then has them.

    Args:
        path: the file, made if missing.
        keys: of n things.
        read: gives the vectors of those of them that the file lacks, by their places.
        encoder: names what it reads with.
        dim: length of its vectors.

    Returns:
        Float32 of shape (n, dim), mapped from the file.

    Raises:
        DataError: when something else lies there, or it cannot be read or written.
    """
    known = VectorFile.open(path, encoder=encoder, dim=dim)
    if known is not None and list(known.keys) == list(keys):
        return known.vectors
    rows = np.full(len(keys), -1) if known is None else known.rows(keys)
    there, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    vectors = np.empty((len(keys), dim), dtype=np.float32)
    if known is not None:
        vectors[there] = known.vectors[rows[there]]
    vectors[new] = read(new.tolist())
    write_vectors(path, keys, vectors, encoder=encoder)
    written = VectorFile.open(path, encoder=encoder, dim=dim)
    return vectors if written is None else written.vectors


def write_vectors(
    path: Path, keys: Sequence[bytes], vectors: NDArray[np.float32], *, encoder: str
) -> None:
    """Put vectors in the place of a file, all or nothing.

    Args:
        path: the file.
        keys: of n texts.
        vectors: of the texts, float32 of shape (n, dim).
        encoder: names what made them.

    Raises:
        DataError: when it cannot be written; the old file is then still there.
    """
    raw = b"".join(keys)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    head = MAGIC + _COUNTS.pack(*vectors.shape) + _hash(encoder, raw, vectors) + raw
    try:
        replace_file(path, head.ljust(_begin(len(keys)), b"\0") + vectors.tobytes())
    except OSError as error:
        raise DataError(path, f"cannot be written: {reason_of(error)}") from error


def _begin(count: int) -> int:
    """Where the vectors of so many texts begin."""
    return -(-(_HEAD + count * KEY) // _ALIGNED) * _ALIGNED


def _hash(encoder: str, keys: bytes, vectors: NDArray[np.float32]) -> bytes:
    digest = blake2b(encoder.encode() + b"\0", digest_size=_HASH)
    digest.update(keys)
    digest.update(vectors.data.cast("B") if vectors.size else b"")
    return digest.digest()
