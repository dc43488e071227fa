"""The people in the file: pseudonyms, data keys, sealed heads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import SealingKey, Unsealable, fresh_key, key_id_of
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.epochs import Epoch
from edge_rerank.history.vault.eventtables import fresh_number
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.person import Person, dump_head, parse_head
from edge_rerank.history.vault.root import (
    BUCKETS,
    LEAVES,
    MODULUS,
    Leaves,
    Root,
    bucket_of,
    bucket_range,
    leaf_of,
    leaf_range,
)
from edge_rerank.history.vault.sums import FineSums

MAX_KNOWN_PEOPLE = 256
SUBJECT_BYTES = 8


class People:
    """The table ``people``. Nothing is believed before its bucket, or leaf, matches the root."""

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook
        self.sums = FineSums(file, binding, keybook)
        self._known: dict[bytes, Person] = {}
        self._verified: set[int] = set()
        self._unsure: set[int] = set()
        """Buckets that do not fit the root, with records in them that cannot be opened."""
        self._vouched: set[int] = set()
        """Leaves that fit theirs."""
        self._asked: tuple[Epoch, str, bytes] | None = None
        """Who was asked for last, and their name: a call asks up to five times."""

    def name(self, user: str) -> bytes:
        """The keyed hash of ``user``, the same in every epoch."""
        epoch, asked = self._keybook.newest, self._asked
        if asked is not None and asked[0] is epoch and asked[1] == user:
            return asked[2]
        name = epoch.name(user)
        self._asked = epoch, user, name
        return name

    def drop_name(self) -> None:
        """Let go of who was asked for last."""
        self._asked = None

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
        self.vouch(root, pseudonym)
        row = self._file.execute(
            "SELECT head, epoch, number FROM people WHERE pseudonym = ?", (pseudonym,)
        ).fetchone()
        if row is None:
            if bucket_of(pseudonym) in self._unsure and leaf_of(pseudonym) not in self._vouched:
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
        self.vouch(root, pseudonym)
        return Person(
            name=name,
            epoch=epoch.id,
            pseudonym=pseudonym,
            number=self._fresh_number(),
            subject=subject,
            keys={1: SealingKey(key, 1)},
            current=1,
            tag_key=fresh_key(),
            verified=True,
        )

    def write(self, root: Root, person: Person) -> None:
        """Seal the head anew and put it into the root, inside a transaction."""
        gone = self._addend(person)
        new = not person.head
        context = self._context(person.current, person.pseudonym)
        person.head = person.key.seal(dump_head(person), context)
        root.shift(person.pseudonym, self._addend(person) - gone, people=int(new))
        self._file.execute(
            "INSERT INTO people (pseudonym, head, epoch, number) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (pseudonym) DO UPDATE SET head = excluded.head",
            (person.pseudonym, person.head, person.epoch, person.number),
        )

    def delete(self, root: Root, person: Person) -> None:
        """Take the person out, inside a transaction; the events must be gone already."""
        self._file.execute("DELETE FROM people WHERE pseudonym = ?", (person.pseudonym,))
        self._keybook.discard(person.pseudonym)
        root.shift(person.pseudonym, -self._addend(person), people=-1)

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
        for row in self._file.execute(
            "SELECT pseudonym, head, epoch, number FROM people WHERE pseudonym BETWEEN ? AND ?",
            bucket_range(bucket),
        ).fetchall():
            yield self._known.get(row[0]) or self._open(*row)

    def left_behind(self, after: bytes, limit: int) -> list[bytes]:
        """Up to ``limit`` people, behind the pseudonym ``after``, who are in an older epoch."""
        found = self._file.execute(
            "SELECT pseudonym FROM people WHERE pseudonym > ? AND epoch <> ?"
            " ORDER BY pseudonym LIMIT ?",
            (after, self._keybook.newest.id, limit),
        )
        return [bytes(pseudonym) for (pseudonym,) in found]

    def vouch(self, root: Root, pseudonym: bytes) -> None:
        """See that the root vouches for what is, or is not, kept under a pseudonym.

        Its leaf is compared where the leaves of the bucket are known, else the whole bucket.

        Raises:
            HistoryCorrupt: as :meth:`verify_bucket`.
        """
        bucket, leaf = bucket_of(pseudonym), leaf_of(pseudonym)
        if leaf in self._vouched or bucket in self._verified - self._unsure:
            return
        leaves = self._known_leaves(root, bucket)
        if leaves is not None:
            found = self._sum(self._rows_between(*leaf_range(leaf)))
            if found == leaves.sums[leaf % LEAVES]:
                self._vouched.add(leaf)
                return
        self.verify_bucket(root, bucket)

    def _known_leaves(self, root: Root, bucket: int) -> Leaves | None:
        if bucket not in root.leaves:
            found = self.sums.read(root, bucket)
            if found is None:
                return None
            root.leaves[bucket] = found
            if not found.fine:  # by now
                root.changed.add(bucket)
        return root.leaves[bucket]

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
        leaves = self._leaves(rows)
        fits = leaves is not None and leaves.total == root.sums[bucket]
        if not fits and all(self.opens(*row) for row in rows):
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        (self._unsure.discard if fits else self._unsure.add)(bucket)
        self._verified.add(bucket)
        if leaves is not None and fits and bucket not in root.leaves:
            root.leaves[bucket] = leaves
            if leaves.fine != (self.sums.read(root, bucket) is not None):
                root.changed.add(bucket)

    def learn_sums(self, root: Root) -> None:
        """Add up every bucket, for a file that has no sums of leaves yet, inside a transaction."""
        for bucket in range(BUCKETS):
            with suppress(HistoryCorrupt), typed_errors():  # it is told when somebody is looked for
                self.verify_bucket(root, bucket)

    def mend_sums(self, root: Root) -> None:
        """Make anew, or drop, the sums of leaves that tell nothing, inside a transaction."""
        root.changed.update(b for b in range(BUCKETS) if self.sums.is_broken(root, b))

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
                    self.vouch(root, pseudonym)
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
            "SELECT head, epoch, number FROM people WHERE pseudonym = ?", (pseudonym,)
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
            root.settle(bucket, after or 0)
            self._unsure.discard(bucket)
        elif before is not None and after is not None:
            root.settle(bucket, (root.sums[bucket] - before + after) % MODULUS)

    def accept(self, root: Root, bucket: int) -> bool:
        """Take a bucket as it is, inside a transaction; whether the root said otherwise."""
        total = self._sum(self.rows_of(bucket)) or 0
        if root.sums[bucket] == total:
            return False
        root.settle(bucket, total)
        return True

    def reset(self) -> None:
        """Look at everything anew."""
        self._known.clear()
        self._verified.clear()
        self._unsure.clear()
        self._vouched.clear()

    def rows_of(self, bucket: int) -> list[tuple[bytes, bytes, int]]:
        """Pseudonym, head and epoch of everybody in a bucket, unopened."""
        return self._rows_between(*bucket_range(bucket))

    def _rows_between(self, first: bytes, last: bytes) -> list[tuple[bytes, bytes, int]]:
        return self._file.execute(
            "SELECT pseudonym, head, epoch FROM people WHERE pseudonym BETWEEN ? AND ?",
            (first, last),
        ).fetchall()

    def _sum(self, rows: Sequence[tuple[bytes, bytes, int]]) -> int | None:
        """What the root must say of these records, ``None`` where one has an unknown epoch."""
        try:
            with typed_errors():
                return sum(self._hash(*row) for row in rows) % MODULUS
        except HistoryCorrupt:
            return None

    def _leaves(self, rows: Sequence[tuple[bytes, bytes, int]]) -> Leaves | None:
        """What the leaves of a bucket add up to, ``None`` where a record has an unknown epoch."""
        sums = [0] * LEAVES
        try:
            with typed_errors():
                for pseudonym, head, epoch in rows:
                    sums[leaf_of(pseudonym) % LEAVES] += self._hash(pseudonym, head, epoch)
        except HistoryCorrupt:
            return None
        return Leaves(tuple(one % MODULUS for one in sums), len(rows))

    def _addend(self, person: Person) -> int:
        """What a person's head adds to the sums, 0 before there is one."""
        return self._hash(person.pseudonym, person.head, person.epoch) if person.head else 0

    def _hash(self, pseudonym: bytes, head: bytes, epoch: int) -> int:
        known = self._keybook.epochs.get(epoch)
        if known is None:
            raise HistoryCorrupt("a person's record was added, removed or replaced")
        return known.heads(pseudonym, head)

    def number_of(self, pseudonym: bytes) -> int:
        """Under which number the events of a person lie, 0 where that cannot be told."""
        row = self._file.execute("SELECT number FROM people WHERE pseudonym = ?", (pseudonym,))
        found = row.fetchone()
        return found[0] if found and isinstance(found[0], int) else 0

    def _fresh_number(self) -> int:
        """A number that nobody has."""
        while True:
            number = fresh_number()
            taken = self._file.execute(
                "SELECT 1 FROM people WHERE number = ? AND number > 0", (number,)
            )
            if number and taken.fetchone() is None:
                return number

    def _open(self, pseudonym: bytes, head: bytes, epoch: int, number: int = 0) -> Person:
        keys = {
            key_id: SealingKey(key, key_id)
            for key_id, key in self._keybook.unwrap(pseudonym).items()
        }
        current = key_id_of(head)
        try:
            content = keys[current].open(head, self._context(current, pseudonym))
            return parse_head(content, head, pseudonym, epoch, number=number, keys=keys)
        except (Unsealable, ValueError, TypeError, KeyError):
            raise HistoryCorrupt("a person's record cannot be opened") from None

    def _context(self, key_id: int, pseudonym: bytes) -> bytes:
        return self._binding("people", key_id, pseudonym)
