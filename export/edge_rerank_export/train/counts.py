"""Counts of single items: when they were chosen, and how often they were when shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.formats.dataset import Request
from edge_rerank.ranking.signals.counts import WHOLE, CountTable
from edge_rerank.ranking.signals.table import item_keys

_SPANS = 4096
"""The log is cut into at most this many spans of equally many choices."""


def count_items(
    names: Sequence[str],
    choices: NDArray[np.int64],
    times: NDArray[np.float64],
    shown: Sequence[Request],
) -> CountTable:
    """Record a catalogue's log; rows are in the order of the items' keys.

    Args:
        names: ids of the catalogue's items.
        choices: items' places in ``names``.
        times: UTC seconds of the choices; NaN where unknown.
        shown: training requests with what was really shown.
    """
    count = len(names)
    keys = item_keys(names)
    by_key = np.argsort(keys, kind="stable")
    order = np.empty(count, dtype=np.int64)
    order[by_key] = np.arange(count)
    rows = {name: int(row) for name, row in zip(names, order, strict=True)}
    seen, clicks = np.zeros(count, dtype=np.uint32), np.zeros(count, dtype=np.uint32)
    clicked: list[tuple[int, float]] = []
    for request in shown:
        at = [rows[item.id] for item in request.candidates if item.id in rows]
        np.add.at(seen, at, 1)
        hits = [rows[name] for name in request.clicked if name in rows]
        np.add.at(clicks, hits, 1)
        clicked += [(row, request.now) for row in hits if request.now]
    dated = ~np.isnan(times) & (times > 0)
    items = np.concatenate([order[choices[dated]], np.array([row for row, _ in clicked], np.int64)])
    when = np.concatenate([times[dated], np.array([moment for _, moment in clicked], np.float64)])
    edges, shares = _spans(when)
    span = np.searchsorted(edges, when, side="right") - 1
    moments = shares[span] if len(edges) else np.zeros(0, dtype=np.uint16)
    sort = np.lexsort((moments, items))
    return CountTable(
        ids=keys[by_key],
        starts=np.concatenate([[0], np.cumsum(np.bincount(items, minlength=count))]),
        moments=moments[sort],
        edges=edges,
        shares=shares,
        shown=seen,
        clicked=clicks,
    )


def _spans(times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Where each span begins, and the part of ``WHOLE`` before it; the end of the log is last."""
    if not len(times):
        return np.zeros(0), np.zeros(0, dtype=np.uint16)
    ordered = np.sort(times)
    edges = np.unique(ordered[np.linspace(0, len(ordered) - 1, _SPANS).astype(np.int64)])
    edges = np.append(edges, np.nextafter(ordered[-1], np.inf))
    before = np.searchsorted(ordered, edges, side="left") / len(ordered)
    return edges, np.round(before * WHOLE).astype(np.uint16)
