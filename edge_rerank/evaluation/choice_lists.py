"""Lists to choose from: what somebody chose, among items that were there at the time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_rerank.tables.people import Choice

UNIFORM_SHARE = 10 / 19
"""Of a list's negatives, drawn with equal chances; the rest is drawn by popularity to the power of
3/4, so that popularity alone does not win. The toolchain draws lists to train on alike."""

_TRIES = 50
"""Draws a negative gets before all items there were are looked through."""


@dataclass(frozen=True, slots=True)
class ChoiceList:
    """One list.

    Attributes:
        choice: what was chosen.
        items: ids in a random order, the chosen one among them.
        popularity: how many people had chosen each of them before.
    """

    choice: Choice
    items: tuple[str, ...]
    popularity: tuple[int, ...]


def draw_lists(
    choices: Sequence[Choice],
    asked: Sequence[Choice],
    touched: Mapping[int, frozenset[str]],
    *,
    negatives: int | None,
    seed: int,
) -> Iterator[ChoiceList]:
    """Lists for some of the choices; those without any negative are left out.

    Args:
        choices: all of them, in the order of time.
        asked: those that are to be guessed, in the order of time. Somebody else must have chosen
            the item before, or it would be told by that alone.
        touched: what each person of ``asked`` had to do with at any time: no negatives.
        negatives: of a list, as far as there are so many items; ``None`` for all there are.
        seed: of all chance; a list depends on it and on its own choice, not on other lists.
    """
    before = _Before(choices)
    for choice in asked:
        before.go_to(choice.at)
        rng = np.random.default_rng((seed, choice.person, zlib.crc32(choice.item.encode())))
        others = before.draw(negatives, touched[choice.person] | {choice.item}, rng)
        if not others:
            continue
        items = [choice.item, *others]
        rng.shuffle(items)
        popularity = tuple(before.count(item) for item in items)
        yield ChoiceList(choice, tuple(items), popularity)


class _Before:
    """The choices before a moment that only moves on."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = choices
        self._past = 0
        self._counts: dict[str, int] = {}
        self._there: list[str] = []

    def go_to(self, moment: float) -> None:
        while self._past < len(self._choices) and self._choices[self._past].at < moment:
            item = self._choices[self._past].item
            if item not in self._counts:
                self._there.append(item)
            self._counts[item] = self._counts.get(item, 0) + 1
            self._past += 1

    def count(self, item: str) -> int:
        return self._counts.get(item, 0)

    def draw(self, count: int | None, never: frozenset[str], rng: np.random.Generator) -> list[str]:
        """Items chosen before, none of ``never``, each once; all of them if ``count`` is none."""
        if count is None:
            return [item for item in self._there if item not in never]
        uniform = round(count * UNIFORM_SHARE)
        drawn: dict[str, None] = {}
        tries = 0
        while len(drawn) < count and self._there and tries < _TRIES * count:
            tries += 1
            if len(drawn) < uniform:
                item = self._there[int(rng.integers(len(self._there)))]
            else:
                item = self._by_popularity(rng)
            if item not in never:
                drawn[item] = None
        if len(drawn) < count:
            left = [item for item in self._there if item not in never and item not in drawn]
            places = rng.permutation(len(left))[: count - len(drawn)]
            drawn |= dict.fromkeys(left[place] for place in places)
        return list(drawn)

    def _by_popularity(self, rng: np.random.Generator) -> str:
        """Any past choice is drawn by popularity; a share of them passes that leaves the power."""
        while True:
            item = self._choices[int(rng.integers(self._past))].item
            if rng.random() < self._counts[item] ** -0.25:
                return item
