"""Fertility of a vocabulary: how many tokens it makes of a word, which tells its own language.

A tokeniser that learnt one language spells out the words of others with the same letters. The
measure is that of Rust et al., "How Good is Your Tokenizer?", ACL 2021, section 3.2, here with
accents counted besides, which the default pack's tokeniser takes off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

FOREIGN = 1.7
"""Tokens a word, accents counted, that are beyond doubt from where on texts are in another language
than the vocabulary. Of the default pack's 1.1 to 1.5 in thirteen English catalogues, 1.8 to 4 in
German, Dutch, French, Italian, Polish and Spanish ones; see EXPERIMENTS, "Languages of a list"."""

LEAST_WORDS = 12
"""Of fewer nothing is said."""

_ACCENT = 3
"""Tokens that an accent counts: rare in English, in every sixth French word."""

_MOST_TOKENS = 5
"""Of a word: a name in a row of letters says little about the rest."""

_ERRORS = 2.0
"""Standard errors that are doubt."""

_MOST_TEXTS = 50
"""Of a list, evenly spread: they have some hundred words, and more would say no more."""

_MOST_LETTERS = 200
"""Of a text."""

_MOST_REMEMBERED = 10_000
"""Texts of which it is remembered; 3 MiB."""

_WORD = re.compile(r"(?<!\w)[A-Za-zÀ-ÖØ-öø-ɏ]{3,}(?!\w)")
"""A word in Latin letters, no part of a number or a name of an article."""


class Fertility(NamedTuple):
    """How many tokens words have, summed up.

    Attributes:
        words: how many there are.
        tokens: of all of them, accents counted.
        squares: the sum of each word's squared.
    """

    words: int = 0
    tokens: int = 0
    squares: int = 0

    @property
    def foreign(self) -> bool:
        """Whether the words are in another language than the vocabulary, beyond doubt."""
        if self.words < LEAST_WORDS:
            return False
        mean = self.tokens / self.words
        variance = max(self.squares / self.words - mean**2, 0.0)
        return bool(mean - _ERRORS * (variance / self.words) ** 0.5 >= FOREIGN)


class FertilityReader:
    """Counts tokens of words. Safe from several threads.

    A text is known by its hash in this process, so that none is kept.

    Args:
        count: says how many tokens each of some words has, 0 for those that are not read.
    """

    def __init__(self, count: Callable[[Sequence[str]], Sequence[int]]) -> None:
        self._count = count
        self._known: dict[int, Fertility] = {}

    def of(self, texts: Sequence[str]) -> Fertility:
        """The fertility of words in Latin letters, in 50 of the texts at most."""
        step = -(-len(texts) // _MOST_TEXTS) or 1
        every = [self._of(text) for text in texts[::step]]
        return Fertility(*map(sum, zip(*every, strict=True))) if every else Fertility()

    def _of(self, text: str) -> Fertility:
        found = self._known.get(hash(text))
        if found is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {}
            found = self._known[hash(text)] = self._read(text[:_MOST_LETTERS])
        return found

    def _read(self, text: str) -> Fertility:
        words = _WORD.findall(text)
        if not words:
            return Fertility()
        tokens = [
            min(count, _MOST_TOKENS) + (0 if word.isascii() else _ACCENT)
            for word, count in zip(words, self._count(words), strict=True)
            if count
        ]
        return Fertility(len(tokens), sum(tokens), sum(count**2 for count in tokens))
