"""A floor: what has too low a score by itself is left out."""

from __future__ import annotations

from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode


class Floor(Policy):
    """On where the list policy has a ``floor``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Leave out what is below the floor."""
        floor, relevance = request.policy.floor, order.relevance
        if floor is None or relevance is None:
            return order
        return order.without(ReasonCode.FLOOR, relevance < floor)
