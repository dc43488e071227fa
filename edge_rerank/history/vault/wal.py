"""Damage in SQLite's write-ahead log, which SQLite itself passes over in silence.

SQLite reads the log up to the first frame whose checksum does not fit and takes what follows
for a write that a crash tore. But a transaction begins only when the one before is on disk: with
two of them behind such a frame, the first was acknowledged, and damage would undo it. The same
goes for a log whose header is damaged, for that is on disk before any frame.

The layout is in https://sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
_FORMAT = 3_007_000
_MASK = 0xFFFF_FFFF

Sums = tuple[int, int]


def lost_transactions(log: bytes, page_bytes: int) -> int:
    """How many transactions that had been acknowledged SQLite would leave out, at least.

    Args:
        log: the whole write-ahead log, at rest.
        page_bytes: size of the database's pages.
    """
    if len(log) < _HEADER.size:
        return 0
    magic, version, size, _, salt_1, salt_2, *expected = _HEADER.unpack_from(log)
    order = ">" if magic & 1 else "<"
    sums = _sums((0, 0), log[:24], order)
    whole = (magic | 1, version, size) == (_MAGIC | 1, _FORMAT, page_bytes)
    reading = whole = whole and sums == tuple(expected)
    behind = 0
    for at in range(_HEADER.size, len(log) - _FRAME.size - page_bytes + 1, 24 + page_bytes):
        page, committed, first, second, *expected = _FRAME.unpack_from(log, at)
        if reading:
            content = log[at : at + 8] + log[at + 24 : at + 24 + page_bytes]
            sums = _sums(sums, content, order)
            reading = (first, second) == (salt_1, salt_2) and sums == tuple(expected) and page > 0
        # Frames that an earlier round left in the file have two other salts.
        if not reading and committed and (first == salt_1 or second == salt_2):
            behind += 1
    return behind if not whole else max(0, behind - 1)


def _sums(before: Sums, content: bytes, order: str) -> Sums:
    first, second = before
    for left, right in struct.iter_unpack(f"{order}II", content):
        first = (first + left + second) & _MASK
        second = (second + right + first) & _MASK
    return first, second
