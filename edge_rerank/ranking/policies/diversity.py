"""Diversity: fewer near-copies at the top, by maximal marginal relevance or a greedy DPP.

A call's own ``diversity`` looks at 1,000 candidates; that of a list policy at 200, for 50 places,
and gives a reason. What a list policy says by its cost is in :mod:`~.pages`.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.list_rules import Diversify, Method
from edge_rerank.ranking.policies.pages import NO_VOLUME, chances_of, vary
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, ReasonCode

PLACES = 100
"""Places that are filled with an eye to what stands above them; nobody sees many more."""

RULE_PLACES = 50
"""Likewise where a list policy says it."""

POOL = 1_000
"""Best candidates that these places are filled from, which bounds the time: 100 places out of
1,000 candidates of 384 numbers take 6 ms on one core with AVX2, however many there are beside."""


_LEAST_STRENGTH = 0.002
"""Of a DPP; less is taken for as much, so that no weight is too small for a float64."""


class Diversity(Policy):
    """As strong as the call or the list policy asks for; without a wish the order stays."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Push near-copies down, within the places that are returned."""
        if len(order.rows) < 2:
            return order
        if (rule := request.policy.diversity) is not None:
            return _by_rule(order, request, rule)
        if not request.diversity:
            return order
        rows = order.rows
        picked, in_time = diversify(
            order.scores[rows],
            request.comparisons.vectors[rows[:POOL]],
            strength=request.diversity,
            places=request.keep,
            stop_at=request.stop_at,
        )
        degraded = () if in_time else (Degradation.TIME_BUDGET,)
        moved = order.moved(rows[picked], order.scores)
        return moved.but(degraded=order.degraded + degraded)


def _by_rule(order: Arrangement, request: Request, rule: Diversify) -> Arrangement:
    strength = request.diversity or rule.strength
    pool = order.rows[:WINDOW]
    scores, vectors = order.scores[pool], request.comparisons.vectors[pool]
    places, in_time = min(request.keep, RULE_PLACES), True
    if strength is None:
        cost = rule.cost or 0.0
        chances = chances_of(scores)
        picked = vary(chances, vectors, cost=cost, places=places, method=rule.method)
    elif strength <= 0:
        return order
    elif rule.method is Method.DPP:
        picked = determinantal(scores, vectors, strength=strength, places=places)
    else:
        picked, in_time = diversify(
            scores, vectors, strength=strength, places=places, stop_at=request.stop_at
        )
    rows = np.concatenate([pool[picked], order.rows[WINDOW:]])
    moved = order.moved_by(rows, (ReasonCode.VARIETY, pool))
    return moved if in_time else moved.but(degraded=(*moved.degraded, Degradation.TIME_BUDGET))


def determinantal(
    scores: NDArray[np.float64], vectors: NDArray[np.float32], *, strength: float, places: int
) -> NDArray[np.intp]:
    """Greedy inference of a determinantal point process (Chen, Zhang and Zhou, NeurIPS 2018).

    Each place goes to the item that adds most to θ · relevance + (1 - θ) · log det S of what is
    chosen, with θ = 1 - strength and S the cosines. The determinant is kept by a Cholesky factor
    that grows by a row a place. An item without a vector is unlike all others.

    Args:
        scores: float64 of shape (n,), the best first; brought to 0..1.
        vectors: unit rows or zero rows, float32 of shape (n, d).
        strength: above 0, at most 1.
        places: how many to fill this way; the rest follows by score.

    Returns:
        All n indices in their new order, intp of shape (n,).
    """
    every = np.arange(len(scores))
    spread = float(np.ptp(scores)) if len(scores) else 0.0
    places = min(places, len(scores))
    if len(scores) < 3 or places < 2:
        return every
    # Multiplied in place of logarithms added: then squared volumes of the kernel are the worths.
    weight = max(strength, _LEAST_STRENGTH)
    root = np.exp((1 - weight) / weight / 2 * (scores - scores.max()) / (spread or 1.0))
    kernel = (vectors @ vectors.T) * root * root[:, None]
    worth = root * root
    least = NO_VOLUME * worth
    factor = np.empty((places, len(scores)))
    chosen: list[int] = []
    for place in range(places):
        best = int(worth.argmax())
        if worth[best] < NO_VOLUME:  # only then is anything worth less than the least
            best = int(np.maximum(worth, least).argmax())
        added, bound = worth[best], least[best]
        worth[best] = least[best] = -np.inf
        chosen.append(best)
        row = factor[place]
        if added <= bound:  # in what is chosen already, so nothing is like it anew
            row[:] = 0.0
            continue
        np.dot(factor[:place, best], factor[:place], out=row)
        np.subtract(kernel[best], row, out=row)
        row *= added**-0.5
        worth -= row * row
    return np.concatenate([chosen, np.delete(every, chosen)])


def diversify(
    scores: NDArray[np.float64],
    vectors: NDArray[np.float32],
    *,
    strength: float,
    places: int,
    stop_at: float | None = None,
) -> tuple[NDArray[np.intp], bool]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    Each place goes to the item with the best balance of its own score and its likeness to
    what already stands above it. Scores are brought to 0..1 first.

    Args:
        scores: float64 of shape (n,), the best first.
        vectors: unit rows of the first of them, float32 of shape (m, d), m ≤ n; no other item
            is brought forward.
        strength: 0 keeps the order of the scores, 1 looks at likeness only.
        places: how many to fill this way, at most :data:`PLACES`; the rest follows by score.
        stop_at: time by ``time.perf_counter()`` from which on the rest follows by score.

    Returns:
        All n indices in their new order, intp of shape (n,), and whether there was time for it.
    """
    every = np.arange(len(scores))
    spread = float(np.ptp(scores)) if len(scores) else 0.0
    places = min(places, PLACES, len(vectors))
    if strength <= 0 or spread <= 0 or len(scores) < 3 or places < 2:
        return every, True
    relevance = (1 - strength) * (scores[: len(vectors)] - scores.min()) / spread
    # All at once where they are few: a matrix is read once, and not once a place.
    few = len(vectors) <= WINDOW
    beside = _beside(vectors, vectors.T, relevance, strength) if few else None
    worth = np.full(len(vectors), np.inf)
    chosen, best = [0], 0
    while len(chosen) < places:
        if stop_at is not None and time.perf_counter() >= stop_at:
            break
        worth[best] = -np.inf  # chosen, and so it stays
        found = (
            _beside(vectors[best], vectors.T, relevance, strength)
            if beside is None
            else beside[best]
        )
        np.minimum(worth, found, out=worth)
        best = int(worth.argmax())  # of equal ones the first, which has the better score
        chosen.append(best)
    return np.concatenate([chosen, np.delete(every, chosen)]), len(chosen) == places


def _beside(
    chosen: NDArray[np.float32],
    others: NDArray[np.float32],
    relevance: NDArray[np.float64],
    strength: float,
) -> NDArray[np.float64]:
    """What candidates are worth beside one that was chosen, or beside each of several.

    Args:
        chosen: float32 of shape (d,) or (m, d).
        others: float32 of shape (d, n).
        relevance: of the n, float64 of shape (n,).
        strength: of likeness.
    """
    return np.asarray(relevance - strength * (chosen @ others).astype(np.float64))
