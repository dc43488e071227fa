"""The history as ``rank()`` sees it: the newest events of the people being served, in memory.

In front of the sealed store, so that a call knows the click that came a millisecond before
without opening a single row.
"""

from __future__ import annotations

import json
import threading
from bisect import insort_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from edge_rerank.errors import ConsentRequired
from edge_rerank.history.clean import clean
from edge_rerank.history.store import ErasureReceipt, HistoryStore
from edge_rerank.privacy.scrub import KEPT_NOTE, Scrubber
from edge_rerank.types import Event

PERSONALISATION = "personalisation"
"""The purpose without whose consent nothing is recorded and no history is read."""

MAX_EVENTS = 500
MAX_PEOPLE = 64
"""People whose newest events stay in memory, least recently served out first."""


class RecentHistory:
    """A sealed store with the newest events of a few people in memory.

    The one way into the store: nothing is sealed that was not cleaned and scrubbed here.
    Safe from several threads. Owns ``store`` and closes it.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber | None = None) -> None:
        self._store = store
        self._scrubber = Scrubber() if scrubber is None else scrubber
        self._noted = False
        self._people: OrderedDict[str, list[Event]] = OrderedDict()
        self._lock = threading.RLock()

    def record(self, user: str, events: Sequence[Event], *, now: float) -> int:
        """Clean, scrub and store events; all of them or, on an error, none.

        Returns:
            How many were new; the others were duplicates.

        Raises:
            ConsentRequired: without the person's consent to personalisation.
            InvalidEvent: when an event's timestamp lies in the future.
            HistoryError: when the store refuses.
        """
        cleaned = [self._scrubber.clean(clean(event, now=now)) for event in events]
        with self._lock:
            if not self._store.has_consent(user, PERSONALISATION):
                raise ConsentRequired(
                    "the person has not agreed to personalisation: call consent() first"
                )
            self._note_kept_kinds()
            appended = self._store.append(user, cleaned)
            known = self._people.get(user)
            if known is not None:
                for event in appended.stored:
                    insort_right(known, event, key=_when)
                del known[:-MAX_EVENTS]
            return len(appended.stored)

    def _note_kept_kinds(self) -> None:
        """Say in the store itself what is left in, so that it cannot go unnoticed."""
        if not self._noted:
            kept = json.dumps(sorted(self._scrubber.keep)).encode()
            if self._store.read_note(KEPT_NOTE) != kept:
                self._store.write_note(KEPT_NOTE, kept)
            self._noted = True

    def events(self, user: str) -> tuple[Event, ...]:
        """The person's newest 500 events, oldest first; none without consent.

        Raises:
            HistoryError: when the store cannot be read.
        """
        with self._lock:
            if not self._store.has_consent(user, PERSONALISATION):
                return ()
            known = self._people.get(user)
            if known is None:
                known = list(self._store.load(user, limit=MAX_EVENTS))
                self._people[user] = known
                if len(self._people) > MAX_PEOPLE:
                    self._people.popitem(last=False)
            else:
                self._people.move_to_end(user)
            return tuple(known)

    def all_events(self, user: str) -> tuple[Event, ...]:
        """Everything stored about the person, oldest first, whatever the consent."""
        with self._lock:
            return self._store.load(user)

    def set_consent(self, user: str, purpose: str, *, granted: bool) -> None:
        """Note the person's decision; a withdrawal also empties the memory."""
        with self._lock:
            self._store.set_consent(user, purpose, granted)
            if not granted:
                self._people.pop(user, None)

    def consents(self, user: str) -> Mapping[str, bool]:
        """The person's decisions by purpose."""
        with self._lock:
            return self._store.consents(user)

    def forget(self, user: str) -> ErasureReceipt:
        """Erase everything about the person, in memory and in the store."""
        with self._lock:
            self._people.pop(user, None)
            return self._store.erase(user)

    def close(self) -> None:
        """Close the store and empty the memory."""
        with self._lock:
            self._people.clear()
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _when(event: Event) -> float:
    return event.timestamp or 0.0
