"""Calibration: categories have the shares in the list that they have in what the person likes.

Steck, "Calibrated recommendations", RecSys 2018: places are filled one by one, each with the item
that is best by (1 - λ) · relevance - λ · KL(p ‖ (1 - α) q + α p), where p are the shares of
categories in the history and q those in the list. Relevance is how likely an item is to be
the one that is chosen, and not the score as in the paper; and each ten places are ordered by it
once they are filled, for shares do not depend on the order. That takes twice as much off
the divergence for as much of NDCG, see the toolchain's EXPERIMENTS.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.interests import weights_of
from edge_rerank.ranking.policies.pages import PAGE, chances_of
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import Item, ReasonCode

PLACES = 20
"""As long as a page is."""

ALPHA = 0.01
"""Part of the history's shares that is mixed in, so that a category that is missing costs no more
than all."""


class Calibration(Policy):
    """On where the list policy has ``calibrate``, for a person with a history of categories."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Fill the first places with an eye to their shares."""
        rule, liked = request.policy.calibrate, request.interests.liked
        if rule is None or not rule.strength or order.asked or not liked or len(order.rows) < 2:
            return order
        target = shares_of([one.item for one in liked], weights_of(liked) * request.support)
        if not target:
            return order
        pool = order.rows[:WINDOW]
        categories = [request.candidates[row].categories for row in pool.tolist()]
        picked = calibrate(
            chances_of(order.scores[pool]),
            categories,
            target,
            strength=rule.strength,
            places=min(request.keep, PLACES),
        )
        rows = np.concatenate([pool[picked], order.rows[WINDOW:]])
        named = np.array([bool(names) for names in categories], dtype=np.bool_)
        return order.moved_by(rows, (ReasonCode.CALIBRATED, pool[named]))


def shares_of(items: Sequence[Item], weights: NDArray[np.float64]) -> dict[str, float]:
    """Shares of categories in items, summing to 1; each item's own share its weight evenly.

    Args:
        items: n items.
        weights: float64 of shape (n,), ≥ 0.
    """
    shares: dict[str, float] = {}
    for item, weight in zip(items, weights.tolist(), strict=True):
        for name in item.categories:
            shares[name] = shares.get(name, 0.0) + weight / len(item.categories)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items() if share > 0} if total else {}


def calibrate(
    chances: NDArray[np.float64],
    categories: Sequence[Sequence[str]],
    target: dict[str, float],
    *,
    strength: float,
    places: int,
) -> NDArray[np.intp]:
    """Fill the first places one by one, and order each page of them as it stood.

    Args:
        chances: of n candidates, falling, float64 of shape (n,), see :func:`~.pages.chances_of`.
        categories: of each. What has none does not count in the shares.
        target: shares of categories, summing to 1.
        strength: λ, 0 to 1.
        places: how many to fill this way; the rest follows as it stood.

    Returns:
        All n indices in their new order, intp of shape (n,).
    """
    numbers = {name: number for number, name in enumerate(target)}
    shares = np.array(list(target.values()))
    # Only categories with a share take part, and few of an item's are: its entries, flat.
    entries = [
        (row, numbers[name], 1 / len(names))
        for row, names in enumerate(categories)
        for name in names
        if name in numbers
    ]
    owner = np.array([one[0] for one in entries], dtype=np.intp)
    number = np.array([one[1] for one in entries], dtype=np.intp)
    part = np.array([one[2] for one in entries])
    named = np.array([bool(names) for names in categories], dtype=np.bool_)
    size = len(categories)
    relevance = (1 - strength) * chances
    listed = np.zeros(len(shares))
    floor = ALPHA * shares
    weight = strength * shares[number]
    bounds = np.searchsorted(owner, np.arange(size + 1))
    unnamed = np.flatnonzero(~named)
    count = 0
    chosen = np.empty(min(places, size), dtype=np.intp)
    for place in range(len(chosen)):
        # Up to what is the same for all, -KL is the sum of p · log(mixed q): by how much that
        # changes with a category's share, for each that an item has.
        each = (1 - ALPHA) / (count + 1)
        without = each * listed + floor
        gain = np.log1p(each * part / without[number])
        worth = relevance + np.bincount(owner, weights=weight * gain, minlength=size)
        if len(unnamed):  # a list that is no longer than before keeps its shares
            kept = (1 - ALPHA) * listed / max(count, 1) + floor
            worth[unnamed] += strength * float(shares @ np.log(kept / without))
        best = chosen[place] = worth.argmax()
        relevance[best] = -np.inf
        mine = slice(bounds[best], bounds[best + 1])
        np.add.at(listed, number[mine], part[mine])
        count += int(named[best])
    for start in range(0, len(chosen), PAGE):
        chosen[start : start + PAGE].sort()
    return np.concatenate([chosen, np.delete(np.arange(size), chosen)])
