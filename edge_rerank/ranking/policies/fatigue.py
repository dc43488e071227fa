"""Fatigue: what was shown often and never chosen is left out for a while.

What is let back counts less at first; that is a part of its score, see
:mod:`~edge_rerank.ranking.sources.timing`.
"""

from __future__ import annotations

import numpy as np

from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.timing import days_since_tiring
from edge_rerank.types import ReasonCode


class Tiring(Policy):
    """On where the list policy has ``fatigue``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Leave out what is hidden for now."""
        fatigue = request.policy.fatigue
        if fatigue is None:
            return order
        rows, days = days_since_tiring(fatigue, request)
        hidden = np.zeros(len(request.candidates), dtype=np.bool_)
        hidden[rows[days < fatigue.hidden_days]] = True
        return order.without(ReasonCode.FATIGUE, hidden)
