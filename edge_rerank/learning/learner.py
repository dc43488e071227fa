"""Learner of personal heads: joins what was shown with what was done, and keeps what follows."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from edge_rerank.errors import HistoryError
from edge_rerank.history.history import History
from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.head import Head
from edge_rerank.learning.journal import Journal
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Shown, lesson_of
from edge_rerank.learning.list_record import ListRecord
from edge_rerank.types import Event

logger = logging.getLogger(__name__)

OPEN_LISTS = 8
"""Lists of a person that later events still say something of."""

OPEN_S = 1_800.0
"""Seconds for which they do."""

PEOPLE = 64
"""People whose open lists are held in memory."""

_STATE = "head."
_NAME_CHARS = 32 - len(_STATE)


@dataclass(slots=True, repr=False)
class _Open:
    """A list that is still being answered."""

    shown: Shown
    deeds: Deeds = field(default_factory=Deeds)

    def teach(self, head: Head) -> Head:
        """The head after it; the same where it teaches nothing."""
        lesson = lesson_of(self.shown, self.deeds)
        return head if lesson is None else head.learn(lesson)


@dataclass(slots=True, repr=False)
class _Pupil:
    """What is held in memory of one person, for one pack.

    Attributes:
        settled: learnt from lists that nothing more can be said of.
        current: the same and what the open lists teach so far; what is kept in the vault.
        lists: the open ones by the ranking's id, oldest first.
        reset: whether a head of another pack was dropped, and nobody was told yet.
    """

    settled: Head
    current: Head
    lists: OrderedDict[str, _Open] = field(default_factory=OrderedDict)
    reset: bool = False

    def settle(self, now: float) -> Iterator[_Open]:
        """Close lists that are too old or too many; what was learnt stays the same.

        Yields:
            Them, each once it is closed.
        """
        while self.lists:
            oldest = next(iter(self.lists.values()))
            if len(self.lists) <= OPEN_LISTS and now - oldest.shown.at < OPEN_S:
                break
            self.lists.popitem(last=False)
            self.settled = oldest.teach(self.settled)
            yield oldest

    def learn(self) -> bool:
        """Learn the open lists anew from what was settled; whether anything came of it."""
        head = self.settled
        for one in self.lists.values():
            head = one.teach(head)
        changed = head is not self.current
        self.current = head
        return changed


class Learner:
    """Personal heads of the people of one history. Safe from several threads.

    A head is learnt when :meth:`heed` is told of events that name a ranking, and is sealed in
    the history before that returns. What a dwell time that comes later says takes the place of
    what was learnt without it, as long as the list is open.

    Args:
        history: keeps the heads, and says who agreed to personalisation.
        clock: gives UTC seconds.
    """

    def __init__(self, history: History, *, clock: Callable[[], float] = time.time) -> None:
        self._history = history
        self._clock = clock
        self._pupils: OrderedDict[tuple[str, str], _Pupil] = OrderedDict()
        self._journal = Journal(history)
        self._lock = threading.Lock()
        self._dropped = 0

    def head(self, user: str, layout: Layout) -> Head | None:
        """What was learnt of a person for a pack; ``None`` without consent.

        Raises:
            HistoryError: when it cannot be read.
        """
        if not self._history.personalises(user):
            return None
        with self._lock:
            return self._pupil(user, layout).current

    def was_reset(self, user: str, layout: Layout) -> bool:
        """Whether what was learnt was dropped because the pack is another; said once."""
        with self._lock:
            pupil = self._pupils.get((user, layout.pack))
            if pupil is None or not pupil.reset:
                return False
            pupil.reset = False
            return True

    def watch(self, user: str, shown: Shown) -> None:
        """Take note that a list was shown to a person whose head it was made with.

        Who was dropped since then is not taken up again.
        """
        with self._lock:
            pupil = self._pupils.get((user, shown.layout.pack))
            if pupil is not None and pupil.current.layout == shown.layout:
                pupil.lists[shown.ranking] = _Open(shown)
                self._close_lists(user, pupil, shown.at)

    def heed(self, user: str, events: Sequence[Event]) -> None:
        """Learn from what a person did with lists that were shown.

        Args:
            user: who.
            events: as recorded; those that name no list that is open are passed over.
        """
        with self._lock:
            for (person, pack), pupil in list(self._pupils.items()):
                if person == user and self._told(user, pupil, events) and pupil.learn():
                    self._keep(user, pack, pupil.current)
            self._journal.keep(user)

    def log(self, user: str) -> FeedbackLog:
        """What came of lists and is not in the vault yet; of open ones, so far."""
        with self._lock:
            log = self._journal.pending(user)
            for (person, _), pupil in self._pupils.items():
                for one in pupil.lists.values() if person == user else ():
                    record = ListRecord.of(one.shown, one.deeds)
                    log = log.after(record, one.shown.surface, one.shown.variety.sketch)
            return log

    def close(self) -> None:
        """Close all lists, and write what came of them."""
        with self._lock:
            for (user, _), pupil in self._pupils.items():
                self._close_lists(user, pupil, math.inf)
            self._journal.keep_all()

    def _close_lists(self, user: str, pupil: _Pupil, now: float) -> None:
        for one in pupil.settle(now):
            self._journal.note(user, one.shown, one.deeds)

    def _keep(self, user: str, pack: str, head: Head) -> None:
        try:
            self._history.set_state(user, _state_of(pack), head.to_bytes())
        except HistoryError as error:
            # The events themselves are kept, and the head still holds in memory.
            logger.warning("what was learnt was not kept: %s", type(error).__name__)

    def _told(self, user: str, pupil: _Pupil, events: Sequence[Event]) -> bool:
        # By the time of the events: a host may replay a log.
        moments = [one.timestamp for one in events if one.timestamp is not None]
        self._close_lists(user, pupil, max(moments, default=self._clock()))
        found = False
        for event in events:
            one = pupil.lists.get(event.ranking or "")
            if one is not None:
                one.deeds.heed(event)
                found = True
        return found

    def drop(self, user: str | None = None) -> None:
        """Forget what is held in memory of a person, or of everybody."""
        with self._lock:
            self._dropped += 1
            self._journal.drop(user)
            for key in [key for key in self._pupils if user in {None, key[0]}]:
                del self._pupils[key]

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around a ranking that is watched: if anyone was forgotten meanwhile, again after it."""
        before = self._dropped
        try:
            yield
        finally:
            if self._dropped != before:
                self.drop()

    def _pupil(self, user: str, layout: Layout) -> _Pupil:
        """What is known of a person, from memory or from the vault."""
        key = user, layout.pack
        pupil = self._pupils.get(key)
        if pupil is None or pupil.current.layout != layout:
            raw = self._history.state(user, _state_of(layout.pack))
            head = None if raw is None else Head.from_bytes(raw, layout)
            reset = raw is not None and head is None
            if reset:
                logger.info("a personal head of another pack was dropped")
            head = Head.blank(layout) if head is None else head
            if pupil is not None:
                self._close_lists(user, pupil, math.inf)
            pupil = self._pupils[key] = _Pupil(head, head, reset=reset)
            if len(self._pupils) > PEOPLE:
                (gone, _), oldest = self._pupils.popitem(last=False)
                self._close_lists(gone, oldest, math.inf)
        self._pupils.move_to_end(key)
        return pupil


def _state_of(pack: str) -> str:
    """Name of the state in the vault; of packs with long names, one that stands for theirs."""
    short = pack if len(pack) <= _NAME_CHARS else sha256(pack.encode()).hexdigest()
    return f"{_STATE}{short[:_NAME_CHARS]}"
