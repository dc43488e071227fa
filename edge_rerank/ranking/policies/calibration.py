"""Calibration: categories have the shares in the list that they have in what the person likes.

Steck, "Calibrated recommendations", RecSys 2018: places are filled one by one, each with the item
that is best by (1 - λ) · relevance - λ · KL(p ‖ (1 - α) q + α p), where p are the shares of
categories in the history and q those in the list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.interests import weights_of
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.types import Item, ReasonCode

PLACES = 20
"""As long as a page is."""

ALPHA = 0.01
"""Part of the history's shares that is mixed in, so that a category that is missing costs no more
than all."""


class Calibration:
    """On where the list policy has ``calibrate``, for a person with a history of categories."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Fill the first places with an eye to their shares."""
        rule, liked = request.policy.calibrate, request.interests.liked
        if rule is None or not rule.strength or order.asked or not liked or len(order.rows) < 2:
            return order
        target = shares_of([one.item for one in liked], weights_of(liked) * request.support)
        if not target:
            return order
        pool = np.array(order.rows[:WINDOW])
        picked = calibrate(
            order.scores[pool],
            [request.candidates[row].categories for row in pool.tolist()],
            target,
            strength=rule.strength,
            places=min(request.keep, PLACES),
        )
        best = pool[picked].tolist()
        rows = [*best, *order.rows[WINDOW:]]
        named = [row for row in best if request.candidates[row].categories]
        return order.moved_by(rows, dict.fromkeys(named, ReasonCode.CALIBRATED))


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
    scores: NDArray[np.float64],
    categories: Sequence[Sequence[str]],
    target: dict[str, float],
    *,
    strength: float,
    places: int,
) -> NDArray[np.intp]:
    """Fill the first places one by one.

    Args:
        scores: float64 of shape (n,), the best first; brought to 0..1.
        categories: of the n candidates. What has none does not count in the shares.
        target: shares of categories, summing to 1.
        strength: λ, 0 to 1.
        places: how many to fill this way; the rest follows by score.

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
    spread = float(np.ptp(scores))
    relevance = (1 - strength) * (scores - scores.min()) / (spread or 1.0)
    listed = np.zeros(len(shares))
    floor = ALPHA * shares
    count = 0
    left = np.ones(len(scores), dtype=np.bool_)
    chosen: list[int] = []
    for _ in range(min(places, len(scores))):
        # Up to what is the same for all, -KL is the sum of p · log(mixed q).
        before = shares * np.log((1 - ALPHA) * listed / max(count, 1) + floor)
        after = shares * np.log((1 - ALPHA) * listed / (count + 1) + floor)
        mixed = (1 - ALPHA) * (listed[number] + part) / (count + 1) + floor[number]
        gain = shares[number] * np.log(mixed) - after[number]
        fit = np.bincount(owner, weights=gain, minlength=len(scores)) + after.sum()
        fit[~named] = before.sum()
        best = int(np.where(left, relevance + strength * fit, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        mine = owner == best
        listed[number[mine]] += part[mine]
        count += int(named[best])
    return np.concatenate([chosen, np.flatnonzero(left)]).astype(np.intp)
