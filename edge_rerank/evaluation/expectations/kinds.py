"""Kinds of items: what in a catalogue is alike, found without the ranking that is judged.

Two items are alike by what their texts mean (cosine of text vectors), by the words that they share
(cosine of inverse document frequencies) and by the categories that they share (Jaccard index), in
equal parts; no score of the ranking takes part. So there are kinds as well where the vectors of a
script are blank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, pairwise
from typing import Protocol, Unpack

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.options import RankOptions
from edge_rerank.result import Ranking
from edge_rerank.types import Event, Item

SHELF = 1_500
"""Items at most of which kinds are looked for; reading them takes a few seconds."""

KIND = (5, 20)
"""Fewest and most items of a kind; a sixtieth of the shelf in between, so that a kind stays
narrow where a catalogue is small."""

_KIND_SHARE = 60
_WORD = re.compile(r"[^\W\d_]{3,}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]{2,}")
"""Japanese, Chinese and Thai put no spaces between words."""

_PIECE = 5
_ASKED = 3


class Ranker(Protocol):
    """What is judged: :class:`~edge_rerank.ranking.engine.RankingEngine` and what stands in."""

    def rank(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        **options: Unpack[RankOptions],
    ) -> Ranking:
        """Order ``items`` for the person with this history."""
        ...

    def vectors(self, items: Sequence[Item]) -> NDArray[np.float32]:
        """Text vectors, float32 of shape (n, dim); zero rows for texts that say nothing."""
        ...


class Shelf:
    """A part of a catalogue in which kinds are looked for.

    Items without a word, or of a text that another item has as well, stay out: nobody could tell
    them apart.

    Args:
        items: the catalogue.
        ranker: makes the vectors of the texts.
        rng: draws the part.

    Attributes:
        items: of the shelf.
        kind_size: how many items make a kind.
    """

    def __init__(self, items: Iterable[Item], ranker: Ranker, rng: np.random.Generator) -> None:
        by_text = {item.text.strip().casefold(): item for item in items if words(item.text)}
        every = list(by_text.values())
        self.items = [every[place] for place in rng.permutation(len(every))[:SHELF].tolist()]
        self._ranker = ranker
        self._vectors = ranker.vectors(self.items).astype(np.float64)
        self._categories = [frozenset(item.categories) for item in self.items]
        self._words = _WordIndex([words(item.text) for item in self.items])
        fewest, most = KIND
        self.kind_size = min(max(len(self.items) // _KIND_SHARE, fewest), most)

    def kind(self, item: Item, *, leave_out: Collection[str]) -> list[Item]:
        """What is most alike ``item``, the nearest first, ``kind_size`` items at most.

        Args:
            item: whose kind.
            leave_out: ids of items that are not wanted; nor is ``item`` itself.
        """
        own = frozenset(item.categories)
        shared = [
            len(own & other) / len(own | other) if own and other else 0.0
            for other in self._categories
        ]
        alike = np.array(shared) + self._words.likeness(words(item.text))
        return self._nearest(item, alike, {*leave_out, item.id})

    def fitting(self, query: str, *, leave_out: Collection[str]) -> list[Item]:
        """What fits a query best by its meaning and by the share of its words that it has."""
        shared = [share_of_words(item, query) for item in self.items]
        return self._nearest(Item("query", query), np.array(shared), leave_out)

    def draw(
        self, count: int, rng: np.random.Generator, *, leave_out: Collection[str]
    ) -> list[Item]:
        """``count`` items by lot, fewer where there are no more."""
        order = (self.items[row] for row in rng.permutation(len(self.items)).tolist())
        return list(islice((one for one in order if one.id not in leave_out), count))

    def query(self, item: Item, rng: np.random.Generator) -> str | None:
        """Words that ask for ``item``: the rarest three of its text, in their order.

        A piece of five characters where the text has no spaces. ``None`` where there is no word.
        """
        pieces = _UNSPACED.findall(item.text)
        if pieces:
            longest = max(pieces, key=len)
            start = int(rng.integers(max(len(longest) - _PIECE, 0) + 1))
            return str(longest[start : start + _PIECE])
        own = words(item.text)
        rarest = sorted(own, key=self._words.frequency)[:_ASKED]
        return " ".join(word for word in own if word in rarest) or None

    def _nearest(
        self, item: Item, shared: NDArray[np.float64], leave_out: Collection[str]
    ) -> list[Item]:
        likeness = self._vectors @ self._ranker.vectors([item])[0].astype(np.float64) + shared
        order = np.argsort(-likeness, kind="stable")
        alike = (self.items[row] for row in order[likeness[order] > 0].tolist())
        wanted = (one for one in alike if one.id not in leave_out)
        return list(islice(wanted, self.kind_size))


class _WordIndex:
    """Which items have a word, and how much two sets of words share."""

    def __init__(self, sets: Sequence[Sequence[str]]) -> None:
        self._rows: dict[str, list[int]] = {}
        for row, own in enumerate(sets):
            for word in own:
                self._rows.setdefault(word, []).append(row)
        self._count = len(sets)
        self._sizes = np.array([self._size(own) for own in sets])

    def frequency(self, word: str) -> int:
        """How many items have it."""
        return len(self._rows.get(word, ()))

    def likeness(self, own: Sequence[str]) -> NDArray[np.float64]:
        """Cosine of inverse document frequencies with each item, float64 of shape (n,)."""
        shared = np.zeros(self._count)
        for word in own:
            shared[self._rows.get(word, [])] += self._weight(word) ** 2
        sizes = self._sizes * self._size(own)
        return np.divide(shared, sizes, out=np.zeros(self._count), where=sizes > 0)

    def _size(self, own: Sequence[str]) -> float:
        return math.sqrt(sum(self._weight(word) ** 2 for word in own))

    def _weight(self, word: str) -> float:
        return math.log((1 + self._count) / (1 + self.frequency(word)))


def words(text: str) -> list[str]:
    """Words of three letters or more in lower case, each once, in their order.

    Of a text without spaces every pair of signs.
    """
    text = text.casefold()
    pairs = (
        first + second for piece in _UNSPACED.findall(text) for first, second in pairwise(piece)
    )
    return list(dict.fromkeys([*_WORD.findall(_UNSPACED.sub(" ", text)), *pairs]))


def share_of_words(item: Item, query: str) -> float:
    """Share of a query's words that an item's text has, 0 to 1."""
    asked = words(query)
    own = set(words(item.text))
    return sum(word in own for word in asked) / len(asked) if asked else 0.0
