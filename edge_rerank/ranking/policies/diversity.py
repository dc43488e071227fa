"""Diversity: fewer near-copies at the top, by maximal marginal relevance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Request


class Diversity:
    """As strong as the call asks for; without a wish the order stays."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Push near-copies down, within the places that are returned."""
        if not request.diversity:
            return order
        rows = np.array(order.rows)
        picked = diversify(
            order.scores[rows],
            request.comparisons.vectors[rows],
            strength=request.diversity,
            top_k=request.keep,
        )
        return replace(order, rows=tuple(rows[picked].tolist()))


def diversify(
    scores: NDArray[np.float64],
    vectors: NDArray[np.float32],
    *,
    strength: float,
    top_k: int,
) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    Each place goes to the item with the best balance of its own score and its likeness to
    what already stands above it. Scores are brought to 0..1 first.

    Args:
        scores: float64 of shape (n,), higher is better.
        vectors: unit rows, float32 of shape (n, d).
        strength: 0 keeps the order of the scores, 1 looks at likeness only.
        top_k: places to fill this way; the rest follows by score.

    Returns:
        All n indices in their new order.
    """
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    spread = float(np.ptp(scores)) if len(scores) else 0.0
    if strength <= 0 or spread <= 0 or len(order) < 3:
        return order
    relevance = (1 - strength) * (scores - scores.min()) / spread
    likeness = np.full(len(scores), -np.inf)
    chosen: list[int] = [order[0]]
    left = order[1:]
    while left and len(chosen) < top_k:
        np.maximum(likeness, vectors @ vectors[chosen[-1]], out=likeness)
        best = max(left, key=lambda row: relevance[row] - strength * likeness[row])
        left.remove(best)
        chosen.append(best)
    return chosen + left
