"""Hard caps: what goes beyond them is left out.

They are kept among all candidates that may be returned, and not in the first places alone, so that
whatever arranges afterwards cannot break them. Soft caps are kept where places are given, see
:mod:`~.places`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge_rerank.ranking.list_rules import Cap
from edge_rerank.ranking.policies.foremost import POOL
from edge_rerank.ranking.policies.keys import key_reader
from edge_rerank.ranking.policies.policy import WINDOW, Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, FieldValue, Item, ReasonCode


class Counted:
    """Items of each value of a cap's key, and whether one more has room.

    Args:
        cap: says how many.
        places: that the list has.
    """

    def __init__(self, cap: Cap, places: int) -> None:
        self._only = cap.of
        self._room = cap.room(places)
        self._read: Callable[[Item], FieldValue] = key_reader(cap.key)
        self._taken: Counter[FieldValue] = Counter()

    def value_of(self, item: Item) -> FieldValue:
        """The value that counts, ``None`` where the cap says nothing of the item."""
        value = self._read(item)
        return value if self._only is None or value == self._only else None

    def has_room(self, value: FieldValue) -> bool:
        """Whether one more item of a value may stand in the list."""
        return value is None or self._taken[value] < self._room

    def take(self, value: FieldValue) -> bool:
        """Count an item; whether it was one too many."""
        if value is None:
            return False
        self._taken[value] += 1
        return self._taken[value] > self._room


class HardCaps:
    """On where the list policy has caps that are hard."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Keep the best of each value; what is pinned takes its room first."""
        caps = [cap for cap in request.policy.caps if cap.hard]
        if not caps:
            return order
        counted = [Counted(cap, request.keep) for cap in caps]
        items = request.candidates
        # A list and not a generator: every cap counts every pinned item.
        over = [
            one.take(one.value_of(items[row])) for one in counted for row in order.pinned.values()
        ]
        looked, dropped = _over(order.rows, items, counted, keep=request.keep)
        room = order.room(request.keep)
        left = replace(order, rows=looked).without(ReasonCode.CAP, dropped)
        short = len(left.rows) < room and bool(dropped)
        cut = request.keep < len(items) or any(cap.share is not None for cap in caps)
        if any(over) or (short and cut):
            left = replace(left, degraded=(*left.degraded, Degradation.RULES_NOT_MET))
        return left


def _over(
    rows: Sequence[int], items: Sequence[Item], counted: Sequence[Counted], *, keep: int
) -> tuple[tuple[int, ...], set[int]]:
    """The rows that were looked at until there were enough, and those of them that have no room.

    Enough are a window for what arranges afterwards, or what is returned where it is more, or
    is all that a pool holds.
    """
    dropped: set[int] = set()
    for place, row in enumerate(rows):
        kept = place - len(dropped)
        if kept >= keep and (kept >= WINDOW or place >= POOL):
            return tuple(rows[:place]), dropped
        item = items[row]
        values = [one.value_of(item) for one in counted]
        for one, value in zip(counted, values, strict=True):
            if not one.has_room(value):
                dropped.add(row)
                break
        else:
            for one, value in zip(counted, values, strict=True):
                one.take(value)
    return tuple(rows), dropped
