"""Decay of repeats: each further item of one value of a key counts less."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np

from edge_rerank.ranking.list_rules import Decay
from edge_rerank.ranking.policies.keys import key_reader
from edge_rerank.ranking.policies.policy import Arrangement, Move
from edge_rerank.ranking.request import Request
from edge_rerank.types import FieldValue, ReasonCode

POOL = 1_000
"""Best candidates that are looked at."""


class Repeated:
    """On where the list policy has a ``decay``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Lower repeats, one key after the other, and order anew by what is left."""
        for decay in request.policy.decay:
            order = _decayed(order, request, decay)
        return order


def _decayed(order: Arrangement, request: Request, decay: Decay) -> Arrangement:
    value_of = key_reader(decay.key)
    pool = order.rows[:POOL]
    met: Counter[FieldValue] = Counter()
    costs: dict[int, float] = {}
    for row in pool:
        value = value_of(request.candidates[row])
        if value is None:
            continue
        if met[value]:
            costs[row] = log_decay(met[value], factor=decay.factor, floor=decay.floor)
        met[value] += 1
    if not costs:
        return order
    scores = order.scores.copy()
    for row, cost in costs.items():
        scores[row] += cost
    rows = np.array(order.rows)
    # Of equal ones the one that stood above: the order so far is one of scores.
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    moves = [Move(row, ReasonCode.DECAY, cost) for row, cost in costs.items() if cost < 0]
    return replace(order.moved(rows.tolist(), scores), moves=(*order.moves, *moves))


def log_decay(repeat: int, *, factor: float, floor: float) -> float:
    """What the i-th repeat loses of its log-odds, at most 0: log((1 - f) · d^i + f)."""
    return math.log((1 - floor) * factor**repeat + floor)
