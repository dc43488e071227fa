"""Team-draft interleaving: one list made of the host's order and ours, and who gets the clicks.

Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008.
What both orders want next alike belongs to neither: a coin would decide who is paid for it. So
Chapelle, Joachims, Radlinski and Yue, "Large-scale validation and analysis of interleaved search
evaluation", TOIS 2012, for what both begin with; here all the way down, so that only neighbours
are told apart that the orders put forward one against the other.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        rows: candidates, best first, each once.
        teams: by place, who chose what stands there; ``None`` where both did.
    """

    rows: tuple[int, ...]
    teams: tuple[Side | None, ...]


def winner(teams: Sequence[Side | None], worth: Sequence[float]) -> Side | None:
    """Whose items were worth more; ``None`` where both were worth as much.

    Args:
        teams: by place, who chose what stands there.
        worth: how much of a success that was, 0 to 1, of the same length.

    Raises:
        InvalidRequest: the lengths differ.
    """
    if len(teams) != len(worth):
        raise InvalidRequest(f"worth: expected {len(teams)} numbers, got {len(worth)}")
    earned = dict.fromkeys(Side, 0.0)
    for team, value in zip(teams, worth, strict=True):
        if team is not None:
            earned[team] += value
    if abs(earned[Side.HOST] - earned[Side.OURS]) < _EVEN:
        return None
    return Side.HOST if earned[Side.HOST] > earned[Side.OURS] else Side.OURS


_EVEN = 1e-9
"""Sums that differ by less differ by rounding."""


def team_draft(
    host: Sequence[int],
    ours: Sequence[int],
    rng: np.random.Generator,
    *,
    places: int | None = None,
) -> Interleaved:
    """Draft a list: each side takes its best left, and in each round a coin says who goes first.

    Args:
        host: candidates as the host orders them, best first, each once.
        ours: the same as we do.
        places: of the list, as many as there are candidates if ``None`` or more than that.
        rng: all chance there is; one coin a round, so equal generators draft equal lists.

    Raises:
        InvalidRequest: the orders are not of the same candidates, or one has a candidate twice.
    """
    orders = {Side.HOST: [int(row) for row in host], Side.OURS: [int(row) for row in ours]}
    wanted = set(orders[Side.HOST])
    if wanted != set(orders[Side.OURS]) or any(len(one) != len(wanted) for one in orders.values()):
        raise InvalidRequest("host, ours: expected two orders of the same candidates, each once")
    drafted = len(wanted) if places is None else min(places, len(wanted))
    rows: list[int] = []
    teams: list[Side | None] = []
    taken: set[int] = set()
    reached = dict.fromkeys(Side, 0)
    while len(rows) < drafted:
        for side, order in orders.items():
            while order[reached[side]] in taken:
                reached[side] += 1
        wished = {side: orders[side][reached[side]] for side in Side}
        if wished[Side.HOST] == wished[Side.OURS]:
            rows.append(wished[Side.HOST])
            teams.append(None)
        else:
            first = Side.OURS if rng.integers(2) else Side.HOST
            pair = (first, Side.OURS if first is Side.HOST else Side.HOST)
            rows += [wished[side] for side in pair]
            teams += pair
        taken.update(rows[-2:])
    return Interleaved(tuple(rows[:drafted]), tuple(teams[:drafted]))
