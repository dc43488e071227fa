"""Relevance of candidates to the words of a query, in log-odds.

A combination of what vectors say of the sense and what words say of the letters, whose weights
were fitted on queries made from items' texts by the toolchain's study of relevance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.relevance.matching import Match, match
from edge_rerank.ranking.relevance.terms import TermCache, TermTable, item_terms, terms
from edge_rerank.types import Item

MAX_WORDS = 24
"""Words of a query that are looked for."""

WEIGHTS = {
    "sense-found": 1.5,
    "sense-else": 8.0,
    "exact": 3.8,
    "ending": 3.0,
    "typo": 1.8,
    "typo-absent": 0.8,
    "typo-present": 0.3,
    "whole": 6.5,
    "density": 2.2,
}

FITS_WORDS = 0.5
FITS_SENSE = 0.35


@dataclass(frozen=True, slots=True, repr=False)
class Relevance:
    """How well n candidates fit some words.

    Attributes:
        log_odds: float64 of shape (n,), but for a constant.
        fits: where words or vectors really match, bool of shape (n,).
    """

    log_odds: NDArray[np.float64]
    fits: NDArray[np.bool_]


class Judge:
    """Judges candidates by words. Safe from several threads.

    Args:
        cache_items: items whose terms are kept in memory.
        is_word: whether a word is one that people write, in a language that is known.
    """

    def __init__(self, *, cache_items: int, is_word: Callable[[str], bool]) -> None:
        self._terms = TermCache(capacity=cache_items)
        self._is_word = is_word

    def judge(self, query: str, items: Sequence[Item], cosines: NDArray[np.float64]) -> Relevance:
        """Judge n candidates.

        Args:
            query: what was asked for.
            items: n candidates.
            cosines: of their vectors with the query's, shape (n,); 0 where either cannot be
                read.
        """
        named = self.features(query, items, cosines)
        log_odds = sum(weight * named[name] for name, weight in WEIGHTS.items())
        words = named["exact"] + named["ending"] + named["typo"]
        fits = (words >= FITS_WORDS) | (cosines >= FITS_SENSE)
        return Relevance(np.asarray(log_odds), fits)

    def features(
        self, query: str, items: Sequence[Item], cosines: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """What :data:`WEIGHTS` weigh, float64 of shape (n,) each; arguments as :meth:`judge`.

        Each word of the query has a share in it, by how rare it is among the candidates (the
        inverse document frequency of BM25: Robertson and Zaragoza, "The probabilistic
        relevance framework: BM25 and beyond", 2009); shares of what is found are added up.
        """
        words = terms(query)[:MAX_WORDS]
        table = self._terms.get(items)
        found = _found(words, items, table)
        exact, ending = found == Match.EXACT, found == Match.ENDING
        typo = (found == Match.TYPO) | (found == Match.TYPOS)
        present = (exact | ending).any(axis=1, keepdims=True)
        # A word that nobody writes and that is nowhere to be found has a typo in it.
        written = np.array([self._is_word(word) for word in words], dtype=np.bool_)[:, None]
        meant = exact | ending | (typo & ~present & ~written)
        share = _shares(meant)
        wrong = float((share * (typo & ~present & ~written).any(axis=1, keepdims=True)).sum())
        whole = (share * meant).sum(axis=0)
        sense = cosines * (1 - wrong)
        return {
            "sense-found": sense * whole,
            "sense-else": sense * (1 - whole),
            "exact": (share * exact).sum(axis=0),
            "ending": (share * ending).sum(axis=0),
            "typo": (share * (typo & ~present & ~written)).sum(axis=0),
            "typo-absent": (share * (typo & ~present & written)).sum(axis=0),
            "typo-present": (share * (typo & present)).sum(axis=0),
            "whole": whole**2,
            "density": meant.sum(axis=0)
            / np.bincount(table.rows, minlength=len(items)).clip(min=1),
        }


def _shares(meant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What share of the query each word is, shape (words, 1)."""
    words, count = meant.shape
    times = meant.sum(axis=1)
    rarity = np.log1p((count - times + 0.5) / (times + 0.5))
    return np.asarray(rarity / rarity.sum() if words else rarity)[:, None]


def _found(words: Sequence[str], items: Sequence[Item], table: TermTable) -> NDArray[np.int8]:
    """How each word is found in each item, :class:`Match` of shape (words, items)."""
    starts = np.searchsorted(table.rows, np.arange(len(items)))
    read: dict[int, list[str]] = {}

    def term_at(place: int) -> str:
        row = int(table.rows[place])
        if row not in read:
            read[row] = item_terms(items[row])
        return read[row][place - int(starts[row])]

    found = [match(word, table, term_at) for word in words]
    return np.array(found, dtype=np.int8).reshape(len(words), len(items))
