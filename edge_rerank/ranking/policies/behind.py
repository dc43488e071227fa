"""What was had before, behind everything else, where the host wants none of it there."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edge_rerank.ranking.list_rules import Had
from edge_rerank.ranking.options import Repeats
from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode


class Behind(Policy):
    """On where repeats are never wanted, or the list policy has ``had="sink"``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Put what was had last, in its order."""
        unwanted = _unwanted(request)
        if not unwanted:
            return order
        known = request.rows_of(unwanted)
        candidates = np.zeros(len(request.candidates), dtype=np.bool_)
        candidates[known[known >= 0]] = True
        last = candidates[order.rows]
        had = order.rows[last]
        if not len(had):
            return order
        rows = np.concatenate([order.rows[~last], had])
        if request.policy.had is not Had.SINK:
            moved = order.moved(rows, order.scores)
        else:
            moved = order.moved_by(rows, (ReasonCode.REPEAT, had))
        return moved.but(behind=len(had))


def _unwanted(request: Request) -> Collection[str]:
    """Ids of what is to stand behind."""
    if request.repeats is Repeats.NEVER:
        return request.interests.visits
    return request.interests.done if request.policy.had is Had.SINK else ()
