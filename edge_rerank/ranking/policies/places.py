"""Places are given: soft caps and spread are kept as far as the candidates allow, pins exactly.

Place by place the best candidate is taken whose values have room and are far enough from their
like. Where there is none, a spread yields first and then a cap. Candidates of the same values wait
in one queue, so that a place costs no more than the queues in front of which it has to be passed
on.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_rerank.ranking.list_rules import Spread
from edge_rerank.ranking.policies.caps import Counted
from edge_rerank.ranking.policies.keys import key_reader
from edge_rerank.ranking.policies.pins import places_in
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, FieldValue, Item, ReasonCode

Values = tuple[FieldValue, ...]
"""Of one candidate: of each soft cap's key, then of each spread's."""


class Places:
    """On where the list policy has soft caps, a spread or pins."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Give the places."""
        policy = request.policy
        soft = [cap for cap in policy.caps if not cap.hard]
        pinned = places_in(order.pinned, len(order.rows) + len(order.pinned))
        if soft or policy.spread:
            caps = [Counted(cap, request.keep) for cap in soft]
            order, unmet = _Places(request.candidates, caps, policy.spread, pinned).fill(order)
            unlimited = request.keep >= len(request.candidates)
            if unlimited and not any(cap.share is not None for cap in soft):
                # Everything is wanted: what goes beyond stands as far behind as it can.
                unmet = request.keep
            if unmet < request.keep:
                order = replace(order, degraded=(*order.degraded, Degradation.RULES_NOT_MET))
        return _with_pins(order, pinned) if pinned else order


class _Places:
    def __init__(
        self,
        items: Sequence[Item],
        caps: Sequence[Counted],
        spreads: Sequence[Spread],
        pinned: Mapping[int, int],
    ) -> None:
        self._items = items
        self._caps = caps
        self._distances = [spread.distance for spread in spreads]
        self._readers = [key_reader(spread.key) for spread in spreads]
        self._pinned = {place: self._values(row) for place, row in pinned.items()}
        self._placed: dict[int, Values] = dict(self._pinned)
        over = [place for place, values in self._pinned.items() if self._count(values)]
        self._unmet = min(over, default=len(items))
        self._unread: Iterator[tuple[int, int]] = iter(())
        self._queues: dict[Values, deque[tuple[int, int]]] = {}
        self._heads: list[tuple[int, Values]] = []
        self._beyond: list[tuple[int, Values]] = []
        self._capped: set[int] = set()
        self._apart: set[int] = set()

    def fill(self, order: Arrangement) -> tuple[Arrangement, int]:
        """The order with its first places given, and the first place at which a rule yielded."""
        front = order.rows[: len(order.rows) - order.behind]
        self._unread = enumerate(front)
        taken: list[int] = []
        unmet = self._unmet
        for place in self._free_places(min(SEEN_PLACES, len(front))):
            row, kept = self._take(place)
            taken.append(row)
            if not kept:
                unmet = min(unmet, place)
        waiting = sorted(one for queue in self._queues.values() for one in queue)
        rows = [*taken, *(row for _, row in waiting), *(row for _, row in self._unread)]
        before = {row: place for place, row in enumerate(front)}
        acted = {
            row: ReasonCode.CAP if row in self._capped else ReasonCode.SPREAD
            for place, row in enumerate(rows)
            if place > before[row] and (row in self._capped or row in self._apart)
        }
        return order.moved_by([*rows, *order.rows[len(front) :]], acted), unmet

    def _free_places(self, count: int) -> Iterator[int]:
        place = 0
        for _ in range(count):
            while place in self._pinned:
                place += 1
            yield place
            place += 1

    def _values(self, row: int) -> Values:
        item = self._items[row]
        capped = [cap.value_of(item) for cap in self._caps]
        return (*capped, *(read(item) for read in self._readers))

    def _take(self, place: int) -> tuple[int, bool]:
        """The row for a place, and whether every rule was kept."""
        near = self._near(place)
        passed: list[tuple[int, Values]] = []
        found: tuple[int, Values] | None = None
        while found is None:
            head = heapq.heappop(self._heads) if self._heads else self._next()
            if head is None:
                break
            if not self._has_room(head[1]):
                self._capped.update(row for _, row in self._queues[head[1]])
                heapq.heappush(self._beyond, head)
            elif self._is_near(head[1], near):
                self._apart.add(self._queues[head[1]][0][1])
                passed.append(head)
            else:
                found = head
        kept = found is not None
        if found is None and passed:
            found = passed.pop(0)
        for head in passed:
            heapq.heappush(self._heads, head)
        source = self._heads
        if found is None:
            source = self._beyond
            found = self._first_apart(near)
        _, values = found
        queue = self._queues[values]
        _, row = queue.popleft()
        if queue:
            heapq.heappush(source, (queue[0][0], values))
        self._placed[place] = values
        self._count(values)
        return row, kept

    def _next(self) -> tuple[int, Values] | None:
        """The next candidate whose like does not wait already; ``None`` at the end."""
        for place, row in self._unread:
            values = self._values(row)
            queue = self._queues.setdefault(values, deque())
            queue.append((place, row))
            if len(queue) == 1:
                return place, values
            if not self._has_room(values):
                self._capped.add(row)
        return None

    def _first_apart(self, near: Sequence[frozenset[FieldValue]]) -> tuple[int, Values]:
        """The best of what has no room, far from its like if there is any such."""
        passed = []
        found: tuple[int, Values] | None = None
        while self._beyond and found is None:
            head = heapq.heappop(self._beyond)
            if self._is_near(head[1], near):
                passed.append(head)
            else:
                found = head
        if found is None:
            found = passed.pop(0)
        for head in passed:
            heapq.heappush(self._beyond, head)
        return found

    def _near(self, place: int) -> list[frozenset[FieldValue]]:
        """For each spread the values that stand too near to a place."""
        first = len(self._caps)
        return [
            frozenset(
                self._placed[other][number]
                for other in range(place - distance + 1, place + distance)
                if other in self._placed
            )
            for number, distance in enumerate(self._distances, start=first)
        ]

    def _is_near(self, values: Values, near: Sequence[frozenset[FieldValue]]) -> bool:
        mine = values[len(self._caps) :]
        return any(
            value is not None and value in others for value, others in zip(mine, near, strict=True)
        )

    def _has_room(self, values: Values) -> bool:
        return all(cap.has_room(value) for cap, value in zip(self._caps, values, strict=False))

    def _count(self, values: Values) -> bool:
        """Count an item for every cap; whether it was one too many for any."""
        over = [cap.take(value) for cap, value in zip(self._caps, values, strict=False)]
        return any(over)


def _with_pins(order: Arrangement, pinned: Mapping[int, int]) -> Arrangement:
    """Everything in its place; a pinned item has at least the score of the next that is not."""
    others = iter(order.rows)
    count = len(order.rows) + len(pinned)
    rows = [pinned[place] if place in pinned else next(others) for place in range(count)]
    scores = order.scores.copy()
    below = -np.inf
    for place in reversed(range(count)):
        if place in pinned:
            scores[rows[place]] = max(scores[rows[place]], below)
        below = scores[rows[place]]
    return order.moved(rows, scores)
