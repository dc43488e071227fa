"""The encrypted history of the people served: recording, reading, access, export, erasure.

Needs no model. One lock stands before the sealed store and the newest events in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edge_rerank._check import (
    check_bool,
    check_integer,
    check_kind,
    check_path,
    check_sequence,
    check_text,
)
from edge_rerank._progress import Progress
from edge_rerank.errors import HistoryKeyError, InvalidRequest
from edge_rerank.history.aggregates import Aggregate, release_counts
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.person_states import PersonStates, check_user
from edge_rerank.history.personal_data import PersonalData, read_export
from edge_rerank.history.recent import RecentEvents
from edge_rerank.history.transfer import check_recipient, export_sealed
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.receipts import ErasureReceipt
from edge_rerank.history.vault.retention import Retention
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.types import Event, EventType, Item

if TYPE_CHECKING:
    from edge_rerank.formats.layout import FileLayout
    from edge_rerank.history.import_log import ImportSummary

__all__ = ["PERSONALISATION", "History"]


class History(PersonStates):
    """What is kept about people: one encrypted file, or memory only.

    Make one with :meth:`open`, share it between threads, close it at the end; it is a context
    manager. One process at a time can have a file open. After :meth:`close` whatever needs the
    file raises ClosedError.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber | None = None) -> None:
        super().__init__(store, Scrubber() if scrubber is None else scrubber)
        self._recent = RecentEvents(store)
        self._fill_in: list[Callable[[Event], Event]] = []
        self._on_forget: list[Callable[[str], object]] = []

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        key: bytes | KeySource | None = None,
        *,
        scrubber: Scrubber | None = None,
        retention: Retention | None = None,
        anchor: str | Path | Anchor | None = None,
        new: bool = False,
        accept_loss: bool = False,
    ) -> Self:
        """Open a history file, making it if it is missing.

        Args:
            path: the file; ``None`` keeps everything in memory, gone with the process.
            key: 32 random bytes, or a key source such as :class:`~edge_rerank.KeyFile`;
                required for a file, refused without one: nothing would be kept.
            scrubber: takes personal data out of what is recorded; every kind if ``None``.
            retention: when events are deleted by themselves, noted in the file; ``None``
                for what is noted there, in a new file 13 months and 10,000 events a person.
            anchor: a path, or an :class:`~edge_rerank.Anchor`, outside the file's volume:
                detects that an old copy of the file was put in its place.
            new: make a history where there is none, and refuse where there is one. With an
                anchor it has to be said, for a file that is missing or empty may be one that
                somebody took away; without one a file that is missing is made.
            accept_loss: go on without what was acknowledged and has been lost, when opening says
                that something was.

        Raises:
            HistoryKeyError: when the key is missing, malformed or not this file's; the file is
                then left byte for byte as it was.
            HistoryError: when the file cannot be opened: locked, damaged, rolled back, ...
            InvalidRequest: when an argument is malformed, or a key or an anchor has no file.
        """
        file = None
        if path is not None:
            file = check_path(path, "history file", InvalidRequest, wanted="a path or None")
        if file is not None and key is None:
            raise HistoryKeyError("key: a history file needs 32 bytes or a key source, got None")
        if file is None and not (key is None and anchor is None):
            raise InvalidRequest("history file: expected one with a key or an anchor, got None")
        if scrubber is not None:
            check_kind(scrubber, "scrubber", Scrubber, example="Scrubber()")
        if retention is not None:
            check_kind(retention, "retention", Retention, example="Retention(max_age_days=30)")
        store = HistoryStore.open(
            file,
            None if file is None else key,
            retention=retention,
            anchor=anchor,
            new=check_bool(new, "new", InvalidRequest),
            accept_loss=check_bool(accept_loss, "accept_loss", InvalidRequest),
        )
        return cls(store, scrubber)

    # -- recording and reading --------------------------------------------------------

    def record(self, event: Event | Iterable[Event], *, user: str) -> int:
        """Remember what ``user`` did.

        The events are cleaned (no timestamp: now; dwell times capped at 30 minutes; scroll
        depth clamped to 0..1), scrubbed, sealed, and on disk when this returns.

        Args:
            event: one event or several; all are recorded or, on an error, none.
            user: the host's identifier of the person; only a keyed hash of it is stored.

        Returns:
            How many were new; duplicates are dropped.

        Raises:
            ConsentRequired: when the person has not agreed to personalisation, or, as
                RecordingPaused, has paused recording.
            InvalidEvent, InvalidRequest: when something is malformed, or a timestamp lies in
                the future.
            HistoryError: when the history cannot be written.
        """
        self._lock.check()
        person = check_user(user)
        events = _as_events(event)
        for fill_in in self._fill_in:
            events = [fill_in(one) for one in events]
        return self._keep(person, events, now=time.time(), followed=True)

    def events(self, user: str, *, among: Sequence[Item] = ()) -> tuple[Event, ...]:
        """The person's newest 500 events, oldest first, as ranking sees them; none without consent.

        Args:
            user: the host's identifier of the person.
            among: candidates; where an identifier was personal data, it is theirs again.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read.
        """
        person = check_user(user)
        with self._lock.checked():
            if not self._store.has_consent(person, PERSONALISATION):
                return ()
            self._store.tend()
            return self._recorder.aliases.recognise(self._recent.of(person), among)

    def all_events(self, user: str) -> tuple[Event, ...]:
        """Everything stored about the person, oldest first, whatever the consent.

        For somebody to see, so the reading is noted in the audit log: a write of its own. What
        ranking reads, :meth:`events`, is not.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read, or the reading not be noted.
        """
        person = check_user(user)
        with self._lock.checked():
            return self._store.disclose(person)

    def import_log(
        self,
        path: str | Path,
        *,
        user: str | None = None,
        layout: FileLayout | None = None,
        items: Iterable[Item] = (),
        consent_all: bool = False,
        progress: Progress | None = None,
    ) -> ImportSummary:
        """Record the events of a log file, people without consent left out.

        Args:
            path: JSON lines or CSV, plain or gzipped.
            user: whose events they are where a line does not say.
            layout: what the file's columns are called and how it is written; our own names if
                ``None``.
            items: give their text and categories to events that name an item by its id alone.
            consent_all: whether everybody in the file has agreed to personalisation: the host
                says so, and answers for it. Whoever has withdrawn here stays left out.
            progress: called with (lines handled, lines in all) now and then.

        Raises:
            InvalidRequest: when an argument is malformed.
            DataError: when the file cannot be read at all; a bad line is only counted.
            HistoryError: when the history cannot be written; batches before it are kept.
        """
        # Most hosts never read a log, and what reads one is a tenth of what the package loads.
        from edge_rerank.history.import_log import ingest, log_at  # noqa: PLC0415

        owner = None if user is None else check_user(user)
        wanted = "a sequence of items"
        known = check_sequence(items, "items", InvalidRequest, wanted=wanted, of=Item)
        everybody = check_bool(consent_all, "consent_all", InvalidRequest)
        log = log_at(path, layout, known)
        now = time.time()
        return ingest(
            log,
            lambda person, events: self._keep(person, events, now=now),
            now=now,
            owner=owner,
            agree=self._agree if everybody else None,
            progress=progress,
        )

    # -- consent, pause ---------------------------------------------------------------

    def consent(self, user: str, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether ``user`` agrees to ``purpose``.

        Without consent to "personalisation" :meth:`record` raises and :meth:`events` gives
        none; a withdrawal holds from the next call on. It erases nothing: that is
        :meth:`forget`.

        Raises:
            InvalidRequest: when an argument is malformed.
            HistoryError: when the decision cannot be stored.
        """
        person = check_user(user)
        agreed = check_bool(granted, "granted", InvalidRequest)
        with self._lock.checked():
            self._store.set_consent(person, purpose, agreed)
            if not granted:
                self._recent.drop(person)

    def consents(self, user: str) -> Mapping[str, bool]:
        """The person's decisions by purpose."""
        person = check_user(user)
        with self._lock.checked():
            return self._store.consents(person)

    def pause(self, user: str) -> None:
        """Stop recording ``user`` without erasing anything, until :meth:`resume`."""
        self._set_paused(user, True)

    def resume(self, user: str) -> None:
        """Record ``user`` again."""
        self._set_paused(user, False)

    # -- access, export, erasure ------------------------------------------------------

    def access(self, user: str) -> PersonalData:
        """Everything that is stored about ``user``, as readable JSON with a schema.

        ``access(user).to_json()`` is also what :meth:`restore` takes back. The access itself
        is noted in the audit log.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read, or the access not be noted.
        """
        person = check_user(user)
        with self._lock.checked():
            return PersonalData.of(self._store.access(person))

    def export(self, user: str, recipient: bytes, target: str | Path) -> PersonalData:
        """Write :meth:`access` to a new file that only ``recipient`` can open.

        Noted in the audit log first: a crash may leave a note too many, never one too few.
        What :func:`~edge_rerank.import_sealed` reads from the file, :meth:`restore` takes back.

        Args:
            user: whose history.
            recipient: an X25519 public key, 32 bytes, see
                :func:`~edge_rerank.generate_recipient_key`.
            target: must not exist yet.

        Returns:
            What went out.

        Raises:
            InvalidRequest: when an argument is malformed, or no file can be made there.
            HistoryError: when the history cannot be read, or the export not be noted.
        """
        person = check_user(user)
        file = check_path(target, "target", InvalidRequest)
        check_recipient(recipient)
        with self._lock.checked():
            data = self.access(person)
            self._store.log(AuditAction.RELEASED, user=person, count=len(data.events))
        export_sealed(data.to_json().encode(), recipient, file)
        return data

    def restore(self, data: str, *, user: str) -> int:
        """Record the events of an earlier :meth:`access` again, here or on another device.

        Attributes come back where the host has said nothing under their names meanwhile.

        Args:
            data: ``PersonalData.to_json()``.
            user: whose they are; must have agreed to personalisation.

        Returns:
            How many events were new.

        Raises:
            InvalidRequest: when ``data`` is not such a text.
            ConsentRequired: when the person has not agreed to personalisation.
            HistoryError: when the history cannot be written.
        """
        text = check_text(data, "data", InvalidRequest)
        person = check_user(user)
        events, attributes = read_export(text)
        with self._lock.checked():
            known = self._recorder.attributes(person)
            new = self._keep(person, events, now=time.time())
            self.describe(person, {n: one for n, one in attributes.items() if n not in known})
            self._store.log(AuditAction.RESTORED, user=person, count=new)
            return new

    def remove_event(self, user: str, record: int) -> bool:
        """Delete one stored event of ``user``, for instance because it is not true.

        Args:
            user: whose event it is.
            record: its number, ``StoredEvent.record`` in :meth:`access`.

        Returns:
            Whether there was such an event.

        Raises:
            InvalidRequest: when an argument is malformed.
            HistoryError: when the history cannot be written.
        """
        person = check_user(user)
        wanted = "a whole number from 1"
        check_integer(record, "record", InvalidRequest, minimum=1, maximum=2**63 - 1, wanted=wanted)
        with self._lock.checked():
            removed = self._store.remove_event(person, record)
            self._recent.drop_removed()
            return removed

    def forget(self, user: str) -> ErasureReceipt:
        """Erase everything about ``user``: events, attributes, keys, consent, memory.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the file cannot be written; calling again completes the erasure.
        """
        self._lock.check()
        person = check_user(user)
        try:
            with self._lock.checked():
                self._recent.drop(person)
                return self._store.erase(person)
        finally:
            for drop in self._on_forget:
                drop(person)

    # -- the history as a whole -------------------------------------------------------

    def release_counts(
        self, categories: Sequence[str], *, epsilon: float, event: EventType | None = None
    ) -> Aggregate:
        """Count the people with an event of each category, under local differential privacy.

        Those who agreed to the purpose "aggregates" take part. Each one's answers are randomised
        before they are added up, and a count with fewer than 20 people behind it is withheld.

        Args:
            categories: 1 to 16, chosen without looking at the data.
            epsilon: the price, > 0, out of the file's lifetime budget of 8.
            event: only events of this type; any if ``None``.

        Raises:
            InvalidRequest: when an argument is malformed.
            PrivacyBudgetSpent: when less than ``epsilon`` is left; nothing is counted then.
            HistoryError: when the budget cannot be noted; nothing is counted then.
        """
        lock = self._lock.checked()
        return release_counts(self._store, categories, epsilon=epsilon, event=event, lock=lock)

    # -- what works beside it ---------------------------------------------------------

    def before_record(self, fill_in: Callable[[Event], Event]) -> None:
        """Have ``fill_in`` complete every event that :meth:`record` is given.

        Args:
            fill_in: returns the event, or one with more fields set.
        """
        self._fill_in.append(fill_in)

    def on_forget(self, drop: Callable[[str], object]) -> None:
        """Have ``drop`` called with the user whenever one is erased, even if that fails half-way.

        Args:
            drop: deletes what is held in memory of the person outside of the history.
        """
        self._on_forget.append(drop)

    def close(self) -> None:
        """Close the file and empty the memory. May be called twice, and in a forked child."""
        if not self._lock.here:
            return
        with self._lock.checked():
            self._recent.clear()
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -----------------------------------------------------------------------

    def _keep(
        self, user: str, events: Sequence[Event], *, now: float, followed: bool = False
    ) -> int:
        """Record events and what follows from them, all or nothing; how many were new."""
        prepared = self._recorder.prepare(events, now=now)
        # Followers have locks of their own, which they also hold when they call the history.
        follow = self._followed(user) if followed else nullcontext()
        with follow as states, self._lock.checked():
            stored = self._recorder.store(user, prepared, states)
            self._recent.add(user, stored)
            return len(stored)

    def _agree(self, user: str) -> None:
        """Note the person's consent, unless there is a decision of theirs."""
        with self._lock.checked():
            if PERSONALISATION not in self._store.consents(user):
                self._store.set_consent(user, PERSONALISATION, True)

    def _set_paused(self, user: str, paused: bool) -> None:
        person = check_user(user)
        with self._lock.checked():
            self._store.set_paused(person, paused)


def _as_events(event: object) -> list[Event]:
    several = [event] if isinstance(event, Event) else event
    wanted = "an Event or several"
    return list(check_sequence(several, "event", InvalidRequest, wanted=wanted, of=Event))
