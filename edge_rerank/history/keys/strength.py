"""Strength of keys and passphrases, as far as a look at them tells.

A key that was made from a password, typed, counted or repeated is not random, and some of that
shows. What cannot show (the hash of a password, a key that somebody published) is not found.
"""

from __future__ import annotations

import math
from itertools import pairwise

MIN_DISTINCT = 20
"""Different bytes that a random key of 32 has at least; fewer come once in 7 billion keys."""

MIN_STEPS = 18
"""Different steps from byte to byte, likewise: what was counted up has one."""

MIN_PASSPHRASE_BITS = 60.0
"""2 ** 59 guesses at 64 MiB of memory each; 13 random lower-case letters, or 10 mixed ones."""

_POOLS = (
    (str.islower, 26),
    (str.isupper, 26),
    (str.isdigit, 10),
    (lambda sign: sign.isascii() and not sign.isalnum(), 33),
    (lambda sign: not sign.isascii(), 100),
)
"""How many signs there are to choose from, by kind; of other scripts the common ones."""


def weakness_of_key(key: bytes) -> str:
    """Why 32 bytes cannot be a random key; empty when nothing tells.

    Args:
        key: the key.
    """
    if len(set(key)) == 1:
        return "one byte repeated"
    if all(0x20 <= byte < 0x7F for byte in key):
        return "it is a text, not random bytes"
    if len(set(key)) < MIN_DISTINCT:
        return "too few different bytes to be random"
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if len(steps) < MIN_STEPS:
        return "its bytes follow a pattern"
    return ""


def passphrase_bits(passphrase: str) -> float:
    """An upper bound on the bits of a passphrase: what its length and its signs allow.

    Every sign counts as chosen at random among those of the kinds used, one bit where it repeats
    the sign before or goes on counting, nothing where the passphrase is a shorter one repeated.
    Words of a dictionary are not known, so that a sentence counts for more than it is worth.

    Args:
        passphrase: the words.
    """
    text = _period(passphrase)
    pool = sum(size for belongs, size in _POOLS if any(map(belongs, text)))
    each = math.log2(pool) if pool else 0.0
    codes = [ord(sign) for sign in text]
    runs = sum(abs(after - before) <= 1 for before, after in pairwise(codes))
    return (len(text) - runs) * each + runs


def _period(text: str) -> str:
    """The shortest text of which ``text`` is a repetition."""
    at = (text + text).find(text, 1)
    return text[:at]
