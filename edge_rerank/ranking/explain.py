"""Reasons: why an item stands where it stands, as far as it can be said truly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import CODES, Column, Evidence
from edge_rerank.ranking.policies.policy import Moves
from edge_rerank.types import Item, Reason, ReasonCode

MAX_REASONS = 3
_NOTHING = 1e-9


def explain(
    evidence: Evidence, candidates: Sequence[Item], rows: Sequence[int], moves: Sequence[Moves] = ()
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
    return with_moves(said, rows, moves) if moves else said


def with_moves(
    said: Sequence[tuple[Reason, ...]], rows: Sequence[int], moves: Sequence[Moves]
) -> list[tuple[Reason, ...]]:
    """Reasons and, in the place of any with the same code, what rules moved.

    Args:
        said: reasons of the candidates to explain, the largest in size first.
        rows: their places in the request.
        moves: of any candidates.
    """
    places = {row: place for place, row in enumerate(rows)}
    moved: dict[int, dict[ReasonCode, float]] = {}
    for code, which, weights in moves:
        for row, weight in zip(which.tolist(), weights.tolist(), strict=True):
            place = places.get(row)
            if place is None:
                continue
            mine = moved.get(place)
            if mine is None:
                moved[place] = {code: weight}
            else:
                mine[code] = mine.get(code, 0.0) + weight
    every = list(said)
    for place, mine in moved.items():
        reasons = [_by_rule(code, weight) for code, weight in mine.items()]
        if said[place]:
            reasons += [one for one in said[place] if one.code not in mine]
        if len(reasons) > 1:
            reasons.sort(key=_size, reverse=True)
        every[place] = tuple(reasons)
    return every


_CODE, _WEIGHT, _ITEM, _CATEGORY = (
    getattr(Reason, name).__set__ for name in ("code", "weight", "item_id", "category")
)


def _by_rule(code: ReasonCode, weight: float) -> Reason:
    """A reason by its slots, past the constructor of frozen values, which takes twice as long.

    A rule gives one to nearly every item of a list.
    """
    made = object.__new__(Reason)
    _CODE(made, code)
    _WEIGHT(made, weight)
    _ITEM(made, None)
    _CATEGORY(made, None)
    return made


def _size(reason: Reason) -> float:
    return abs(reason.weight)


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
