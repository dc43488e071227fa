"""The interface of policies: whatever arranges candidates that have been scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import falling
from edge_rerank.ranking.request import NOTHING_EXPLORED, Explored, Request
from edge_rerank.types import Degradation, ListOrder, ReasonCode

SEEN_PLACES = 100
"""Places that rules of a list policy arrange; nobody sees many more."""

WINDOW = 200
"""Best candidates that are compared with each other, which bounds the time."""

_LEAST_WEIGHT = 1e-6
"""Log-odds of a move between equal scores."""


class Moves(NamedTuple):
    """That a rule moved candidates.

    Attributes:
        code: the rule.
        rows: places of the candidates in the request, intp of shape (m,).
        weights: log-odds that would have moved each as far, below 0 for down, float64 of shape
            (m,).
    """

    code: ReasonCode
    rows: NDArray[np.intp]
    weights: NDArray[np.float64]


class Dropped(NamedTuple):
    """That a rule left candidates out.

    Attributes:
        code: the rule.
        rows: places of the candidates in the request, intp of shape (m,).
        ahead: how many stood above each, int64 of shape (m,), rising.
    """

    code: ReasonCode
    rows: NDArray[np.intp]
    ahead: NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class Arrangement:
    """An order of candidates.

    Attributes:
        rows: places of the candidates in the request, best first, each once, intp of shape (m,);
            without those that are pinned or left out. Never changed in place.
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

    rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    degraded: tuple[Degradation, ...] = ()
    asked: bool = False
    relevance: NDArray[np.float64] | None = None
    pinned: Mapping[int, int] = field(default_factory=dict)
    behind: int = 0
    left_out: tuple[Dropped, ...] = ()
    moves: tuple[Moves, ...] = ()
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
        return cls(falling(scores), scores, asked=asked, relevance=relevance)

    def but(self, **changes: Any) -> Self:
        """The same but for some attributes: ``dataclasses.replace`` at a third of the time.

        Every rule makes one, and some two.
        """
        made = object.__new__(type(self))
        put, change = object.__setattr__, changes.pop
        for name in _ATTRIBUTES:
            put(made, name, change(name) if name in changes else getattr(self, name))
        if changes:
            raise TypeError(f"an arrangement has no {', '.join(changes)}")
        return made

    def moved(self, rows: NDArray[np.intp], scores: NDArray[np.float64]) -> Self:
        """The candidates in another order: what stands lower has no higher score.

        Args:
            rows: all of them, best first, intp of shape (m,).
            scores: by their places in the request, float64 of shape (n,); not changed.
        """
        return self.but(rows=rows, scores=_falling(scores, rows))

    def moved_by(self, rows: NDArray[np.intp], *acted: tuple[ReasonCode, NDArray[np.intp]]) -> Self:
        """Like :meth:`moved`, by rules.

        Args:
            rows: all of them, best first, intp of shape (m,).
            acted: rules, and those that each moved, and did not only let pass, intp; of them those
                that stand elsewhere now are noted.
        """
        places = np.arange(len(rows))
        before, after = np.empty((2, len(self.scores)), dtype=np.intp)
        before[self.rows], after[rows] = places, places
        noted = [
            Moves(code, *self._weighed(which, before, after)) for code, which in acted if len(which)
        ]
        moves = (*self.moves, *noted)
        return self.but(rows=rows, scores=_falling(self.scores, rows), moves=moves)

    def _weighed(
        self, which: NDArray[np.intp], before: NDArray[np.intp], after: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Those that stand elsewhere, and what it would have taken to get there."""
        former, now = before[which], after[which]
        elsewhere = former != now
        which, former, now = which[elsewhere], former[elsewhere], now[elsewhere]
        gaps = self.scores[self.rows[now]] - self.scores[which]
        return which, weights_of(gaps, now < former)

    def room(self, keep: int) -> int:
        """How many of the places that are returned are not pinned."""
        return keep - sum(place < keep for place in self.pinned)

    def without(self, code: ReasonCode, dropped: NDArray[np.bool_]) -> Self:
        """The same less some rows, which the rule ``code`` leaves out.

        Args:
            code: the rule.
            dropped: whether a candidate goes, by its place in the request, bool of shape (n,).
        """
        gone = dropped[self.rows]
        if not gone.any():
            return self
        stays = ~gone
        left = Dropped(code, self.rows[gone], np.cumsum(stays, dtype=np.int64)[gone])
        return self.but(rows=self.rows[stays], left_out=(*self.left_out, left))

    def told(self, keep: int) -> list[tuple[int, ReasonCode]]:
        """What was left out, by which rule, and would have been among the first ``keep``."""
        short = len(self.rows) < keep
        return [
            (row, one.code)
            for one in self.left_out
            for row in (one.rows if short else one.rows[one.ahead < keep]).tolist()
        ]


_ATTRIBUTES = tuple(one.name for one in fields(Arrangement))


def _falling(scores: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Scores of which none in an order is above that before it, float64 of shape (n,)."""
    lowered = scores.copy()
    lowered[rows] = np.minimum.accumulate(scores[rows])
    return lowered


def weights_of(gaps: NDArray[np.float64], up: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log-odds of moves, with their sign also between equal scores, float64 of shape (m,)."""
    return np.where(up, np.maximum(gaps, _LEAST_WEIGHT), np.minimum(gaps, -_LEAST_WEIGHT))


class Policy(Protocol):
    """Whatever arranges, to be derived from. Safe from several threads."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """A new order of the same candidates, given that of the policies before."""
        ...

    def arrange_each(
        self, orders: Sequence[Arrangement], requests: Sequence[Request]
    ) -> list[Arrangement]:
        """:meth:`arrange` of several lists to the last bit: where that is faster, at once."""
        return [self.arrange(*one) for one in zip(orders, requests, strict=True)]
