"""Exploring: neighbours swap places now and then, with known chances.

A draw of the head's weights for each list (Thompson sampling) would explore what is unsure, but the
chance of a list is then no sum that can be written down: hundreds of draws through all policies
would estimate it, and what off-policy estimates divide by would be a guess.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge_rerank.learning.exploration import NeighbourSwaps
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement, Policy
from edge_rerank.ranking.request import Explored, Request
from edge_rerank.types import NOT_CHOSEN, ListOrder, ReasonCode

LEAST_CHOICES = 5
"""Of a person whose lists are left to chance: whoever is new sees the best list there is."""


class Exploring(Policy):
    """On where the list policy has an ``explore``, for people of whom something is known.

    A list that is not in our order, or not in it alone, is left as it is.

    Args:
        _seed: gives the seed of a list.
    """

    def __init__(self, *, _seed: Callable[[], int] = lambda: secrets.randbits(64)) -> None:
        self._seed = _seed

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Swap neighbours, and note the chance that each item stands where it does."""
        places = min(request.keep, SEEN_PLACES, len(order.rows))
        if not request.policy.explore or places < 2 or not is_known(request):
            return order
        if order.order is not ListOrder.PERSONAL:
            return order
        head = order.rows[:places]
        pinned = list(order.pinned.values())
        swaps = NeighbourSwaps.of(
            places,
            epsilon=request.policy.explore,
            movable=~np.isin(head, pinned),
        )
        if 0 < (fresh := len(order.rows) - order.behind) < places:
            pairs = swaps.pairs.copy()
            pairs[fresh - 1] = 0.0  # what stands behind all others stays there
            swaps = NeighbourSwaps(pairs)
        drawn = swaps.draw(np.random.default_rng(self._seed()))
        rows = np.concatenate([head[drawn], order.rows[places:]])
        moved = order.moved_by(rows, (ReasonCode.EXPLORED, head))
        explored = Explored(
            tuple(order.rows.tolist()),
            tuple(swaps.placements(drawn).tolist()),
            tuple(swaps.pairs.tolist()),
            tuple(drawn.tolist()),
        )
        return replace(moved, explored=explored)


def is_known(request: Request) -> bool:
    """Whether enough is known of the person to leave some of a list to chance."""
    chosen = sum(event.type not in NOT_CHOSEN for event in request.history)
    return chosen >= LEAST_CHOICES
