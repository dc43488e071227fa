"""The interface of policies: whatever arranges candidates that have been scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation


@dataclass(frozen=True, slots=True, repr=False)
class Arrangement:
    """An order of candidates.

    Attributes:
        rows: places of the candidates in the request, best first, each once.
        scores: of all candidates, by their places in the request, float64 of shape (n,).
        degraded: what a policy could not do.
        asked: whether a query has a say in the scores: then it is what the list is for.
    """

    rows: tuple[int, ...]
    scores: NDArray[np.float64]
    degraded: tuple[Degradation, ...] = ()
    asked: bool = False

    @classmethod
    def by_score(cls, scores: NDArray[np.float64], *, asked: bool = False) -> Self:
        """Best first; equal scores keep the order in which they came."""
        return cls(tuple(np.argsort(-scores, kind="stable").tolist()), scores, asked=asked)

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


class Policy(Protocol):
    """Whatever arranges. Safe from several threads."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """A new order of the same candidates, given that of the policies before."""
        ...
