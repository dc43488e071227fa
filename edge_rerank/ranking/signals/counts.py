"""Counts by item: when a catalogue's log chose it, how often of the times it was shown.

Like the table of pairs a part of packs that were fine-tuned on a catalogue. Times are not
kept as such, but as the share of all choices that lay before: a week of a busy year then
weighs as much as months of a quiet one, and no moment is finer than a few thousandths of the log.
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

WHOLE = 1 << 15
"""All choices of the log, in the unit of moments."""

_WINDOWS = (WHOLE // 256, WHOLE // 64, WHOLE // 16, WHOLE + 1)
_PRIOR = 10.0
"""Impressions by which an item's rate of clicks is drawn to that of all items."""

_ARRAYS = {
    "ids": np.uint64,
    "starts": np.int64,
    "moments": np.uint16,
    "edges": np.float64,
    "shares": np.uint16,
    "shown": np.uint32,
    "clicked": np.uint32,
}


@dataclass(frozen=True, slots=True, repr=False)
class OwnShown:
    """What a request that was counted itself added to the counts of its candidates.

    Attributes:
        shown: float of shape (..., C), 1 for a candidate.
        clicked: float of shape (..., C), 1 for one that was clicked.
    """

    shown: NDArray[np.float32]
    clicked: NDArray[np.float32]


class CountTable:
    """Counts by item.

    Args:
        ids: uint64 of shape (n,), rising: the items' keys, see :func:`~.table.item_key`.
        starts: int64 of shape (n + 1,), where each item's moments begin.
        moments: uint16, rising within an item: see :meth:`moments`.
        edges: float64 of shape (m,), rising: UTC seconds at which a span of the log begins,
            the last one its end.
        shares: uint16 of shape (m,), what part of ``WHOLE`` lies before each edge.
        shown: uint32 of shape (n,), how often the item was shown.
        clicked: uint32 of shape (n,), how often it was clicked then.
    """

    def __init__(
        self,
        *,
        ids: NDArray[np.uint64],
        starts: NDArray[np.int64],
        moments: NDArray[np.uint16],
        edges: NDArray[np.float64],
        shares: NDArray[np.uint16],
        shown: NDArray[np.uint32],
        clicked: NDArray[np.uint32],
    ) -> None:
        self._arrays: dict[str, NDArray[Any]] = {
            "ids": ids,
            "starts": starts,
            "moments": moments,
            "edges": edges,
            "shares": shares,
            "shown": shown,
            "clicked": clicked,
        }
        self._ids = ids
        self._starts = starts
        self._edges, self._shares = edges, shares.astype(np.int64)
        rows = np.repeat(np.arange(len(ids), dtype=np.int64), np.diff(starts))
        # One rising row of numbers: a search in it counts an item's choices before a moment.
        self._keys = rows * (4 * WHOLE) + moments
        self._shown, self._clicked = shown.astype(np.float32), clicked.astype(np.float32)
        total = float(self._shown.sum())
        self._rate = float(self._clicked.sum()) / total if total else 0.0

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            PackInvalid: when it is something else.
        """
        arrays = read_arrays(raw, _ARRAYS, what="record of items")
        items, starts = len(arrays["ids"]), arrays["starts"]
        if (
            not items
            or len(starts) != items + 1
            or starts[0] != 0
            or starts[-1] != len(arrays["moments"])
            or (np.diff(starts) < 0).any()
            or len(arrays["edges"]) != len(arrays["shares"])
            or not np.isfinite(arrays["edges"]).all()
            or (np.diff(arrays["edges"]) <= 0).any()
            or (arrays["shares"] > WHOLE).any()
            or len(arrays["shown"]) != items
            or len(arrays["clicked"]) != items
        ):
            raise PackInvalid("record of items: its arrays do not fit together")
        return cls(**arrays)

    def to_bytes(self) -> bytes:
        """All arrays as an ``.npz`` file; equal records give equal bytes."""
        return write_arrays(self._arrays)

    def rows(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows by keys, int64 of shape (n,), ``UNKNOWN`` for items without a record."""
        return find_rows(self._ids, keys)

    def moments(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """What part of ``WHOLE`` lies before the span of each time; -1 for no time.

        Args:
            times: UTC seconds, of any shape; NaN where unknown.
        """
        if not len(self._edges):
            return np.full(times.shape, -1, dtype=np.int64)
        span = np.searchsorted(self._edges, np.nan_to_num(times), side="right") - 1
        return np.where(np.isnan(times), -1, self._shares[span.clip(min=0)])

    def signals(
        self,
        items: NDArray[np.int64],
        now: NDArray[np.float64],
        *,
        own: OwnShown | None = None,
    ) -> NDArray[np.float32]:
        """What the log says of each item at a moment; nothing that came later counts.

        Args:
            items: rows, int64 of shape (..., C).
            now: UTC seconds, float64 of shape (...,); NaN where unknown.
            own: in training, what has to be taken off because it gives the answer away.

        Returns:
            float32 of shape (..., C, 7): log(1 + choices) / 4 in the last 1/256, 1/64 and
            1/16 of the log before now, and in all of it; the part of the log since the last
            choice, as a root; log of the smoothed rate of clicks against that of all items,
            within -2..2; log(1 + times shown) / 8. 0 where nothing is known.
        """
        moment = self.moments(np.asarray(now))[..., None]
        known = items >= 0
        row = items.clip(min=0)
        dated = known & (moment >= 0)
        begin = self._starts[row]
        base = row * (4 * WHOLE)
        windows = np.array((0, *_WINDOWS)).reshape(-1, *[1] * moment.ndim)
        found = np.searchsorted(self._keys, base + (moment - windows).clip(min=0), side="left")
        until = found[0]
        counts = until - np.maximum(found[1:], begin)
        ever = until > begin
        last = self._keys[(until - 1).clip(min=0)] - base if len(self._keys) else 0
        since = np.sqrt(np.where(ever, moment - last, WHOLE).clip(min=0) / WHOLE)
        shown, clicked = self._shown[row], self._clicked[row]
        if own is not None:
            shown, clicked = (shown - own.shown).clip(min=0), (clicked - own.clicked).clip(min=0)
        if self._rate:
            rate = np.log((clicked / self._rate + _PRIOR) / (shown + _PRIOR)).clip(-2, 2)
        else:
            rate = np.zeros_like(shown)
        signals = np.stack(
            [
                *(np.log1p(counts) / 4 * dated),
                since * dated,
                rate * known,
                np.log1p(shown) / 8 * known,
            ],
            axis=-1,
        )
        return signals.astype(np.float32)


class Counts(Signal):
    """What the catalogue's log says of each candidate alone; the last two from what was shown."""

    name = "record"
    axes = Axes.CANDIDATES
    width = 7
    bit = "record"
    dropout = 0.5
    table = CountTable

    def raw(self, situation: Situation) -> Array:
        """Shape (..., C, 7)."""
        table: CountTable | None = situation.tables.get(self.name)
        present = situation.present[..., None]
        if table is None:
            return np.zeros((*present.shape[:-1], self.width))
        rows = situation.candidates.rows[self.name]
        return table.signals(rows, situation.now, own=situation.own.get(self.name)) * present
