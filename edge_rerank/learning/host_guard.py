"""Guard against the host's order: who is shown it, on which surface, and what told so.

Where the host gives an order of its own, a share of a person's lists is drafted from that order
and from ours in turn; what was chosen of such a list is a win for the order that brought it. A
sequential test for each person and surface says when the host's order is better, and shows it
until ours is. Until more is earned, our order is bound to the host's.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from edge_rerank._check import check_number
from edge_rerank.errors import InvalidRequest
from edge_rerank.history.history import History
from edge_rerank.learning.interleaving import Side, winner
from edge_rerank.learning.layout import Layout, state_of
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.room_test import RoomTest
from edge_rerank.learning.sequential_test import OrderTest

SURFACES = 4
"""Surfaces that are tested by name; what the others do is tested together."""

PEOPLE = 64
"""People whose tests are held in memory."""

MOST = 0.5
"""Share of lists that may be interleaved."""

ORDER = "order"
"""Kind of the states in the vault."""

_VERSION = 2
_OURS, _EARNED = 1, 2
_START = struct.Struct("<B16sB")
_TEST = struct.Struct("<BBBBHf")
_MOST_RETURNS = 2**16 - 1


@dataclass(frozen=True, slots=True)
class HostGuard:
    """Online test of the personal order against your own, which returns where it is better.

    It is at work where you give an order: ``Item.score`` of all candidates, or ``host_order``. Some
    lists interleave both (team draft), and a sequential test for each person and surface decides.

    Attributes:
        share: of a person's lists without a query that is interleaved, 0 to 0.5: more of them where
            the order that is not shown seems better, fewer once yours has returned, none for
            people of whom fewer than five choices are known.
        room: log-odds by which everything but your order may tell two items of a list apart at
            first; what tells them further apart is made smaller in proportion, but for what the
            person turned down. Your order itself has a standard deviation of 1. ``None`` for no
            bound: then what a person does shows at once, and a host whose order is nearly perfect
            loses more before it returns. With 0.75 less than 1 % is lost.
        most: bound of the room that a person's choices can earn, for as long as they show that it
            is better so: at least ``room``, ``None`` for no bound. Equal to ``room`` nothing is
            earned, whatever clicks say.

    Raises:
        InvalidRequest: when a number is out of range.
    """

    share: float = 0.1
    room: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        share = check_number(self.share, "share", InvalidRequest, minimum=0.0)
        if share is None or share > MOST:
            raise InvalidRequest(f"share: expected a number from 0 to {MOST}, got {share}")
        check_number(self.room, "room", InvalidRequest, minimum=0.0)
        check_number(self.most, "most", InvalidRequest, minimum=0.0)
        if self.most is not None and (self.room is None or self.most < self.room):
            raise InvalidRequest(f"most: expected at least room, {self.room}, got {self.most}")


@dataclass(frozen=True, slots=True)
class Trial:
    """How a list is to be ordered where the host gives an order.

    Attributes:
        shown: whose order it is in, unless it is interleaved.
        share: chance that it is.
        room: log-odds by which everything but the host's order may tell items apart.
        rooms: before more was earned, and after; ``None`` where that makes no difference.
    """

    shown: Side
    share: float
    room: float | None
    rooms: tuple[float, float | None] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class HostTests:
    """Tests of the host's order of one person. A value: each list gives the next.

    Attributes:
        tests: by surface, empty for all that are not tested by name.
        rooms: likewise.
    """

    tests: Mapping[str, OrderTest] = field(default_factory=dict)
    rooms: Mapping[str, RoomTest] = field(default_factory=dict)

    def of(self, surface: str) -> OrderTest:
        """The test of a surface."""
        return self.tests.get(self._name(surface), OrderTest())

    def room_of(self, surface: str) -> RoomTest:
        """The test of a surface's room."""
        return self.rooms.get(self._name(surface), RoomTest())

    def trial(self, surface: str, guard: HostGuard) -> Trial:
        """How the next list of a surface is to be ordered."""
        order, room = self.of(surface), guard.room
        rooms = None if room is None or room == guard.most else (room, guard.most)
        if rooms is not None and self.room_of(surface).earned:
            room = guard.most
        return Trial(order.shown, order.share(guard.share), room, rooms)

    def after(self, shown: Shown, deeds: Deeds) -> HostTests:
        """The tests after a list; these where it tells of neither order nor room.

        What was earned is lost where the host's order returns. With another room ours is another
        order, of which nothing is known yet.

        Args:
            shown: the list.
            deeds: what the person did with it; a choice counts as far as it was a success.
        """
        worth = [deeds.success(one) for one in shown.ids]
        order, room = before = self.of(shown.surface), self.room_of(shown.surface)
        if shown.teams is not None:
            order = order.credited(winner(shown.teams, worth))
            room = room if order.shown is before[0].shown else RoomTest()
        if shown.tilt is not None and any(worth):
            room = room.after(float(np.dot(worth, shown.tilt)))
            if room.earned is not before[1].earned:
                order = OrderTest(order.shown, returns=order.returns)
        if (order, room) == before:
            return self
        name = self._name(shown.surface)
        return HostTests({**self.tests, name: order}, {**self.rooms, name: room})

    def _name(self, surface: str) -> str:
        known = sum(1 for name in self.tests if name)
        return surface if surface in self.tests or known < SURFACES else ""

    def to_bytes(self, layout: Layout) -> bytes:
        """The tests for the vault: a version, the layout's mark, names and counts."""
        parts = [_START.pack(_VERSION, layout.mark, len(self.tests))]
        for surface, test in sorted(self.tests.items()):
            name = surface.encode()
            room = self.room_of(surface)
            flags = _OURS * (test.shown is Side.OURS) + _EARNED * room.earned
            returns = min(test.returns, _MOST_RETURNS)
            counts = (test.host_wins, test.our_wins, test.looks, returns)
            parts.append(bytes([len(name)]) + name + _TEST.pack(flags, *counts, room.wealth))
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, raw: bytes, layout: Layout) -> Self | None:
        """Read what :meth:`to_bytes` wrote; ``None`` where it is of another layout or version."""
        try:
            version, mark, count = _START.unpack_from(raw)
            if (version, mark) != (_VERSION, layout.mark):
                return None
            at, tests, rooms = _START.size, {}, {}
            for _ in range(count):
                end = at + 1 + raw[at]
                name = raw[at + 1 : end].decode()
                flags, *counts, wealth = _TEST.unpack_from(raw, end)
                tests[name] = OrderTest(Side.OURS if flags & _OURS else Side.HOST, *counts)
                rooms[name] = RoomTest(bool(flags & _EARNED), wealth)
                at = end + _TEST.size
        except (struct.error, IndexError, UnicodeDecodeError, InvalidRequest):
            return None
        return cls(tests, rooms) if len(raw) == at else None


class Answered(Protocol):
    """A list that was shown, and what the person did with it so far."""

    @property
    def shown(self) -> Shown:
        """The list."""
        ...

    @property
    def deeds(self) -> Deeds:
        """What was done."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class HeldTests:
    """Tests of one person, for one pack. A value: lists give the next.

    Attributes:
        settled: after the lists that nothing more can be said of.
        current: after the open ones too, as far as they were answered; what is kept in the vault.
    """

    settled: HostTests
    current: HostTests

    def after(self, closed: Iterable[Answered], still_open: Iterable[Answered]) -> HeldTests:
        """The tests after lists.

        Args:
            closed: those of which nothing more can be said since, oldest first.
            still_open: all others that are not settled, oldest first.
        """
        settled = _after(self.settled, closed)
        return HeldTests(settled, _after(settled, still_open))


def _after(tests: HostTests, lists: Iterable[Answered]) -> HostTests:
    for one in lists:
        tests = tests.after(one.shown, one.deeds)
    return tests


class HostTestBook:
    """Tests of the host's order of the people of one history. Not safe from several threads.

    Nothing is written while ranking: a list that closes leaves the tests as they are, for what
    its events told was written with them.

    Args:
        history: keeps them, and says who agreed to personalisation.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._people: OrderedDict[tuple[str, str], HeldTests] = OrderedDict()

    def of(self, user: str, layout: Layout) -> HostTests:
        """A person's tests for the pack that ranks.

        Raises:
            HistoryError: when they cannot be read.
        """
        return self._known(user, layout).current

    def settle(self, user: str, shown: Shown, deeds: Deeds) -> None:
        """Take note of what came of a list that is closed."""
        key = user, shown.layout.pack
        held = self._people.get(key)
        if held is not None:
            self._people[key] = replace(held, settled=held.settled.after(shown, deeds))

    def held(self, user: str, pack: str) -> HeldTests | None:
        """What is held in memory of a person for a pack."""
        return self._people.get((user, pack))

    def hold(self, user: str, pack: str, tests: HeldTests) -> None:
        """Take what is in the vault now, of a person who is held."""
        self._people[user, pack] = tests

    def drop(self, user: str | None = None) -> None:
        """Forget what is held in memory of a person, or of everybody."""
        for key in [key for key in self._people if user in {None, key[0]}]:
            del self._people[key]

    def _known(self, user: str, layout: Layout) -> HeldTests:
        key = user, layout.pack
        held = self._people.get(key)
        if held is None:
            raw = self._history.state(user, state_of(ORDER, layout.pack))
            tests = None if raw is None else HostTests.from_bytes(raw, layout)
            tests = HostTests() if tests is None else tests
            held = self._people[key] = HeldTests(tests, tests)
            if len(self._people) > PEOPLE:
                self._people.popitem(last=False)
        self._people.move_to_end(key)
        return held
