"""Matching of a query's word with the words of texts: exactly, with typos, by the stem.

Numbers kept of each term leave few that can match, and only these are compared by letters.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.relevance.terms import HEAD, TermTable, described, run_width

MIN_LETTERS = 3
"""Letters from which on a word may have another ending."""

ONE_TYPO = 4
"""Letters from which on a word may have a typo: one of five that lacks a letter has four."""

TWO_TYPOS = 8
"""Letters from which on it may have two, as in a singular with a typo beside a plural."""

ENDING = 2
"""Letters by which a word and the same in another number or case differ at most at the end."""

STEM_SHARE = 0.6
"""Share of the longer word that two words of one stem have in common at their beginnings."""

_BITS_A_TYPO = 2
"""Letters by which two words differ at most for one edit: one replaced by another."""

_PAIRS_A_TYPO = 3
"""Pairs of neighbours that one edit changes at most: those of two swapped letters."""


class Match(IntEnum):
    """How a word is found in a text, the better the larger."""

    NONE = 0
    STEM = 1
    TYPOS = 2
    TYPO = 3
    ENDING = 4
    EXACT = 5


def match(word: str, table: TermTable, term_at: Callable[[int], str]) -> NDArray[np.int8]:
    """How a word is found in each text.

    Args:
        word: a term of the query.
        table: of the texts.
        term_at: gives the letters of the term at a place of the table.

    Returns:
        :class:`Match` of each text, int8 of shape (texts,).
    """
    found = np.zeros(table.count, dtype=np.int8)
    code, head, letters, pairs, length = described([[word]])[0][0]
    exact = np.flatnonzero(table.codes == code)
    if length < run_width(word):
        _contained(word, letters.view(np.uint64), table, term_at, found)
    elif length >= MIN_LETTERS and word.isalpha() and not run_width(word):
        places = np.union1d(
            _of_one_stem(head, length, table), _misspelt(letters, pairs, length, table)
        )
        _, first, inverse = np.unique(table.codes[places], return_index=True, return_inverse=True)
        kinds = np.array(
            [_kind(word, term_at(place)) for place in places[first].tolist()], dtype=np.int8
        )
        if kinds.size:
            np.maximum.at(found, table.rows[places], kinds[inverse])
    found[table.rows[exact]] = Match.EXACT
    return found


def _of_one_stem(head: np.int64, length: np.int64, table: TermTable) -> NDArray[np.intp]:
    """Places of terms that begin like a word."""
    return np.flatnonzero((table.heads == head) & (table.lengths >= np.minimum(length, HEAD)))


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


def _contained(
    signs: str,
    letters: np.uint64,
    table: TermTable,
    term_at: Callable[[int], str],
    found: NDArray[np.int8],
) -> None:
    """One or two signs are a word in some scripts; texts know it inside of longer runs."""
    places = np.flatnonzero(((table.letters & letters) == letters) & (table.lengths > len(signs)))
    for place in places.tolist():
        if signs in term_at(place):
            found[table.rows[place]] = Match.EXACT


def _kind(word: str, term: str) -> Match:
    if word == term:
        return Match.EXACT
    if _differ_in_ending(*sorted((word, term), key=len)):
        return Match.ENDING
    edits = typos(word, term)
    longer = max(len(word), len(term))
    if edits == 1 and longer > ONE_TYPO:
        return Match.TYPO
    if edits == 2 and len(word) >= TWO_TYPOS:
        return Match.TYPOS
    same = next(
        (at for at, (one, other) in enumerate(zip(word, term, strict=False)) if one != other),
        min(len(word), len(term)),
    )
    return Match.STEM if same >= max(HEAD, STEM_SHARE * longer) else Match.NONE


def _differ_in_ending(short: str, long: str) -> bool:
    ending = long[len(short) :]
    enough = len(short) >= ONE_TYPO and len(ending) <= ENDING
    return long.startswith(short) and (enough or ending == "s")


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
