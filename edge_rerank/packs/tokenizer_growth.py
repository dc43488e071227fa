"""Growth of texts in a tokeniser: how many characters its components make of one.

Six replacements of one character by sixteen make 16 million of it, and the tokenizers library
then ends the process. So what each component may insert is multiplied along the way of a text,
and the product is bounded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_NORMAL_FORMS = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18}
"""Most characters of one, https://unicode.org/faq/normalization.html (12th question)."""

_GROWTH = {
    **_NORMAL_FORMS,
    "BertNormalizer": 3 * _NORMAL_FORMS["NFD"],  # blanks around Chinese, accents taken off
    "ByteLevel": 5,  # a character for each byte, and a blank before it
    "Lowercase": 3,
    "Metaspace": 2,  # a sign before each piece
    "WordPiece": 2,
}
"""Most characters that a component makes of one; 1 for those that are not listed."""

_LEAF = 1 << 31


def growth(components: Iterable[Mapping[str, Any]]) -> int:
    """Characters that components make of one, one after the other.

    Args:
        components: each passed by :mod:`~edge_rerank.packs.tokenizer_check`.

    Raises:
        ValueError: when a map of characters is not one.
    """
    whole = 1
    for component in components:
        kind = component.get("type")
        if kind == "Replace":
            found = len(component.get("pattern", {}).get("String", "x"))
            whole *= max(1, -(-len(str(component.get("content") or "")) // found))
        elif kind == "Prepend":
            whole *= 1 + len(str(component.get("prepend") or ""))
        elif kind == "Precompiled":
            whole *= _mapped(str(component.get("precompiled_charsmap") or ""))
        else:
            whole *= _GROWTH.get(str(kind), 1)
    return whole


def _mapped(text: str) -> int:
    """Characters of the longest text that a map has for anything.

    A map is a double-array trie, whose size in bytes comes first, and the texts it leads to, each
    ended by a zero byte: https://github.com/google/sentencepiece/blob/master/src/normalizer.cc.
    The tokenizers library follows it without looking where it leads, so every step has to stay
    inside, and every text has to begin where a character does.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    size = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or size % 1024 or not 0 < size <= len(raw) - 4:
        raise ValueError("not a trie")
    units = np.frombuffer(raw, "<u4", size // 4, 4).astype(np.int64)
    texts = np.frombuffer(raw, np.uint8, -1, 4 + size)
    raw[4 + size :].decode()  # UnicodeDecodeError is a ValueError
    leaf = (units & _LEAF) != 0
    steps = (units >> 10) << ((units & (1 << 9)) >> 6)
    # A step turns the lowest eight bits, so a whole block of 256 has to be inside.
    if ((np.arange(len(units)) ^ steps)[~leaf] >= len(units)).any():
        raise ValueError("a trie that leads outside")
    begins = units[leaf] & (_LEAF - 1)
    if (begins >= len(texts)).any() or ((texts[begins] & 0xC0) == 0x80).any():
        raise ValueError("a trie that leads to no text")
    ends = np.flatnonzero(texts == 0)
    edges = np.concatenate([[-1], ends, [len(texts)]])
    return max(1, int(np.diff(edges).max()))
