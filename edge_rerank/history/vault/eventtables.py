"""Where sealed events lie in the file: by person and number, in pieces that fill pages.

A person has a random number, and the keys of the tables ``events`` and ``parts`` are that number
and an event's own in one integer. So a person's events lie beside each other, nothing tells in
which order different people's came, and no key needs the 16 bytes of a pseudonym.

Four parts of 1,005 bytes fill a page of 4 KB. What is longer lies in the table ``parts``, a part a
row, but for what remains at its beginning, which lies in ``events``: a row that filled a page by
itself, or needed one beside it, would waste most of it. Duplicates are found by the table
``hints``, of the first bytes of each tag, and by the tags that the events of those have.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import SEALED_SIZES
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.schema import PART_BYTES

NUMBER_BITS = 28
LAST_SEQ = (1 << 32) - 1
HINT_BYTES = 4

_SEQ_SHIFT = 2
_NUMBER_SHIFT = 34
_LAST_PART = (1 << _SEQ_SHIFT) - 1
_HINTS_AT_ONCE = 64
"""Hints that one statement looks for."""

Row = tuple[int, bytes, bytes | None, bytes]
"""Sequence number, content tag, id tag, sealed event."""


class EventTables:
    """The tables ``events``, ``parts`` and ``hints``. What changes them belongs into a transaction.

    A sequence number is at most :data:`LAST_SEQ`; ``number`` is always a person's.
    """

    def __init__(self, file: HistoryFile) -> None:
        self._file = file

    def put(self, number: int, rows: Iterable[Row]) -> None:
        """Insert rows of a person."""
        events: list[tuple[int, bytes, bytes | None, bytes]] = []
        parts: list[tuple[int, bytes]] = []
        hints: list[tuple[int, bytes, int]] = []
        for seq, content_tag, id_tag, sealed in rows:
            key = key_of(number, seq)
            remainder, *cut = _cut(sealed)
            events.append((key, content_tag, id_tag, remainder))
            parts += [(key | place, part) for place, part in enumerate(cut)]
            hints += _hints(number, seq, content_tag, id_tag)
        self._file.execute_many(
            "INSERT INTO events (key, content_tag, id_tag, sealed) VALUES (?, ?, ?, ?)", events
        )
        self._file.execute_many("INSERT INTO parts (key, part) VALUES (?, ?)", parts)
        self._file.execute_many("INSERT INTO hints (person, hint, seq) VALUES (?, ?, ?)", hints)

    def read(
        self,
        number: int,
        first: int = 0,
        last: int = LAST_SEQ,
        *,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[Row]:
        """Rows of a person by sequence number.

        Args:
            number: whose.
            first: the lowest sequence number to look at.
            last: the highest.
            limit: how many at most; all if ``None``.
            newest: whether those with the highest sequence numbers come before the limit.
        """
        if first > LAST_SEQ or last < 0:
            return []
        found = self._file.execute(
            _NEWEST if newest else _OLDEST,
            (*span_of(number, first, last), -1 if limit is None else limit),
        ).fetchall()
        if newest:
            found.reverse()
        if not found:
            return []
        parts = self._parts(found[0][0], found[-1][0] | _LAST_PART)
        return [
            (_seq(key), content_tag, id_tag, _joined(sealed, parts.get(key)))
            for key, content_tag, id_tag, sealed in found
        ]

    def nth_newest(self, number: int, nth: int) -> int:
        """The sequence number of the row that is so far from the last one, 0 where none is."""
        row = self._file.execute(
            "SELECT key FROM events WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1 OFFSET ?",
            (*span_of(number), nth),
        ).fetchone()
        return 0 if row is None else _seq(row[0])

    def known(self, number: int, tags: Sequence[bytes]) -> set[bytes]:
        """The tags of all rows of the person that may have one of ``tags``, these among them."""
        found: set[bytes | None] = set()
        for start in range(0, len(tags), _HINTS_AT_ONCE):
            some = [tag[:HINT_BYTES] for tag in tags[start : start + _HINTS_AT_ONCE]]
            for pair in self._file.execute(
                f"{_HINTED} ({', '.join('?' * len(some))})",
                (number, *some),
            ):
                found.update(pair)
        return {tag for tag in found if tag is not None}

    def rewrite(self, number: int, seq: int, sealed: bytes) -> None:
        """Put a sealed event in the place of another one as long."""
        key = key_of(number, seq)
        remainder, *cut = _cut(sealed)
        self._file.execute("UPDATE events SET sealed = ? WHERE key = ?", (remainder, key))
        self._file.execute_many(
            "UPDATE parts SET part = ? WHERE key = ?",
            [(part, key | place) for place, part in enumerate(cut)],
        )

    def delete(self, number: int, rows: Sequence[Row]) -> None:
        """Delete rows that :meth:`read` gave, all there are from the first to the last of them."""
        if not rows:
            return
        span = span_of(number, rows[0][0], rows[-1][0])
        self._file.execute("DELETE FROM events WHERE key BETWEEN ? AND ?", span)
        self._file.execute("DELETE FROM parts WHERE key BETWEEN ? AND ?", span)
        self._file.execute_many(
            "DELETE FROM hints WHERE person = ? AND hint = ? AND seq = ?",
            [hint for row in rows for hint in _hints(number, *row[:3])],
        )

    def delete_all(self, number: int) -> int:
        """Delete every row of a person, in whatever state they are; how many events."""
        span = span_of(number)
        done = self._file.execute("DELETE FROM events WHERE key BETWEEN ? AND ?", span)
        self._file.execute("DELETE FROM parts WHERE key BETWEEN ? AND ?", span)
        self._file.execute("DELETE FROM hints WHERE person = ?", (number,))
        return int(done.rowcount)

    def verify(self, number: int, rows: Sequence[Row]) -> None:
        """See that the person has hints and parts of these rows and of nothing else.

        Args:
            number: whose.
            rows: all of the person's.

        Raises:
            HistoryCorrupt: when one was added, removed or replaced.
        """
        if any(len(row[3]) not in SEALED_SIZES for row in rows) or self._strays(number):
            raise HistoryCorrupt("a part of an event was added or removed")
        expected = {hint[1:] for row in rows for hint in _hints(number, *row[:3])}
        hints = self._file.execute("SELECT hint, seq FROM hints WHERE person = ?", (number,))
        if expected != set(hints):
            raise HistoryCorrupt("what finds duplicates was changed")

    def orphans(self) -> int:
        """How many events belong to nobody, or what is left of them."""
        return max(
            int(self._file.execute(f"SELECT count(*) FROM {table} {where}").fetchone()[0])  # noqa: S608
            for table, where in _ORPHANS.items()
        )

    def delete_orphans(self) -> int:
        """Delete what belongs to nobody; how many events."""
        return max(
            int(self._file.execute(f"DELETE FROM {table} {where}").rowcount)  # noqa: S608
            for table, where in _ORPHANS.items()
        )

    def _parts(self, first: int, last: int) -> dict[int, list[bytes]]:
        """The parts between two keys, by the key of their event."""
        parts: dict[int, list[bytes]] = {}
        for key, part in self._file.execute(
            "SELECT key, part FROM parts WHERE key BETWEEN ? AND ? ORDER BY key", (first, last)
        ):
            parts.setdefault(key & ~_LAST_PART, []).append(part)
        return parts

    def _strays(self, number: int) -> int:
        """How many parts of the person belong to no event."""
        found = self._file.execute(
            "SELECT count(*) FROM parts WHERE key BETWEEN ? AND ?"
            " AND key & ~3 NOT IN (SELECT key FROM events)",
            span_of(number),
        )
        return int(found.fetchone()[0])


_OLDEST = (
    "SELECT key, content_tag, id_tag, sealed FROM events"
    " WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
)
_NEWEST = _OLDEST.replace("ORDER BY key", "ORDER BY key DESC")
_HINTED = (
    "SELECT content_tag, id_tag FROM hints CROSS JOIN events"
    " ON key = (person << 34) | (seq << 2) WHERE person = ? AND hint IN"
)
_ORPHANS = {
    "parts": "WHERE key >> 34 NOT IN (SELECT number FROM people)",
    "events": "WHERE key >> 34 NOT IN (SELECT number FROM people)",
    "hints": "WHERE person NOT IN (SELECT number FROM people)",
}


def fresh_number() -> int:
    """A random number for a person; somebody may have it already."""
    return int.from_bytes(os.urandom(4), "big") >> (32 - NUMBER_BITS)


def key_of(number: int, seq: int) -> int:
    """The key of an event; those of its parts are this one and the next three."""
    return number << _NUMBER_SHIFT | seq << _SEQ_SHIFT


def span_of(number: int, first: int = 0, last: int = LAST_SEQ) -> tuple[int, int]:
    """The smallest and the largest key of events and parts between two sequence numbers."""
    return key_of(number, max(first, 0)), key_of(number, min(last, LAST_SEQ)) | _LAST_PART


def _seq(key: int) -> int:
    return key >> _SEQ_SHIFT & LAST_SEQ


def _cut(sealed: bytes) -> list[bytes]:
    """What remains at the beginning, and the parts behind it."""
    start = len(sealed) % PART_BYTES
    places = range(start, len(sealed), PART_BYTES)
    return [sealed[:start], *(sealed[place : place + PART_BYTES] for place in places)]


def _joined(remainder: bytes, parts: list[bytes] | None) -> bytes:
    """Undo :func:`_cut`."""
    return remainder if parts is None else b"".join((remainder, *parts))


def _hints(
    number: int, seq: int, content_tag: bytes, id_tag: bytes | None
) -> list[tuple[int, bytes, int]]:
    """The rows of ``hints`` that find an event by its tags."""
    hints = {tag[:HINT_BYTES] for tag in (content_tag, id_tag) if tag is not None}
    return [(number, hint, seq) for hint in hints]
