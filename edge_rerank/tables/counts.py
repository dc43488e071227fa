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

_COARSE_S = 3600.0
"""Seconds to which the spans' beginnings are rounded where nobody's are to be told."""


def count_items(
    names: Sequence[str],
    choices: NDArray[np.int64],
    times: NDArray[np.float64],
    shown: Sequence[Request],
    *,
    min_people: int = 1,
) -> CountTable:
    """Record a catalogue's log; rows are in the order of the items' keys.

    Args:
        names: ids of the catalogue's items.
        choices: items' places in ``names``; for ``min_people`` each once a person.
        times: UTC seconds of the choices; NaN where unknown.
        shown: training requests with what was really shown.
        min_people: every so many choices of an item in a row get the moment of the last of
            them (microaggregation: Domingo-Ferrer and Mateo-Sanz, IEEE TKDE 2002), no span of the
            log has fewer choices, and none begins at anybody's second. An item that fewer
            people chose has no moments, one that was clicked less often no clicks.
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
    few = clicks < min_people
    seen[few], clicks[few] = (seen[few], clicks[few]) if min_people <= 1 else (0, 0)
    dated = ~np.isnan(times) & (times > 0)
    items = np.concatenate([order[choices[dated]], np.array([row for row, _ in clicked], np.int64)])
    when = np.concatenate([times[dated], np.array([moment for _, moment in clicked], np.float64)])
    edges, shares = _spans(when, min_people)
    span = np.searchsorted(edges, when, side="right") - 1
    moments = shares[span] if len(edges) else np.zeros(0, dtype=np.uint16)
    sort = np.lexsort((moments, items))
    items, moments = _by_groups(items[sort], moments[sort], min_people)
    return CountTable(
        ids=keys[by_key],
        starts=np.concatenate([[0], np.cumsum(np.bincount(items, minlength=count))]),
        moments=moments,
        edges=edges,
        shares=shares,
        shown=seen,
        clicked=clicks,
    )


def _spans(
    times: NDArray[np.float64], least: int
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Where each span begins, and the part of ``WHOLE`` before it; the end of the log is last.

    Args:
        times: of all choices.
        least: choices of a span; above 1 no edge is the time of one.
    """
    if not len(times):
        return np.zeros(0), np.zeros(0, dtype=np.uint16)
    ordered = np.sort(times)
    edges = np.unique(ordered[np.linspace(0, len(ordered) - 1, _SPANS).astype(np.int64)])
    end = np.nextafter(ordered[-1], np.inf)
    if least > 1:
        end = (np.floor(ordered[-1] / _COARSE_S) + 1) * _COARSE_S
        edges = _apart(ordered, np.unique(np.floor(edges / _COARSE_S) * _COARSE_S), least)
    edges = np.append(edges, end)
    before = np.searchsorted(ordered, edges, side="left") / len(ordered)
    return edges, np.round(before * WHOLE).astype(np.uint16)


def _apart(
    ordered: NDArray[np.float64], edges: NDArray[np.float64], least: int
) -> NDArray[np.float64]:
    """The edges that leave at least so many choices to every span, if there are as many."""
    before = np.searchsorted(ordered, edges, side="left")
    kept = [0]
    for place in range(1, len(edges)):
        if before[place] - before[kept[-1]] >= least and len(ordered) - before[place] >= least:
            kept.append(place)
    return edges[kept]


def _by_groups(
    items: NDArray[np.int64], moments: NDArray[np.uint16], least: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Each item's moments in groups of ``least`` or more, all of the last one's; sorted rows."""
    if least <= 1 or not len(items):
        return items, moments
    _, first, many = np.unique(items, return_index=True, return_counts=True)
    place = np.arange(len(items)) - np.repeat(first, many)
    length = np.repeat(many, many)
    group = np.minimum(place // least, np.maximum(length // least - 1, 0))
    last = np.where(group == length // least - 1, length, (group + 1) * least) - 1
    grouped = moments[np.repeat(first, many) + np.minimum(last, length - 1)]
    kept = length >= least
    return items[kept], grouped[kept]
