"""Exploring: neighbours swap places now and then, with known chances."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge_rerank.learning.exploration import NeighbourSwaps
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement
from edge_rerank.ranking.request import Explored, Request
from edge_rerank.types import NOT_CHOSEN, ReasonCode

LEAST_CHOICES = 5
"""Of a person whose lists are explored: whoever is new sees the best list there is."""


class Exploring:
    """On where the list policy has an ``explore``, for people of whom something is known.

    Args:
        _seed: gives the seed of a list.
    """

    def __init__(self, *, _seed: Callable[[], int] = lambda: secrets.randbits(64)) -> None:
        self._seed = _seed

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Swap neighbours, and note the chance that each item stands where it does."""
        places = min(request.keep, SEEN_PLACES, len(order.rows))
        if not request.policy.explore or places < 2 or not _is_known(request):
            return order
        head = order.rows[:places]
        pinned = frozenset(order.pinned.values())
        swaps = NeighbourSwaps.of(
            places,
            epsilon=request.policy.explore,
            movable=np.array([row not in pinned for row in head], dtype=np.bool_),
        )
        if 0 < (fresh := len(order.rows) - order.behind) < places:
            pairs = swaps.pairs.copy()
            pairs[fresh - 1] = 0.0  # what stands behind all others stays there
            swaps = NeighbourSwaps(pairs)
        drawn = swaps.draw(np.random.default_rng(self._seed()))
        rows = [head[place] for place in drawn.order.tolist()]
        moved = order.moved_by(
            [*rows, *order.rows[places:]], dict.fromkeys(head, ReasonCode.EXPLORED)
        )
        explored = Explored(
            order.rows,
            tuple(drawn.placements.tolist()),
            drawn.chance,
            tuple(swaps.pairs.tolist()),
            tuple(drawn.order.tolist()),
        )
        return replace(moved, explored=explored)


def _is_known(request: Request) -> bool:
    chosen = sum(not event.of_list and event.type not in NOT_CHOSEN for event in request.history)
    return chosen >= LEAST_CHOICES
