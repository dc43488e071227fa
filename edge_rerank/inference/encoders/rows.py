"""Rows of vectors as a cache keeps them: as they are, or without their zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_FIRST_ROWS = 256

_ENTRY = np.dtype([("column", "<u2"), ("value", "<f4")])
"""What a row has that is not 0."""


class Rows(Protocol):
    """Vectors of one length by the number of their row. One thread at a time."""

    def take(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Some of them, float32 of shape (len(rows), dim), a copy."""
        ...

    def put(self, row: int, vector: NDArray[np.float32]) -> None:
        """Set a row, which is an earlier one or the next."""
        ...

    def clear(self) -> None:
        """Let go of all rows."""
        ...


class DenseRows:
    """Rows as they are, ``4 * dim`` bytes each; the table grows as needed.

    Args:
        dim: length of a row.
        capacity: the most rows there will be.
    """

    def __init__(self, dim: int, capacity: int) -> None:
        self._dim, self._capacity = dim, capacity
        self.clear()

    def clear(self) -> None:
        """See :meth:`Rows.clear`."""
        self._table = np.empty((min(_FIRST_ROWS, self._capacity), self._dim), dtype=np.float32)

    def take(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """See :meth:`Rows.take`."""
        found: NDArray[np.float32] = self._table[np.array(rows, dtype=np.intp)]
        return found

    def put(self, row: int, vector: NDArray[np.float32]) -> None:
        """See :meth:`Rows.put`."""
        if row == len(self._table):
            longer = np.empty((min(2 * row, self._capacity), self._dim), dtype=np.float32)
            longer[:row] = self._table
            self._table = longer
        self._table[row] = vector


class PackedRows:
    """Rows most of which are zeros, as those of words are: 6 bytes for each other number.

    A title of a dozen words takes 0.1 KiB in place of 2, and comes back to the last bit.

    Args:
        dim: length of a row, at most 65,536.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._rows: list[bytes] = []

    def clear(self) -> None:
        """See :meth:`Rows.clear`."""
        self._rows.clear()

    def take(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """See :meth:`Rows.take`."""
        packed = [self._rows[row] for row in rows]
        entries = np.frombuffer(b"".join(packed), dtype=_ENTRY)
        sizes = np.array([len(one) for one in packed], dtype=np.intp) // _ENTRY.itemsize
        vectors = np.zeros(len(rows) * self._dim, dtype=np.float32)
        begin = np.arange(0, len(vectors), self._dim)
        vectors[np.repeat(begin, sizes) + entries["column"]] = entries["value"]
        return vectors.reshape(len(rows), self._dim)

    def put(self, row: int, vector: NDArray[np.float32]) -> None:
        """See :meth:`Rows.put`."""
        (columns,) = np.nonzero(vector)
        entries = np.empty(len(columns), dtype=_ENTRY)
        entries["column"], entries["value"] = columns, vector[columns]
        self._rows[row : row + 1] = [entries.tobytes()]
