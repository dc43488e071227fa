"""Reasons: why an item stands where it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.types import Reason, ReasonCode

MAX_REASONS = 3
_NOTHING = 1e-9
_CODES = tuple(ReasonCode)


def explain(evidence: Evidence, rows: Sequence[int]) -> list[tuple[Reason, ...]]:
    """The largest contributions of each candidate, relative to the average candidate.

    What all candidates have in common explains no order, so each reason's mean over the
    candidates is taken off first; a reason's ``weight`` is what remains.

    Args:
        evidence: about all candidates.
        rows: the candidates to explain.

    Returns:
        For each of ``rows`` at most three reasons, the largest in size first.
    """
    grouped = evidence.contributions() @ _membership(evidence.columns)
    if len(grouped) > 1:
        grouped = grouped - grouped.mean(axis=0)
    grouped = grouped[list(rows)]
    order = np.argsort(-np.abs(grouped), axis=1, kind="stable")[:, :MAX_REASONS].tolist()
    ids = [None if item is None else item.id for item in evidence.nearest]
    return [
        _reasons(row, groups, ids[place])
        for row, groups, place in zip(grouped.tolist(), order, rows, strict=True)
    ]


def _membership(columns: Sequence[Column]) -> np.ndarray:
    """1 where a column gives a reason, float64 of shape (columns, reasons)."""
    return np.array([[column.reason is code for code in _CODES] for column in columns], float)


def _reasons(weights: list[float], groups: list[int], nearest: str | None) -> tuple[Reason, ...]:
    reasons = []
    for group in groups:
        weight, code = weights[group], _CODES[group]
        if abs(weight) <= _NOTHING:
            break
        reasons.append(Reason(code, weight, nearest if code is ReasonCode.SIMILAR else None))
    return tuple(reasons)
