"""The events in the file: sealed rows, their tags, and the sum that the head keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import Unsealable, key_id_of, keyed_hash
from edge_rerank.history.vault.binding import SEQ_BYTES, Binding
from edge_rerank.history.vault.codec import Undecodable, decode, encode, minimise
from edge_rerank.history.vault.eventtables import EventTables, Row
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.person import Person
from edge_rerank.history.vault.root import MODULUS
from edge_rerank.types import Event

_TAG_BYTES = 16
_NO_TAG = bytes(_TAG_BYTES)
_READ_AT_ONCE = 64
"""Rows that are read together where most of the time few of them are needed."""


class Rows:
    """The events of people. What changes them belongs into a transaction."""

    def __init__(self, file: HistoryFile, binding: Binding) -> None:
        self._tables = EventTables(file)
        self._binding = binding
        self.removals = 0
        """How often rows were deleted, or would have been had the transaction succeeded."""

    def insert(self, person: Person, events: Sequence[Event], *, recorded: int) -> dict[int, Event]:
        """Seal and insert events.

        Returns:
            The new ones as they will be read back, by their places among ``events``.
        """
        kept = [minimise(event) for event in events]
        tags = [_tags(person, event, event.id) for event in kept]
        known = self._known(person, tags)
        new: list[int] = []
        for at, pair in enumerate(tags):
            if known.isdisjoint(pair):
                known.update(filter(None, pair))
                new.append(at)
        if not new:
            return {}
        encoded = [encode(kept[at], recorded=recorded) for at in new]
        payloads = [payload for payload, _ in encoded]
        seqs = range(person.last_seq + 1, person.last_seq + 1 + len(new))
        sealed = person.key.seal_many(payloads, self._contexts(person, person.current, seqs))
        rows: list[Row] = [
            (seq, *tags[at], value) for seq, at, value in zip(seqs, new, sealed, strict=True)
        ]
        self._tables.put(person.number, rows)
        person.last_seq = seqs[-1]
        person.count += len(rows)
        person.oldest = person.oldest or recorded
        person.total = (person.total + sum(_hash(person, row) for row in rows)) % MODULUS
        return {at: event for at, (_, event) in zip(new, encoded, strict=True)}

    def _known(self, person: Person, tags: Iterable[tuple[bytes, bytes | None]]) -> set[bytes]:
        """Those of the tags that rows of the person have, and others of theirs."""
        wanted = [tag for pair in tags for tag in pair if tag is not None]
        return self._tables.known(person.number, wanted)

    def load(self, person: Person, *, limit: int | None = None) -> list[tuple[int, Event, int]]:
        """Sequence number, event and time of recording, by sequence number.

        Args:
            person: whose.
            limit: only the last ``limit``; all if ``None``.

        Raises:
            HistoryCorrupt: when a row is missing, damaged or out of place.
        """
        self.verify(person)
        rows = self._tables.read(person.number, limit=limit, newest=limit is not None)
        return self._open(person, _numbered(rows))

    def remove(self, person: Person, first: int, last: int) -> int:
        """Delete the events with sequence numbers from ``first`` to ``last``; how many.

        Raises:
            HistoryCorrupt: when a row is missing, damaged or out of place.
        """
        self.verify(person)
        gone = self._tables.read(person.number, first, last)
        self._tables.delete(person.number, gone)
        self.removals += bool(gone)
        person.count -= len(gone)
        person.total = (person.total - sum(_hash(person, row) for row in gone)) % MODULUS
        person.oldest = self._oldest(person)
        return len(gone)

    def _oldest(self, person: Person) -> int:
        oldest = _numbered(self._tables.read(person.number, limit=1))
        return self._open(person, oldest)[0][2] if oldest else 0

    def first_kept(self, person: Person, *, recorded_after: int, at_most: int | None) -> int:
        """The lowest sequence number that retention lets stay, 0 for all.

        Args:
            person: whose.
            recorded_after: store clock; what was recorded before goes.
            at_most: how many may stay.
        """
        first = 0
        if at_most is not None and person.count > at_most:
            first = self._tables.nth_newest(person.number, at_most - 1)
        if person.count and person.oldest < recorded_after:
            # Recorded in the order of their sequence numbers: stop at the first that stays.
            for seq, sealed in self._from(person, first):
                if self._open(person, [(seq, sealed)])[0][2] >= recorded_after:
                    return int(max(first, seq))
            return person.last_seq + 1
        return first

    def _from(self, person: Person, first: int) -> Iterator[tuple[int, bytes]]:
        """The person's events from a sequence number on, some at a time."""
        while rows := self._tables.read(person.number, first, limit=_READ_AT_ONCE):
            yield from _numbered(rows)
            first = rows[-1][0] + 1

    def delete_all(self, person: Person) -> int:
        """Delete every event of the person, in whatever state they are; how many."""
        return self.delete_under(person.number)

    def delete_under(self, number: int) -> int:
        """Delete every event that is stored under a person's number; how many."""
        self.removals += 1
        return self._tables.delete_all(number)

    def orphans(self) -> int:
        """How many rows belong to nobody."""
        return self._tables.orphans()

    def delete_orphans(self) -> int:
        """Delete the rows that belong to nobody; how many."""
        return self._tables.delete_orphans()

    def sealed(self, person: Person) -> list[tuple[int, bytes]]:
        """The person's events as they lie in the file, with their sequence numbers."""
        return _numbered(self._tables.read(person.number))

    def opens(self, person: Person, seq: int, sealed: bytes) -> bool:
        """Whether ``sealed`` is the person's event of that number."""
        try:
            with typed_errors():
                self._open(person, [(seq, sealed)])
        except HistoryCorrupt:
            return False
        return True

    def rewrite(self, person: Person, seq: int, sealed: bytes) -> None:
        """Put a sealed event in the place of a damaged one, inside a transaction."""
        self._tables.rewrite(person.number, seq, sealed)

    def salvage(self, person: Person) -> int | None:
        """Delete what cannot be opened and count the rest anew, inside a transaction.

        Returns:
            How many events are missing now; ``None`` where all is as the head says.
        """
        rows = self._tables.read(person.number)
        damaged = [row[0] for row in rows if not self.opens(person, row[0], row[3])]
        person.verified = False
        try:
            self.verify(person)
            if not damaged:
                return None
        except HistoryCorrupt:
            pass
        before = person.count
        left = [row for row in rows if row[0] not in damaged and self._is_tagged(person, row)]
        self._tables.delete_all(person.number)
        self._tables.put(person.number, left)
        self.removals += 1
        person.count = len(left)
        person.total = sum(_hash(person, row) for row in left) % MODULUS
        person.last_seq = max([person.last_seq, *(row[0] for row in left)])
        person.oldest = self._oldest(person)
        return max(before - person.count, 0)

    def _is_tagged(self, person: Person, row: Row) -> bool:
        """Whether a row that opens has the tags of its event."""
        event = self._open(person, [(row[0], row[3])])[0][1]
        return row[1:3] == _tags(person, minimise(event), event.id)

    def reseal(self, person: Person, after: int, limit: int) -> int:
        """Seal up to ``limit`` events behind ``after`` under the current key.

        Returns:
            The last sequence number looked at, 0 when there are no more.
        """
        rows = self._tables.read(person.number, after + 1, limit=limit)
        if not rows:
            return 0
        stale = [row for row in rows if key_id_of(row[3]) != person.current]
        payloads = self._payloads(person, [(row[0], row[3]) for row in stale])
        contexts = self._contexts(person, person.current, [row[0] for row in stale])
        sealed = person.key.seal_many(payloads, contexts)
        fresh = [(*row[:3], value) for row, value in zip(stale, sealed, strict=True)]
        for row in fresh:
            self._tables.rewrite(person.number, row[0], row[3])
        change = sum(_hash(person, row) for row in fresh) - sum(_hash(person, row) for row in stale)
        person.total = (person.total + change) % MODULUS
        last: int = rows[-1][0]
        return last

    def move(self, person: Person, fresh: Person) -> list[Row]:
        """The person's rows, sealed for another record of the same person.

        Their tags are computed anew from what was kept. An event that had to be cut to fit is
        from then on a duplicate of nothing but its like.

        Args:
            person: whose rows they are.
            fresh: gets number and sum; :meth:`replace` stores the rows.

        Raises:
            HistoryCorrupt: when a row is missing, damaged or out of place.
        """
        self.verify(person)
        rows = self.sealed(person)
        payloads = self._payloads(person, rows)
        contexts = self._contexts(fresh, fresh.current, [seq for seq, _ in rows])
        resealed = fresh.key.seal_many(payloads, contexts)
        moved: list[Row] = []
        taken: set[bytes | None] = {None}
        for (seq, event, _), sealed in zip(self._decode(rows, payloads), resealed, strict=True):
            content_tag, id_tag = _tags(fresh, event, event.id)
            if content_tag in taken:
                content_tag = keyed_hash(fresh.tag_key, b"cut:%d" % seq, _TAG_BYTES)
            if id_tag in taken:
                id_tag = None
            taken |= {content_tag, id_tag}
            moved.append((seq, content_tag, id_tag, sealed))
        fresh.count = len(moved)
        fresh.total = sum(_hash(fresh, row) for row in moved) % MODULUS
        return moved

    def replace(self, person: Person, fresh: Person, rows: Sequence[Row]) -> None:
        """Put rows of :meth:`move` in the place of the person's, once both heads are there."""
        self._tables.delete_all(person.number)
        self._tables.put(fresh.number, rows)

    def verify(self, person: Person, *, again: bool = False) -> None:
        """Compare the head with all rows, once; from then on the exclusive lock guards them.

        Raises:
            HistoryCorrupt: when a row was added, removed or replaced.
        """
        if person.verified and not again:
            return
        rows = self._tables.read(person.number)
        total = sum(_hash(person, row) for row in rows) % MODULUS
        last = rows[-1][0] if rows else 0
        if len(rows) != person.count or total != person.total or last > person.last_seq:
            raise HistoryCorrupt("an event was added, removed or replaced")
        self._tables.verify(person.number, rows)
        person.verified = True

    def _open(
        self, person: Person, rows: Sequence[tuple[int, bytes]]
    ) -> list[tuple[int, Event, int]]:
        return self._decode(rows, self._payloads(person, rows))

    def _decode(
        self, rows: Sequence[tuple[int, bytes]], payloads: Sequence[bytes]
    ) -> list[tuple[int, Event, int]]:
        try:
            decoded = decode(payloads)
        except Undecodable:
            raise HistoryCorrupt("an event cannot be read") from None
        return [
            (seq, event, recorded)
            for (seq, _), (event, recorded) in zip(rows, decoded, strict=True)
        ]

    def _payloads(self, person: Person, rows: Sequence[tuple[int, bytes]]) -> list[bytes]:
        # Two keys are in use while the person's key is being rotated.
        used = set(person.keys)
        if len(used) > 1:
            used &= {key_id_of(sealed) for _, sealed in rows}
        opened: dict[int, bytes] = {}
        for key_id in used:
            mine = rows
            if len(used) > 1:
                mine = [row for row in rows if key_id_of(row[1]) == key_id]
            seqs = [seq for seq, _ in mine]
            try:
                payloads = person.keys[key_id].open_many(
                    [sealed for _, sealed in mine], self._contexts(person, key_id, seqs)
                )
            except Unsealable:
                raise HistoryCorrupt("an event cannot be opened") from None
            opened.update(zip(seqs, payloads, strict=True))
        if len(opened) != len(rows):
            raise HistoryCorrupt("an event cannot be opened")
        return [opened[seq] for seq, _ in rows]

    def _contexts(self, person: Person, key_id: int, seqs: Sequence[int]) -> list[bytes]:
        start = self._binding("events", key_id, person.pseudonym)[:-SEQ_BYTES]
        return [start + seq.to_bytes(SEQ_BYTES, "big") for seq in seqs]


def _tags(person: Person, event: Event, event_id: str | None) -> tuple[bytes, bytes | None]:
    """What finds duplicates: type, second and item or query; and the host's own id."""
    subject = event.item.id if event.item is not None else event.query or event.ranking or ""
    content = json.dumps([event.type.value, int(event.timestamp or 0.0), subject])
    content_tag = keyed_hash(person.tag_key, b"content:" + content.encode(), _TAG_BYTES)
    if event_id is None:
        return content_tag, None
    return content_tag, keyed_hash(person.tag_key, b"id:" + event_id.encode(), _TAG_BYTES)


def _hash(person: Person, row: Row) -> int:
    """Keyed hash of a whole row; the GCM tag stands for the ciphertext."""
    seq, content_tag, id_tag, sealed = row
    place = seq.to_bytes(8, "big") + content_tag + (id_tag or _NO_TAG)
    return person.row_hash(place, sealed)


def _numbered(rows: Iterable[Row]) -> list[tuple[int, bytes]]:
    """Sequence number and sealed event of each row."""
    return [(row[0], row[3]) for row in rows]
