"""Pins: what has a place of its own is taken out, to be put there in the end.

The other half is in :mod:`~.places`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_rerank.ranking.policies.policy import Arrangement, Moves, Policy, weights_of
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode


class Pins(Policy):
    """On where the list policy has a ``pin``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Take pinned items out, and note what it takes to stand at their places."""
        pin = request.policy.pin
        if not pin:
            return order
        taken, wanted = request.rows_of(pin), np.array(list(pin.values())) - 1
        taken, wanted = taken[taken >= 0], wanted[taken >= 0]
        if not len(taken):
            return order
        free = np.ones(len(request.candidates), dtype=np.bool_)
        free[taken] = False
        stays = free[order.rows]
        before = np.empty(len(free), dtype=np.intp)
        stood = np.flatnonzero(~stays)
        before[order.rows[stood]] = stood
        places = np.minimum(wanted, len(order.rows) - 1)
        gaps = order.scores[order.rows[places]] - order.scores[taken]
        weights = weights_of(gaps, places <= before[taken])
        moves = (*order.moves, Moves(ReasonCode.PINNED, taken, weights))
        pinned = dict(zip(wanted.tolist(), taken.tolist(), strict=True))
        return order.but(rows=order.rows[stays], pinned=pinned, moves=moves)


def places_in(pinned: Mapping[int, int], count: int) -> dict[int, int]:
    """Pinned rows by their places in a list of so many; those beyond its end take its last places.

    Args:
        pinned: rows by place from 0.
        count: of all in the list, these among them.
    """
    found = {place: row for place, row in pinned.items() if place < count}
    place = count
    for wanted in sorted(pinned, reverse=True):
        if wanted >= count:
            place = next(free for free in range(place - 1, -1, -1) if free not in found)
            found[place] = pinned[wanted]
    return found
