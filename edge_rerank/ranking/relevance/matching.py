"""Matching of a query's word with the words of texts: exactly, in another form, with typos.

Numbers kept of each term leave few that can match, and only these are compared by letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.relevance.terms import HEAD, TermTable, base, described, run_width

MIN_LETTERS = 3
"""Letters from which on a word may have another form."""

ONE_TYPO = 4
"""Letters from which on a word may have a typo: one of five that lacks a letter has four."""

TWO_TYPOS = 8
"""Letters from which on it may have two. Damerau (1964) found four of five misspelt words to
have one."""

ENDING = 2
"""Letters after their stem that two forms of a word have at most, in number, case or gender."""

_BITS_A_TYPO = 2
"""Letters by which two words differ at most for one edit: one replaced by another."""

_PAIRS_A_TYPO = 3
"""Pairs of neighbours that one edit changes at most: those of two swapped letters."""


class Match(IntEnum):
    """How a word is found in a text, the better the larger."""

    NONE = 0
    TYPOS = 1
    TYPO = 2
    ENDING = 3
    PLURAL = 4
    EXACT = 5


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """Where a word is found.

    Attributes:
        kinds: :class:`Match` with each text, int8 of shape (texts,).
        times: how often it is there exactly, int64 of shape (texts,).
        meant: the term that is most likely meant if the word is misspelt.
    """

    kinds: NDArray[np.int8]
    times: NDArray[np.int64]
    meant: str | None = None


def find(words: Sequence[str], table: TermTable, term_at: Callable[[int], str]) -> list[Found]:
    """Find words in texts.

    Args:
        words: terms of the query.
        table: of the texts.
        term_at: gives the letters of the term at a place of the table.
    """
    return [
        _found(word, numbers, table, term_at)
        for word, numbers in zip(words, described([dict.fromkeys(words, 1)])[0], strict=True)
    ]


def _found(
    word: str, numbers: NDArray[np.int64], table: TermTable, term_at: Callable[[int], str]
) -> Found:
    code, head, letters, pairs, length, _ = numbers
    kinds = np.zeros(table.count, dtype=np.int8)
    times = np.zeros(table.count, dtype=np.int64)
    meant = None
    if len(word) < run_width(word):
        signs = letters.view(np.uint64)
        inside = np.flatnonzero((table.letters & signs) == signs)
        rows = [table.rows[at] for at in inside.tolist() if word in term_at(at)]
        kinds[rows] = Match.EXACT
        times[rows] = 1
    elif len(word) >= MIN_LETTERS and word.isalpha() and not run_width(word):
        like = (table.heads == head) & (np.abs(table.lengths - length) <= ENDING)
        places = np.union1d(np.flatnonzero(like), _misspelt(letters, pairs, length, table))
        codes = table.codes[places].tolist()
        # A term that many texts have is compared once.
        known = {
            one: term_at(place)
            for one, place in dict(zip(codes, places.tolist(), strict=True)).items()
        }
        each = {one: _kind(word, term) for one, term in known.items()}
        np.maximum.at(kinds, table.rows[places], np.array([each[one] for one in codes], np.int8))
        best = _likeliest(each, Counter(codes))
        meant = None if best is None else known[best]
    same = np.flatnonzero(table.codes == code)
    kinds[table.rows[same]] = Match.EXACT
    times[table.rows[same]] = table.times[same]
    return Found(kinds, times, meant)


def _likeliest(kinds: Mapping[int, Match], times: Mapping[int, int]) -> int | None:
    """Of the terms that are nearest to the word, but another, the commonest, by its code."""
    slips = [one for one, kind in kinds.items() if Match.NONE < kind < Match.PLURAL]
    return max(slips, key=lambda one: (kinds[one], times[one]), default=None)


def _misspelt(
    letters: np.int64, pairs: np.int64, length: np.int64, table: TermTable
) -> NDArray[np.intp]:
    """Places of terms that may be a word with typos: none that are is left out."""
    allowed = 2 if length >= TWO_TYPOS else 1
    near = np.flatnonzero(np.abs(table.lengths - length) <= allowed)
    near = near[popcount(table.letters[near] ^ letters.view(np.uint64)) <= _BITS_A_TYPO * allowed]
    own = int(pairs.view(np.uint64)).bit_count()
    shared = popcount(table.pairs[near] & pairs.view(np.uint64))
    return np.asarray(near[shared >= own - _PAIRS_A_TYPO * allowed])


def _kind(word: str, term: str) -> Match:
    if word == term:
        return Match.EXACT
    one, other = base(word), base(term)
    if one == other:
        return Match.PLURAL
    stem = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    endings = one[stem:], other[stem:]
    # Two letters swapped are a typo wherever they stand.
    if stem >= HEAD and max(map(len, endings)) <= ENDING and endings[0] != endings[1][::-1]:
        return Match.ENDING
    edits = typos(one, other)
    if edits == 1 and len(word) >= ONE_TYPO and max(len(word), len(term)) > ONE_TYPO:
        return Match.TYPO
    return Match.TYPOS if edits == 2 and len(one) >= TWO_TYPOS else Match.NONE


def typos(one: str, other: str) -> int:
    """Edits between two words: letters put in, left out, replaced, or swapped with the next.

    The restricted distance of Damerau ("A technique for computer detection and correction of
    spelling errors", CACM 1964): no letter is edited twice.
    """
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, sign in enumerate(one, start=1):
        before, above, row = row, before, [at]
        for to, against in enumerate(other, start=1):
            best = min(before[to] + 1, row[-1] + 1, before[to - 1] + (sign != against))
            if at > 1 and to > 1 and sign == other[to - 2] and one[at - 2] == against:
                best = min(best, above[to - 2] + 1)
            row.append(best)
    return row[-1]


def popcount(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits that are set: numpy has a function for it from 2.0 on only."""
    ones = values - (values >> np.uint64(1) & np.uint64(0x5555_5555_5555_5555))
    twos = np.uint64(0x3333_3333_3333_3333)
    ones = (ones & twos) + (ones >> np.uint64(2) & twos)
    ones = ones + (ones >> np.uint64(4)) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    return np.asarray(ones * np.uint64(0x0101_0101_0101_0101) >> np.uint64(56), dtype=np.int64)
