"""The world of the simulator: a real catalogue, and people who want what real people chose.

A person's utility of an item is the sum of what speaks for it, each part with a variance of its
share: how far the item's vector lies towards the person's choices; how often they chose its most
specific category; its popularity, as much as they chose by it; and chance, which says nothing of
other items. All of it is read off a real person's choices against what lists hold, so that what
everybody is shown most is not taken for a taste. The chance that the person wants the item is
logistic in the utility, and :data:`WANTED` in the mean over half the catalogue evenly and half by
popularity^0.75, as lists are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import DataSet
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.types import Item
from edge_rerank_export.progress import Steps
from edge_rerank_export.train.item_vectors import kept_vectors

LEAST_CHOICES = 8
"""Of a real person whose taste is read off them."""

WANTED = 0.1
"""Share of what lists hold that a person wants."""

STEEPNESS = 2.0
"""Log-odds of being wanted by one standard deviation of the utility."""

VECTORS, CATEGORIES, POPULARITY, CHANCE = 0.4, 0.2, 0.1, 0.3
"""Shares of the utility's variance; what a catalogue does not tell has none."""

_PRIOR = 20.0
"""Choices that the usual mixture of categories counts for."""

_HALVINGS = 60


@dataclass(frozen=True, slots=True, repr=False)
class World:
    """A catalogue and the people who chose of it.

    Attributes:
        items: the catalogue.
        vectors: of their texts, float32 of shape (items, dim).
        kinds: number of an item's most specific category, int64 of shape (items,); -1 for none.
        fame: 0.75 times the logarithm of the popularity, 0 for at most 1 or unknown, float64 of
            shape (items,).
        usual: the share of each item in what lists hold, float64 of shape (items,).
        choices: item rows of each real person with at least :data:`LEAST_CHOICES`, oldest first.
    """

    items: tuple[Item, ...]
    vectors: NDArray[np.float32]
    kinds: NDArray[np.int64]
    fame: NDArray[np.float64]
    usual: NDArray[np.float64]
    choices: tuple[NDArray[np.int64], ...]

    @classmethod
    def read(
        cls, folder: Path, pack: Pack, *, work: Path, threads: int | None, steps: Steps
    ) -> World:
        """Read a data set folder, and the vectors of its items.

        Args:
            folder: see :mod:`edge_rerank.formats.dataset`; its requests are not read.
            pack: its encoder makes the vectors.
            work: where vectors are kept from one run to the next.
            threads: that compute at once; ``None`` for the default.
            steps: told of each step.

        Raises:
            DataError: when the folder is malformed, or too few of its people chose enough.
            PackUnsupported: when the pack has no encoder.
        """
        data = DataSet.open(folder)
        items = tuple(data.items.values())
        rows = {item.id: row for row, item in enumerate(items)}
        choices = []
        for path in data.paths():
            known = list(dict.fromkeys(rows[name] for name in path if name in rows))
            if len(known) >= LEAST_CHOICES:
                choices.append(np.array(known, dtype=np.int64))
        if len(choices) < 2:
            wanted = f"expected two people or more with {LEAST_CHOICES} choices to learn from"
            raise DataError(folder, f"{wanted}, got {len(choices)}")
        with steps(f"vectors of {folder.resolve().name}") as update:
            encode = kept_vectors(TextEncoder(pack, threads=threads), pack, work, update)
            # The empty text at the end makes the same file as a training's.
            vectors = encode((*(item.text for item in items), ""))[:-1]
        fame = 0.75 * np.log([max(item.popularity or 0.0, 1.0) for item in items])
        usual = 0.5 / len(items) + 0.5 * np.exp(fame) / np.exp(fame).sum()
        return cls(items, vectors, _kinds(items), fame, usual, tuple(choices))

    def draw(
        self, count: int, rng: np.random.Generator, *, among: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Candidates of a list in any order: half of them evenly, half by popularity^0.75.

        Args:
            count: how many, no more than ``among`` has.
            rng: all chance there is.
            among: which items may be drawn, bool of shape (items,).
        """
        rows = np.flatnonzero(among)
        even = rng.permutation(len(rows))[: count // 2]
        lots = rng.gumbel(size=len(rows)) + self.fame[rows]
        lots[even] = -np.inf
        famous = np.argsort(-lots, kind="stable")[: count - len(even)]
        return np.asarray(rows[rng.permutation(np.concatenate([even, famous]))])


def taste(world: World, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """How likely somebody who chose this wants each item.

    Args:
        world: gives the items.
        chosen: item rows.
        rng: what of the utilities nobody can learn.

    Returns:
        r above 0 and below 1, float64 of shape (items,).
    """
    usual = world.usual
    away = world.vectors[chosen].mean(axis=0) - usual @ world.vectors
    fame = _standard(world.fame, usual)
    parts = (
        (VECTORS, _standard(world.vectors @ away, usual)),
        (CATEGORIES, _standard(_kindred(world.kinds, chosen, usual), usual)),
        (POPULARITY, fame * np.clip(fame[chosen].mean(), -1, 1)),
        (CHANCE, rng.standard_normal(len(fame))),
    )
    utility = np.sum([np.sqrt(share) * values for share, values in parts], axis=0)
    return _wanted(_standard(utility, usual), usual)


def _kindred(
    kinds: NDArray[np.int64], chosen: NDArray[np.int64], usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of how much more often each item's category was chosen than it is shown."""
    # Items without a category are one of their own, the first.
    shown = np.bincount(kinds + 1, weights=usual)
    own = np.bincount(kinds[chosen] + 1, minlength=len(shown))
    shares = (own + _PRIOR * shown) / (len(chosen) + _PRIOR)
    return np.asarray(np.log(shares[kinds + 1] / shown[kinds + 1]))


def _wanted(utility: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logistic in the utility, with the mean that lists have, found by halving."""
    low, high = -40.0, 40.0
    for _ in range(_HALVINGS):
        shift = (low + high) / 2
        wanted = 1 / (1 + np.exp(-(STEEPNESS * utility + shift)))
        low, high = (shift, high) if usual @ wanted < WANTED else (low, shift)
    return np.asarray(wanted)


def _standard(values: NDArray[np.floating], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """With mean 0 and variance 1 over what lists hold; zeros where all are alike."""
    away = values - usual @ values
    spread = np.sqrt(usual @ away**2)
    return np.asarray(away / spread if spread > 1e-9 else np.zeros(len(values)))


def _kinds(items: Sequence[Item]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array(
        [
            numbers.setdefault(item.categories[-1], len(numbers)) if item.categories else -1
            for item in items
        ],
        dtype=np.int64,
    )
