"""Reasons: why an item stands where it stands, as far as it can be said truly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from edge_rerank._lazy import cached_property
from edge_rerank.ranking.evidence import CODES, Column, Evidence, Truths
from edge_rerank.ranking.policies.policy import Moves
from edge_rerank.types import Item, Reason, ReasonCode

MAX_REASONS = 3

BLOCK = 64
"""Places that are explained together: a screen or two of a list."""

_NOTHING = 0.01
"""Log-odds, a hundredth of the odds: what weighs no more moved the item nowhere that anybody sees.
After one choice from a list a head weighs thousandths, and for almost everything."""


class Explanation(Sequence[tuple[Reason, ...]]):
    """Reasons of a list's places, found when they are first read, a block at a time.

    Of the history it holds ids, names of categories and numbers alone. Safe from several threads:
    whatever two of them find is the same.

    Args:
        evidence: about all candidates; not changed any more.
        candidates: all of them.
        rows: the candidates to explain, by place.
        moves: what rules of a list policy moved.
    """

    def __init__(
        self,
        evidence: Evidence,
        candidates: Sequence[Item],
        rows: NDArray[np.intp] | Sequence[int],
        moves: Sequence[Moves] = (),
    ) -> None:
        self._evidence = evidence
        self._candidates = candidates
        self._rows = np.asarray(rows, dtype=np.intp)
        self._moves = moves
        self._blocks: dict[int, list[tuple[Reason, ...]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> tuple[Reason, ...]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[Reason, ...]]: ...
    def __getitem__(self, place: int | slice) -> tuple[Reason, ...] | list[tuple[Reason, ...]]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        number, within = divmod(place, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._explained(number * BLOCK)
        return block[within]

    def _explained(self, first: int) -> list[tuple[Reason, ...]]:
        """Reasons of a block of places."""
        rows = self._rows[first : first + BLOCK]
        grouped = self._grouped[rows]
        truths = self._evidence.truths
        true = np.where(grouped > 0, truths.lifts[rows], truths.lowers[rows])
        grouped = np.where(true, grouped, 0.0)
        order = np.argsort(-np.abs(grouped), axis=1, kind="stable")[:, :MAX_REASONS].tolist()
        told = zip(rows.tolist(), grouped.tolist(), order, strict=True)
        said = [
            _reasons(truths, self._candidates[row], row, weights, groups)
            for row, weights, groups in told
        ]
        for place, row in enumerate(rows.tolist()):
            mine = self._moved.get(row)
            if mine:
                said[place] = _with_moves(said[place], mine)
        return said

    @cached_property
    def _grouped(self) -> NDArray[np.float64]:
        """What each kind of reason adds, against its mean over the candidates, (n, codes)."""
        grouped = self._evidence.contributions() @ _membership(self._evidence.columns)
        return grouped - grouped.mean(axis=0) if len(grouped) > 1 else grouped

    @cached_property
    def _moved(self) -> dict[int, dict[ReasonCode, float]]:
        """What rules moved, and by how much, by candidate."""
        moved: dict[int, dict[ReasonCode, float]] = {}
        for code, which, weights in self._moves:
            for row, weight in zip(which.tolist(), weights.tolist(), strict=True):
                mine = moved.setdefault(row, {})
                mine[code] = mine.get(code, 0.0) + weight
        return moved


def explain(
    evidence: Evidence,
    candidates: Sequence[Item],
    rows: NDArray[np.intp] | Sequence[int],
    moves: Sequence[Moves] = (),
) -> Explanation:
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
    return Explanation(evidence, candidates, rows, moves)


def _with_moves(said: tuple[Reason, ...], moved: Mapping[ReasonCode, float]) -> tuple[Reason, ...]:
    """Reasons and, in the place of any with the same code, what rules moved."""
    reasons = [Reason(code, weight) for code, weight in moved.items()]
    reasons += [one for one in said if one.code not in moved]
    return tuple(sorted(reasons, key=_size, reverse=True))


def _size(reason: Reason) -> float:
    return abs(reason.weight)


@lru_cache(maxsize=8)
def _membership(columns: tuple[Column, ...]) -> NDArray[np.float64]:
    """1 where a column gives a reason, float64 of shape (columns, reasons)."""
    return np.array([[column.reason is code for code in CODES] for column in columns], float)


def _reasons(
    truths: Truths, candidate: Item, place: int, weights: list[float], groups: list[int]
) -> tuple[Reason, ...]:
    reasons = []
    for group in groups:
        weight, code = weights[group], CODES[group]
        if abs(weight) <= _NOTHING:
            break
        if code is ReasonCode.SIMILAR and weight > 0:
            near = truths.nearest[place]
            code = ReasonCode.SESSION if truths.present[place] else code
            reasons.append(Reason(code, weight, truths.chosen[near] if near >= 0 else None))
        elif code in truths.likest and weight > 0:
            names, rows = truths.likest[code]
            near = rows[place]
            reasons.append(Reason(code, weight, names[near] if near >= 0 else None))
        elif code is ReasonCode.CATEGORY and weight > 0:
            held = (
                name for name in reversed(candidate.categories) if name in truths.chosen_categories
            )
            reasons.append(Reason(code, weight, category=next(held, None)))
        else:
            reasons.append(Reason(code, weight))
    return tuple(reasons)
