"""Team-draft interleaving: one list made of the host's order and ours, and who gets the clicks.

Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008.
What both orders begin with alike belongs to neither, as in Chapelle, Joachims, Radlinski and Yue,
"Large-scale validation and analysis of interleaved search evaluation", TOIS 2012: a coin would
decide who is paid for it.
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
        teams: by place, who chose what stands there; ``None`` where both begin alike.
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
    """Draft a list: in each round a coin says who chooses first, and each takes its best left.

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
    alike = min(_alike(orders[Side.HOST], orders[Side.OURS]), drafted)
    rows = orders[Side.HOST][:alike]
    teams: list[Side | None] = [None] * alike
    taken = set(rows)
    reached = dict.fromkeys(Side, alike)
    while len(rows) < drafted:
        first = Side.OURS if rng.integers(2) else Side.HOST
        for side in (first, Side.OURS if first is Side.HOST else Side.HOST):
            if len(rows) == drafted:
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
