"""The sealed history file: one SQLite database, every row encrypted on its own.

What each table holds and how every byte is made is described in ``FORMAT.md`` beside this
module. In short: a key-encryption key that never lies in the file wraps a ring of keys, and
these wrap one data key per person; a person's events are sealed under the person's data key and
bound to store, table, schema version, key, person and sequence number; a sealed head per
person counts and sums up the rows, and a sealed root sums up the heads, so that a row or a
person taken away, put back, swapped or repeated is noticed before anything is believed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from edge_rerank.errors import HistoryCorrupt, HistoryKeyError, InvalidRequest
from edge_rerank.history.crypto import fresh_key
from edge_rerank.history.keys.sources import KeySource, as_source
from edge_rerank.history.vault.anchor import Anchor, as_anchor
from edge_rerank.history.vault.audit import AuditAction, AuditEntry
from edge_rerank.history.vault.damage import quarantine_vault, repair_vault
from edge_rerank.history.vault.expiry import (
    expire_everyone,
    expire_person,
    overdue,
    retention_of,
    tend,
)
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.file import HistoryFile, Making
from edge_rerank.history.vault.personal import PersonalVault, decisions_of
from edge_rerank.history.vault.receipts import (
    Appended,
    ErasureReceipt,
    Holdings,
    RepairReceipt,
    Verification,
)
from edge_rerank.history.vault.retention import Retention
from edge_rerank.history.vault.rights import (
    delete_event,
    erase_person,
    read_all,
    read_holdings,
)
from edge_rerank.history.vault.rotation import (
    finish_person,
    rotate_outer,
)
from edge_rerank.history.vault.vault import Vault
from edge_rerank.history.vault.verify import verify_vault
from edge_rerank.types import Event

StatesOf = Callable[[Collection[int]], Mapping[str, bytes]]
"""Gives the contents of states by name, told the places of the events that are new."""


class HistoryStore(PersonalVault):
    """An open history file. Safe from several threads; one process at a time.

    Make one with :meth:`open`.
    """

    @classmethod
    def open(
        cls,
        path: Path | None,
        key: bytes | KeySource | None,
        *,
        retention: Retention | None = None,
        anchor: str | os.PathLike[str] | Anchor | None = None,
        new: bool = False,
        accept_loss: bool = False,
        _clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open the file at ``path``, making it if it is missing.

        What a crash interrupted is completed here: a rotation of either level, an erasure.

        Args:
            path: ``None`` keeps everything in memory.
            key: 32 random bytes or a key source; ``None`` only in memory, for a key that
                dies with the store.
            retention: when events are deleted by themselves, noted in the file; ``None``
                for what is noted there, in a new file ``Retention()``.
            anchor: a path or an :class:`~edge_rerank.history.vault.anchor.Anchor` outside the
                file, to detect that an old copy was put in its place.

            new: make a history where there is none; with an anchor, nothing else makes one.
            accept_loss: go on without transactions that were acknowledged and that damage or a
                copy put back has taken away.

        Raises:
            InvalidRequest: when there is a history already, with ``new``.
            HistoryKeyError: when the key is malformed or not this file's; the file is then
                left byte for byte as it was.
            HistoryLocked: when another process has the file open.
            HistoryCorrupt: when it is damaged, tampered with, or not a history file.
            HistoryRolledBack: when the anchor knows a newer state, or there is an anchor and no
                history.
            HistoryUnavailable: when the file system refuses.
            HistoryVersionError: when a newer version wrote it.
        """
        if key is None:
            if path is not None:
                raise HistoryKeyError("key: a history file needs 32 bytes or a key source")
            key = fresh_key()
        source = as_source(key)
        guard = as_anchor(anchor)
        loaded = source.load()
        with typed_errors():
            making = Making.WHERE_MISSING if guard is None else Making.NEVER
            file = HistoryFile(
                path,
                making=making if path is not None and not new else Making.ALWAYS,
                accept_loss=accept_loss,
            )
            try:
                vault = Vault(file, loaded, guard, _clock, accept_loss=accept_loss)
                file.make_private()
            except BaseException:
                file.abandon()
                raise
            store = cls(vault, source)
            try:
                store._complete(retention or (Retention() if file.is_new else None))
            except BaseException:
                file.close()
                raise
        return store

    # -- events -----------------------------------------------------------------------

    def append(
        self, user: str, events: Sequence[Event], *, states: StatesOf | None = None
    ) -> Appended:
        """Seal and store events, and states that follow from them, in one transaction.

        On disk when this returns. A duplicate has the ``id`` of a stored event, or its type,
        second, and item or query. What retention no longer allows is deleted in the same
        transaction.

        Args:
            user: the host's identifier; only its keyed hash is stored.
            events: cleaned, with timestamps.
            states: gives them by name, as for :meth:`set_state`, once it is told the places of the
                new events among ``events``. It must not call the store, and what it raises undoes
                everything.

        Raises:
            ValueError: when a state is beyond its bound.
            HistoryError: nothing is stored then.
        """
        with self._use() as vault:
            with vault.write() as change:
                person = change.person(user, create=True)
                stored = vault.rows.insert(person, events, recorded=change.root.clock)
                follow = {} if states is None else states(stored.keys())
                for name, content in follow.items():
                    vault.states.put(person, name, content, recorded=change.root.clock)
                expired = expire_person(vault, person, change.root)
                if stored or follow or expired:
                    change.save(person)
            if expired:
                vault.file.empty_log_soon()
            return Appended(tuple(stored.values()), len(events) - len(stored), expired)

    def load(self, user: str, *, limit: int | None = None) -> tuple[Event, ...]:
        """The person's events in time order, oldest first; empty for an unknown person.

        Args:
            user: the host's identifier.
            limit: only the newest of those that arrived last; all if ``None``.

        Raises:
            HistoryCorrupt: when a row is missing, damaged or out of place.
        """
        with self._use() as vault:
            person = vault.find(user)
            if person is None:
                return ()
            events = [event for _, event, _ in vault.rows.load(person, limit=limit)]
            events.sort(key=lambda event: event.timestamp or 0.0)
            return tuple(events)

    def count(self, user: str) -> int:
        """How many events are stored about the person."""
        with self._use() as vault:
            person = vault.find(user)
            return 0 if person is None else person.count

    def remove_event(self, user: str, record: int) -> bool:
        """Delete one event, by the ``record`` number that :meth:`access` shows.

        The write-ahead log is emptied as well, and freed pages are overwritten. In older
        copies of the file the event stays: :meth:`rekey` closes those.

        Returns:
            Whether there was such an event.
        """
        with self._use() as vault:
            return delete_event(vault, user, record)

    def expire(self) -> int:
        """Delete what retention no longer allows, of everyone; how many events and states."""
        with self._use() as vault:
            return expire_everyone(vault)

    def tend(self) -> None:
        """Delete what has expired of those whose daily turn it is, a few people at a time.

        A move of the wall clock is noted in the file as well, or the store's clock would
        stand still.

        Raises:
            HistoryUnavailable: when that cannot be written and is a day late.
        """
        with self._use() as vault:
            vault.file.empty_log_if_due()
            tend(vault)
            self._carry_on(vault)

    @property
    def removals(self) -> int:
        """Grows whenever stored events are deleted: what was read before may be out of date."""
        return self._vault.rows.removals

    # -- access, erasure --------------------------------------------------------------

    def access(self, user: str) -> Holdings:
        """Everything that is stored about the person; the access itself is audited."""
        with self._use() as vault:
            return read_holdings(vault, user)

    def disclose(self, user: str) -> tuple[Event, ...]:
        """:meth:`load` for somebody to see; that is audited, unlike what ranking reads."""
        with self._use() as vault:
            return read_all(vault, user)

    def erase(self, user: str) -> ErasureReceipt:
        """Delete the person's rows, head and data keys, then rotate the outer key.

        What that takes does not grow with the number of people but with one 64th of it.

        The write-ahead log is emptied as well, and freed pages are overwritten. Rows that
        are damaged are erased like any other.

        Raises:
            HistoryError: when the file cannot be written; if the rows are gone and only
                the rotation failed, calling again, or opening the file, completes it.
        """
        with self._use() as vault:
            try:
                return erase_person(vault, self._source, user)
            finally:
                vault.people.drop_name()

    # -- the store as a whole ---------------------------------------------------------

    def everyone(self) -> Iterator[tuple[Mapping[str, bool], tuple[Event, ...]]]:
        """Each person's decisions by purpose, and events in the order of recording.

        Raises:
            HistoryCorrupt: when anything of a person is missing, damaged or out of place.
        """
        with self._use() as vault:
            people = list(vault.people.everyone(vault.root))
        for known in people:
            with self._use() as vault:
                person = vault.people.named(vault.root, known.name)
                if person is None:
                    continue
                found = decisions_of(person), tuple(one for _, one, _ in vault.rows.load(person))
            yield found

    def read_note(self, name: str) -> bytes | None:
        """A sealed note of the store as a whole, ``None`` where there is none."""
        with self._use() as vault:
            return vault.notes.read(vault.root, name)

    def write_note(self, name: str, content: bytes) -> None:
        """Seal a note in place of the last one of that name, on disk when this returns.

        Args:
            name: 1 to 64 characters, readable in the file.
            content: at most 4,095 bytes.
        """
        with self._use() as vault, vault.write() as change:
            vault.notes.write(change.root, name, content)

    def log(
        self,
        action: AuditAction,
        *,
        user: str | None = None,
        purpose: str | None = None,
        count: int | None = None,
    ) -> AuditEntry:
        """Add an entry to the audit log, for what happens outside of the store."""
        with self._use() as vault, vault.write() as change:
            person = None if user is None else vault.find(user)
            return change.audit(action, person, purpose=purpose, count=count)

    def audit_log(self) -> tuple[AuditEntry, ...]:
        """The whole audit log, oldest first.

        Raises:
            HistoryCorrupt: when an entry was added, changed, moved or removed.
        """
        with self._use() as vault:
            return vault.audit.entries(vault.root)

    def verify(self) -> Verification:
        """Look at every byte: SQLite's own check, root, heads, rows, notes, audit, anchor."""
        with self._use() as vault:
            return verify_vault(vault)

    def repair(self) -> RepairReceipt:
        """Put right the flipped bits in people's keys, records and events that trying finds."""
        with self._use() as vault:
            return repair_vault(vault)

    def quarantine(self) -> RepairReceipt:
        """Take out the people and events that cannot be opened, and take the rest as it is."""
        with self._use() as vault:
            return quarantine_vault(vault)

    @property
    def retention(self) -> Retention:
        """When events are deleted by themselves, as noted in the file."""
        with self._use() as vault:
            return retention_of(vault.root)

    @property
    def anchored(self) -> bool:
        """Whether an anchor outside the file is in use, or once was."""
        with self._use() as vault:
            return vault.anchored or vault.root.anchored

    @property
    def anchor_behind(self) -> bool:
        """Whether the anchor could not be written, and so would let an older file pass."""
        with self._use() as vault:
            return vault.anchor_behind

    def overdue(self) -> int:
        """How many people have events or states that retention no longer allows."""
        with self._use() as vault:
            return overdue(vault)

    def anchor_to(self, anchor: str | os.PathLike[str] | Anchor) -> None:
        """Begin to use an anchor, or accept a new one because the old one is lost.

        Raises:
            HistoryUnavailable: when it cannot be written; nothing is changed then.
            InvalidRequest: when it is neither a path nor an anchor.
        """
        if (guard := as_anchor(anchor)) is None:
            raise InvalidRequest("anchor: expected a path or an anchor, got None")
        with self._use() as vault:
            vault.adopt(guard)

    def close(self) -> None:
        """Empty the write-ahead log and close the file. May be called twice, and in a child."""
        if not self._lock.here:
            return
        with self._lock.checked():
            begun, self._closed = self._closed, True
            try:
                if not begun:
                    self._vault.catch_up()
            finally:
                self._vault.close()  # a second time, too: the first may have been interrupted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside -----------------------------------------------------------------------

    def _complete(self, retention: Retention | None) -> None:
        """Finish what a crash interrupted, and what has expired meanwhile."""
        vault = self._vault
        vault.catch_up()
        if vault.file.recovered:
            # What had expired, or was erased, in the last moment before a kill.
            vault.file.empty_log()
        if retention is not None and retention != self.retention:
            with vault.write() as change:
                change.root.max_age_days = retention.max_age_days
                change.root.max_events = retention.max_events
        vault.settle_outer()
        if vault.root.rotation_due and self._source.replaceable:
            vault.file.empty_log()
            rotate_outer(vault, self._source)
        for pseudonym in vault.resealing():
            with suppress(HistoryCorrupt):  # that is one person's, and the others are served
                finish_person(self._use, pseudonym)
        self.tend()
