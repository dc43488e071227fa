"""The open file with its keys: transactions, the root, the outer key and the anchor."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_rerank.errors import HistoryCorrupt, HistoryRolledBack
from edge_rerank.history.crypto import (
    SealingKey,
    Unsealable,
    derive,
    fresh_key,
    imprint,
    keyed_hash,
    same,
)
from edge_rerank.history.vault import schema
from edge_rerank.history.vault.anchor import ANCHOR_BYTES, Anchor
from edge_rerank.history.vault.audit import AuditAction, AuditEntry, AuditLog
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.clock import tick
from edge_rerank.history.vault.epochs import Epoch
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.migration import RINGS, FormerKeys, upgrade
from edge_rerank.history.vault.notes import Notes
from edge_rerank.history.vault.people import People
from edge_rerank.history.vault.person import Person
from edge_rerank.history.vault.root import Root, bucket_of
from edge_rerank.history.vault.rows import Rows
from edge_rerank.history.vault.states import States

logger = logging.getLogger(__name__)

_STORE_BYTES = 16
_PRINT_BYTES = 16


class Vault:
    """An unlocked history file. Not safe from several threads: the store locks.

    Unlocking reads only, unless the file is new.

    Args:
        file: the open file; stays the caller's until the constructor returns.
        key: the key-encryption key.
        anchor: compared with the root, and updated with every transaction.
        clock: gives UTC seconds.
        accept_loss: go on though transactions are missing that a killed process acknowledged.

    Raises:
        HistoryError: when the file is not what key, root and anchor say.
    """

    def __init__(
        self,
        file: HistoryFile,
        key: bytes,
        anchor: Anchor | None,
        clock: Callable[[], float],
        *,
        accept_loss: bool = False,
    ) -> None:
        self.file = file
        self._clock = clock
        self._anchor = anchor
        self.anchor_behind = False
        """Whether the anchor could not be written, and so would let an older file pass."""
        self.damaged = 0
        """How many people the largest sweep passed over, because their data are damaged."""
        self.root = Root()
        store = os.urandom(_STORE_BYTES) if file.is_new else self._meta("store")
        self.binding = Binding(store)
        self.keybook = KeyBook(file, self.binding)
        self._former: FormerKeys | None = None
        if not file.is_new:
            self._refuse_newer()
            self._unlock(key)
        self.people = People(file, self.binding, self.keybook)
        self.rows = Rows(file, self.binding)
        self.states = States(file, self.binding)
        self.audit = AuditLog(file, self.binding, self.keybook)
        self.notes = Notes(file, self.binding, self.keybook)
        if file.is_new:
            self._create(store, key)
        else:
            self.root = self._read_root()
            self.notes.verify(self.root)
            self._compare_anchor()
            if not accept_loss:
                self._compare_noted()
            self._migrate()

    def find(self, user: str) -> Person | None:
        """The record of the person, ``None`` for an unknown one."""
        return self.people.named(self.root, self.people.name(user))

    def time(self) -> Root:
        """The clock and what hangs on it as :meth:`now` has them, and nothing else of the root."""
        root = self.root
        clock = Root(
            clock=root.clock,
            wall=root.wall,
            doubted=root.doubted,
            doubted_at=root.doubted_at,
            swept=root.swept,
            sums=[],
        )
        tick(clock, self._clock())
        return clock

    def now(self) -> Root:
        """The root as it would be now, with its clock brought up to date."""
        root = self.root.copy()
        tick(root, self._clock())
        return root

    @contextmanager
    def write(self) -> Iterator[Change]:
        """One transaction, with the root sealed anew at its end; all of it or nothing."""
        change = Change(self, self.now())
        keys = self.keybook.state()
        sealed = b""
        try:
            with self.file.transaction():
                yield change
                self.people.sums.save(change.root)
                change.root.generation += 1
                sealed = self._seal_root(change.root)
            self.root = change.root
            for person in change.saved:
                self.people.remember(person)
            state = self._state(sealed)
            self.file.note_state(state)
            self._save_anchor(state)
        except BaseException:
            self.people.reset()
            given = self.keybook.state()
            self.keybook.restore(keys)
            # An interrupt is told of when the disk is done with COMMIT: then it has happened.
            if sealed and self._is_root(sealed):
                self.keybook.restore(given)
                self.root = change.root
                self.rows.removals += 1
                self.anchor_behind = self.anchored
            raise

    def close(self) -> None:
        """Close the file and let go of the keys. May be called again."""
        self.people.forget()
        self.keybook.close()
        self.file.close()

    # -- the outer key ----------------------------------------------------------------

    def add_outer(self, key: bytes) -> int:
        """Wrap everything under ``key`` as well; returns the new key's id."""
        if self.keybook.pending():
            self.settle_outer()
        with self.write():
            return self.keybook.add_outer(key)

    def keep_outer(self, outer_id: int) -> None:
        """Drop what is wrapped under any other outer key."""
        with self.write() as change:
            self.keybook.keep_only(outer_id)
            change.root.rotation_due = False
            change.audit(AuditAction.OUTER_KEY_ROTATED)
        self.file.empty_log()

    def replace_outer(self, key: bytes) -> None:
        """Both of the above in one transaction, for a key that the host holds itself."""
        with self.write() as change:
            added = self.keybook.add_outer(key)
            self.keybook.keep_only(added)
            change.root.rotation_due = False
            change.audit(AuditAction.OUTER_KEY_ROTATED)
        self.file.empty_log()

    def settle_outer(self) -> None:
        """After a rotation that was cut short: the key that opened the file is the one."""
        if self.keybook.pending():
            with self.write():
                self.keybook.keep_only(self.keybook.current)
            self.file.empty_log()

    @property
    def rekeying(self) -> bool:
        """Whether a rekey has begun and not ended."""
        return self.root.rekeying > 0

    # -- a person's key ---------------------------------------------------------------

    def begin_reseal(self, pseudonym: bytes) -> None:
        """Give the person a second data key, which seals from now on."""
        with self.write() as change:
            person = change.known(pseudonym)
            key_id, key = person.current + 1, fresh_key()
            self.keybook.wrap(person.epoch, pseudonym, key_id, key)
            person.keys = {**person.keys, key_id: SealingKey(key, key_id)}
            person.current = key_id
            change.root.resealing += 1
            change.save(person)

    def reseal(self, pseudonym: bytes, after: int, limit: int) -> int:
        """Seal the next rows under the new data key; returns the last one, 0 at the end."""
        known = self.people.find(self.root, pseudonym)
        if known is None or len(known.keys) == 1:
            return 0
        with self.write() as change:
            person = known.draft()
            self.rows.verify(person)
            last = self.rows.reseal(person, after, limit)
            if not last:
                self.states.reseal(person)
                self.keybook.discard(pseudonym, but=person.current)
                self.keybook.renew_bucket(person.epoch, bucket_of(pseudonym))
                person.keys = {person.current: person.key}
                change.root.resealing -= 1
                change.audit(AuditAction.PERSON_KEY_ROTATED, person, count=person.count)
            change.save(person)
        return last

    def resealing(self) -> list[bytes]:
        """People whose key rotation was cut short."""
        if not self.root.resealing:
            return []
        found = self.file.execute(
            "SELECT owner FROM wrapped_keys GROUP BY owner HAVING count(DISTINCT id) > 1"
        ).fetchall()
        return [bytes(owner) for (owner,) in found]

    # -- the anchor -------------------------------------------------------------------

    @property
    def anchored(self) -> bool:
        """Whether an anchor is in use."""
        return self._anchor is not None

    def adopt(self, anchor: Anchor) -> None:
        """Use ``anchor`` from now on, whatever it holds.

        Raises:
            HistoryUnavailable: when it cannot be written; nothing is changed then.
        """
        anchor.save(self._state(self._meta("root")))
        self._anchor = anchor
        with self.write() as change:
            change.root.anchored = True
            change.audit(AuditAction.ANCHORED)

    def _compare_anchor(self) -> None:
        if self._anchor is None:
            return
        state = self._anchor.load()
        if state is None:
            if self.root.anchored:
                raise HistoryRolledBack("the anchor is gone: History.anchor_to() takes a new one")
            self._migrate()
            self.adopt(self._anchor)
            return
        epoch = self._sealed_by(state)
        if epoch is None:
            raise HistoryRolledBack("the anchor is not the one of this history file")
        generation = _generation(state)
        mine = _fingerprint(epoch, self._meta("root"))
        if self.root.generation < generation or (
            self.root.generation == generation and not same(mine, state[-32 - _PRINT_BYTES : -32])
        ):
            raise HistoryRolledBack("the anchor knows a newer state of the history file")
        self.anchor_behind = self.root.generation > generation

    def _compare_noted(self) -> None:
        """Notice that the file lacks what a killed process had acknowledged."""
        state = self.file.noted_state()
        if self._sealed_by(state) is not None and _generation(state) > self.root.generation:
            lost = _generation(state) - self.root.generation
            raise HistoryCorrupt(
                f"{lost} acknowledged transactions are missing: put the file and its write-ahead "
                "log back from a copy, or go on without them: accept_loss=True"
            )

    def _sealed_by(self, state: bytes) -> Epoch | None:
        """The epoch that made a state of this store, ``None`` for anything else."""
        body, checksum = state[:-32], state[-32:]
        if len(state) != ANCHOR_BYTES or body[:_STORE_BYTES] != self.binding.store:
            return None
        for epoch in self.keybook.epochs.values():
            if same(checksum, derive(epoch.anchor, "state", body)):
                return epoch
        return None

    def _state(self, sealed_root: bytes) -> bytes:
        """What the anchor keeps of this state of the file."""
        generation = self.root.generation.to_bytes(8, "big")
        epoch = self.keybook.newest
        body = self.binding.store + generation + _fingerprint(epoch, sealed_root)
        return body + derive(epoch.anchor, "state", body)

    def catch_up(self) -> None:
        """Try again to write an anchor that is behind."""
        if self.anchor_behind:
            self._save_anchor(self._state(self._meta("root")))

    def _save_anchor(self, state: bytes) -> None:
        """Write the anchor, or leave it behind: the transaction is on disk already.

        An error would have the host do again what is done. An anchor that is behind lets newer
        files pass, as it must; the next transaction, or :meth:`catch_up`, tries again.
        """
        if self._anchor is None:
            return
        try:
            self._anchor.save(state)
            self.anchor_behind = False
        except Exception as error:  # it may be the host's own class
            self.anchor_behind = True
            logger.warning("the anchor is behind, it cannot be written: %s", type(error).__name__)

    # -- the root ---------------------------------------------------------------------

    def _create(self, store: bytes, key: bytes) -> None:
        self.keybook.epochs = {1: Epoch.fresh(1)}
        with self.write() as change:
            schema.migrate(self.file.execute)
            self.file.execute("INSERT INTO meta (name, value) VALUES ('store', ?)", (store,))
            self.keybook.create(key)
            change.root.anchored = self.anchored
            change.audit(AuditAction.CREATED)

    def _unlock(self, key: bytes) -> None:
        if self.file.schema_version() < RINGS:
            self._former = FormerKeys(self.file, self.binding, self.keybook, key)
            self.keybook.epochs = {1: self._former.epoch()}
        else:
            self.keybook.unlock(key)

    def _migrate(self) -> None:
        if self.file.schema_version() < schema.VERSION:
            with self.write() as change:
                upgrade(self.file, self.keybook, self.audit, change.root, self._former)
                self.people.learn_sums(change.root)
            self._former = None
            self.file.empty_log()

    def _refuse_newer(self) -> None:
        schema.check_version(self.file.schema_version())

    def _read_root(self) -> Root:
        epoch = self.keybook.newest
        try:
            root = Root.parse(epoch.root.open(self._meta("root"), self._root_context()))
        except (Unsealable, ValueError, TypeError, KeyError):
            raise HistoryCorrupt("the root cannot be opened") from None
        if min(self.keybook.epochs) < root.since:
            raise HistoryCorrupt("a ring of keys was put back")
        return root

    def _seal_root(self, root: Root) -> bytes:
        sealed = self.keybook.newest.root.seal(root.dump(), self._root_context())
        self.file.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('root', ?)", (sealed,))
        return sealed

    def _is_root(self, sealed: bytes) -> bool:
        """Whether this is the root in the file, as far as that can be read."""
        try:
            return self._meta("root") == sealed
        except Exception:  # what stopped the transaction is what the caller is told
            return False

    def _root_context(self) -> bytes:
        return self.binding("meta", self.keybook.newest.id, b"root")

    def _meta(self, name: str) -> bytes:
        row = self.file.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise HistoryCorrupt(f"the file lacks its {name}")
        return bytes(row[0])


class Change:
    """What one transaction does. Made by :meth:`Vault.write`."""

    def __init__(self, vault: Vault, root: Root) -> None:
        self._vault = vault
        self.root = root
        self.saved: list[Person] = []

    def person(self, user: str, *, create: bool = False) -> Person:
        """The person's record, to be changed and saved.

        Raises:
            HistoryCorrupt: when it is not there and ``create`` is not set.
        """
        people = self._vault.people
        name = people.name(user)
        person = people.named(self.root, name)
        if person is not None:
            return person.draft()
        if not create:
            raise HistoryCorrupt("a person's record is gone")
        person = people.enrol(self.root, name)
        self.saved.append(person)
        return person

    def known(self, pseudonym: bytes) -> Person:
        """Like :meth:`person`, for one that is known to be there."""
        person = self._vault.people.find(self.root, pseudonym)
        if person is None:
            raise HistoryCorrupt("a person's record is gone")
        return person.draft()

    def save(self, person: Person) -> None:
        """Seal the person's head anew."""
        self._vault.people.write(self.root, person)
        self.saved.append(person)

    def delete(self, person: Person) -> None:
        """Take the person out; the events must be gone already."""
        self._vault.people.delete(self.root, person)
        self._vault.people.forget(person.pseudonym)
        if len(person.keys) > 1:
            self.root.resealing -= 1

    def audit(
        self,
        action: AuditAction,
        person: Person | None = None,
        *,
        purpose: str | None = None,
        count: int | None = None,
    ) -> AuditEntry:
        """Add an entry to the audit log."""
        subject = None if person is None else person.subject
        return self._vault.audit.add(
            self.root, action, subject=subject, purpose=purpose, count=count
        )


def _generation(state: bytes) -> int:
    return int.from_bytes(state[_STORE_BYTES : _STORE_BYTES + 8], "big")


def _fingerprint(epoch: Epoch, sealed_root: bytes) -> bytes:
    return keyed_hash(epoch.anchor, imprint(sealed_root), _PRINT_BYTES)
