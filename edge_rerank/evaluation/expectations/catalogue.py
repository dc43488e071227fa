"""The catalogues that expectations are played on: items of 23 kinds, in English and Chinese.

It was written for this: titles with short descriptions as a shop, a magazine or a video site has
them. What an item is about, its kind, stands in its ``fields``, which no ranking reads; some
items lack categories, some lack their kind's words, and of each kind one is a near-copy of
another. Another catalogue has the same items all in Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self

from edge_rerank._lazy import cached_property
from edge_rerank.evaluation.expectations.chinese import QUERIES
from edge_rerank.formats.items import read_items
from edge_rerank.types import Item

_FOLDER = Path(__file__).parent

ENGLISH = (
    *("astronomy", "baking", "running", "gardening", "jazz", "chess", "photography", "knitting"),
    *("cycling", "sailing", "dinosaurs", "programming", "city breaks", "woodworking", "dogs"),
    "finance",
)
CHINESE = ("书法", "川菜", "登山", "茶", "编程", "钓鱼", "猫")


class Language(StrEnum):
    """What a play is in, by ISO 639-1 code."""

    EN = "en"
    """English, but for the kinds of ``CHINESE``."""

    ZH = "zh"
    """Chinese, titles, categories and queries: the same kinds, sentences and bounds."""


@dataclass(frozen=True)
class Catalogue:
    """Items whose kinds are known.

    Attributes:
        items: in the order of the file, in which kinds are mixed.
        language: of their texts.
        queries: what is typed at this catalogue, for what is typed at the one in English.
    """

    items: tuple[Item, ...]
    language: Language = Language.EN
    queries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def shipped(cls, language: Language = Language.EN) -> Self:
        """The catalogue in English and Chinese, or in Chinese alone.

        Raises:
            DataError: when this installation lacks it.
        """
        if language is Language.ZH:
            return cls(tuple(read_items(_FOLDER / "chinese.jsonl")), language, QUERIES)
        return cls(tuple(read_items(_FOLDER / "catalogue.jsonl")))

    @classmethod
    def in_other_scripts(cls) -> Self:
        """A few items in Thai, Georgian, Cyrillic, Greek and Arabic letters.

        Raises:
            DataError: when this installation lacks them.
        """
        return cls(tuple(read_items(_FOLDER / "scripts.jsonl")))

    @cached_property
    def kinds(self) -> dict[str, tuple[Item, ...]]:
        """The items of each kind, in the order of their ids."""
        found: dict[str, list[Item]] = {}
        for item in sorted(self.items, key=lambda one: one.id):
            found.setdefault(kind_of(item), []).append(item)
        return {kind: tuple(items) for kind, items in found.items()}

    @cached_property
    def copies(self) -> dict[str, str]:
        """Ids of near-copies, each with that of what it is a copy of."""
        return {
            item.id: str(item.fields["copy_of"]) for item in self.items if "copy_of" in item.fields
        }

    def some(self, kind: str, count: int, *, start: int = 0) -> list[Item]:
        """``count`` items of a kind that are no copies, from its ``start``-th on.

        After the last of them the first comes again: people come back to an item.
        """
        items = [item for item in self.kinds[kind] if item.id not in self.copies]
        return [items[(start + step) % len(items)] for step in range(count)]

    def most_popular(self, kind: str, count: int) -> list[Item]:
        """The ``count`` items of a kind that most people chose, the most popular first."""
        items = sorted(self.kinds[kind], key=lambda item: -(item.popularity or 0.0))
        return items[:count]

    def page(self, *kinds: str, each: int = 6, others: int = 2) -> list[Item]:
        """A short list of candidates: ``each`` of the kinds, ``others`` of every other kind.

        The last of each kind, in the order of the catalogue, no copies among them.
        """
        chosen = {
            item.id
            for kind in self.kinds
            for item in self.some(kind, each if kind in kinds else others, start=-each)
        }
        return [item for item in self.items if item.id in chosen]

    def asked(self, query: str) -> str:
        """What is typed at this catalogue for a query of the expectations."""
        return self.queries.get(query, query)

    def with_word(self, word: str) -> list[Item]:
        """The items whose text has what is typed for this word in it, in any case."""
        typed = self.asked(word).casefold()
        return [item for item in self.items if typed in item.text.casefold()]

    def told(self) -> list[Item]:
        """The items in the catalogue's first language: no Chinese titles among English ones."""
        if self.language is Language.ZH:
            return [*self.items]
        return [item for item in self.items if item.text.split("\n")[0].isascii()]


def kind_of(item: Item) -> str:
    """What the item is about."""
    return str(item.fields["kind"])


def interleaved(*lists: Sequence[Item]) -> list[Item]:
    """The first of each, the second of each, and so on; lists of one length."""
    return [item for turn in zip(*lists, strict=True) for item in turn]
