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
from numpy.typing import NDArray

from edge_rerank.ranking.list_rules import Spread
from edge_rerank.ranking.policies.caps import Counted
from edge_rerank.ranking.policies.keys import values_of
from edge_rerank.ranking.policies.pins import places_in
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, FieldValue, Item, ReasonCode

_CHUNK = 128
"""Candidates whose values are read at once."""

Values = tuple[FieldValue, ...]
"""Of one candidate: of each soft cap's key, or of each spread's."""


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


class _Queue:
    """Candidates of the same values by their places so far, the best first.

    Args:
        values: of each soft cap's key, and of each spread's.
    """

    __slots__ = ("capped", "spread", "waiting")

    def __init__(self, values: tuple[Values, Values]) -> None:
        self.capped, self.spread = values
        self.waiting: deque[int] = deque()


class _Apart:
    """Where values of a spread's key stand, and whether a place is too near to one of them.

    Args:
        spread: says how far apart they are to stand.
    """

    __slots__ = ("_ahead", "_distance", "_until", "key")

    def __init__(self, spread: Spread) -> None:
        self.key, self._distance = spread.key, spread.distance
        self._until: dict[FieldValue, int] = {}
        self._ahead: dict[FieldValue, list[int]] = {}

    def pin(self, place: int, value: FieldValue) -> None:
        """Note a value that has its place, wherever that is."""
        if value is not None:
            self._ahead.setdefault(value, []).append(place)

    def put(self, place: int, value: FieldValue) -> None:
        """Note the value at the next place that is given."""
        if value is not None:
            self._until[value] = place + self._distance

    def is_near(self, place: int, value: FieldValue) -> bool:
        """Whether the value stands too near to a place."""
        if place < self._until.get(value, 0):
            return True
        ahead = self._ahead.get(value, ())
        return any(abs(other - place) < self._distance for other in ahead)


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
        self._spreads = [_Apart(spread) for spread in spreads]
        self._pinned = pinned
        over = [
            place
            for place, (capped, spread) in zip(
                pinned, self._values(list(pinned.values())), strict=True
            )
            if self._pin(place, capped, spread)
        ]
        self._unmet = min(over, default=len(items))
        self._unread: Iterator[tuple[int, tuple[Values, Values]]] = iter(())
        self._queues: dict[tuple[Values, Values], _Queue] = {}
        self._open: list[tuple[int, _Queue]] = []
        self._beyond: list[tuple[int, _Queue]] = []
        self._capped: set[int] = set()
        self._apart: set[int] = set()

    def fill(self, order: Arrangement) -> tuple[Arrangement, int]:
        """The order with its first places given, and the first place at which a rule yielded."""
        count = len(order.rows) - order.behind
        front = order.rows[:count]
        self._unread = self._read(front)
        taken: list[int] = []
        unmet = self._unmet
        for place in self._free_places(min(SEEN_PLACES, count)):
            at, kept = self._take(place)
            taken.append(at)
            if not kept:
                unmet = min(unmet, place)
        left = np.ones(count, dtype=np.bool_)
        left[taken] = False
        # By their places so far: those that were given one first, then the others as they stood.
        arranged = np.concatenate([np.array(taken, dtype=np.intp), np.flatnonzero(left)])
        later = np.empty(count, dtype=np.intp)
        later[arranged] = np.arange(count)
        rows = np.concatenate([front[arranged], order.rows[count:]])
        return order.moved_by(rows, *self._lower(front, later)), unmet

    def _lower(
        self, front: NDArray[np.intp], later: NDArray[np.intp]
    ) -> Iterator[tuple[ReasonCode, NDArray[np.intp]]]:
        """Rows that stand lower for want of room, and those that do to be apart."""
        for code, places in (
            (ReasonCode.CAP, self._capped),
            (ReasonCode.SPREAD, self._apart - self._capped),
        ):
            at = np.fromiter(places, dtype=np.intp, count=len(places))
            yield code, front[at[later[at] > at]]

    def _free_places(self, count: int) -> Iterator[int]:
        place = 0
        for _ in range(count):
            while place in self._pinned:
                place += 1
            yield place
            place += 1

    def _values(self, rows: Sequence[int]) -> Iterator[tuple[Values, Values]]:
        """Of each row, what caps count and what spreads keep apart."""
        none = [()] * len(rows)
        capped = [cap.values_of(self._items, rows) for cap in self._caps]
        spread = [values_of(one.key, self._items, rows) for one in self._spreads]
        return zip(
            zip(*capped, strict=True) if capped else none,
            zip(*spread, strict=True) if spread else none,
            strict=True,
        )

    def _read(self, front: NDArray[np.intp]) -> Iterator[tuple[int, tuple[Values, Values]]]:
        """Places so far and values, one after the other; read as far as somebody looks."""
        for start in range(0, len(front), _CHUNK):
            yield from enumerate(self._values(front[start : start + _CHUNK].tolist()), start=start)

    def _pin(self, place: int, capped: Values, spread: Values) -> bool:
        """Count what has its place; whether it was one too many for any cap."""
        for one, value in zip(self._spreads, spread, strict=True):
            one.pin(place, value)
        return self._count(capped)

    def _take(self, place: int) -> tuple[int, bool]:
        """The candidate for a place, by its place so far, and whether every rule was kept."""
        passed: list[tuple[int, _Queue]] = []
        found: tuple[int, _Queue] | None = None
        while found is None:
            head = heapq.heappop(self._open) if self._open else self._next()
            if head is None:
                break
            if not self._has_room(head[1].capped):
                self._capped.update(head[1].waiting)
                heapq.heappush(self._beyond, head)
            elif self._is_near(place, head[1].spread):
                self._apart.add(head[0])
                passed.append(head)
            else:
                found = head
        kept = found is not None
        if found is None and passed:
            found = passed.pop(0)
        for head in passed:
            heapq.heappush(self._open, head)
        source = self._open
        if found is None:
            source, found = self._beyond, self._first_apart(place)
        at, queue = found
        queue.waiting.popleft()
        if queue.waiting:
            heapq.heappush(source, (queue.waiting[0], queue))
        for one, value in zip(self._spreads, queue.spread, strict=True):
            one.put(place, value)
        self._count(queue.capped)
        return at, kept

    def _next(self) -> tuple[int, _Queue] | None:
        """The next candidate whose like does not wait already; ``None`` at the end."""
        for at, values in self._unread:
            queue = self._queues.get(values)
            if queue is None:
                queue = self._queues[values] = _Queue(values)
            queue.waiting.append(at)
            if len(queue.waiting) == 1:
                return at, queue
            if not self._has_room(queue.capped):
                self._capped.add(at)
        return None

    def _first_apart(self, place: int) -> tuple[int, _Queue]:
        """The best of what has no room, far from its like if there is any such."""
        passed = []
        found: tuple[int, _Queue] | None = None
        while self._beyond and found is None:
            head = heapq.heappop(self._beyond)
            if self._is_near(place, head[1].spread):
                passed.append(head)
            else:
                found = head
        if found is None:
            found = passed.pop(0)
        for head in passed:
            heapq.heappush(self._beyond, head)
        return found

    def _is_near(self, place: int, spread: Values) -> bool:
        for one, value in zip(self._spreads, spread, strict=True):
            if value is not None and one.is_near(place, value):
                return True
        return False

    def _has_room(self, capped: Values) -> bool:
        for one, value in zip(self._caps, capped, strict=True):  # noqa: SIM110 - half the time
            if not one.has_room(value):
                return False
        return True

    def _count(self, capped: Values) -> bool:
        """Count an item for every cap; whether it was one too many for any."""
        over = [one.take(value) for one, value in zip(self._caps, capped, strict=True)]
        return any(over)


def _with_pins(order: Arrangement, pinned: Mapping[int, int]) -> Arrangement:
    """Everything in its place; a pinned item has at least the score of the next that is not."""
    rows = np.empty(len(order.rows) + len(pinned), dtype=np.intp)
    free = np.ones(len(rows), dtype=np.bool_)
    for place, row in pinned.items():
        rows[place], free[place] = row, False
    rows[free] = order.rows
    scores = order.scores.copy()
    for place in sorted(pinned, reverse=True):
        if place + 1 < len(rows):
            scores[rows[place]] = max(scores[rows[place]], scores[rows[place + 1]])
    return order.moved(rows, scores)
