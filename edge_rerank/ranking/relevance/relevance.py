"""Relevance of candidates to the words of a query, in log-odds.

A combination of what vectors say of the sense and what words say of the letters, whose weights
were fitted on queries made from items' texts by the toolchain's study of relevance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.relevance.matching import Match, find
from edge_rerank.ranking.relevance.terms import (
    TermCache,
    TermTable,
    item_terms,
    run_width,
    terms,
)
from edge_rerank.types import Item

MAX_WORDS = 24
"""Words of a query that are looked for."""

WEIGHTS = {
    "sense": 8.0,
    "sense-of-found": -6.5,
    "exact": 3.8,
    "ending": 3.0,
    "typo": 1.8,
    "typo-of-word": 0.8,
    "typo-of-found": 0.3,
    "whole": 6.5,
    "density": 2.2,
}

FITS_WORDS = 0.5
FITS_SENSE = 0.35

Cosines = Callable[[str], NDArray[np.float64]]
"""Cosines of n candidates with some words, shape (n,); 0 where either cannot be read."""


@dataclass(frozen=True, slots=True, repr=False)
class Relevance:
    """How well n candidates fit some words.

    Attributes:
        log_odds: float64 of shape (n,), but for a constant.
        fits: where words or vectors really match, bool of shape (n,).
        far: where no word is found and the sense is farther than that of most, likewise.
    """

    log_odds: NDArray[np.float64]
    fits: NDArray[np.bool_]
    far: NDArray[np.bool_]


class Judge:
    """Judges candidates by words. Safe from several threads, and keeps nobody's words.

    Args:
        cache_items: items whose terms are kept in memory.
        is_word: whether a word is one that people write, in a language that is known.
        rarity: how much words tell in general, ≥ 0, shape (words,); all the same if ``None``.
    """

    def __init__(
        self,
        *,
        cache_items: int,
        is_word: Callable[[str], bool],
        rarity: Callable[[Sequence[str]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._terms = TermCache(capacity=cache_items)
        self._is_word = is_word
        self._rarity = rarity

    def judge(self, query: str, items: Sequence[Item], cosines: Cosines) -> Relevance:
        """Judge n candidates by a query."""
        named = self.features(query, items, cosines)
        log_odds = np.sum([weight * named[name] for name, weight in WEIGHTS.items()], axis=0)
        words = named["exact"] + named["ending"] + named["typo"]
        sense = named["sense"]
        fits = (words >= FITS_WORDS) | (sense >= FITS_SENSE)
        any_word = words + named["typo-of-word"] + named["typo-of-found"] > 0
        return Relevance(log_odds, fits, ~fits & ~any_word & (sense < _farther(sense)))

    def features(
        self, query: str, items: Sequence[Item], cosines: Cosines
    ) -> dict[str, NDArray[np.float64]]:
        """What :data:`WEIGHTS` weigh, float64 of shape (n,) each.

        Each word has a share in the query, by how rare it is, and the shares of what is found
        are added up. A word that is nowhere to be found and that nobody writes has a typo.
        """
        words = terms(query)[:MAX_WORDS]
        table = self._terms.get(items)
        reader = _Reader(items, table)
        found = [find(word, table, reader.term_at) for word in words]
        kinds = np.array([one.kinds for one in found], dtype=np.int8).reshape(-1, len(items))
        exact, ending = kinds == Match.EXACT, kinds == Match.ENDING
        typo = (kinds == Match.TYPO) | (kinds == Match.TYPOS)
        present = (exact | ending).any(axis=1, keepdims=True)
        written = np.array([self._is_word(word) for word in words], dtype=np.bool_)[:, None]
        slip = typo & ~present & ~written
        meant = exact | ending | slip
        share = self._shares(words, meant)
        whole = (share * meant).sum(axis=0)
        slips = slip.any(axis=1).tolist()
        right = [one.meant if wrong else None for one, wrong in zip(found, slips, strict=True)]
        sense = cosines(_corrected(query, words, right))
        length = np.bincount(table.rows, minlength=len(items)).clip(min=1)
        return {
            "sense": sense,
            "sense-of-found": sense * whole,
            "exact": (share * exact).sum(axis=0),
            "ending": (share * ending).sum(axis=0),
            "typo": (share * slip).sum(axis=0),
            "typo-of-word": (share * (typo & ~present & written)).sum(axis=0),
            "typo-of-found": (share * (typo & present)).sum(axis=0),
            "whole": whole**2,
            "density": meant.sum(axis=0) / length,
        }

    def _shares(self, words: Sequence[str], meant: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What share of the query each word is, shape (words, 1).

        By the inverse document frequency of BM25 among the candidates (Robertson and Zaragoza,
        "The probabilistic relevance framework: BM25 and beyond", 2009), times how much the word
        tells in general: in few texts, "and" is no commoner than a name.
        """
        count, times = meant.shape[1], meant.sum(axis=1)
        rarity = np.log1p((count - times + 0.5) / (times + 0.5))
        if self._rarity is not None:
            rarity = rarity * (self._rarity(words) + _NOT_NOTHING)
        return np.asarray(rarity / rarity.sum() if words else rarity)[:, None]


_NOT_NOTHING = 1e-3
_FAR = 1 / 3
"""Share of the candidates that a far one is among."""


def _farther(sense: NDArray[np.float64]) -> float:
    place = int(_FAR * (len(sense) - 1))
    return float(np.partition(sense, place)[place])


class _Reader:
    """Reads terms of items again whose letters are needed; most never are."""

    def __init__(self, items: Sequence[Item], table: TermTable) -> None:
        self._items, self._rows = items, table.rows
        self._starts = np.searchsorted(table.rows, np.arange(len(items)))
        self._read: dict[int, list[str]] = {}

    def term_at(self, place: int) -> str:
        row = int(self._rows[place])
        if row not in self._read:
            self._read[row] = item_terms(self._items[row])
        return self._read[row][place - int(self._starts[row])]


def _corrected(query: str, words: Sequence[str], meant: Sequence[str | None]) -> str:
    """The query without typos, for those who read words and not letters."""
    if not any(meant) or any(map(run_width, words)):
        return query
    return " ".join(right or word for word, right in zip(words, meant, strict=True))
