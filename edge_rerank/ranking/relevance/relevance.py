"""Relevance of candidates to the words of a query, in log-odds.

A combination of what vectors say of the sense and what words say of the letters, whose weights
were fitted on queries made from items' texts by the toolchain's study of relevance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.relevance.matching import Match, find
from edge_rerank.ranking.relevance.sense import CHANCE
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
    "sense": 0.70,
    "sense-of-found": -0.46,
    "bm25": 3.36,
    "plural": 1.09,
    "ending": 0.09,
    "typo": 1.17,
    "typo-of-word": 0.25,
    "typo-of-found": 0.15,
    "whole": 6.99,
    "density": 3.00,
}
"""Of the features, in log-odds. Fitted on retail-open, grocery-open, movies-open and stars-open
(4,844 queries), but for two: the likelihood would have sense count on (-0.14) where words are
found, at which queries of one word stand 0.02 in reciprocal rank behind fusion on beauty. With
these no catalogue was behind BM25 and cosine fused by reciprocal rank in queries of several words,
and with a typo in each long word recall@5 was 0.98 against 0.70 on beauty, which nothing was
fitted on."""

BRIEF = 8
"""Terms up to which a text is a title: a longer one has many words by accident, so that to have
the whole query says the less the longer it is."""

K1, B = 1.2, 0.75
"""How soon repeated words count no more, and how much longer texts are held to have more words by
accident, in BM25 (Robertson and Zaragoza 2009 give 1.2 to 2 and 0.5 to 0.8)."""

FITS_WORDS = 0.5
"""Share of a query's words from which on an item that has them fits it."""

FITS_SENSE = 0.6
"""Chance from which on an item fits by its sense. Of such items of beauty four in five were of
the category asked for, out of some 200 narrow ones; in a catalogue of 11 subjects 24 of 25."""

SURE_SENSE = 0.35
"""Chance of the likeliest candidate from which on a query counts in full. Half of the queries by
the sense of a category reach 0.6 and more; of nonsense nine in ten stay below 0.16."""

LEAST_CHANCE = 0.02
"""Chance by sense below which a word with another ending is another word."""

MIN_TELLING = 3
RARE = 3.5
"""Letters, and rarity in general, from which on a word is said to fit: less has "with" (2.8), more
has "book" (3.9)."""

RUN_RARITY = 6.0
"""Rarity in general of a run of signs, of which the pack's words say nothing: as of "boat"."""

ACROSS = 0.15
"""What a run of signs that no candidate has weighs in a query, beside a word that none has."""

_EVERY_WORD = 1e-3

Likeness = Callable[[str], NDArray[np.float64]]
"""How alike n candidates are to some words: by how many standard deviations their cosines lie
above those of unrelated texts, shape (n,); 0 where either cannot be read."""


@dataclass(frozen=True, slots=True)
class Level:
    """What log-odds that are known but for a constant are as a probability.

    Attributes:
        constant: log-odds at 0.
        slope: for each unit.
    """

    constant: float
    slope: float

    def of(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(fits) of n candidates, shape (n,)."""
        return np.asarray((1 + np.tanh((self.constant + self.slope * log_odds) / 2)) / 2)


LEVEL = Level(constant=-5.24, slope=0.61)
"""Fitted on lists of 5 to 100, each counting the same, in some of which nothing fits: of
retail-open and grocery-open, and of headings and questions that people wrote. Measured in
export/EXPERIMENTS.md on sets that nothing was fitted on."""


@dataclass(frozen=True, slots=True, repr=False)
class Relevance:
    """How well n candidates fit some words.

    Attributes:
        log_odds: float64 of shape (n,), but for a constant.
        fits: where words or vectors really match, bool of shape (n,).
        sure: how sure it is that any of them fits, 0 to 1.
        level: what the log-odds are as a probability.
    """

    log_odds: NDArray[np.float64]
    fits: NDArray[np.bool_]
    sure: float
    level: Level = LEVEL


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

    def judge(self, query: str, items: Sequence[Item], likeness: Likeness) -> Relevance:
        """Judge n candidates by a query."""
        named = self.features(query, items, likeness)
        log_odds = np.sum([weight * named[name] for name, weight in WEIGHTS.items()], axis=0)
        sense = named["sense"]
        chance = CHANCE.of(sense)
        # With another ending it is another word, unless the sense agrees or is not known.
        agrees = (chance >= LEAST_CHANCE) | (sense == 0.0)
        words = named["exact"] + named["plural"] + named["typo"] + named["ending"] * agrees
        sure = max(words.max() / FITS_WORDS, chance.max() / SURE_SENSE)
        # A typo may be that of another word: to be said to fit, an item wants twice as much of it.
        told = np.minimum(words, named["told"])
        by_words = (told > 0) & (told - named["typo"] / 2 >= FITS_WORDS * named["telling"])
        return Relevance(
            log_odds=log_odds,
            fits=by_words | (chance >= FITS_SENSE),
            sure=min(float(sure), 1.0),
        )

    def features(
        self, query: str, items: Sequence[Item], likeness: Likeness
    ) -> dict[str, NDArray[np.float64]]:
        """What :data:`WEIGHTS` weigh, and shares of words, float64 of shape (n,) each.

        Each word has a share in the query, by how rare it is, and the shares of what is found
        are added up. A word that is nowhere to be found and that nobody writes has a typo.
        """
        words = terms(query)[:MAX_WORDS]
        table = self._terms.get(items)
        reader = _Reader(items, table)
        found = find(words, table, reader.term_at)
        kinds = np.array([one.kinds for one in found], dtype=np.int8).reshape(-1, len(items))
        times = np.array([one.times for one in found], dtype=np.int64).reshape(-1, len(items))
        same = kinds >= Match.ENDING
        typo = (kinds == Match.TYPO) | (kinds == Match.TYPOS)
        present = same.any(axis=1, keepdims=True)
        written = np.array([self._is_word(word) for word in words], dtype=np.bool_)[:, None]
        slip = typo & ~present & ~written
        right = (kinds >= Match.PLURAL).any(axis=1) | written[:, 0]
        meant = [None if ok else one.meant for one, ok in zip(found, right.tolist(), strict=True)]
        sense = likeness(_corrected(query, words, meant))
        has = same | slip
        share = self._shares(words, has)

        def of(where: NDArray[np.bool_]) -> NDArray[np.float64]:
            return np.asarray((share * where).sum(axis=0))

        whole, telling = of(has), self._telling(words)
        told, most = of(has & telling), of(np.broadcast_to(telling, has.shape))
        length = np.bincount(table.rows, minlength=len(items)).clip(min=1)
        brief = np.minimum(BRIEF / length, 1.0)
        often = _saturated(times, np.bincount(table.rows, table.times, minlength=len(items)))
        return {
            "sense": sense,
            "sense-of-found": sense * whole * brief,
            "bm25": np.asarray((share * often).sum(axis=0)),
            "exact": of(kinds == Match.EXACT),
            "plural": of(kinds == Match.PLURAL),
            "ending": of(kinds == Match.ENDING),
            "typo": of(slip),
            "typo-of-word": of(typo & ~present & written),
            "typo-of-found": of(typo & present),
            "whole": whole**2 * brief,
            "density": _counted(has, telling, told, most) / length,
            "found": whole,
            "told": told,
            "telling": most,
        }

    def _telling(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Which words say what a text is about, bool of shape (words, 1): no "of", no "with"."""
        long = [not word.isascii() or len(word) >= MIN_TELLING for word in words]
        telling = np.array(long, dtype=np.bool_)
        if self._rarity is not None:
            telling &= self._in_general(words) >= RARE
        return telling[:, None]

    def _shares(self, words: Sequence[str], found: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What share of the query each word is, shape (words, 1).

        By the inverse document frequency of BM25 among the candidates (Robertson and Zaragoza,
        "The probabilistic relevance framework: BM25 and beyond", 2009), times how much the word
        tells in general: in a few texts, "and" is no commoner than a name.
        """
        count, times = found.shape[1], found.sum(axis=1)
        rarity = np.log1p((count - times + 0.5) / (times + 0.5))
        if times.any():
            # What no candidate has tells them apart no better than the rarest that one has,
            rarity[times == 0] = rarity[times > 0].max()
        # and of runs across the borders of words most are nowhere to be found.
        runs = np.array([bool(run_width(word)) for word in words], dtype=np.bool_)
        rarity = np.where(runs & (times == 0), ACROSS * rarity, rarity)
        rarity = rarity * self._in_general(words)
        return np.asarray(rarity / rarity.sum() if words else rarity)[:, None]

    def _in_general(self, words: Sequence[str]) -> NDArray[np.float64]:
        """How much each word tells whatever the candidates are, > 0, shape (words,)."""
        if self._rarity is None:
            return np.ones(len(words))
        runs = [run_width(word) > 0 for word in words]
        return np.where(runs, RUN_RARITY, self._rarity(words) + _EVERY_WORD)


def _counted(
    has: NDArray[np.bool_],
    telling: NDArray[np.bool_],
    told: NDArray[np.float64],
    most: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How many words of the query each text has, shape (n,).

    Words that say nothing count as far as the others are there: "for" does not make a canoe for a
    family what "a boat for one" asks for, and in a title they tell it from its like.

    Args:
        has: which words are in which texts, shape (words, n).
        telling: which words say something, shape (words, 1).
        told: share of the query that a text has of these, shape (n,).
        most: share that there is of them, shape (n,).
    """
    others = np.divide(told, most, out=np.ones_like(told), where=most > 0)
    return np.asarray((has & telling).sum(axis=0) + (has & ~telling).sum(axis=0) * others)


def _saturated(times: NDArray[np.int64], lengths: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """What occurrences of words count for in BM25, float64 of the shape of ``times``.

    Args:
        times: how often each word is in each text, shape (words, n).
        lengths: terms of each text, shape (n,).
    """
    usual = max(float(lengths.mean()), 1.0) if len(lengths) else 1.0
    norm = K1 * (1 - B + B * lengths / usual)
    return np.asarray(times * (K1 + 1) / (times + norm))


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
