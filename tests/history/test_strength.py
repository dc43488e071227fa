from __future__ import annotations

import os
import random

import pytest

from edge_rerank.history.keys.strength import MIN_PASSPHRASE_BITS, passphrase_bits, weakness_of_key

RANDOM = random.Random(0).randbytes(16)


def test_random_keys_are_not_called_weak() -> None:
    assert not any(weakness_of_key(os.urandom(32)) for _ in range(5_000))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (b"a" * 32, "repeated"),
        (b"correct horse battery staple 123", "a text"),
        (RANDOM.hex().encode(), "a text"),
        (b"\x00\x01" * 16, "too few"),
        (RANDOM * 2, "too few"),
        (RANDOM + bytes(16), "too few"),
        (bytes(range(32)), "pattern"),
        (bytes(range(255, 191, -2)), "pattern"),
    ],
)
def test_what_is_not_random_is_called_so(key: bytes, why: str) -> None:
    assert why in weakness_of_key(key)


@pytest.mark.parametrize(
    "words",
    ["password", "password1234", "rosebud9", "a" * 100, "abc" * 30, "9876543210" * 4, "qwertyuiop"],
)
def test_passphrases_that_are_too_weak(words: str) -> None:
    assert passphrase_bits(words) < MIN_PASSPHRASE_BITS


@pytest.mark.parametrize("words", ["x9F#k2mQ7pv", "correct horse battery", "牡蛎数着九盏绿色的灯"])
def test_passphrases_that_will_do(words: str) -> None:
    assert passphrase_bits(words) >= MIN_PASSPHRASE_BITS


def test_length_counts_for_every_sign() -> None:
    assert passphrase_bits("") == 0
    assert passphrase_bits("q") == pytest.approx(4.7, abs=0.01)
    assert passphrase_bits("qzqx") == pytest.approx(4 * passphrase_bits("q"))
