"""Tables by item that packs carry: arrays in one ``.npz`` file, items by a hash of their id."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""Row of an item that a table does not know."""


class Table(Protocol):
    """What a pack that was tuned on a catalogue knows of its items."""

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the table's file.

        Raises:
            PackInvalid: when it is something else.
        """
        ...

    def to_bytes(self) -> bytes:
        """The table's file; equal tables give equal bytes."""
        ...

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows of items by their keys, int64 of shape (n,), ``UNKNOWN`` for strangers."""
        ...


def item_key(item_id: str) -> int:
    """The 64-bit hash by which a table knows an item."""
    return int.from_bytes(blake2b(item_id.encode(), digest_size=8).digest())


def item_keys(item_ids: Iterable[str]) -> NDArray[np.uint64]:
    """The keys of n items, uint64 of shape (n,); all tables of a pack look up the same."""
    return np.array([item_key(one) for one in item_ids], dtype=np.uint64)


def find_rows(ids: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows of items, int64 of shape (n,), ``UNKNOWN`` for those whose key is not among ``ids``.

    Args:
        ids: keys, rising, at least one.
        keys: of n items, see :func:`item_keys`.
    """
    place = np.searchsorted(ids, keys).clip(max=len(ids) - 1)
    return np.where(ids[place] == keys, place, UNKNOWN)
