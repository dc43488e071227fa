"""Learner of personal heads: joins what was shown with what was done, and keeps what follows."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from edge_rerank.history.history import History
from edge_rerank.history.recording import Follow
from edge_rerank.inference.numpy_threads import ONE_THREAD
from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.head import Head
from edge_rerank.learning.host_guard import ORDER, HeldTests, HostGuard, HostTestBook, Trial
from edge_rerank.learning.journal import STATE, Journal
from edge_rerank.learning.layout import Layout, state_of
from edge_rerank.learning.lessons import Shown
from edge_rerank.learning.open_lists import OpenList, OpenLists
from edge_rerank.types import Event

logger = logging.getLogger(__name__)

PEOPLE = 64
"""People whose open lists are held in memory."""

_HEAD = "head"
"""Kind of the states in the vault."""


@dataclass(slots=True, repr=False)
class _Pupil:
    """What is held in memory of one person, for one pack.

    Attributes:
        open: the lists that are still being answered, and what was learnt; what is in the vault.
        reset: whether a head of another pack was dropped, and nobody was told yet.
    """

    open: OpenLists
    reset: bool = False


class Learner:
    """Personal heads of the people of one history. Safe from several threads.

    A head is learnt when :meth:`following` is told of events that name a ranking, and is sealed
    in one transaction with them. What a dwell time that comes later says takes the place of what
    was learnt without it, as long as the list is open.

    Args:
        history: keeps the heads, and says who agreed to personalisation.
        guard: how the host's order is guarded; ``None`` for not at all.
    """

    def __init__(self, history: History, *, guard: HostGuard | None = None) -> None:
        self._history = history
        self._guard = guard
        self._tests = HostTestBook(history)
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
            return self._pupil(user, layout).open.head

    def trial(self, user: str, layout: Layout, surface: str) -> Trial | None:
        """How the person's next list is to be ordered where the host gives an order.

        Args:
            user: who.
            layout: of the pack that ranks.
            surface: which of the host's lists it is, empty where the host does not say.

        Returns:
            ``None`` without a guard or consent.

        Raises:
            HistoryError: when what is known of it cannot be read.
        """
        if self._guard is None or not self._history.personalises(user):
            return None
        with self._lock:
            tests = self._tests.of(user, layout)
        return tests.trial(surface, self._guard)

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
            if pupil is not None and pupil.open.head.layout == shown.layout:
                pupil.open.add(shown)
                self._note(user, pupil.open.close(shown.at))

    @contextmanager
    def following(self, user: str) -> Iterator[Follow]:
        """Around what records events of a person: what is learnt from them holds if they are kept.

        Gives what says which states follow, for ``History.beside_record()``.
        """
        with ONE_THREAD, self._lock:
            drafts = {
                pack: one.open.draft() for (who, pack), one in self._pupils.items() if who == user
            }
            turn = _Turn(user, drafts, self._tests, self._journal.due(user))
            yield turn.states
            if not turn.done:
                return
            for pack, after in turn.open.items():
                self._pupils[user, pack].open = after
            for pack, tests in turn.tests.items():
                self._tests.hold(user, pack, tests)
            if turn.due is not None:
                self._journal.drop(user)
            for one in turn.closed:
                self._journal.note(user, one.shown, one.deeds)

    def log(self, user: str) -> FeedbackLog:
        """What came of lists and is not in the vault yet; of open ones, so far."""
        with self._lock:
            log = self._journal.pending(user)
            for (person, _), pupil in self._pupils.items():
                for one in pupil.open.lists.values() if person == user else ():
                    log = log.after_list(one.shown, one.deeds)
            return log

    def close(self) -> None:
        """Close all lists, and write what came of them."""
        with self._lock:
            for (user, _), pupil in self._pupils.items():
                self._note(user, pupil.open.close(math.inf))
            self._journal.keep_all()

    def _note(self, user: str, closed: Iterable[OpenList]) -> None:
        for one in closed:
            self._journal.note(user, one.shown, one.deeds)
            self._tests.settle(user, one.shown, one.deeds)

    def drop(self, user: str | None = None) -> None:
        """Forget what is held in memory of a person, or of everybody."""
        with self._lock:
            self._dropped += 1
            self._journal.drop(user)
            self._tests.drop(user)
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
        if pupil is None or pupil.open.head.layout != layout:
            raw = self._history.state(user, state_of(_HEAD, layout.pack))
            head = None if raw is None else Head.from_bytes(raw, layout)
            reset = raw is not None and head is None
            if reset:
                logger.info("a personal head of another pack was dropped")
            head = Head.blank(layout) if head is None else head
            if pupil is not None:
                self._note(user, pupil.open.close(math.inf))
            pupil = self._pupils[key] = _Pupil(OpenLists(head), reset=reset)
            if len(self._pupils) > PEOPLE:
                (gone, _), oldest = self._pupils.popitem(last=False)
                self._note(gone, oldest.open.close(math.inf))
        self._pupils.move_to_end(key)
        return pupil


class _Turn:
    """What a call to record changes of one person, once its events are kept.

    Args:
        user: the person.
        drafts: of their open lists by pack.
        book: has the tests of the host's order.
        due: the journal's state, where it is time to write it.

    Attributes:
        open: the drafts, learnt from the events.
        tests: of the host's order after the events, by pack.
        due: as given.
        closed: lists that the events have closed, oldest first.
        done: whether there were events.
    """

    def __init__(
        self, user: str, drafts: dict[str, OpenLists], book: HostTestBook, due: bytes | None
    ) -> None:
        self._user = user
        self._book = book
        self.open = drafts
        self.tests: dict[str, HeldTests] = {}
        self.due = due
        self.closed: list[OpenList] = []
        self.done = False

    def states(self, events: Sequence[Event], new: Collection[int]) -> dict[str, bytes]:
        """The states that follow from events, see ``Follow``."""
        self.done = True
        found = {} if self.due is None else {STATE: self.due}
        for pack, lists in self.open.items():
            before = lists.head
            closed = lists.learn(events, new)
            self.closed += closed
            if lists.head is not before:
                found[state_of(_HEAD, pack)] = lists.head.to_bytes()
            found |= self._tested(pack, closed, lists)
        return found

    def _tested(self, pack: str, closed: Sequence[OpenList], lists: OpenLists) -> dict[str, bytes]:
        """The state of the tests of the host's order, where the lists change it."""
        held = self._book.held(self._user, pack)
        if held is None:
            return {}
        after = held.after(closed, lists.lists.values())
        self.tests[pack] = after
        if after.current == held.current:
            return {}
        return {state_of(ORDER, pack): after.current.to_bytes(lists.head.layout)}
