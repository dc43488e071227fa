"""Hard caps: what goes beyond them is left out.

They are kept among all candidates that may be returned, and not in the first places alone, so that
whatever arranges afterwards cannot break them. Soft caps are kept where places are given, see
:mod:`~.places`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.list_rules import Cap
from edge_rerank.ranking.policies.foremost import POOL
from edge_rerank.ranking.policies.keys import values_of
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, FieldValue, Item, ReasonCode

_CHUNK = 256
"""Candidates whose values are read at once."""


class Counted:
    """How many more items of each value of its key a cap has room for.

    Args:
        cap: says how many.
        places: that the list has.

    Attributes:
        room: items of one value.
        left: what is left of it, by value, of those met so far.
    """

    def __init__(self, cap: Cap, places: int) -> None:
        self._key, self._only = cap.key, cap.of
        self.room = cap.room(places)
        self.left: dict[FieldValue, int] = {None: sys.maxsize}

    def values_of(self, items: Sequence[Item], rows: Sequence[int]) -> list[FieldValue]:
        """The values that count of some items, ``None`` where the cap says nothing of one."""
        values, only = values_of(self._key, items, rows), self._only
        if only is None:
            return values
        return [value if value == only else None for value in values]

    def take(self, value: FieldValue) -> bool:
        """Count an item; whether it was one too many."""
        left = self.left[value] = self.left.get(value, self.room) - 1
        return left < 0


class HardCaps(Policy):
    """On where the list policy has caps that are hard."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Keep the best of each value; what is pinned takes its room first."""
        caps = [cap for cap in request.policy.caps if cap.hard]
        if not caps:
            return order
        counted = [Counted(cap, request.keep) for cap in caps]
        items = request.candidates
        pinned = list(order.pinned.values())
        # A list and not a generator: every cap counts every pinned item.
        over = [one.take(value) for one in counted for value in one.values_of(items, pinned)]
        looked, beyond = _over(order.rows, items, counted, keep=request.keep)
        dropped = np.zeros(len(items), dtype=np.bool_)
        dropped[order.rows[beyond]] = True
        room = order.room(request.keep)
        left = order.but(rows=order.rows[:looked]).without(ReasonCode.CAP, dropped)
        short = len(left.rows) < room and bool(beyond)
        cut = request.keep < len(items) or any(cap.share is not None for cap in caps)
        if any(over) or (short and cut):
            left = left.but(degraded=(*left.degraded, Degradation.RULES_NOT_MET))
        return left


def _over(
    rows: NDArray[np.intp], items: Sequence[Item], counted: Sequence[Counted], *, keep: int
) -> tuple[int, list[int]]:
    """How many rows were looked at until there were enough, and places of what has no room.

    Enough are a window for what arranges afterwards, or what is returned where it is more, or
    is all that a pool holds.
    """
    dropped: list[int] = []
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK].tolist()
        columns = [one.values_of(items, part) for one in counted]
        for place, values in enumerate(zip(*columns, strict=True), start=start):
            kept = place - len(dropped)
            if kept >= keep and (kept >= WINDOW or place >= POOL):
                return place, dropped
            for one, value in zip(counted, values, strict=True):
                if one.left.get(value, one.room) <= 0:
                    dropped.append(place)
                    break
            else:
                for one, value in zip(counted, values, strict=True):
                    one.left[value] = one.left.get(value, one.room) - 1
    return len(rows), dropped
