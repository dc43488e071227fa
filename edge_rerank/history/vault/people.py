"""The people in the file: pseudonyms, data keys, sealed heads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import SealingKey, Unsealable, derive, fresh_key, key_id_of
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.consents import Decision
from edge_rerank.history.vault.file import HistoryFile
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
PSEUDONYM_BYTES = 16
SUBJECT_BYTES = 8


@dataclass(slots=True)
class Person:
    """One person's opened head. Changed only on a copy that a transaction writes.

    Attributes:
        pseudonym: keyed hash of the host's identifier, 16 bytes.
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
        verified: whether the rows were compared with ``total`` since the file was opened.
    """

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

    def __init__(
        self, file: HistoryFile, binding: Binding, keybook: KeyBook, secret: bytes
    ) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook
        self._pseudonym_key = derive(secret, "pseudonyms")
        self._head_hash = Hasher(secret, "heads")
        self._known: dict[bytes, Person] = {}
        self._verified: set[int] = set()

    def pseudonym(self, user: str) -> bytes:
        """The keyed hash under which ``user`` is stored."""
        return derive(self._pseudonym_key, "user", user.encode())[:PSEUDONYM_BYTES]

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
            "SELECT head FROM people WHERE pseudonym = ?", (pseudonym,)
        ).fetchone()
        if row is None:
            return None
        person = self._open(pseudonym, row[0])
        self.remember(person)
        return person

    def enrol(self, root: Root, pseudonym: bytes) -> Person:
        """Make a new person, inside a transaction."""
        self.verify_bucket(root, bucket_of(pseudonym))
        key = fresh_key()
        person = Person(
            pseudonym=pseudonym,
            subject=os.urandom(SUBJECT_BYTES).hex(),
            keys={1: SealingKey(key, 1)},
            current=1,
            tag_key=fresh_key(),
            verified=True,
        )
        self._keybook.wrap(pseudonym, 1, key)
        self.write(root, person)
        return person

    def write(self, root: Root, person: Person) -> None:
        """Seal the head anew and put it into the root, inside a transaction."""
        bucket = bucket_of(person.pseudonym)
        if person.head:
            root.sums[bucket] -= self._head_hash(person.pseudonym, person.head)
        context = self._context(person.current, person.pseudonym)
        person.head = person.key.seal(_dump(person), context)
        root.sums[bucket] = (
            root.sums[bucket] + self._head_hash(person.pseudonym, person.head)
        ) % MODULUS
        self._file.execute(
            "INSERT INTO people (pseudonym, head) VALUES (?, ?)"
            " ON CONFLICT (pseudonym) DO UPDATE SET head = excluded.head",
            (person.pseudonym, person.head),
        )

    def delete(self, root: Root, person: Person) -> None:
        """Take the person out, inside a transaction; the events must be gone already."""
        bucket = bucket_of(person.pseudonym)
        self._file.execute("DELETE FROM people WHERE pseudonym = ?", (person.pseudonym,))
        self._keybook.discard(person.pseudonym)
        gone = self._head_hash(person.pseudonym, person.head)
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
        for pseudonym, head in self._heads(bucket):
            yield self._known.get(pseudonym) or self._open(pseudonym, head)

    def verify_bucket(self, root: Root, bucket: int, *, again: bool = False) -> None:
        """Compare a bucket with the root, once; from then on the exclusive lock guards it.

        Raises:
            HistoryCorrupt: when a head was added, removed or replaced.
        """
        if bucket in self._verified and not again:
            return
        total = sum(self._head_hash(pseudonym, head) for pseudonym, head in self._heads(bucket))
        if total % MODULUS != root.sums[bucket]:
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        self._verified.add(bucket)

    def _heads(self, bucket: int) -> list[tuple[bytes, bytes]]:
        return self._file.execute(
            "SELECT pseudonym, head FROM people WHERE pseudonym BETWEEN ? AND ?",
            bucket_range(bucket),
        ).fetchall()

    def _open(self, pseudonym: bytes, head: bytes) -> Person:
        keys = {
            key_id: SealingKey(key, key_id)
            for key_id, key in self._keybook.unwrap(pseudonym).items()
        }
        current = key_id_of(head)
        try:
            fields = json.loads(keys[current].open(head, self._context(current, pseudonym)))
            return Person(
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
            )
        except (Unsealable, ValueError, TypeError, KeyError):
            raise HistoryCorrupt("a person's record cannot be opened") from None

    def _context(self, key_id: int, pseudonym: bytes) -> bytes:
        return self._binding("people", key_id, pseudonym)


def _dump(person: Person) -> bytes:
    fields = {
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
    return json.dumps(fields, separators=(",", ":")).encode()
