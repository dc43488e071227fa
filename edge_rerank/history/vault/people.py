"""The people in the file: pseudonyms, data keys, sealed heads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import SealingKey, Unsealable, fresh_key, key_id_of
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.consents import Decision
from edge_rerank.history.vault.file import HistoryFile, typed_errors
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.root import (
    BUCKETS,
    MODULUS,
    Hasher,
    Root,
    bucket_of,
    bucket_range,
)

MAX_KNOWN_PEOPLE = 256
SUBJECT_BYTES = 8


@dataclass(frozen=True, slots=True)
class State:
    """Where a small sealed state of a person lies.

    Attributes:
        first: number of the row of its first part.
        parts: how many rows it has.
        recorded: store clock when it was put there.
    """

    first: int
    parts: int
    recorded: int

    @property
    def last(self) -> int:
        """Number of the row of its last part."""
        return self.first + self.parts - 1


@dataclass(slots=True)
class Person:
    """One person's opened head. Changed only on a copy that a transaction writes.

    Attributes:
        name: keyed hash of the host's identifier, 16 bytes, the same in every epoch.
        epoch: the epoch that the record belongs to.
        pseudonym: keyed hash of ``name`` under which the epoch keeps the record, 16 bytes.
        subject: random, names the person in the audit log; means nothing once erased.
        keys: data keys by id; two while they are being rotated.
        current: id of the key that seals what is new.
        tag_key: keys the tags that find duplicates, and the sum over the rows.
        head: the sealed head as it lies in the file, empty before the first.
        count: number of events.
        last_seq: highest sequence number ever given.
        oldest: store clock when the oldest event was recorded, 0 without any.
        total: sum of a keyed hash of every row.
        consents: decisions by purpose.
        paused: whether recording is paused.
        states: where the person's small states lie, by name.
        last_state: highest number ever given to a row of theirs.
        verified: whether the rows were compared with ``total`` since the file was opened.
    """

    name: bytes
    epoch: int
    pseudonym: bytes
    subject: str
    keys: Mapping[int, SealingKey]
    current: int
    tag_key: bytes = field(repr=False)
    head: bytes = b""
    count: int = 0
    last_seq: int = 0
    oldest: int = 0
    total: int = 0
    consents: Mapping[str, Decision] = field(default_factory=dict)
    paused: bool = False
    states: Mapping[str, State] = field(default_factory=dict)
    last_state: int = 0
    verified: bool = False
    row_hash: Hasher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.row_hash = Hasher(self.tag_key, "rows")

    @property
    def key(self) -> SealingKey:
        """The key that seals what is new."""
        return self.keys[self.current]

    def draft(self) -> Person:
        """A copy to change."""
        return replace(self)


class People:
    """The table ``people``. Nothing is believed before its bucket matches the root."""

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook
        self._known: dict[bytes, Person] = {}
        self._verified: set[int] = set()
        self._unsure: set[int] = set()
        """Buckets that do not fit the root, with records in them that cannot be opened."""

    def name(self, user: str) -> bytes:
        """The keyed hash of ``user``, the same in every epoch."""
        return self._keybook.newest.name(user)

    def pseudonym(self, user: str) -> bytes:
        """The keyed hash under which ``user`` is stored, unless a rekey has yet to come to it."""
        return self._keybook.newest.pseudonym(self.name(user))

    def named(self, root: Root, name: bytes) -> Person | None:
        """The record of the person called ``name``, ``None`` if there is none in any epoch.

        Raises:
            HistoryCorrupt: when it, or another of its bucket, is not what the root says.
        """
        for epoch in sorted(self._keybook.epochs, reverse=True):
            person = self.find(root, self._keybook.epochs[epoch].pseudonym(name))
            if person is not None:
                return person
        return None

    def find(self, root: Root, pseudonym: bytes) -> Person | None:
        """The person's record, ``None`` if there is none.

        Raises:
            HistoryCorrupt: when it, or another of its bucket, is not what the root says.
        """
        known = self._known.get(pseudonym)
        if known is not None:
            return known
        self.verify_bucket(root, bucket_of(pseudonym))
        row = self._file.execute(
            "SELECT head, epoch FROM people WHERE pseudonym = ?", (pseudonym,)
        ).fetchone()
        if row is None:
            if bucket_of(pseudonym) in self._unsure:
                raise HistoryCorrupt("a person's record may be gone: quarantine() what is damaged")
            return None
        person = self._open(pseudonym, *row)
        self.remember(person)
        return person

    def enrol(self, root: Root, name: bytes) -> Person:
        """Make a new person, inside a transaction."""
        key = fresh_key()
        person = self.found(root, name, key, subject=os.urandom(SUBJECT_BYTES).hex())
        self._keybook.wrap(person.epoch, person.pseudonym, 1, key)
        self.write(root, person)
        return person

    def found(self, root: Root, name: bytes, key: bytes, *, subject: str) -> Person:
        """A person of the newest epoch, with nothing of it in the file yet.

        Raises:
            HistoryCorrupt: when another of its bucket is not what the root says.
        """
        epoch = self._keybook.newest
        pseudonym = epoch.pseudonym(name)
        self.verify_bucket(root, bucket_of(pseudonym))
        return Person(
            name=name,
            epoch=epoch.id,
            pseudonym=pseudonym,
            subject=subject,
            keys={1: SealingKey(key, 1)},
            current=1,
            tag_key=fresh_key(),
            verified=True,
        )

    def write(self, root: Root, person: Person) -> None:
        """Seal the head anew and put it into the root, inside a transaction."""
        bucket = bucket_of(person.pseudonym)
        if person.head:
            root.sums[bucket] -= self._hash(person.pseudonym, person.head, person.epoch)
        context = self._context(person.current, person.pseudonym)
        person.head = person.key.seal(_dump(person), context)
        root.sums[bucket] = (
            root.sums[bucket] + self._hash(person.pseudonym, person.head, person.epoch)
        ) % MODULUS
        self._file.execute(
            "INSERT INTO people (pseudonym, head, epoch) VALUES (?, ?, ?)"
            " ON CONFLICT (pseudonym) DO UPDATE SET head = excluded.head",
            (person.pseudonym, person.head, person.epoch),
        )

    def delete(self, root: Root, person: Person) -> None:
        """Take the person out, inside a transaction; the events must be gone already."""
        bucket = bucket_of(person.pseudonym)
        self._file.execute("DELETE FROM people WHERE pseudonym = ?", (person.pseudonym,))
        self._keybook.discard(person.pseudonym)
        gone = self._hash(person.pseudonym, person.head, person.epoch)
        root.sums[bucket] = (root.sums[bucket] - gone) % MODULUS

    def remember(self, person: Person) -> None:
        """Keep an opened record at hand, once what it says is in the file."""
        if person.pseudonym not in self._known and len(self._known) >= MAX_KNOWN_PEOPLE:
            self._known.pop(next(iter(self._known)))
        self._known[person.pseudonym] = person

    def forget(self, pseudonym: bytes | None = None) -> None:
        """Let go of one opened record, or of all."""
        if pseudonym is None:
            self._known.clear()
        else:
            self._known.pop(pseudonym, None)

    def count(self) -> int:
        """Number of people in the file."""
        return int(self._file.execute("SELECT count(*) FROM people").fetchone()[0])

    def everyone(self, root: Root) -> Iterator[Person]:
        """All people, bucket by bucket, each bucket verified first.

        Raises:
            HistoryCorrupt: when a bucket is not what the root says.
        """
        for bucket in range(BUCKETS):
            self.verify_bucket(root, bucket)
            yield from self.in_bucket(bucket)

    def in_bucket(self, bucket: int) -> Iterator[Person]:
        """The people of one bucket, which has been verified."""
        for pseudonym, head, epoch in self.rows_of(bucket):
            yield self._known.get(pseudonym) or self._open(pseudonym, head, epoch)

    def left_behind(self, after: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` people, behind the pseudonym ``after``, who are in an older epoch."""
        found = self._file.execute(
            "SELECT pseudonym FROM people WHERE pseudonym > ? AND epoch <> ?"
            " ORDER BY pseudonym LIMIT ?",
            (after, self._keybook.newest.id, limit),
        )
        return [bytes(pseudonym) for (pseudonym,) in found]

    def verify_bucket(self, root: Root, bucket: int, *, again: bool = False) -> None:
        """Compare a bucket with the root, once; from then on the exclusive lock guards it.

        A record that cannot be opened explains why a bucket does not fit. The others in it open
        under keys of their own and count; whether one of them is an older one cannot be told.

        Raises:
            HistoryCorrupt: when a head was added, removed or replaced.
        """
        if bucket in self._verified and not again:
            return
        rows = self.rows_of(bucket)
        fits = self._sum(rows) == root.sums[bucket]
        if not fits and all(self.opens(*row) for row in rows):
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        (self._unsure.discard if fits else self._unsure.add)(bucket)
        self._verified.add(bucket)

    def survivors(self, root: Root, bucket: int) -> tuple[list[Person], int]:
        """The people of a bucket whose records can be opened, and how many others there are."""
        try:
            with typed_errors():
                rows = self.rows_of(bucket)
                self.verify_bucket(root, bucket)
        except HistoryCorrupt:
            return [], 1
        found = [self.opened(pseudonym) for pseudonym, _, _ in rows]
        whole = [person for person in found if person is not None]
        return whole, len(found) - len(whole)

    def some_of(self, bucket: int, start: bytes, limit: int) -> list[bytes]:
        """The first pseudonyms of a bucket from ``start`` on, in their order."""
        found = self._file.execute(
            "SELECT pseudonym FROM people WHERE pseudonym BETWEEN ? AND ?"
            " ORDER BY pseudonym LIMIT ?",
            (start, bucket_range(bucket)[1], limit),
        )
        return [bytes(pseudonym) for (pseudonym,) in found]

    def survivors_among(self, root: Root, some: Sequence[bytes]) -> tuple[list[Person], int]:
        """Those of ``some`` whose records can be opened, and how many others there are."""
        whole: list[Person] = []
        for pseudonym in some:
            try:
                with typed_errors():
                    self.verify_bucket(root, bucket_of(pseudonym))
                found = self.opened(pseudonym)
            except HistoryCorrupt:
                continue
            if found is not None:
                whole.append(found)
        return whole, len(some) - len(whole)

    def opened(self, pseudonym: bytes) -> Person | None:
        """The person's record, ``None`` where it cannot be opened; it need not be the newest."""
        known = self._known.get(pseudonym)
        if known is not None:
            return known
        row = self._file.execute(
            "SELECT head, epoch FROM people WHERE pseudonym = ?", (pseudonym,)
        ).fetchone()
        try:
            with typed_errors():
                return self._open(pseudonym, *row)
        except HistoryCorrupt:
            return None

    def opens(self, pseudonym: bytes, head: bytes, epoch: int) -> bool:
        """Whether ``head`` is a record of the person's."""
        try:
            with typed_errors():
                self._open(pseudonym, head, epoch)
        except HistoryCorrupt:
            return False
        return True

    def unsure(self, bucket: int) -> bool:
        """Whether damage in a bucket keeps the root from vouching for what else is in it."""
        return bucket in self._unsure

    def keys_of(self, pseudonym: bytes) -> Mapping[int, bytes]:
        """The person's data keys by id.

        Raises:
            HistoryCorrupt: when one cannot be opened.
        """
        return self._keybook.unwrap(pseudonym)

    def rewrite(self, pseudonym: bytes, head: bytes) -> None:
        """Put a head in the place of a damaged one, inside a transaction."""
        self._file.execute("UPDATE people SET head = ? WHERE pseudonym = ?", (head, pseudonym))

    def delete_damaged(self, root: Root, pseudonym: bytes) -> None:
        """Take out a person whose record cannot be opened, inside a transaction."""
        bucket = bucket_of(pseudonym)
        before = self._sum(self.rows_of(bucket))
        self._file.execute("DELETE FROM people WHERE pseudonym = ?", (pseudonym,))
        self._known.pop(pseudonym, None)
        rows = self.rows_of(bucket)
        after = self._sum(rows)
        if bucket in self._unsure and all(self.opens(*row) for row in rows):
            root.sums[bucket] = after or 0
            self._unsure.discard(bucket)
        elif before is not None and after is not None:
            root.sums[bucket] = (root.sums[bucket] - before + after) % MODULUS

    def accept(self, root: Root, bucket: int) -> bool:
        """Take a bucket as it is, inside a transaction; whether the root said otherwise."""
        total = self._sum(self.rows_of(bucket)) or 0
        if root.sums[bucket] == total:
            return False
        root.sums[bucket] = total
        return True

    def reset(self) -> None:
        """Look at everything anew."""
        self._known.clear()
        self._verified.clear()
        self._unsure.clear()

    def rows_of(self, bucket: int) -> list[tuple[bytes, bytes, int]]:
        """Pseudonym, head and epoch of everybody in a bucket, unopened."""
        return self._file.execute(
            "SELECT pseudonym, head, epoch FROM people WHERE pseudonym BETWEEN ? AND ?",
            bucket_range(bucket),
        ).fetchall()

    def _sum(self, rows: Sequence[tuple[bytes, bytes, int]]) -> int | None:
        """What the root must say of these records, ``None`` where one has an unknown epoch."""
        try:
            with typed_errors():
                return sum(self._hash(*row) for row in rows) % MODULUS
        except HistoryCorrupt:
            return None

    def _hash(self, pseudonym: bytes, head: bytes, epoch: int) -> int:
        known = self._keybook.epochs.get(epoch)
        if known is None:
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        return known.heads(pseudonym, head)

    def _open(self, pseudonym: bytes, head: bytes, epoch: int) -> Person:
        keys = {
            key_id: SealingKey(key, key_id)
            for key_id, key in self._keybook.unwrap(pseudonym).items()
        }
        current = key_id_of(head)
        try:
            fields = json.loads(keys[current].open(head, self._context(current, pseudonym)))
            return Person(
                name=bytes.fromhex(fields["name"]) if epoch > 1 else pseudonym,
                epoch=epoch,
                pseudonym=pseudonym,
                subject=str(fields["subject"]),
                keys=keys,
                current=current,
                tag_key=bytes.fromhex(fields["tag_key"]),
                head=head,
                count=int(fields["count"]),
                last_seq=int(fields["last_seq"]),
                oldest=int(fields["oldest"]),
                total=int(fields["sum"], 16),
                consents={
                    str(purpose): Decision(bool(granted), int(at))
                    for purpose, (granted, at) in fields["consents"].items()
                },
                paused=bool(fields["paused"]),
                states={
                    str(name): State(*map(int, where))
                    for name, where in fields.get("states", {}).items()
                },
                last_state=int(fields.get("last_state", 0)),
            )
        except (Unsealable, ValueError, TypeError, KeyError):
            raise HistoryCorrupt("a person's record cannot be opened") from None

    def _context(self, key_id: int, pseudonym: bytes) -> bytes:
        return self._binding("people", key_id, pseudonym)


def _dump(person: Person) -> bytes:
    fields: dict[str, object] = {
        "subject": person.subject,
        "tag_key": person.tag_key.hex(),
        "count": person.count,
        "last_seq": person.last_seq,
        "oldest": person.oldest,
        "sum": f"{person.total:x}",
        "consents": {
            purpose: [decision.granted, decision.at]
            for purpose, decision in person.consents.items()
        },
        "paused": person.paused,
    }
    if person.last_state:
        fields["last_state"] = person.last_state
        fields["states"] = {
            name: [state.first, state.parts, state.recorded]
            for name, state in person.states.items()
        }
    if person.epoch > 1:
        fields["name"] = person.name.hex()
    return json.dumps(fields, separators=(",", ":")).encode()
