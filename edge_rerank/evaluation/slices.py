"""Slices: parts of the requests in which an order may be good or bad for reasons of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap
from edge_rerank.evaluation.outcomes import Outcomes
from edge_rerank.formats.dataset import Request, chosen

_LENGTHS = ((0, 0), (1, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, None))


class SliceKind(StrEnum):
    """What the parts differ in."""

    HISTORY = "history"
    """How many choices the person had made before."""
    POPULARITY = "popularity"
    """How often the clicked item was chosen in the training part."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval."""

    mean: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the requests with a click.

    Attributes:
        kind: what sets them apart.
        label: the part's range, as "3-5" or "never chosen".
        requests: how many.
        ndcg_10: of every order, by name.
    """

    kind: SliceKind
    label: str
    requests: int
    ndcg_10: Mapping[str, Estimate]


def slices(
    requests: Sequence[Request], outcomes: Mapping[str, Outcomes], rng: np.random.Generator
) -> tuple[Slice, ...]:
    """Every part that has a request with a click.

    Args:
        requests: all of them.
        outcomes: of every order on them.
        rng: for the intervals.
    """
    values = np.stack([one.column("ndcg@10") for one in outcomes.values()], axis=1)
    judged = ~np.isnan(values[:, 0])
    made = []
    for kind, label, mask in (*_by_length(requests), *_by_popularity(requests, judged)):
        rows = values[mask & judged]
        if len(rows):
            estimates = map(Estimate, rows.mean(axis=0).tolist(), bootstrap(rows, rng))
            made.append(Slice(kind, label, len(rows), dict(zip(outcomes, estimates, strict=True))))
    return tuple(made)


_Part = tuple[SliceKind, str, NDArray[np.bool_]]


def _by_length(requests: Sequence[Request]) -> Iterator[_Part]:
    lengths = np.array([len(chosen(one.history)) for one in requests])
    for low, high in _LENGTHS:
        mask = lengths >= low
        if high is not None:
            mask &= lengths <= high
        yield SliceKind.HISTORY, _range(low, high), mask


def _by_popularity(requests: Sequence[Request], judged: NDArray[np.bool_]) -> Iterator[_Part]:
    """Never chosen before, and thirds of the rest; nothing where popularity is not known."""
    counts = np.array([_popularity(one) for one in requests])
    if np.isnan(counts).all() or not np.nanmax(counts) > 0:
        return
    # What the catalogue lacks was never chosen either.
    counts = np.nan_to_num(counts)
    yield SliceKind.POPULARITY, "never chosen", counts == 0
    warm = counts[judged & (counts > 0)]
    if not warm.size:
        return
    edges = np.unique(np.quantile(warm, [1 / 3, 2 / 3], method="lower"))
    low = 0.0
    for edge in (*edges.tolist(), float(warm.max())):
        mask = (counts > low) & (counts <= edge)
        if (mask & judged).any():
            inside = counts[mask & judged]
            yield SliceKind.POPULARITY, _range(inside.min(), inside.max()), mask
        low = edge


def _popularity(request: Request) -> float:
    """Of the most popular item that was clicked."""
    known = [
        item.popularity
        for item in request.candidates
        if item.id in request.clicked and item.popularity is not None
    ]
    return max(known, default=float("nan"))


def _range(low: float, high: float | None) -> str:
    if high is None:
        return f"{low:g} or more"
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"
