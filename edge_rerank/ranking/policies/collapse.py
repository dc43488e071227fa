"""Near-duplicates: of several the best one stays, and the others are left out."""

from __future__ import annotations

import numpy as np

from edge_rerank.ranking.policies.near_copies import near_copies
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode


class Duplicates(Policy):
    """On where the list policy has ``collapse``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Leave out what is much the same as something above it, or as what is pinned."""
        collapse = request.policy.collapse
        if collapse is None or not len(order.rows):
            return order
        pinned = list(order.pinned.values())
        rows = [*pinned, *order.rows[:WINDOW].tolist()]
        copies = near_copies(
            request.comparisons.vectors[rows],
            [request.candidates[row] for row in rows],
            cosine=collapse.cosine,
            overlap=collapse.words,
        )
        alike: dict[int, list[int]] = {}
        for one, other in copies:
            if other < one:
                alike.setdefault(one, []).append(other)
        dropped: set[int] = set()
        for place in sorted(alike):
            # What is gone itself takes nothing along.
            if place >= len(pinned) and not dropped.issuperset(alike[place]):
                dropped.add(place)
        gone = np.zeros(len(request.candidates), dtype=np.bool_)
        gone[[rows[place] for place in dropped]] = True
        return order.without(ReasonCode.COPY, gone)
