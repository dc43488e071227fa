"""The interface of policies: whatever arranges candidates that have been scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.request import NOTHING_EXPLORED, Explored, Request
from edge_rerank.types import Degradation, ListOrder, ReasonCode

SEEN_PLACES = 100
"""Places that rules of a list policy arrange; nobody sees many more."""

WINDOW = 200
"""Best candidates that are compared with each other, which bounds the time."""

_LEAST_WEIGHT = 1e-6
"""Log-odds of a move between equal scores."""


class Move(NamedTuple):
    """That a rule moved a candidate.

    Attributes:
        row: its place in the request.
        code: the rule.
        weight: log-odds that would have moved it as far, below 0 for down.
    """

    row: int
    code: ReasonCode
    weight: float


class Dropped(NamedTuple):
    """That a rule left a candidate out.

    Attributes:
        row: its place in the request.
        code: the rule.
        ahead: how many stood above it.
    """

    row: int
    code: ReasonCode
    ahead: int


@dataclass(frozen=True, slots=True, repr=False)
class Arrangement:
    """An order of candidates.

    Attributes:
        rows: places of the candidates in the request, best first, each once; without those that
            are pinned or left out.
        scores: of all candidates, by their places in the request, float64 of shape (n,).
        degraded: what a policy could not do.
        asked: whether a query has a say in the scores: then it is what the list is for.
        relevance: what a ranking would say of the scores by themselves, 0 to 1, float64 of shape
            (n,); where a rule asks for it.
        pinned: rows that have their places, by place from 0.
        behind: how many of the last rows are to stay behind the others.
        left_out: what rules left out.
        moves: what rules moved.
        explored: what of it was left to chance.
        order: whose it was before policies arranged it.
        settled: whether it is the host's, or bound to it: then only the rules of the list policy
            arrange it, and not what we do to every list.
    """

    rows: tuple[int, ...]
    scores: NDArray[np.float64]
    degraded: tuple[Degradation, ...] = ()
    asked: bool = False
    relevance: NDArray[np.float64] | None = None
    pinned: Mapping[int, int] = field(default_factory=dict)
    behind: int = 0
    left_out: tuple[Dropped, ...] = ()
    moves: tuple[Move, ...] = ()
    explored: Explored = NOTHING_EXPLORED
    order: ListOrder = ListOrder.PERSONAL
    settled: bool = False

    @classmethod
    def by_score(
        cls,
        scores: NDArray[np.float64],
        *,
        asked: bool = False,
        relevance: NDArray[np.float64] | None = None,
    ) -> Self:
        """Best first; equal scores keep the order in which they came."""
        rows = tuple(np.argsort(-scores, kind="stable").tolist())
        return cls(rows, scores, asked=asked, relevance=relevance)

    def moved(self, rows: Sequence[int], scores: NDArray[np.float64]) -> Self:
        """The candidates in another order: what stands lower has no higher score.

        Args:
            rows: all of them, best first.
            scores: by their places in the request, float64 of shape (n,); not changed.
        """
        order = list(rows)
        lowered = scores.copy()
        lowered[order] = np.minimum.accumulate(scores[order])
        return replace(self, rows=tuple(order), scores=lowered)

    def moved_by(self, rows: Sequence[int], acted: Mapping[int, ReasonCode]) -> Self:
        """Like :meth:`moved`, by a rule.

        Args:
            rows: all of them, best first.
            acted: those that a rule moved, and did not only let pass, and by which; of them those
                that stand elsewhere now are noted.
        """
        before = {row: place for place, row in enumerate(self.rows) if row in acted}
        moves = []
        for place, row in enumerate(rows):
            former = before.get(row, place)
            if former != place:
                gap = float(self.scores[self.rows[place]] - self.scores[row])
                moves.append(Move(row, acted[row], weight_of(gap, place < former)))
        return replace(self.moved(rows, self.scores), moves=(*self.moves, *moves))

    def room(self, keep: int) -> int:
        """How many of the places that are returned are not pinned."""
        return keep - sum(place < keep for place in self.pinned)

    def without(self, code: ReasonCode, dropped: Collection[int]) -> Self:
        """The same less some rows, which the rule ``code`` leaves out."""
        if not dropped:
            return self
        kept: list[int] = []
        gone: list[Dropped] = []
        for row in self.rows:
            if row in dropped:
                gone.append(Dropped(row, code, len(kept)))
            else:
                kept.append(row)
        return replace(self, rows=tuple(kept), left_out=(*self.left_out, *gone))

    def told(self, keep: int) -> list[Dropped]:
        """What was left out and would have been among the first ``keep``."""
        short = len(self.rows) < keep
        return [one for one in self.left_out if short or one.ahead < keep]


def weight_of(gap: float, up: bool) -> float:
    """A move's log-odds, with its sign also between equal scores."""
    return max(gap, _LEAST_WEIGHT) if up else min(gap, -_LEAST_WEIGHT)


class Policy(Protocol):
    """Whatever arranges. Safe from several threads."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """A new order of the same candidates, given that of the policies before."""
        ...
