"""Reasons: why an item stands where it stands, as far as it can be said truly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import CODES, Column, Evidence
from edge_rerank.ranking.policies.policy import Move
from edge_rerank.types import Item, Reason, ReasonCode

MAX_REASONS = 3
_NOTHING = 1e-9


def explain(
    evidence: Evidence, candidates: Sequence[Item], rows: Sequence[int], moves: Sequence[Move] = ()
) -> list[tuple[Reason, ...]]:
    """The largest contributions of each candidate whose words hold, relative to the average.

    What all candidates have in common explains no order, so each reason's mean over the
    candidates is taken off first; a reason's ``weight`` is what remains. What is not true of a
    candidate is not said, however much it weighs.

    Args:
        evidence: about all candidates.
        candidates: all of them.
        rows: the candidates to explain.
        moves: what rules of a list policy moved.

    Returns:
        For each of ``rows`` at most three reasons, and one for each rule that moved it, the largest
        in size first.
    """
    grouped = evidence.contributions() @ _membership(evidence.columns)
    if len(grouped) > 1:
        grouped = grouped - grouped.mean(axis=0)
    places = list(rows)
    grouped = grouped[places]
    true = np.where(grouped > 0, evidence.lifts[places], evidence.lowers[places])
    grouped = np.where(true, grouped, 0.0)
    order = np.argsort(-np.abs(grouped), axis=1, kind="stable")[:, :MAX_REASONS].tolist()
    said = [
        _reasons(evidence, candidates[place], place, row, groups)
        for place, row, groups in zip(rows, grouped.tolist(), order, strict=True)
    ]
    return _with_moves(said, rows, moves) if moves else said


def _with_moves(
    said: Sequence[tuple[Reason, ...]], rows: Sequence[int], moves: Sequence[Move]
) -> list[tuple[Reason, ...]]:
    """Reasons and, in the place of any with the same code, what rules moved."""
    by_row: dict[int, dict[ReasonCode, float]] = {}
    for move in moves:
        weights = by_row.setdefault(move.row, {})
        weights[move.code] = weights.get(move.code, 0.0) + move.weight
    every = []
    for row, reasons in zip(rows, said, strict=True):
        weights = by_row.get(row, {})
        moved = [Reason(code, weight) for code, weight in weights.items()]
        others = [one for one in reasons if one.code not in weights]
        every.append(tuple(sorted((*moved, *others), key=lambda one: -abs(one.weight))))
    return every


@lru_cache(maxsize=8)
def _membership(columns: tuple[Column, ...]) -> NDArray[np.float64]:
    """1 where a column gives a reason, float64 of shape (columns, reasons)."""
    return np.array([[column.reason is code for code in CODES] for column in columns], float)


def _reasons(
    evidence: Evidence, candidate: Item, place: int, weights: list[float], groups: list[int]
) -> tuple[Reason, ...]:
    reasons = []
    for group in groups:
        weight, code = weights[group], CODES[group]
        if abs(weight) <= _NOTHING:
            break
        if code is ReasonCode.SIMILAR and weight > 0:
            near = evidence.nearest[place]
            code = ReasonCode.SESSION if evidence.present[place] else code
            reasons.append(Reason(code, weight, evidence.chosen[near].id if near >= 0 else None))
        elif code is ReasonCode.CATEGORY and weight > 0:
            held = (
                name
                for name in reversed(candidate.categories)
                if name in evidence.chosen_categories
            )
            reasons.append(Reason(code, weight, category=next(held, None)))
        else:
            reasons.append(Reason(code, weight))
    return tuple(reasons)
