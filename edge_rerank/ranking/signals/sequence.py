"""Successions: a vector an item, learnt from the order in which people chose.

A part of packs that were fine-tuned on a catalogue, like the table of pairs, which it
completes: counts know only what two people did alike, vectors also what lies between. The
person's state is a sum of the vectors of what they chose, weighted by place (as in Fossil:
He and McAuley, ICDM 2016), through one small layer; what comes next is close to it. So little
arithmetic needs no second model: the toolchain trains it, and both sides run these lines.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid
from edge_rerank.packs.array_files import read_arrays, write_arrays
from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation, mean
from edge_rerank.ranking.signals.table import UNKNOWN, find_rows

NORM_EPSILON = 1e-5
"""Added to the variance when a state is normalised, as PyTorch does."""

_SCALE = 4.0
"""By which scores are divided, so that they are as large as the other signals."""

_ARRAYS = {
    "ids": np.uint64,
    "vectors": np.float16,
    "places": np.float32,
    "inner": np.float32,
    "inner_bias": np.float32,
    "outer": np.float32,
    "outer_bias": np.float32,
}


class SequenceTable:
    """A vector an item, and the way from what was chosen to what comes next.

    Args:
        ids: uint64 of shape (n,), rising: the items' keys, see :func:`~.table.item_key`.
        vectors: float16 of shape (n, width).
        places: float32 of shape (most, width), by which the item that was chosen last, the
            one before, ..., is multiplied; older ones do not count.
        inner: float32 of shape (hidden, width), and ``inner_bias`` of shape (hidden,).
        outer: float32 of shape (width, hidden), and ``outer_bias`` of shape (width,).
    """

    def __init__(
        self,
        *,
        ids: NDArray[np.uint64],
        vectors: NDArray[np.float16],
        places: NDArray[np.float32],
        inner: NDArray[np.float32],
        inner_bias: NDArray[np.float32],
        outer: NDArray[np.float32],
        outer_bias: NDArray[np.float32],
    ) -> None:
        self._arrays: dict[str, NDArray[Any]] = {
            "ids": ids,
            "vectors": vectors,
            "places": places,
            "inner": inner,
            "inner_bias": inner_bias,
            "outer": outer,
            "outer_bias": outer_bias,
        }
        self._ids = ids
        # The last row is that of items without a vector, which UNKNOWN finds.
        self._vectors = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float16)])
        self._places = places[::-1]
        self._inner, self._inner_bias = inner.T, inner_bias
        self._outer, self._outer_bias = outer.T, outer_bias

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            PackInvalid: when it is something else.
        """
        arrays = read_arrays(raw, _ARRAYS, what="table of successions")
        items, width = len(arrays["ids"]), len(arrays["outer_bias"])
        hidden = len(arrays["inner_bias"])
        if (
            not items
            or not width
            or not hidden
            or len(arrays["vectors"]) != items * width
            or not len(arrays["places"])
            or len(arrays["places"]) % width
            or len(arrays["inner"]) != hidden * width
            or len(arrays["outer"]) != hidden * width
            or not all(np.isfinite(arrays[name]).all() for name in _ARRAYS)
        ):
            raise PackInvalid("table of successions: its arrays do not fit together")
        for name, columns in {
            "vectors": width,
            "places": width,
            "inner": width,
            "outer": hidden,
        }.items():
            arrays[name] = arrays[name].reshape(-1, columns)
        return cls(**arrays)

    def to_bytes(self) -> bytes:
        """All arrays as an ``.npz`` file; equal tables give equal bytes."""
        return write_arrays({name: values.ravel() for name, values in self._arrays.items()})

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows by keys, int64 of shape (n,), ``UNKNOWN`` for items without a vector."""
        return find_rows(self._ids, keys)

    def signals(
        self,
        candidates: NDArray[np.int64],
        history: NDArray[np.int64],
        strength: NDArray[np.floating[Any]],
    ) -> NDArray[np.float32]:
        """How well each candidate follows from the history.

        Args:
            candidates: rows, int64 of shape (..., C).
            history: rows, oldest first, int64 of shape (..., H).
            strength: how much each item of the history is liked, shape (..., H).

        Returns:
            float32 of shape (..., C), log-odds but for a constant, divided by 4; NaN for a
            candidate without a vector, and for all where no item of the history has one.
        """
        most = len(self._places)
        known = history >= 0
        weight = (strength * known)[..., -most:, None]
        before = self._vectors[history[..., -most:]].astype(np.float32) * weight
        summed = (before * self._places[most - before.shape[-2] :]).sum(axis=-2)
        centred = summed - summed.mean(axis=-1, keepdims=True)
        state = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + NORM_EPSILON)
        # A product a history: what comes of one depends on no other.
        hidden = (state[..., None, :] @ self._inner + self._inner_bias).clip(min=0)
        state = state + (hidden @ self._outer)[..., 0, :] + self._outer_bias
        after = self._vectors[candidates].astype(np.float32)
        scores = (after @ state[..., None])[..., 0] / _SCALE
        judged = (candidates >= 0) & known.any(axis=-1, keepdims=True)
        return np.where(judged, scores, np.nan).astype(np.float32)


class Successions(Signal):
    """How well each candidate follows from the history, against the mean of the candidates."""

    name = "succession"
    axes = Axes.CANDIDATE
    bit = "succession"
    dropout = 0.5
    table = SequenceTable

    def raw(self, situation: Situation) -> Array:
        """Shape (..., C); an unknown one is as good as the mean."""
        table: SequenceTable | None = situation.tables.get(self.name)
        present = situation.present
        if table is None:
            return np.zeros(present.shape)
        strength = situation.strength
        # What is not liked is no step on the way: it stands before all that is.
        order = np.argsort(strength > 0, axis=-1, kind="stable")
        before = situation.history.rows[self.name]
        liked = np.take_along_axis(strength, order, axis=-1).clip(min=0)
        values = table.signals(
            situation.candidates.rows[self.name],
            np.where(liked > 0, np.take_along_axis(before, order, axis=-1), UNKNOWN),
            liked,
        )
        known = present & ~np.isnan(values)
        return np.where(known, values - mean(values, known)[..., None], 0.0)
