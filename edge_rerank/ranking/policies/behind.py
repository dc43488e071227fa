"""What was had before, behind everything else, where the host wants none of it."""

from __future__ import annotations

from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Repeats, Request


class Behind:
    """On where a call or the host says that repeats are never wanted."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Put what was had last, in its order."""
        if request.repeats is not Repeats.NEVER:
            return order
        visits = request.interests.visits
        had = [row for row in order.rows if request.candidates[row].id in visits]
        if not had:
            return order
        behind = frozenset(had)
        return order.moved([*(row for row in order.rows if row not in behind), *had], order.scores)
