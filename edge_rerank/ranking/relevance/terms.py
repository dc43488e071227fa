"""Terms of a text: the words of any script, and what is kept of each to match it with typos.

Scripts that put spaces between words give words. Those that do not give overlapping runs of
signs, as search engines index them: pairs in Chinese, Japanese and Korean (as Lucene's
``CJKBigramFilter``), triples in Thai, Lao, Burmese and Khmer, whose signs say less each.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer
from edge_rerank.errors import InvalidRequest
from edge_rerank.types import Item

MAX_CHARS = 2_000
MAX_TERMS = 256
"""Different terms of one text; both bound the memory and the time that one item costs."""

HEAD = 4
"""First letters that two words of one stem share; three join "car" and "care"."""

MIN_PLURAL = 4
"""Letters of a word whose last "s" may be that of a plural: "cats", not "gas"."""

_PAIRS = "\u1100-\u11ff\u3040-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
_PAIRS += "\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_TRIPLES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_SIGNS = "\u0900-\u0963\u0966-\u0dff"
"""Scripts of India and Ceylon: their vowel signs are parts of words, but no letters to ``re``."""

PAIR, TRIPLE = 2, 3

_NUMBERS = 6
"""Numbers that are kept of each term."""

_RUN, _PAIR = f"[{_PAIRS}{_TRIPLES}]", f"[{_PAIRS}]"
_TERM = rf"([{_PAIRS}]+)|([{_TRIPLES}]+)|((?:[^\W_{_PAIRS}{_TRIPLES}]|[{_SIGNS}])+)"
_ACCENTS = "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
"""Accents, and the points and vowel marks that Hebrew and Arabic are mostly written without."""

_ASCII = re.compile(r"[a-z0-9]+")


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compiled when a text first asks for it: 20 ms, which most processes never need."""
    return re.compile(text)


def terms(text: str) -> list[str]:
    """Different terms in the order of their first places; case and accents do not count.

    Args:
        text: any string; its first ``MAX_CHARS`` characters and ``MAX_TERMS`` terms count.
    """
    return list(counted(text))


def counted(text: str) -> dict[str, int]:
    """How often each of the :func:`terms` occurs."""
    text = text[:MAX_CHARS]
    found: Counter[str]
    if text.isascii():
        found = Counter(_ASCII.findall(text.lower()))
    else:
        plain = _pattern(_ACCENTS).sub("", unicodedata.normalize("NFKD", text))
        plain = unicodedata.normalize("NFC", plain.casefold())
        found = Counter()
        for pairs, triples, word in _pattern(_TERM).findall(plain):
            if word:
                found[word] += 1
            else:
                found.update(_runs(pairs or triples, PAIR if pairs else TRIPLE))
    return dict(islice(found.items(), MAX_TERMS))


def base(term: str) -> str:
    """A word without the "s" that makes it plural, in English and some other languages."""
    return term[:-1] if len(term) >= MIN_PLURAL and term.endswith("s") else term


def run_width(term: str) -> int:
    """Signs of the runs that a term's script is cut into; 0 for a word between spaces."""
    if term.isascii() or not _pattern(_RUN).match(term):
        return 0
    return PAIR if _pattern(_PAIR).match(term) else TRIPLE


def _runs(signs: str, width: int) -> Iterable[str]:
    return (signs[at : at + width] for at in range(max(len(signs) - width, 0) + 1))


@dataclass(frozen=True, slots=True, repr=False)
class TermTable:
    """The terms of n texts, one after the other, as numbers.

    Attributes:
        rows: which text, int64 of shape (terms,).
        codes: equal for equal terms, in this process, int64 of shape (terms,).
        heads: likewise of their first letters.
        letters: a bit for each letter of their bases, by its last six bits, uint64 of shape
            (terms,).
        pairs: a bit for each pair of neighbouring letters, ends included, folded likewise.
        lengths: letters of their bases, int64 of shape (terms,).
        times: how often each occurs in its text, int64 of shape (terms,).
        count: n.
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    heads: NDArray[np.int64]
    letters: NDArray[np.uint64]
    pairs: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    times: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, entries: Sequence[NDArray[np.int64]]) -> Self:
        """Join what :func:`described` gave."""
        sizes = [len(entry) for entry in entries]
        joined = np.concatenate(entries) if entries else np.zeros((0, _NUMBERS), dtype=np.int64)
        columns = np.ascontiguousarray(joined.T)
        return cls(
            rows=np.repeat(np.arange(len(entries)), sizes),
            codes=columns[0],
            heads=columns[1],
            letters=columns[2].view(np.uint64),
            pairs=columns[3].view(np.uint64),
            lengths=columns[4],
            times=columns[5],
            count=len(entries),
        )


def described(texts: Sequence[Mapping[str, int]]) -> list[NDArray[np.int64]]:
    """What is kept of each text's terms, given with how often they occur: int64 (terms, 6)."""
    flat = [term for one in texts for term in one]
    made = np.empty((len(flat), _NUMBERS), dtype=np.int64)
    if flat:
        made[:, 5] = [times for one in texts for times in one.values()]
        made[:, 0] = [hash(term) for term in flat]
        made[:, 1] = [hash(term[:HEAD]) for term in flat]
        bases = [base(term) for term in flat]
        lengths = np.array([len(one) for one in bases])
        made[:, 4] = lengths
        # Each with a blank before and after it; a term has at least one letter.
        padded = f" {'  '.join(bases)} ".encode("utf-32-le", "surrogatepass")
        signs = np.frombuffer(padded, dtype=np.uint32).astype(np.uint64)
        starts = np.concatenate([[0], np.cumsum(lengths + 2)[:-1]])
        bits = np.uint64(1) << (signs & np.uint64(63))
        bits[starts] = bits[starts + lengths + 1] = 0
        made[:, 2] = np.bitwise_or.reduceat(bits, starts).view(np.int64)
        after = np.append(signs[1:], np.uint64(0))
        folded = (signs * np.uint64(0x9E37_79B1) + after) * np.uint64(0x85EB_CA6B)
        bits = np.uint64(1) << (folded >> np.uint64(20) & np.uint64(63))
        bits[starts + lengths + 1] = 0  # from the end of one term to the next
        made[:, 3] = np.bitwise_or.reduceat(bits, starts).view(np.int64)
    ends = np.cumsum([len(one) for one in texts])
    return [made[end - len(one) : end] for one, end in zip(texts, ends.tolist(), strict=True)]


class TermCache:
    """Terms of items, computed once and kept, least recently used out first. Thread-safe.

    Nothing but numbers of items' terms is kept, about half a kilobyte for a title; no words
    of a person come here.

    Args:
        capacity: items kept, ≥ 1.

    Raises:
        InvalidRequest: when ``capacity`` is below 1.
    """

    def __init__(self, *, capacity: int) -> None:
        self._capacity = check_integer(capacity, "cache_items", InvalidRequest, minimum=1)
        self._entries: OrderedDict[int, NDArray[np.int64]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, items: Sequence[Item]) -> TermTable:
        """The terms of items, each of its text and then of its categories."""
        keys = [hash((item.text, item.categories)) for item in items]
        entries: dict[int, NDArray[np.int64]] = {}
        missing: dict[int, Item] = {}
        with self._lock:
            for key, item in zip(keys, items, strict=True):
                entry = self._entries.get(key)
                if entry is None:
                    missing[key] = item
                else:
                    self._entries.move_to_end(key)
                    entries[key] = entry
        if missing:
            made = described([item_counts(item) for item in missing.values()])
            # Copies, so that one kept item does not keep all of its call.
            entries.update((key, one.copy()) for key, one in zip(missing, made, strict=True))
            with self._lock:
                self._entries.update((key, entries[key]) for key in missing)
                while len(self._entries) > self._capacity:
                    self._entries.popitem(last=False)
        return TermTable.of([entries[key] for key in keys])

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


def item_terms(item: Item) -> list[str]:
    """Different terms of an item's text and categories."""
    return list(item_counts(item))


def item_counts(item: Item) -> dict[str, int]:
    """How often each of the :func:`item_terms` occurs."""
    found = counted(item.text)
    for category in item.categories:
        for term, times in counted(category).items():
            found[term] = found.get(term, 0) + times
    return found
