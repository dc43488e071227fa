"""Why an item stands where it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.sources.rules import Feature
from edge_rerank.types import Item, Reason, ReasonCode

MAX_REASONS = 3
_NOTHING = 1e-9

_CODES = {
    Feature.SIMILAR_MAX: ReasonCode.SIMILAR,
    Feature.SIMILAR_MEAN: ReasonCode.SIMILAR,
    Feature.CATEGORY: ReasonCode.CATEGORY,
    Feature.NEXT: ReasonCode.NEXT,
    Feature.QUERY: ReasonCode.QUERY,
    Feature.POPULARITY: ReasonCode.POPULAR,
    Feature.HOST: ReasonCode.HOST,
    Feature.DISLIKED: ReasonCode.DISLIKED,
    Feature.REJECTED: ReasonCode.DISLIKED,
    Feature.SHOWN: ReasonCode.SEEN,
    Feature.SCORER: ReasonCode.MODEL,
    Feature.LEARNED_CONTENT: ReasonCode.SIMILAR,
    Feature.LEARNED_CATEGORY: ReasonCode.CATEGORY,
    Feature.LEARNED_TOGETHER: ReasonCode.TOGETHER,
    Feature.LEARNED_POPULARITY: ReasonCode.POPULAR,
}
_GROUPS = tuple(dict.fromkeys(_CODES.values()))
_MEMBERSHIP = np.array(
    [[_CODES[feature] is code for code in _GROUPS] for feature in Feature], float
)


def explain(
    contributions: NDArray[np.float64], nearest: Sequence[Item | None], rows: Sequence[int]
) -> list[tuple[Reason, ...]]:
    """The largest contributions of each candidate, relative to the average candidate.

    What all candidates have in common explains no order, so each feature's mean over the
    candidates is taken off first; a reason's ``weight`` is what remains.

    Args:
        contributions: float64 of shape (n, features), see :class:`~.evidence.Blend`.
        nearest: for each candidate the item of the history it resembles most.
        rows: the candidates to explain.

    Returns:
        For each of ``rows`` at most three reasons, the largest in size first.
    """
    grouped = contributions @ _MEMBERSHIP
    if len(grouped) > 1:
        grouped = grouped - grouped.mean(axis=0)
    grouped = grouped[rows]
    order = np.argsort(-np.abs(grouped), axis=1, kind="stable")[:, :MAX_REASONS].tolist()
    ids = [None if item is None else item.id for item in nearest]
    return [
        _reasons(row, columns, ids[place])
        for row, columns, place in zip(grouped.tolist(), order, rows, strict=True)
    ]


def _reasons(weights: list[float], columns: list[int], nearest: str | None) -> tuple[Reason, ...]:
    reasons = []
    for column in columns:
        weight, code = weights[column], _GROUPS[column]
        if abs(weight) <= _NOTHING:
            break
        reasons.append(Reason(code, weight, nearest if code is ReasonCode.SIMILAR else None))
    return tuple(reasons)
