"""Team-draft interleaving: one list made of the host's order and ours, and who gets the clicks.

Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008.
What both orders begin with alike belongs to neither, as in Chapelle, Joachims, Radlinski and Yue,
"Large-scale validation and analysis of interleaved search evaluation", TOIS 2012: a coin would
decide who is paid for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge_rerank.errors import InvalidRequest


class Side(StrEnum):
    """Whose order."""

    HOST = "host"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Interleaved:
    """A list that two orders drafted.

    Attributes:
        rows: the candidates, best first, each once.
        teams: by place, who chose what stands there; ``None`` where both begin alike.
    """

    rows: tuple[int, ...]
    teams: tuple[Side | None, ...]

    def winner(self, clicked: Collection[int]) -> Side | None:
        """Who has more clicks; ``None`` where both have as many.

        Args:
            clicked: places from 0 at the top; a place counts once.

        Raises:
            InvalidRequest: a place is not on the list.
        """
        places = set(clicked)
        if not places <= set(range(len(self.rows))):
            raise InvalidRequest(f"clicked: expected places from 0 to {len(self.rows) - 1}")
        counts = {side: sum(self.teams[place] is side for place in places) for side in Side}
        if counts[Side.HOST] == counts[Side.OURS]:
            return None
        return Side.HOST if counts[Side.HOST] > counts[Side.OURS] else Side.OURS


def team_draft(host: Sequence[int], ours: Sequence[int], rng: np.random.Generator) -> Interleaved:
    """Draft a list: in each round a coin says who chooses first, and each takes its best left.

    Args:
        host: candidates as the host orders them, best first, each once.
        ours: the same as we do.
        rng: all chance there is; one coin a round, so equal generators draft equal lists.

    Raises:
        InvalidRequest: the orders are not of the same candidates, or one has a candidate twice.
    """
    orders = {Side.HOST: [int(row) for row in host], Side.OURS: [int(row) for row in ours]}
    wanted = set(orders[Side.HOST])
    if wanted != set(orders[Side.OURS]) or any(len(one) != len(wanted) for one in orders.values()):
        raise InvalidRequest("host, ours: expected two orders of the same candidates, each once")
    alike = _alike(orders[Side.HOST], orders[Side.OURS])
    rows = orders[Side.HOST][:alike]
    teams: list[Side | None] = [None] * alike
    taken = set(rows)
    reached = dict.fromkeys(Side, alike)
    while len(rows) < len(wanted):
        first = Side.OURS if rng.integers(2) else Side.HOST
        for side in (first, Side.OURS if first is Side.HOST else Side.HOST):
            if len(rows) == len(wanted):
                break
            order = orders[side]
            while order[reached[side]] in taken:
                reached[side] += 1
            rows.append(order[reached[side]])
            teams.append(side)
            taken.add(rows[-1])
    return Interleaved(tuple(rows), tuple(teams))


def _alike(host: Sequence[int], ours: Sequence[int]) -> int:
    """How many candidates both begin with."""
    for place, (one, other) in enumerate(zip(host, ours, strict=True)):
        if one != other:
            return place
    return len(host)
