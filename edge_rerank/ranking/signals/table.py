"""Tables by item that packs carry: arrays in one ``.npz`` file, items by a hash of their id."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid

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


def read_arrays(raw: bytes, kinds: Mapping[str, type], *, what: str) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote.

    Args:
        raw: the file.
        kinds: names and dtypes of its arrays, of one dimension each.
        what: the table's name, for errors.

    Raises:
        PackInvalid: when it is something else.
    """
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in kinds}
    except Exception as error:  # zipfile and numpy raise many kinds
        raise PackInvalid(f"{what}: not readable: {type(error).__name__}") from error
    for name, kind in kinds.items():
        if arrays[name].dtype != kind or arrays[name].ndim != 1:
            raise PackInvalid(f"{what}: {name}: expected one row of {kind.__name__}")
    return arrays


def write_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """All arrays as an ``.npz`` file; equal arrays give equal bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()
