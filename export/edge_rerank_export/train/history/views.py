"""Views of a catalogue: the same choices, as if its texts, counts and categories said less.

A model that learnt from a few catalogues believes of the next one what was true of these: that
texts tell as much, or that popularity does. Domain randomisation (Tobin et al., IROS 2017) takes
that from it: each view of a catalogue spoils another share of one kind of evidence or several, and
the model has to see from the request itself what can be relied on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.recipes.table import check_integers
from edge_rerank_export.train.domain import Domain

_LEAST_CANDIDATES = 8
_MOST_SCALE = 1.5
"""Counts of popularity are those of a log up to e^1.5 times as large, or as small."""


@dataclass(frozen=True, slots=True)
class Views:
    """How many views of each folder there are, and how much they spoil.

    Attributes:
        count: the first is the catalogue as it is; training requests are dealt out to all.
        texts: share of the items, at most, that stand there with the text of another; each view
            draws its own share, evenly from 0 on.
        noise: share, at most, of each text's vector that is a random direction instead, drawn
            likewise; words stay as they are.
        popularity: as ``texts`` with the count of another; all counts are scaled as well.
        categories: likewise with the categories of another.
        lists: whether each view but the first has lists of its own: from 8 candidates to twice as
            many as usual, and any share of the negatives drawn evenly.
    """

    count: int = 1
    texts: float = 0.0
    noise: float = 0.0
    popularity: float = 0.0
    categories: float = 0.0
    lists: bool = False

    def __post_init__(self) -> None:
        check_integers(self, "views")
        shares = (self.texts, self.noise, self.popularity, self.categories)
        if not all(0 <= share <= 1 for share in shares):
            raise RecipeError(
                "views: texts, noise, popularity, categories: expected shares from 0 to 1"
            )

    def of_lists(
        self, candidates: int, even: float, *, rng: np.random.Generator
    ) -> list[tuple[int, float]]:
        """Candidates of a list, and the share of negatives drawn evenly, view by view.

        Args:
            candidates: of the first view.
            even: likewise.
            rng: all chance there is.
        """
        sizes = [(candidates, even)] * self.count
        if self.lists:
            sizes[1:] = [
                (int(rng.integers(_LEAST_CANDIDATES, 2 * candidates + 1)), float(rng.random()))
                for _ in sizes[1:]
            ]
        return sizes


def view(
    domain: Domain, words: NDArray[np.float32], settings: Views, *, rng: np.random.Generator
) -> tuple[Domain, NDArray[np.float32]]:
    """One view of a catalogue, drawn anew.

    Args:
        domain: as it is; choices and tables stay.
        words: word vectors of its items, float32 of shape (items, lexicon's dim).
        settings: how much is spoilt.
        rng: all chance there is.

    Returns:
        The view, and the word vectors of its items.
    """
    texts = _exchanged(len(domain.texts), settings.texts, rng)
    counts = _exchanged(len(domain.texts), settings.popularity, rng)
    sorts = _exchanged(len(domain.texts), settings.categories, rng)
    popularity = domain.popularity[counts]
    if settings.popularity:
        scale = np.exp(rng.uniform(-_MOST_SCALE, _MOST_SCALE))
        popularity = np.floor(popularity * scale).astype(np.float32)
    seen = replace(
        domain,
        texts=tuple(domain.texts[item] for item in texts),
        vectors=_noisy(domain.vectors[texts], settings.noise, rng),
        categories=domain.categories[sorts],
        leaves=domain.leaves[sorts],
        popularity=popularity,
    )
    return seen, words[texts]


def _noisy(
    vectors: NDArray[np.float32], most: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit vectors turned towards random ones; zeros, for texts that cannot be read, stay."""
    if not most:
        return vectors
    share = most * rng.random()
    noise = _unit(rng.standard_normal(vectors.shape, dtype=np.float32))
    turned = _unit((1 - share) * vectors + share * noise)
    return np.asarray(np.where(vectors.any(axis=1, keepdims=True), turned, 0), dtype=np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-9))


def _exchanged(items: int, most: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each item the one whose evidence it gets, int64 of shape (items,); the last is empty."""
    share = most * rng.random()
    others = rng.permutation(items - 1)
    own = np.arange(items - 1)
    drawn = np.where(rng.random(items - 1) < share, others, own)
    return np.append(drawn, items - 1)
