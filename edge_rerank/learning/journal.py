"""Journal of what came of lists: kept in memory for a while, then in the vault."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field

from edge_rerank.errors import ClosedError, HistoryError
from edge_rerank.history.history import History
from edge_rerank.learning.coverage import Sketch
from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.list_record import ListRecord

logger = logging.getLogger(__name__)

STATE = "feedback"
"""Name of the state in the vault."""

KEPT_AT = 8
"""Lists of a person after which they are written with the next event."""

PEOPLE = 256
"""People of whom lists are held in memory."""


@dataclass(slots=True, repr=False)
class _Pending:
    """What came of a person's lists and is not written yet.

    Attributes:
        count: lists.
        log: of them, but for the last.
        last: records of these, with their surfaces and sketches: they are added up eight at a
            time, of which only the first finds nothing at hand.
    """

    count: int = 0
    log: FeedbackLog = field(default_factory=FeedbackLog)
    last: list[tuple[ListRecord, str, Sketch]] = field(default_factory=list)

    def note(self, shown: Shown, deeds: Deeds) -> None:
        """One more list."""
        self.count += 1
        self.last.append((ListRecord.of(shown, deeds), shown.surface, shown.variety.sketch))
        if len(self.last) >= KEPT_AT:
            self.whole()

    def whole(self) -> FeedbackLog:
        """The log of all of them."""
        for record, surface, sketch in self.last:
            self.log = self.log.after(record, surface, sketch)
        self.last.clear()
        return self.log


class Journal:
    """What came of the lists of the people of one history. Not safe from several threads.

    Args:
        history: keeps it, and says who agreed to personalisation.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    def note(self, user: str, shown: Shown, deeds: Deeds) -> None:
        """Take note of what came of a list, in memory: nothing is written while ranking."""
        self._pending.setdefault(user, _Pending()).note(shown, deeds)
        self._pending.move_to_end(user)
        if len(self._pending) > PEOPLE:
            self._pending.popitem(last=False)

    def due(self, user: str) -> bytes | None:
        """The state with what was noted, where that is enough to be written; ``None`` for not yet.

        Whoever writes it then drops what was noted. What cannot be read or kept is dropped here.
        """
        pending = self._pending.get(user)
        if pending is None or pending.count < KEPT_AT:
            return None
        return self._with(user, pending.whole())

    def keep(self, user: str) -> None:
        """Write what was noted.

        What may not be kept, for want of consent or while recording is paused, is dropped.
        """
        whole = self._with(user, self.pending(user))
        self.drop(user)
        try:
            if whole is not None:
                self._history.set_state(user, STATE, whole)
        except (HistoryError, ClosedError, ValueError) as error:
            self._lost(user, error)

    def _with(self, user: str, log: FeedbackLog) -> bytes | None:
        """What is in the vault, with another log after it."""
        try:
            if not self._history.personalises(user):
                return None
            raw = self._history.state(user, STATE)
            kept = None if raw is None else FeedbackLog.from_bytes(raw)
            whole = (kept or FeedbackLog()).merged(log).since(self._history.kept_since)
            return whole.to_bytes()
        except (HistoryError, ClosedError) as error:
            self._lost(user, error)
            return None

    def _lost(self, user: str, error: Exception) -> None:
        self.drop(user)
        logger.warning("what came of lists was not kept: %s", type(error).__name__)

    def keep_all(self) -> None:
        """Write what was noted of everybody."""
        for user in list(self._pending):
            self.keep(user)

    def pending(self, user: str) -> FeedbackLog:
        """What was noted of a person and not written yet."""
        pending = self._pending.get(user)
        return FeedbackLog() if pending is None else pending.whole()

    def drop(self, user: str | None = None) -> None:
        """Forget what is held in memory of a person, or of everybody."""
        for one in list(self._pending) if user is None else [user]:
            self._pending.pop(one, None)
