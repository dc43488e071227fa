"""Damage in SQLite's write-ahead log, which SQLite itself passes over in silence.

SQLite reads the log up to the first frame whose checksum does not fit and takes what follows
for a write that a crash tore. But a transaction begins only when the one before is on disk: with
two of them behind such a frame, the first was acknowledged, and damage would undo it. The same
goes for a log whose header is damaged, for that is on disk before any frame.

The layout is in https://sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

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
    sums = checksum((0, 0), log[:24], order)
    whole = (magic | 1, version, size) == (_MAGIC | 1, _FORMAT, page_bytes)
    reading = whole = whole and sums == tuple(expected)
    behind = 0
    for at in range(_HEADER.size, len(log) - _FRAME.size - page_bytes + 1, 24 + page_bytes):
        page, committed, first, second, *expected = _FRAME.unpack_from(log, at)
        if reading:
            content = log[at : at + 8] + log[at + 24 : at + 24 + page_bytes]
            sums = checksum(sums, content, order)
            reading = (first, second) == (salt_1, salt_2) and sums == tuple(expected) and page > 0
        # Frames that an earlier round left in the file have two other salts.
        if not reading and committed and (first == salt_1 or second == salt_2):
            behind += 1
    return behind if not whole else max(0, behind - 1)


def checksum(before: Sums, content: bytes, order: str) -> Sums:
    """SQLite's running sums over pairs of 32-bit words.

    With each pair x, y the sums become s + x + t and s + 2 t + x + y, so that what each word adds
    in the end is the word times an entry of a power of one matrix, all modulo 2³².

    Args:
        before: the sums so far.
        content: a whole number of pairs.
        order: of the bytes in a word, ">" or "<".
    """
    words = np.frombuffer(content, f"{order}u4").astype(np.uint32)
    weights, (left, both, right) = _weights(len(words) // 2)
    first, second = (int(np.sum(row * words, dtype=np.uint32)) for row in weights)
    start, other = before
    return (
        (first + left * start + both * other) & _MASK,
        (second + both * start + right * other) & _MASK,
    )


@cache
def _weights(pairs: int) -> tuple[NDArray[np.uint32], tuple[int, int, int]]:
    """What each word counts in the two sums, (2, 2 pairs), and the matrix of the sums before.

    The matrix is symmetric: its upper left, other, and lower right entries.
    """
    weights = np.empty((2, 2 * pairs), np.uint32)
    left, both, right = 1, 0, 1
    for at in range(2 * pairs - 2, -1, -2):
        weights[:, at] = (left + both) & _MASK, (both + right) & _MASK
        weights[:, at + 1] = both, right
        left, both, right = (
            (left + both) & _MASK,
            (left + 2 * both) & _MASK,
            (both + 2 * right) & _MASK,
        )
    return weights, (left, both, right)
