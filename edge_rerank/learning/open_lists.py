"""Open lists of a person: what is still being answered, and the head that follows from it.

A list is learnt from when an event first says something of it, and learnt anew when a later event
says more. So that this takes one lesson and not those of all lists before, each open list keeps
the head that it was learnt upon: only it and those after it are learnt again, and the result is
to the last bit what learning all of them in their order gives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge_rerank.learning.head import Head
from edge_rerank.learning.lessons import Deeds, Reading, Shown
from edge_rerank.types import Event

OPEN_LISTS = 8
"""Lists of a person that later events still say something of."""

OPEN_S = 1_800.0
"""Seconds for which they do."""


@dataclass(frozen=True, slots=True, repr=False)
class OpenList:
    """A list that is still being answered. A value: events give the next.

    Attributes:
        shown: the list.
        before: the head that was learnt from all lists before it.
        deeds: what the person did with it so far; not changed any more.
        reading: what that says, as far as it was learnt; ``None`` for nothing.
    """

    shown: Shown
    before: Head
    deeds: Deeds = field(default_factory=Deeds)
    reading: Reading | None = None

    def told(self, events: Iterable[tuple[Event, bool]]) -> OpenList:
        """The list after events that name it, and whether each is new."""
        deeds = self.deeds.copy()
        for event, new in events:
            deeds.heed(event, new=new)
        return replace(self, deeds=deeds, reading=Reading.of(self.shown.ids, deeds))

    def learnt(self) -> Head:
        """The head after it; the same where it teaches nothing."""
        reading = self.reading
        return self.before if reading is None else self.before.learn(reading.lesson(self.shown))


@dataclass(slots=True, repr=False)
class OpenLists:
    """The open lists of a person, and their head. Not safe from several threads.

    Attributes:
        head: learnt from all lists that were closed, and from the open ones so far.
        lists: the open ones by the ranking's id, oldest first.
    """

    head: Head
    lists: OrderedDict[str, OpenList] = field(default_factory=OrderedDict)

    def draft(self) -> OpenLists:
        """A copy to change."""
        return replace(self, lists=self.lists.copy())

    def add(self, shown: Shown) -> None:
        """Open another list."""
        self.lists[shown.ranking] = OpenList(shown, self.head)

    def close(self, now: float) -> list[OpenList]:
        """Close lists that are too old or too many; what was learnt from them stays.

        Args:
            now: UTC seconds.

        Returns:
            Those that were closed, oldest first.
        """
        closed = []
        while self.lists:
            oldest = next(iter(self.lists.values()))
            if len(self.lists) <= OPEN_LISTS and now - oldest.shown.at < OPEN_S:
                break
            closed.append(self.lists.popitem(last=False)[1])
        return closed

    def learn(self, events: Sequence[Event], new: Collection[int] | None = None) -> list[OpenList]:
        """Learn from what the person did, each event at its time.

        Args:
            events: with timestamps; those that name no list that is open are passed over.
            new: places of the events that were not kept before; all if ``None``.

        Returns:
            Lists that their times have closed, oldest first.
        """
        closed: list[OpenList] = []
        told: dict[str, list[tuple[Event, bool]]] = {}
        for place, event in enumerate(events):
            # By the time of the events: a host may replay a log.
            now = event.timestamp or 0.0
            if self.lists and now - next(iter(self.lists.values())).shown.at >= OPEN_S:
                self._learn(told)
                told = {}
                closed += self.close(now)
            ranking = event.ranking
            if ranking is not None and ranking in self.lists:
                told.setdefault(ranking, []).append((event, new is None or place in new))
        self._learn(told)
        return closed

    def _learn(self, told: Mapping[str, Sequence[tuple[Event, bool]]]) -> None:
        """Learn lists anew from the first on of which events say something else than was learnt."""
        head: Head | None = None
        for ranking, one in self.lists.items():
            after = one
            if ranking in told:
                after = one.told(told[ranking])
            if head is not None:
                after = replace(after, before=head)
            self.lists[ranking] = after
            if head is not None or after.reading != one.reading:
                head = after.learnt()
        if head is not None:
            self.head = head
