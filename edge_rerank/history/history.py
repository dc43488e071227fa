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
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_rerank.errors import ConsentRequired, RecordingPaused
from edge_rerank.history.aggregates import Aggregate, release_counts
from edge_rerank.history.clean import clean
from edge_rerank.history.personal_data import PersonalData, read_events
from edge_rerank.history.transfer import check_recipient, export_sealed
from edge_rerank.history.vault.audit import AuditAction, AuditEntry
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.receipts import ErasureReceipt, Verification
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import KEPT_NOTE, Scrubber
from edge_rerank.types import Event, EventType

__all__ = ["PERSONALISATION", "RecentHistory"]

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
        self._removals = store.removals
        self._lock = threading.RLock()

    def record(self, user: str, events: Sequence[Event], *, now: float) -> int:
        """Clean, scrub and store events; all of them or, on an error, none.

        Returns:
            How many were new; the others were duplicates.

        Raises:
            ConsentRequired: without the person's consent to personalisation.
            RecordingPaused: while the person has paused recording.
            InvalidEvent: when an event's timestamp lies in the future.
            HistoryError: when the store refuses.
        """
        cleaned = [self._scrubber.clean(clean(event, now=now)) for event in events]
        with self._lock:
            if not self._store.has_consent(user, PERSONALISATION):
                raise ConsentRequired(
                    "the person has not agreed to personalisation: call consent() first"
                )
            if self._store.is_paused(user):
                raise RecordingPaused("the person has paused recording: call resume() first")
            self._note_kept_kinds()
            self._store.tend()
            appended = self._store.append(user, cleaned)
            self._drop_removed()
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
            self._store.tend()
            self._drop_removed()
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

    def access(self, user: str) -> PersonalData:
        """Everything stored about the person."""
        with self._lock:
            return PersonalData.of(self._store.access(user))

    def export(self, user: str, recipient: bytes, target: Path) -> PersonalData:
        """Write :meth:`access`, sealed for a recipient, to a new file; returns what went out.

        Noted in the audit log first: a crash may leave a note too many, never one too few.

        Raises:
            InvalidRequest: when ``recipient`` is not an X25519 public key, or ``target``
                cannot be made.
            HistoryError: when the store refuses.
        """
        check_recipient(recipient)
        with self._lock:
            data = PersonalData.of(self._store.access(user))
            self._store.log(AuditAction.RELEASED, user=user, count=len(data.events))
        export_sealed(data.to_json().encode(), recipient, target)
        return data

    def release_counts(
        self, categories: Sequence[str], *, epsilon: float, event: EventType | None = None
    ) -> Aggregate:
        """Counts over all people, see :func:`edge_rerank.history.aggregates.release_counts`."""
        return release_counts(self._store, categories, epsilon=epsilon, event=event)

    def restore(self, user: str, text: str, *, now: float) -> int:
        """Record the events of an export of :meth:`access` again; returns how many were new.

        Raises:
            InvalidRequest: when ``text`` is not an export.
            ConsentRequired: without the person's consent to personalisation.
            HistoryError: when the store refuses.
        """
        events = read_events(text)
        with self._lock:
            new = self.record(user, events, now=now)
            self._store.log(AuditAction.RESTORED, user=user, count=new)
            return new

    def remove_event(self, user: str, record: int) -> bool:
        """Delete one event, by its number in :meth:`access`; whether there was one."""
        with self._lock:
            removed = self._store.remove_event(user, record)
            self._drop_removed()
            return removed

    def set_paused(self, user: str, paused: bool) -> None:
        """Pause or resume recording."""
        with self._lock:
            self._store.set_paused(user, paused)

    def audit_log(self) -> tuple[AuditEntry, ...]:
        """The whole audit log, oldest first."""
        return self._store.audit_log()

    def verify(self) -> Verification:
        """Look at every byte of the file."""
        return self._store.verify()

    def rotate_key(self, key: bytes | None = None) -> None:
        """Replace the key-encryption key, see :meth:`HistoryStore.rotate_key`."""
        self._store.rotate_key(key)

    def close(self) -> None:
        """Close the store and empty the memory."""
        with self._lock:
            self._people.clear()
            self._store.close()

    def _drop_removed(self) -> None:
        """Empty the memory if the store has deleted events since the last look."""
        if self._removals != self._store.removals:
            self._removals = self._store.removals
            self._people.clear()

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
