"""Decay of repeats: each further item of one value of a key counts less."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge_rerank.ranking.list_rules import Decay
from edge_rerank.ranking.policies.keys import values_of
from edge_rerank.ranking.policies.policy import Arrangement, Moves, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import FieldValue, ReasonCode

POOL = 1_000
"""Best candidates that are looked at."""


class Repeated(Policy):
    """On where the list policy has a ``decay``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Lower repeats, one key after the other, and order anew by what is left."""
        for decay in request.policy.decay:
            order = _decayed(order, request, decay)
        return order


def _decayed(order: Arrangement, request: Request, decay: Decay) -> Arrangement:
    pool = order.rows[:POOL]
    repeats = _repeats(values_of(decay.key, request.candidates, pool.tolist()))
    most = max(repeats, default=0)
    if not most:
        return order
    cost = [log_decay(times, factor=decay.factor, floor=decay.floor) for times in range(most + 1)]
    costs = np.array([0.0, *cost[1:]])[repeats]
    scores = order.scores.copy()
    scores[pool] += costs
    # Of equal ones the one that stood above: the order so far is one of scores.
    rows = order.rows[np.argsort(-scores[order.rows], kind="stable")]
    lower = costs < 0
    moves = (*order.moves, Moves(ReasonCode.DECAY, pool[lower], costs[lower]))
    return order.moved(rows, scores).but(moves=moves)


def _repeats(values: Sequence[FieldValue]) -> list[int]:
    """How often each value was met before; 0 for ``None``."""
    met: dict[FieldValue, int] = {None: 0}
    repeats = []
    for value in values:
        times = met.get(value, 0)
        repeats.append(times)
        if value is not None:
            met[value] = times + 1
    return repeats


def log_decay(repeat: int, *, factor: float, floor: float) -> float:
    """What the i-th repeat loses of its log-odds, at most 0: log((1 - f) · d^i + f)."""
    return math.log((1 - floor) * factor**repeat + floor)
