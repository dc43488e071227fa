"""The sealed history file: one SQLite database, every row encrypted on its own.

What each table holds and how every byte is made is described in ``FORMAT.md`` beside this
module. In short: a key-encryption key that never lies in the file wraps one data key per
person and one for the store; a person's events are sealed under the person's data key and
bound to store, table, schema version, person and sequence number; a sealed head per person
counts and sums up the rows, and a sealed root sums up the heads, so that a row or a person
taken away, put back, swapped or repeated is noticed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from edge_rerank.errors import (
    ClosedError,
    HistoryCorrupt,
    HistoryError,
    HistoryKeyError,
    HistoryLocked,
    HistoryUnavailable,
)
from edge_rerank.history import schema
from edge_rerank.history._primitives import (
    SealingKey,
    Unsealable,
    derive,
    fresh_key,
    keyed_hash,
    same,
)
from edge_rerank.history.codec import Undecodable, decode, encode, minimise
from edge_rerank.history.keys import KeySource, as_source, check_key
from edge_rerank.types import Event

if TYPE_CHECKING:
    from sqlite_utils import Database

LOCK_WAIT_S = 0.5
MAX_KNOWN_PEOPLE = 256
_TAG_BYTES = 16
_SUM_BYTES = 32
_MODULUS = 1 << (8 * _SUM_BYTES)


@dataclass(frozen=True, slots=True)
class Appended:
    """What :meth:`HistoryStore.append` did.

    Attributes:
        stored: the new events, as they will be read back.
        duplicates: how many were there already.
    """

    stored: tuple[Event, ...]
    duplicates: int


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """Proof for the person that the data are gone.

    Attributes:
        events: rows erased.
        key_rotated: whether the key-encryption key was replaced, which closes every old
            copy of the file. ``False`` when the host holds the key itself: then the host
            must call ``rotate_key`` and destroy the old key.
    """

    events: int
    key_rotated: bool


@dataclass(slots=True)
class _Person:
    """One person's opened record. ``sum`` adds up a keyed hash of every row."""

    row: int
    pseudonym: bytes
    key: SealingKey
    tag_key: bytes
    head_seal: bytes
    count: int = 0
    last_seq: int = 0
    sum: int = 0
    consents: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    verified: bool = False


@dataclass(slots=True)
class _Root:
    """Sum over the keyed hashes of all heads, and how many people there are."""

    people: int = 0
    sum: int = 0


class HistoryStore:
    """An open history file. Safe from several threads; one process at a time.

    Make one with :meth:`open`.
    """

    def __init__(self, db: Database, source: KeySource, path: Path | None) -> None:
        self._db = db
        self._source = source
        self._path = path
        self._lock = threading.RLock()
        self._closed = False
        self._people: dict[bytes, _Person] = {}
        self._rows: dict[bytes, int] = {}
        self._store = b""
        self._kek = SealingKey(fresh_key())
        self._secret = b""
        self._root = _Root()

    @classmethod
    def open(cls, path: Path | None, key: bytes | KeySource | None) -> Self:
        """Open the file at ``path``, making it if it is missing.

        Args:
            path: ``None`` keeps everything in memory.
            key: 32 random bytes or a key source; ``None`` only in memory, for a key that
                dies with the store.

        Raises:
            HistoryKeyError: when the key is malformed or not this file's.
            HistoryLocked: when another process has the file open.
            HistoryCorrupt: when it is damaged, tampered with, or not a history file.
            HistoryUnavailable: when the file system refuses.
            HistoryVersionError: when a newer version wrote it.
        """
        if key is None:
            if path is not None:
                raise HistoryKeyError("key: a history file needs 32 bytes or a key source")
            key = fresh_key()
        source = as_source(key)
        kek = source.load()
        with _typed_errors():
            db = _connect(path)
        store = cls(db, source, path)
        try:
            with _typed_errors():
                store._start(kek)
        except BaseException:
            db.close()
            raise
        return store

    # -- events -----------------------------------------------------------------------

    def append(self, user: str, events: Sequence[Event]) -> Appended:
        """Seal and store events in one transaction, on disk when this returns.

        A duplicate has the ``id`` of a stored event, or its type, second, and item or
        query.

        Args:
            user: the host's identifier; only its keyed hash is stored.
            events: cleaned, with timestamps.

        Raises:
            HistoryError: nothing is stored then.
        """
        with self._use():
            person = self._person(user, create=True)
            assert person is not None  # noqa: S101 - created above
            stored: list[Event] = []
            with self._transaction():
                draft = replace(person)
                for event in events:
                    kept = minimise(event)
                    if self._insert(draft, kept):
                        stored.append(kept)
                if stored:
                    self._write_head(draft)
            self._remember(draft)
            return Appended(tuple(stored), len(events) - len(stored))

    def load(self, user: str, *, limit: int | None = None) -> tuple[Event, ...]:
        """The person's events in time order, oldest first; empty for an unknown person.

        Args:
            user: the host's identifier.
            limit: only the newest of those that arrived last; all if ``None``.

        Raises:
            HistoryCorrupt: when a row is missing, damaged or out of place.
        """
        with self._use():
            person = self._person(user)
            return () if person is None else self._load(person, limit)

    def everyone(self) -> Iterator[tuple[Mapping[str, bool], tuple[Event, ...]]]:
        """Each person's decisions and events, without a name; for counts and inspection.

        Raises:
            HistoryCorrupt: when anything of a person is missing, damaged or out of place.
        """
        with self._use():
            rows = self._db.execute("SELECT pseudonym FROM people").fetchall()
        for (pseudonym,) in rows:
            with self._use():
                person = self._find_person(pseudonym)
                if person is not None:
                    yield person.consents, self._load(person, None)

    def count(self, user: str) -> int:
        """How many events are stored about the person."""
        with self._use():
            person = self._person(user)
            return 0 if person is None else person.count

    # -- notes ------------------------------------------------------------------------

    def read_note(self, name: str) -> bytes | None:
        """A small value of the store as a whole, ``None`` if there is none.

        Raises:
            HistoryCorrupt: when it cannot be opened.
        """
        with self._use():
            entry = f"note.{name}"
            if self._find(entry) is None:
                return None
            try:
                return self._kek_free_open(entry)
            except Unsealable:
                raise HistoryCorrupt("a note cannot be opened") from None

    def write_note(self, name: str, content: bytes) -> None:
        """Seal a note in the place of the one with the same name; on disk when this returns."""
        with self._use(), self._transaction():
            entry = f"note.{name}"
            key = SealingKey(derive(self._secret, entry))
            self._put(entry, key.seal(content, self._context("meta", entry.encode())))

    # -- consent and erasure ----------------------------------------------------------

    def set_consent(self, user: str, purpose: str, granted: bool) -> None:
        """Note the person's decision; refusing where nothing is stored stores nothing."""
        with self._use():
            person = self._person(user, create=granted)
            if person is None or person.consents.get(purpose) == granted:
                return
            consents = MappingProxyType({**person.consents, purpose: granted})
            draft = replace(person, consents=consents)
            with self._transaction():
                self._write_head(draft)
            self._remember(draft)

    def has_consent(self, user: str, purpose: str) -> bool:
        """Whether the person agreed; ``False`` for an unknown person."""
        with self._use():
            person = self._person(user)
            return person is not None and person.consents.get(purpose, False)

    def consents(self, user: str) -> Mapping[str, bool]:
        """The person's decisions by purpose."""
        with self._use():
            person = self._person(user)
            return MappingProxyType({}) if person is None else person.consents

    def erase(self, user: str) -> ErasureReceipt:
        """Delete the person's rows, head and wrapped key, then rotate the outer key.

        The write-ahead log is emptied as well, and freed pages are overwritten.

        Raises:
            HistoryError: when the file cannot be written; if the rows are gone and only
                the rotation failed, calling again completes it.
        """
        with self._use():
            person = self._person(user)
            events = 0
            if person is not None:
                with self._transaction():
                    events = self._db.execute(
                        "SELECT count(*) FROM events WHERE person = ?", [person.row]
                    ).fetchone()[0]
                    self._db.execute("DELETE FROM events WHERE person = ?", [person.row])
                    self._db.execute("DELETE FROM people WHERE id = ?", [person.row])
                    self._write_root(
                        _Root(
                            self._root.people - 1,
                            (self._root.sum - self._head_hash(person)) % _MODULUS,
                        )
                    )
                self._people.pop(person.pseudonym, None)
                self._rows.pop(person.pseudonym, None)
                self._checkpoint()
            rotated = self._source.replaceable
            if rotated:
                self._rotate(fresh_key())
            return ErasureReceipt(events, rotated)

    def rotate_key(self, key: bytes) -> None:
        """Wrap every data key anew under ``key``; the events themselves stay as they are.

        For hosts that hold the key themselves: after this returns, the old key opens only
        old copies of the file, so destroy it.

        Raises:
            HistoryKeyError: when ``key`` is not 32 bytes.
        """
        with self._use():
            new = check_key(key)
            self._rewrap(SealingKey(new), self._commitment(new))
            self._source = as_source(new)

    def close(self) -> None:
        """Empty the write-ahead log and close the file. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._people.clear()
                self._secret = b""
                self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- opening ----------------------------------------------------------------------

    def _start(self, kek: bytes) -> None:
        self._db.execute("BEGIN EXCLUSIVE")
        try:
            tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables:
                self._unlock(kek)
            schema.migrate(self._db)
            if not tables:
                self._create(kek)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._finish_rotation(kek)
        self._verify_root()

    def _create(self, kek: bytes) -> None:
        self._store = os.urandom(16)
        self._kek = SealingKey(kek)
        self._secret = fresh_key()
        self._put("store", self._store)
        self._put("commitment", self._commitment(kek))
        self._put("secret", self._kek.seal(self._secret, self._context("meta", b"secret")))
        self._write_root(_Root())

    def _unlock(self, kek: bytes) -> None:
        self._store = self._get("store")
        commitment = self._commitment(kek)
        if same(commitment, self._get("commitment")):
            self._kek = SealingKey(kek)
        elif (pending := self._find("next_commitment")) and same(commitment, pending):
            # A rotation stopped after the source had taken the new key.
            try:
                old = SealingKey(kek).open(
                    self._get("next_key"), self._context("meta", b"next_key")
                )
            except Unsealable:
                raise HistoryCorrupt("the pending key rotation cannot be read") from None
            self._kek = SealingKey(old)
        else:
            raise HistoryKeyError("the key is not the one this history file was sealed with")
        try:
            self._secret = self._kek.open(self._get("secret"), self._context("meta", b"secret"))
        except Unsealable:
            raise HistoryCorrupt("the store's secret cannot be opened") from None

    def _verify_root(self) -> None:
        """Compare the sealed root with the heads that are really there."""
        try:
            sealed = self._kek_free_open("root")
            people, total = json.loads(sealed)
            root = _Root(int(people), int(total, 16))
        except (Unsealable, ValueError, TypeError):
            raise HistoryCorrupt("the root cannot be opened") from None
        key = self._root_key()
        count = found = 0
        rows = self._db.execute(
            f"SELECT id, pseudonym, substr(head, -{_TAG_BYTES}), substr(head, 3, 24) FROM people"  # noqa: S608
        )
        for row, pseudonym, tag, nonce in rows:
            count += 1
            self._rows[pseudonym] = row
            found += int.from_bytes(keyed_hash(key, pseudonym + nonce + tag, _SUM_BYTES), "big")
        if count != root.people or found % _MODULUS != root.sum:
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        self._root = root

    def _kek_free_open(self, name: str) -> bytes:
        """Open a value of ``meta`` that is sealed under the store's secret."""
        return SealingKey(derive(self._secret, name)).open(
            self._get(name), self._context("meta", name.encode())
        )

    # -- people -----------------------------------------------------------------------

    def _pseudonym(self, user: str) -> bytes:
        return derive(self._secret, "pseudonym", user.encode())

    def _person(self, user: str, *, create: bool = False) -> _Person | None:
        return self._find_person(self._pseudonym(user), create=create)

    def _find_person(self, pseudonym: bytes, *, create: bool = False) -> _Person | None:
        person = self._people.get(pseudonym)
        if person is not None:
            return person
        # Not by the index on pseudonyms: damaged, it would make a person unknown.
        person_id = self._rows.get(pseudonym)
        if person_id is None:
            return self._enrol(pseudonym) if create else None
        row = self._db.execute(
            "SELECT wrapped_key, head FROM people WHERE id = ?", [person_id]
        ).fetchone()
        if row is None:
            raise HistoryCorrupt("a person's record is missing")
        wrapped, head = row
        try:
            key = self._kek.open(wrapped, self._context("people.wrapped_key", pseudonym))
            person = _opened(person_id, pseudonym, key, head)
            fields = json.loads(person.key.open(head, self._context("people.head", pseudonym)))
            person.count, person.last_seq = int(fields["count"]), int(fields["last_seq"])
            person.sum = int(fields["sum"], 16)
            person.consents = MappingProxyType(
                {str(name): bool(granted) for name, granted in fields["consents"].items()}
            )
        except (Unsealable, ValueError, TypeError, KeyError):
            raise HistoryCorrupt("a person's record cannot be opened") from None
        self._remember(person)
        return person

    def _enrol(self, pseudonym: bytes) -> _Person:
        key = fresh_key()
        with self._transaction():
            self._db.execute(
                "INSERT INTO people (pseudonym, wrapped_key, head) VALUES (?, ?, ?)",
                [
                    pseudonym,
                    self._kek.seal(key, self._context("people.wrapped_key", pseudonym)),
                    SealingKey(key).seal(b"new", b"overwritten in this transaction"),
                ],
            )
            row = self._db.execute("SELECT last_insert_rowid()").fetchone()[0]
            person = _opened(row, pseudonym, key, b"")
            person.verified = True
            self._write_head(person)
        self._rows[pseudonym] = row
        self._remember(person)
        return person

    def _remember(self, person: _Person) -> None:
        if person.pseudonym not in self._people and len(self._people) >= MAX_KNOWN_PEOPLE:
            self._people.pop(next(iter(self._people)))
        self._people[person.pseudonym] = person

    def _write_head(self, person: _Person) -> None:
        """Seal the person's head and put it into the root, inside a transaction."""
        fields = {
            "count": person.count,
            "last_seq": person.last_seq,
            "sum": f"{person.sum:x}",
            "consents": dict(person.consents),
        }
        new = not person.head_seal
        total = self._root.sum - (0 if new else self._head_hash(person))
        head = person.key.seal(
            json.dumps(fields, ensure_ascii=False).encode(),
            self._context("people.head", person.pseudonym),
        )
        self._db.execute("UPDATE people SET head = ? WHERE id = ?", [head, person.row])
        person.head_seal = head
        self._write_root(
            _Root(self._root.people + new, (total + self._head_hash(person)) % _MODULUS)
        )

    def _write_root(self, root: _Root) -> None:
        sealed = SealingKey(derive(self._secret, "root")).seal(
            json.dumps([root.people, f"{root.sum:x}"]).encode(), self._context("meta", b"root")
        )
        self._put("root", sealed)
        self._root = root

    def _head_hash(self, person: _Person) -> int:
        head = person.head_seal
        message = person.pseudonym + head[2:26] + head[-_TAG_BYTES:]
        return int.from_bytes(keyed_hash(self._root_key(), message, _SUM_BYTES), "big")

    def _root_key(self) -> bytes:
        return derive(self._secret, "root sum")

    # -- rows -------------------------------------------------------------------------

    def _insert(self, person: _Person, event: Event) -> bool:
        """Insert one row into an open transaction; tell whether it was new."""
        subject = event.item.id if event.item is not None else event.query or ""
        content = json.dumps([event.type.value, int(event.timestamp or 0.0), subject])
        tag = keyed_hash(person.tag_key, content.encode("utf-8", "replace"), _TAG_BYTES)
        id_tag = (
            None
            if event.id is None
            else keyed_hash(person.tag_key, b"id:" + event.id.encode(), _TAG_BYTES)
        )
        seq = person.last_seq + 1
        sealed = person.key.seal(encode(event), self._event_contexts(person, [seq])[0])
        done = self._db.execute(
            "INSERT OR IGNORE INTO events (person, seq, content_tag, id_tag, sealed)"
            " VALUES (?, ?, ?, ?, ?)",
            [person.row, seq, tag, id_tag, sealed],
        )
        if done.rowcount != 1:
            return False
        person.last_seq = seq
        person.count += 1
        person.sum = (person.sum + _row_hash(person, seq, tag, id_tag, sealed)) % _MODULUS
        return True

    def _load(self, person: _Person, limit: int | None) -> tuple[Event, ...]:
        self._verify_rows(person)
        rows = self._db.execute(
            "SELECT seq, sealed FROM events WHERE person = ? ORDER BY seq DESC LIMIT ?",
            [person.row, -1 if limit is None else limit],
        ).fetchall()
        rows.reverse()
        contexts = self._event_contexts(person, [seq for seq, _ in rows])
        try:
            events = decode(person.key.open_many([sealed for _, sealed in rows], contexts))
        except (Unsealable, Undecodable):
            raise HistoryCorrupt("an event cannot be opened") from None
        events.sort(key=lambda event: event.timestamp or 0.0)
        return tuple(events)

    def _verify_rows(self, person: _Person) -> None:
        """Compare the head with all rows, once; from then on the exclusive lock guards."""
        if person.verified:
            return
        count = total = last = 0
        tags: list[bytes] = []
        for seq, tag, id_tag, sealed in self._db.execute(
            "SELECT seq, content_tag, id_tag, sealed FROM events WHERE person = ?", [person.row]
        ):
            count += 1
            last = max(last, seq)
            total += _row_hash(person, seq, tag, id_tag, sealed)
            tags += tag, id_tag or b""
        if count != person.count or total % _MODULUS != person.sum or last > person.last_seq:
            raise HistoryCorrupt("an event was added, removed or replaced")
        if sorted(tags) != sorted(self._indexed_tags(person)):
            raise HistoryCorrupt("an index was replaced")
        person.verified = True

    def _indexed_tags(self, person: _Person) -> list[bytes]:
        """The tags as the indexes that find duplicates hold them, read from those alone."""
        found: list[bytes] = []
        for column, index in (("content_tag", 2), ("id_tag", 3)):
            rows = self._db.execute(
                f"SELECT {column} FROM events INDEXED BY sqlite_autoindex_events_{index}"  # noqa: S608
                " WHERE person = ?",
                [person.row],
            )
            found.extend(row[0] or b"" for row in rows)
        return found

    def _context(self, table: str, subject: bytes) -> bytes:
        """Associated data: where a sealed value belongs."""
        parts = (b"edge-rerank", self._store, table.encode(), bytes([schema.VERSION]), subject)
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    def _event_contexts(self, person: _Person, seqs: Sequence[int]) -> list[bytes]:
        number = 8
        start = self._context("events", person.pseudonym + bytes(number))[:-number]
        return [start + seq.to_bytes(number, "big") for seq in seqs]

    # -- rotation ---------------------------------------------------------------------

    def _rotate(self, new: bytes) -> None:
        """Give the source a new key and wrap everything under it; survives a crash.

        First the file notes, sealed under the new key, what the old one was; then the
        source takes the new key; then everything is wrapped anew and the note removed.
        Whichever key the source gives after a crash, the file can be opened.
        """
        key, commitment = SealingKey(new), self._commitment(new)
        old = self._source.load()
        with self._transaction():
            self._put("next_commitment", commitment)
            self._put("next_key", key.seal(old, self._context("meta", b"next_key")))
        self._source.replace(new)
        self._rewrap(key, commitment)

    def _finish_rotation(self, kek: bytes) -> None:
        pending = self._find("next_commitment")
        if pending is None:
            return
        commitment = self._commitment(kek)
        if same(commitment, pending):
            self._rewrap(SealingKey(kek), commitment)
            return
        with self._transaction():  # the source still has the old key: nothing has happened
            self._db.execute("DELETE FROM meta WHERE name IN ('next_commitment', 'next_key')")
        self._checkpoint()

    def _rewrap(self, new: SealingKey, commitment: bytes) -> None:
        context = self._context("meta", b"secret")
        with self._transaction():
            rows = self._db.execute("SELECT id, pseudonym, wrapped_key FROM people").fetchall()
            contexts = [self._context("people.wrapped_key", row[1]) for row in rows]
            try:
                keys = self._kek.open_many([row[2] for row in rows], contexts)
            except Unsealable:
                raise HistoryCorrupt("a person's key cannot be opened") from None
            self._db.conn.executemany(
                "UPDATE people SET wrapped_key = ? WHERE id = ?",
                [
                    (new.seal(key, context_), row[0])
                    for key, context_, row in zip(keys, contexts, rows, strict=True)
                ],
            )
            self._put("secret", new.seal(self._secret, context))
            self._put("commitment", commitment)
            self._db.execute("DELETE FROM meta WHERE name IN ('next_commitment', 'next_key')")
        self._kek = new
        self._checkpoint()

    def _commitment(self, kek: bytes) -> bytes:
        """Binds the file to one key: AES-GCM alone would open under more than one."""
        return derive(kek, "commitment", self._store)

    # -- plumbing ---------------------------------------------------------------------

    def _find(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        return None if row is None else bytes(row[0])

    def _get(self, name: str) -> bytes:
        value = self._find(name)
        if value is None:
            raise HistoryCorrupt(f"the file lacks its {name}")
        return value

    def _put(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", [name, value])

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it."""
        if self._path is not None:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise ClosedError("the history is closed")
            with _typed_errors():
                yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction; on an error the opened records are forgotten with it."""
        root = self._root
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._root = root
            self._people.clear()
            if self._db.conn.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _opened(row: int, pseudonym: bytes, key: bytes, head: bytes) -> _Person:
    return _Person(row, pseudonym, SealingKey(key), derive(key, "tags"), head)


def _row_hash(person: _Person, seq: int, tag: bytes, id_tag: bytes | None, sealed: bytes) -> int:
    """A keyed hash of a row; the GCM tag stands for the whole ciphertext."""
    message = seq.to_bytes(8, "big") + tag + (id_tag or bytes(_TAG_BYTES)) + sealed[-_TAG_BYTES:]
    return int.from_bytes(keyed_hash(person.tag_key, message, _SUM_BYTES), "big")


def _connect(path: Path | None) -> Database:
    from sqlite_utils import Database  # noqa: PLC0415 - a quarter of the package's import time

    if path is not None:
        try:
            # Made here rather than by SQLite so that no other user can read it even once.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise HistoryUnavailable(
                f"the history file cannot be opened: {error.strerror}"
            ) from error
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=LOCK_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    db = Database(connection)
    try:
        # Before WAL: it then needs no shared memory, and no second process gets in.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        _refuse_other_files(db)  # WAL is noted in the file: another application's must not change
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
            "foreign_keys = ON",
        ):
            db.execute(f"PRAGMA {pragma}")
    except BaseException:
        db.close()
        raise
    return db


def _refuse_other_files(db: Database) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != schema.APPLICATION_ID:
        raise HistoryCorrupt("the file is not a history file")


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn what SQLite and the file system raise into our own errors."""
    try:
        yield
    except HistoryError:
        raise
    except sqlite3.DatabaseError as error:
        # Python 3.11 names the code; the text may name tables but never values.
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise HistoryLocked("another process has the history file open") from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_MISM")):
            raise HistoryCorrupt(f"the history file is damaged: {name}") from error
        if isinstance(error, sqlite3.OperationalError) and name in {"SQLITE_ERROR", ""}:
            raise HistoryCorrupt("the history file lacks a table or column") from error
        raise HistoryUnavailable(f"the history file cannot be used: {name}") from error
    except OSError as error:
        raise HistoryUnavailable(f"the history file cannot be used: {error.strerror}") from error
    except UnicodeDecodeError as error:
        # SQLite quotes a damaged schema in its message, and Python cannot read the quotation.
        raise HistoryCorrupt("the history file is damaged: its schema is not text") from error
