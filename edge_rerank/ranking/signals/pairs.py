"""Counts by pair of items: what people of a catalogue chose together.

The table is a part of packs that were fine-tuned on a catalogue. It knows items by a hash
of their id; items that came later, and other catalogues, are simply not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid
from edge_rerank.packs.array_files import read_arrays, write_arrays
from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation
from edge_rerank.ranking.signals.table import find_rows

_ARRAYS = {
    "ids": np.uint64,
    "chosen": np.uint32,
    "starts": np.int64,
    "columns": np.int32,
    "counts": np.uint16,
    "following": np.float16,
    "people": np.int64,
}


def closeness(
    common: NDArray[np.number[Any]], chosen: NDArray[np.number[Any]]
) -> NDArray[np.float32]:
    """By which the toolchain picks the pairs of a row that stay, the largest ones.

    Args:
        common: people who chose both.
        chosen: people who chose the column's item.
    """
    return np.asarray(common / np.sqrt(chosen.clip(min=1)), dtype=np.float32)


@dataclass(frozen=True, slots=True, repr=False)
class OwnShare:
    """What the person whose next choice is to be predicted added to the counts themselves.

    Attributes:
        pairs: float of shape (..., C, H), 1 where the person chose both.
        following: float of shape (..., C, H), their share in ``following``.
        least: float of shape (..., H), how close a pair of each row had to be to stay in the
            table; one that stayed by the person's own choice alone must not be seen.
    """

    pairs: NDArray[np.float32]
    following: NDArray[np.float32]
    least: NDArray[np.float32]


class PairTable:
    """Counts by pair of items, sparse, in rows sorted by column.

    Args:
        ids: uint64 of shape (n,), rising: the items' keys, see :func:`~.table.item_key`.
        chosen: uint32 of shape (n,), people who chose the item.
        starts: int64 of shape (n + 1,), where each row begins.
        columns: int32 of shape (pairs,), rising within a row.
        counts: uint16 of shape (pairs,), people who chose both.
        following: float16 of shape (pairs,), how often the column came soon after the row.
        people: all people counted.
    """

    def __init__(
        self,
        *,
        ids: NDArray[np.uint64],
        chosen: NDArray[np.uint32],
        starts: NDArray[np.int64],
        columns: NDArray[np.int32],
        counts: NDArray[np.uint16],
        following: NDArray[np.float16],
        people: int,
    ) -> None:
        self._arrays: dict[str, NDArray[Any]] = {
            "ids": ids,
            "chosen": chosen,
            "starts": starts,
            "columns": columns,
            "counts": counts,
            "following": following,
            "people": np.array([people]),
        }
        self._ids = ids
        self._chosen = chosen.astype(np.float32)
        rows = np.repeat(np.arange(len(ids), dtype=np.int64), np.diff(starts))
        self._keys = rows * len(ids) + columns
        self._counts = counts
        self._following = following
        self._people = float(people)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            PackInvalid: when it is something else.
        """
        arrays = read_arrays(raw, _ARRAYS, what="table of pairs")
        starts, columns = arrays["starts"], arrays["columns"]
        items = len(arrays["ids"])
        if (
            not items
            or len(arrays["chosen"]) != items
            or len(starts) != items + 1
            or starts[0] != 0
            or starts[-1] != len(columns)
            or (np.diff(starts) < 0).any()
            or len(arrays["counts"]) != len(columns)
            or len(arrays["following"]) != len(columns)
            or (columns < 0).any()
            or (columns >= items).any()
            or len(arrays["people"]) != 1
        ):
            raise PackInvalid("table of pairs: its arrays do not fit together")
        people = int(arrays.pop("people")[0])
        return cls(**arrays, people=people)

    def to_bytes(self) -> bytes:
        """All arrays as an ``.npz`` file; equal tables give equal bytes."""
        return write_arrays(self._arrays)

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows by keys, int64 of shape (n,), ``UNKNOWN`` for items not in the table."""
        return find_rows(self._ids, keys)

    def signals(
        self,
        candidates: NDArray[np.int64],
        history: NDArray[np.int64],
        *,
        own: OwnShare | None = None,
    ) -> NDArray[np.float32]:
        """What the counts say of each candidate beside each item of the history.

        Args:
            candidates: rows, int64 of shape (..., C).
            history: rows, int64 of shape (..., H).
            own: in training, what has to be taken off because it gives the answer away.

        Returns:
            float32 of shape (..., 4, C, H): root of the cosine of both items' choosers,
            log(1 + common choosers) / 3, log of the lift / 8 within -1..2, and the root of
            P(candidate soon after | item of the history). 0 where nothing is known.
        """
        before, after = history[..., None, :], candidates[..., :, None]
        keys = before * len(self._ids) + after
        place = np.searchsorted(self._keys, keys).clip(max=max(len(self._keys) - 1, 0))
        known = (before >= 0) & (after >= 0)
        if len(self._keys):
            hit = known & (self._keys[place] == keys)
            common = np.where(hit, self._counts[place], 0).astype(np.float32)
            following = np.where(hit, self._following[place], 0).astype(np.float32)
        else:
            common = following = np.zeros(keys.shape, dtype=np.float32)
        if own is not None:
            common = (common - own.pairs).clip(min=0)
            following = (following - own.following).clip(min=0)
        signals = np.zeros((4, *keys.shape), dtype=np.float32)
        # Most pairs have nothing in common, and what is 0 need not be computed.
        at = np.nonzero((common > 0) | (following > 0))
        common, following = common[at], following[at]
        chosen_after = self._chosen[np.broadcast_to(after, keys.shape)[at]]
        chosen_before = self._chosen[np.broadcast_to(before, keys.shape)[at]]
        if own is not None:
            chosen_after = chosen_after - np.broadcast_to(own.pairs, keys.shape)[at]
            least = np.broadcast_to(own.least[..., None, :], keys.shape)[at]
            stays = closeness(common, chosen_after) >= least
            common, following = common * stays, following * stays
        expected = chosen_after.clip(min=1) * chosen_before.clip(min=1)
        lift = np.log(common.clip(min=0.5) * self._people / expected) / 8
        for signal, values in zip(
            signals,
            (
                np.sqrt(common / np.sqrt(expected)),
                np.log1p(common) / 3,
                np.where(common > 0, lift, 0).clip(-1, 2),
                np.sqrt(following / chosen_before.clip(min=1)),
            ),
            strict=True,
        ):
            signal[at] = values
        return np.moveaxis(signals, 0, -3)


class Pairs(Signal):
    """What the catalogue's log says of each candidate beside each item of the history."""

    name = "together"
    axes = Axes.PAIRS
    width = 4
    bit = "together"
    dropout = 0.5
    table = PairTable
    folds = True

    def raw(self, situation: Situation) -> Array:
        """Shape (..., 4, C, H)."""
        table: PairTable | None = situation.tables.get(self.name)
        pairs = situation.pairs[..., None, :, :]
        if table is None:
            return np.zeros((*pairs.shape[:-3], self.width, *pairs.shape[-2:]), dtype=np.float32)
        own, before = situation.candidates.rows[self.name], situation.history.rows[self.name]
        return table.signals(own, before, own=situation.own.get(self.name)) * pairs
