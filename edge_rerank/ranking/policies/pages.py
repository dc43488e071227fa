"""Pages: ten places that are seen together, chosen as a set and then ordered by score.

What is on a page is weighed against what a person is likely to choose; where on it something stands
is not: the best of what was chosen for it comes first, whatever it was chosen for. Relevance is
how likely each candidate is to be the one that is chosen, by the softmax of the scores, so that
what a page is expected to be worth can be added up in the terms of NDCG.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.examination import discounts
from edge_rerank.ranking.list_rules import Method

PAGE = 10
"""Places."""

_RATES = {Method.MMR: np.geomspace(0.6, 4.0, 10), Method.DPP: np.geomspace(2.0, 16.0, 8)}
"""Prices of likeness that are tried, times what may be given up of a page's worth: nearly all lists
of 100 have theirs in this range, on the validation requests of three sets."""

_LEAST_PRICE = 1e-6
"""Below which likeness is lost in the last bit of a float32."""

NO_VOLUME = 1e-4
"""Squared volume that what lies in what is chosen is taken to add, so that copies follow by score;
cosines of float32 tell no less apart."""

_MOST_LOG = 80.0
"""Beyond which a float32 is infinite."""


def chances_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely each candidate is to be the one that is chosen, summing to 1.

    Args:
        scores: log-odds in the order that a list has so far, float64 of shape (n,). What stands
            lower is taken to be no better, whosever order that is.
    """
    falling = np.minimum.accumulate(scores)
    odds = np.exp(falling - falling[0])
    return np.asarray(odds / odds.sum())


def vary(
    chances: NDArray[np.float64],
    vectors: NDArray[np.float32],
    *,
    cost: float,
    places: int,
    method: Method,
) -> NDArray[np.intp]:
    """Fill pages with what is unlike, for a share of what the first one is expected to be worth.

    A page is the set that is worth most less a price for its likeness: the first has the highest
    price that is tried at which its expected DCG is still within ``cost`` of the best one's. The
    others have the same price, for at any other one could be had that is better and as varied.

    Args:
        chances: of n candidates, falling, float64 of shape (n,), see :func:`chances_of`.
        vectors: unit rows or zero rows, float32 of shape (n, d).
        cost: share of the expected DCG of the first page, 0 to 1.
        places: how many to fill this way; the rest follows by score.
        method: ``MMR`` prices the sum of the cosines with what is on the page, ``DPP`` less
            log det of them all: what an item adds to the volume that they span.

    Returns:
        All n indices in their new order, intp of shape (n,).
    """
    count = len(chances)
    page = min(PAGE, places)
    if cost <= 0 or count < 3 or page < 2 or count <= page:
        return np.arange(count)
    cosines = vectors @ vectors.T
    counts = discounts(page)
    most = float(chances[:page] @ counts)
    prices = np.maximum(cost * most * _RATES[method], _LEAST_PRICE)
    by_sums = method is Method.MMR
    first = (_by_sums if by_sums else _by_volumes)(chances, cosines, prices[:, None], page)
    first.sort(axis=1)
    affordable = np.flatnonzero(chances[first] @ counts >= (1 - cost) * most)
    if not len(affordable):
        return np.arange(count)
    price = float(prices[affordable[-1]])
    chosen = [first[affordable[-1]]]
    left = chances.copy()
    left[chosen[0]] = -np.inf
    for start in range(page, min(places, count), page):
        here = min(page, min(places, count) - start)
        found = (_on_by_sums if by_sums else _on_by_volumes)(left, cosines, price, here)
        found.sort()
        left[found] = -np.inf
        chosen.append(np.array(found, dtype=np.intp))
    return np.concatenate([*chosen, np.flatnonzero(left >= 0)])


def _by_sums(
    chances: NDArray[np.float64],
    cosines: NDArray[np.float32],
    prices: NDArray[np.float64],
    places: int,
) -> NDArray[np.intp]:
    """A page for each of m prices, float64 of shape (m, 1); intp of shape (m, places)."""
    # In units of the price: then what is on a page takes off cosines as they are.
    worth = (chances / prices).astype(np.float32)
    each = np.arange(len(prices))
    picks = np.empty((len(prices), places), dtype=np.intp)
    for place in range(places):
        best = picks[:, place] = worth.argmax(axis=1)
        worth -= cosines.take(best, axis=0)
        worth[each, best] = -np.inf
    return picks


def _on_by_sums(
    chances: NDArray[np.float64], cosines: NDArray[np.float32], price: float, places: int
) -> list[int]:
    """A page at one price of what has a chance of 0 or more: a third of the time of many."""
    worth = (chances / price).astype(np.float32)
    picks = []
    for _ in range(places):
        best = int(worth.argmax())
        picks.append(best)
        worth -= cosines[best]
        worth[best] = -np.inf
    return picks


def _by_volumes(
    chances: NDArray[np.float64],
    cosines: NDArray[np.float32],
    prices: NDArray[np.float64],
    places: int,
) -> NDArray[np.intp]:
    """See :func:`_by_sums`."""
    # Multiplied in place of logarithms added. The first is the best whatever the price, so that it
    # is the second one against which the others' odds are held.
    odds = np.exp(np.minimum((chances - chances[1]) / prices, _MOST_LOG)).astype(np.float32)
    each = np.arange(len(prices))
    picks = np.empty((len(prices), places), dtype=np.intp)
    factors = np.empty((len(prices), places, len(chances)), dtype=np.float32)
    volumes = np.ones_like(odds)
    worth = odds.copy()
    for place in range(places):
        best = picks[:, place] = worth.argmax(axis=1)
        if place + 1 == places:
            break
        odds[each, best] = -1.0
        row, mine = factors[:, place], factors[each, :place, best][:, None]
        np.matmul(mine, factors[:, :place], out=row[:, None])
        np.subtract(cosines.take(best, axis=0), row, out=row)
        row *= np.maximum(volumes[each, best], NO_VOLUME)[:, None] ** -0.5
        volumes -= row * row
        np.maximum(volumes, NO_VOLUME, out=worth)
        worth *= odds
    return picks


def _on_by_volumes(
    chances: NDArray[np.float64], cosines: NDArray[np.float32], price: float, places: int
) -> list[int]:
    """See :func:`_on_by_sums`."""
    odds = np.exp((chances - chances.max()) / price).astype(np.float32)
    odds[chances < 0] = -1.0
    factors = np.empty((places, len(chances)), dtype=np.float32)
    volumes = np.ones_like(odds)
    worth = odds.copy()
    picks = []
    for place in range(places):
        best = int(worth.argmax())
        picks.append(best)
        if place + 1 == places:
            break
        odds[best] = -1.0
        row = factors[place]
        np.dot(factors[:place, best], factors[:place], out=row)
        np.subtract(cosines[best], row, out=row)
        row *= max(float(volumes[best]), NO_VOLUME) ** -0.5
        volumes -= row * row
        np.maximum(volumes, NO_VOLUME, out=worth)
        worth *= odds
    return picks
