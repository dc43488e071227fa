"""What was had before, behind everything else, where the host wants none of it there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from edge_rerank.ranking.list_rules import Had
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Repeats, Request
from edge_rerank.types import ReasonCode


class Behind:
    """On where repeats are never wanted, or the list policy has ``had="sink"``."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Put what was had last, in its order."""
        unwanted = _unwanted(request)
        if not unwanted:
            return order
        had = [row for row in order.rows if request.candidates[row].id in unwanted]
        if not had:
            return order
        behind = frozenset(had)
        rows = [*(row for row in order.rows if row not in behind), *had]
        if request.policy.had is not Had.SINK:
            moved = order.moved(rows, order.scores)
        else:
            moved = order.moved_by(rows, dict.fromkeys(had, ReasonCode.REPEAT))
        return replace(moved, behind=len(had))


def _unwanted(request: Request) -> Collection[str]:
    """Ids of what is to stand behind."""
    if request.repeats is Repeats.NEVER:
        return request.interests.visits
    return request.interests.done if request.policy.had is Had.SINK else ()
