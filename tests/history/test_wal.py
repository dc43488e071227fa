from __future__ import annotations

import random
import struct

import pytest

from edge_rerank.history.vault.wal import checksum


def word_by_word(before: tuple[int, int], content: bytes, order: str) -> tuple[int, int]:
    """As https://sqlite.org/fileformat2.html#walformat says it."""
    first, second = before
    for left, right in struct.iter_unpack(f"{order}II", content):
        first = (first + left + second) % 2**32
        second = (second + right + first) % 2**32
    return first, second


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("size", [0, 8, 24, 520, 4104, 65544])
def test_the_checksum_is_sqlites(order: str, size: int) -> None:
    rng = random.Random(size)
    for before in ((0, 0), (2**32 - 1, 2**32 - 1), (rng.getrandbits(32), rng.getrandbits(32))):
        for content in (rng.randbytes(size), b"\xff" * size, bytes(size)):
            assert checksum(before, content, order) == word_by_word(before, content, order)
