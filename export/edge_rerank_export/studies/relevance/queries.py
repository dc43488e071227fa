"""Queries made from items' texts and categories, with what is to be found for each.

Known-item queries (Azzopardi and de Rijke, "Automatic construction of known-item finding test
beds", SIGIR 2006): words of one item, which is to be found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from edge_rerank.ranking.relevance.terms import run_width, terms
from edge_rerank.types import Item

MIN_TYPO_LETTERS = 5
"""Letters from which on a word of a misspelt query has a typo."""

MIN_ENDING_LETTERS = 4

COMMON_SHARE = 0.05
"""Share of the items from which on a word does not tell an item apart."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_MAX_CATEGORY_SHARE = 0.3


class Kind(StrEnum):
    """How a query was made.

    Attributes:
        EXACT: two to four words that tell the item apart, in their order.
        TYPOS: the same with one typo in each word of five letters or more.
        ENDINGS: the same with an "s" more at the end of each word, or one less.
        FIRST: the first three words of the item.
        ONE: one such word.
        CATEGORY: the name of a category; all in it fit.
        TOPIC: likewise, with the candidates' categories withheld and these words taken out of
            their texts, so that only the sense of the rest helps.
        FOREIGN: the name of a category of another catalogue; nothing fits.
        NONSENSE: letters at random; nothing fits.
        PASSAGE: a question, or a title, that somebody wrote for one text of a file of pairs.
    """

    EXACT = "exact"
    TYPOS = "typos"
    ENDINGS = "endings"
    FIRST = "first"
    ONE = "one"
    CATEGORY = "category"
    TOPIC = "topic"
    FOREIGN = "foreign"
    NONSENSE = "nonsense"
    PASSAGE = "passage"


NOTHING_FITS = frozenset({Kind.FOREIGN, Kind.NONSENSE})

MEASURED = tuple(kind for kind in Kind if kind not in {*NOTHING_FITS, Kind.PASSAGE})
"""Kinds that are made of a catalogue, of which something is to be found."""

BY_NAME = frozenset({Kind.CATEGORY, Kind.TOPIC})


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """A query.

    Attributes:
        text: its words.
        fits: places in the catalogue of the items to be found.
        without: the words that the candidates' texts have to lack, for :attr:`Kind.TOPIC`.
    """

    text: str
    fits: tuple[int, ...]
    without: tuple[str, ...] = ()


def asked(kind: Kind, items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Asked]:
    """At most ``count`` queries of a kind over a catalogue, in random order."""
    if kind is Kind.NONSENSE:
        sizes = rng.integers(4, 10, size=count).tolist()
        return [Asked("".join(rng.choice(list(_ALPHABET), size)), ()) for size in sizes]
    if kind in BY_NAME:
        return _by_category(items, count, rng, hidden=kind is Kind.TOPIC)
    make = _Maker(kind, items, rng)
    made: list[Asked] = []
    for place in rng.permutation(len(items)).tolist():
        if len(made) == count:
            break
        one = make(place)
        if one is not None:
            made.append(one)
    return made


def misspelt(word: str, rng: np.random.Generator) -> str:
    """A word with one typo: two letters swapped, one left out, put in or replaced.

    As it is where it has fewer than ``MIN_TYPO_LETTERS`` letters.
    """
    if len(word) < MIN_TYPO_LETTERS or not word.isalpha():
        return word
    while True:
        at, how = int(rng.integers(len(word))), int(rng.integers(4))
        letter = _ALPHABET[int(rng.integers(len(_ALPHABET)))]
        if how == 0:
            changed = word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
        else:
            changed = word[:at] + ("", letter, letter)[how - 1] + word[at + (how != 2) :]
        if changed != word:
            return changed


class _Maker:
    def __init__(self, kind: Kind, items: Sequence[Item], rng: np.random.Generator) -> None:
        self._kind, self._rng = kind, rng
        self._words = [_units(item.text, rng) for item in items]
        self._found = Counter(word for words in self._words for word in set(words))

    def __call__(self, place: int) -> Asked | None:
        words, kind, rng = self._words[place], self._kind, self._rng
        telling = [word for word in words if self._tells_apart(word)]
        if len(telling) < 2:
            return None
        if kind is Kind.FIRST:
            chosen = words[:3]
        else:
            most = 1 if kind is Kind.ONE else min(len(telling), int(rng.integers(2, 5)))
            picked = rng.choice(len(telling), size=most, replace=False)
            chosen = [telling[at] for at in sorted(picked.tolist())]
        if kind is Kind.TYPOS:
            chosen = [misspelt(word, rng) for word in chosen]
        elif kind is Kind.ENDINGS:
            chosen = [_other_number(word) for word in chosen]
        return Asked(" ".join(chosen), (place,))

    def _tells_apart(self, word: str) -> bool:
        rare = self._found[word] <= max(COMMON_SHARE * len(self._words), 1)
        return rare and (len(word) > 2 or not word.isascii())


def _other_number(word: str) -> str:
    if len(word) < MIN_ENDING_LETTERS or not word.isalpha() or not word.isascii():
        return word
    return word[:-1] if word.endswith("s") else word + "s"


def _units(text: str, rng: np.random.Generator) -> list[str]:
    """Different words; of a text without spaces, neighbouring stretches of two to four signs."""
    found = terms(text)
    if found and sum(run_width(one) > 0 for one in found) * 2 > len(found):
        cuts, at = [0], 0
        while at < len(text):
            at += int(rng.integers(2, 5))
            cuts.append(min(at, len(text)))
        found = [text[a:b] for a, b in pairwise(cuts) if text[a:b].strip()]
    return list(dict.fromkeys(found))


def _by_category(
    items: Sequence[Item], count: int, rng: np.random.Generator, *, hidden: bool
) -> list[Asked]:
    members: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        for category in item.categories:
            members.setdefault(category, []).append(place)
    usable = [
        name
        for name, places in members.items()
        if 2 <= len(places) <= _MAX_CATEGORY_SHARE * len(items) and terms(name)
    ]
    order = rng.permutation(len(usable))[:count].tolist()
    return [
        Asked(name.lower(), tuple(members[name]), tuple(terms(name)) if hidden else ())
        for name in (usable[at] for at in order)
    ]
