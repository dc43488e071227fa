"""Places are given: soft caps and spread are kept as far as the candidates allow, pins exactly.

Place by place the best candidate is taken whose values have room and are far enough from their
like. Where there is none, a spread yields first and then a cap. Candidates of the same values wait
in one queue, so that a place costs no more than the queues in front of which it has to be passed
on.
"""

from __future__ import annotations

import heapq
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.list_rules import Spread
from edge_rerank.ranking.policies.caps import Counted
from edge_rerank.ranking.policies.keys import values_of
from edge_rerank.ranking.policies.pins import places_in
from edge_rerank.ranking.policies.policy import SEEN_PLACES, Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.types import Degradation, FieldValue, Item, ReasonCode

_CHUNK = 128
"""Candidates whose values are read at once."""


class Places(Policy):
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
                order = order.but(degraded=(*order.degraded, Degradation.RULES_NOT_MET))
        return _with_pins(order, pinned) if pinned else order


class _Room:
    """How many more items of a value a soft cap lets stand in the list."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class _Stand:
    """Where items of a value stand that a spread keeps apart.

    Attributes:
        distance: places from one to the next; 0 keeps nothing apart.
        until: the first place that is far enough from the last one that was given.
        pinned: places that items have of their own, wherever they are.
    """

    __slots__ = ("distance", "pinned", "until")

    def __init__(self, distance: int) -> None:
        self.distance = distance
        self.until = 0
        self.pinned: list[int] = []

    def is_near_pinned(self, place: int) -> bool:
        """Whether a pinned one stands too near to a place."""
        return any(abs(other - place) < self.distance for other in self.pinned)


class _Rooms(dict[FieldValue, _Room]):
    """Of each value of a cap; ``None`` is no value and has room without end.

    Args:
        room: of one value.
    """

    def __init__(self, room: int) -> None:
        super().__init__({None: _Room(sys.maxsize)})
        self._room = room

    def __missing__(self, value: FieldValue) -> _Room:
        found = self[value] = _Room(self._room)
        return found


class _Stands(dict[FieldValue, _Stand]):
    """Of each value of a spread; ``None`` is no value and near to nothing.

    Args:
        distance: places from one to the next.
    """

    def __init__(self, distance: int) -> None:
        super().__init__({None: _Stand(0)})
        self._distance = distance

    def __missing__(self, value: FieldValue) -> _Stand:
        found = self[value] = _Stand(self._distance)
        return found


class _Queue:
    """Candidates of the same values by their places so far, the best first.

    Attributes:
        rooms: of their values, of each soft cap.
        stands: of their values, of each spread.
        waiting: places so far.
    """

    __slots__ = ("rooms", "stands", "waiting")

    def __init__(self, rooms: Sequence[_Room], stands: Sequence[_Stand]) -> None:
        self.rooms, self.stands = rooms, stands
        self.waiting: deque[int] = deque()


_Limits = tuple[tuple[_Room, ...], tuple[_Stand, ...]]
"""Of one candidate: of each soft cap, and of each spread."""


# Loops and no generators: most of a list's time is here, and they take half of it.


def _has_room(rooms: Sequence[_Room]) -> bool:
    """Whether caps let one more of some values stand in the list."""
    for one in rooms:  # noqa: SIM110
        if one.left <= 0:
            return False
    return True


def _is_near(stands: Sequence[_Stand], place: int) -> bool:
    """Whether one of some values stands too near to a place."""
    for one in stands:  # noqa: SIM110
        if place < one.until or (one.pinned and one.is_near_pinned(place)):
            return True
    return False


def _put(rooms: Sequence[_Room], stands: Sequence[_Stand], place: int) -> None:
    """Note an item of some values at the next place that is given."""
    for room in rooms:
        room.left -= 1
    for stand in stands:
        stand.until = place + stand.distance


def _pin(place: int, limits: _Limits) -> bool:
    """Count what has its place; whether it was one too many for any cap."""
    rooms, stands = limits
    for stand in stands:
        stand.pinned.append(place)
    for room in rooms:
        room.left -= 1
    return any(room.left < 0 for room in rooms)


class _Places:
    def __init__(
        self,
        items: Sequence[Item],
        caps: Sequence[Counted],
        spreads: Sequence[Spread],
        pinned: Mapping[int, int],
    ) -> None:
        self._items = items
        self._caps = [(cap, _Rooms(cap.room)) for cap in caps]
        self._spreads = [(spread.key, _Stands(spread.distance)) for spread in spreads]
        self._pinned = pinned
        limits = self._limits(list(pinned.values()))
        over = [place for place, one in zip(pinned, limits, strict=True) if _pin(place, one)]
        self._unmet = min(over, default=len(items))
        self._unread: Iterator[tuple[int, _Limits]] = iter(())
        self._queues: dict[_Limits, _Queue] = {}
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
            # What nobody waits for is taken as it comes: most of a list.
            at = None if self._open else self._straight(place)
            if at is None:
                at, kept = self._take(place)
                if not kept:
                    unmet = min(unmet, place)
            taken.append(at)
        if taken == list(range(len(taken))):  # and so nothing was passed over
            return order.moved(order.rows, order.scores), unmet
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

    def _free_places(self, count: int) -> list[int]:
        reach = range(count + len(self._pinned))
        return [place for place in reach if place not in self._pinned][:count]

    def _limits(self, rows: Sequence[int]) -> Iterator[_Limits]:
        """Of each row, what its values share with all others that have them."""
        capped = [
            map(rooms.__getitem__, cap.values_of(self._items, rows)) for cap, rooms in self._caps
        ]
        spread = [
            map(stands.__getitem__, values_of(key, self._items, rows))
            for key, stands in self._spreads
        ]
        # Of no columns zip() makes no rows.
        return zip(
            zip(*capped, strict=True) if capped else repeat((), len(rows)),
            zip(*spread, strict=True) if spread else repeat((), len(rows)),
            strict=True,
        )

    def _read(self, front: NDArray[np.intp]) -> Iterator[tuple[int, _Limits]]:
        """Places so far and what limits them, read as far as somebody looks."""
        parts = (
            self._limits(front[start : start + _CHUNK].tolist())
            for start in range(0, len(front), _CHUNK)
        )
        return enumerate(chain.from_iterable(parts))

    def _straight(self, place: int) -> int | None:
        """The next candidate if it may stand at a place at once; else it waits, if there is one.

        Only while none waits that has room.
        """
        for at, limits in self._unread:
            rooms, stands = limits
            queue = self._queues.get(limits)
            if queue is None and _has_room(rooms) and not _is_near(stands, place):
                _put(rooms, stands, place)
                return at
            if queue is None:
                queue = self._queues[limits] = _Queue(rooms, stands)
            if self._join(at, queue):
                self._open.append((at, queue))
            break
        return None

    def _join(self, at: int, queue: _Queue) -> bool:
        """Let a candidate wait behind its like; whether it is the first."""
        queue.waiting.append(at)
        if len(queue.waiting) == 1:
            return True
        if not _has_room(queue.rooms):
            self._capped.add(at)
        return False

    def _take(self, place: int) -> tuple[int, bool]:
        """The candidate for a place, by its place so far, and whether every rule was kept."""
        passed: list[tuple[int, _Queue]] = []
        found: tuple[int, _Queue] | None = None
        while found is None:
            head = heapq.heappop(self._open) if self._open else self._next()
            if head is None:
                break
            queue = head[1]
            if not _has_room(queue.rooms):
                self._capped.update(queue.waiting)
                heapq.heappush(self._beyond, head)
            elif _is_near(queue.stands, place):
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
        _put(queue.rooms, queue.stands, place)
        if queue.waiting:
            heapq.heappush(source, (queue.waiting[0], queue))
        return at, kept

    def _next(self) -> tuple[int, _Queue] | None:
        """The next candidate whose like does not wait already; ``None`` at the end."""
        for at, limits in self._unread:
            queue = self._queues.get(limits)
            if queue is None:
                queue = self._queues[limits] = _Queue(*limits)
            if self._join(at, queue):
                return at, queue
        return None

    def _first_apart(self, place: int) -> tuple[int, _Queue]:
        """The best of what has no room, far from its like if there is any such."""
        passed = []
        found: tuple[int, _Queue] | None = None
        while self._beyond and found is None:
            head = heapq.heappop(self._beyond)
            if _is_near(head[1].stands, place):
                passed.append(head)
            else:
                found = head
        if found is None:
            found = passed.pop(0)
        for head in passed:
            heapq.heappush(self._beyond, head)
        return found


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
