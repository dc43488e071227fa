"""The foremost candidates: rules of a list policy arrange no others, which bounds their time."""

from __future__ import annotations

from edge_rerank.ranking.list_policy import OFF
from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request

POOL = 500
"""Best candidates from which what is returned is taken, where that is not more."""


class Foremost(Policy):
    """On where there is a list policy."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Let go of what would not be returned in any order."""
        if request.policy == OFF or len(order.rows) <= max(request.keep, POOL):
            return order
        return order.but(rows=order.rows[: max(request.keep, POOL)])
