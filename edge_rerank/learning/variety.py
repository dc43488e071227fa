"""Variety of a list: how different what it shows is, and how much of what was offered."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.coverage import Offer, Sketch
from edge_rerank.types import Item

PLACES = 10
"""First places of a list that are judged, and of which successes are kept."""


@dataclass(frozen=True, slots=True, repr=False)
class Variety:
    """Variety of the first places of a list.

    Intra-list diversity is the mean distance of two items: Ziegler, McNee, Konstan and Lausen,
    "Improving recommendation lists through topic diversification", WWW 2005; Zhang and Hurley,
    "Avoiding monotony", RecSys 2008. Subtopic recall: Zhai, Cohen and Lafferty, "Beyond
    independent relevance", SIGIR 2003.

    Attributes:
        categories: mean of 1 − |A ∩ B| / |A ∪ B| over pairs of items, A and B being their
            categories, 0 to 1; ``None`` where fewer than two items have any.
        vectors: mean of 1 − cosine over pairs, at most 1; ``None`` where fewer than two items
            have a vector.
        recall: share of the categories of all candidates that are there, 0 to 1; ``None`` where
            no candidate has any.
        sketch: what was offered and what was shown, for sums over lists.
    """

    categories: float | None = None
    vectors: float | None = None
    recall: float | None = None
    sketch: Sketch = field(default_factory=Sketch)

    @classmethod
    def of(cls, shown: Sequence[Item], offer: Offer, vectors: NDArray[np.float32]) -> Self:
        """Of a list.

        Args:
            shown: its items, in their order.
            offer: of all candidates.
            vectors: of the first ``PLACES`` items, unit rows, float32 of shape (m, dim); 0 where
                a text could not be read. The items' own count where all have them, of one length.
        """
        first = shown[:PLACES]
        there = [name for one in first for name in one.categories]
        return cls(
            categories=_by_categories([one.categories for one in first if one.categories]),
            vectors=_by_vectors(_own(first, vectors[:PLACES])),
            recall=len(set(there)) / offer.categories if offer.categories else None,
            sketch=Sketch.of([one.id for one in first], there, offer),
        )


NO_VARIETY = Variety()


def _own(items: Sequence[Item], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The items' own vectors as unit rows, where all have them; else those of their texts."""
    given = [one.vector for one in items if one.vector is not None]
    if len(given) < len(items) or len({one.size for one in given}) != 1:
        return vectors
    own = np.stack(given)
    lengths = np.linalg.norm(own.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(own / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def _by_categories(lists: Sequence[Sequence[str]]) -> float | None:
    if len(lists) < 2:
        return None
    # A bit a name: what two lists have in common is one operation.
    bits: dict[str, int] = {}
    kinds = [sum({1 << bits.setdefault(name, len(bits)) for name in one}) for one in lists]
    likeness = [
        (a & b).bit_count() / (a | b).bit_count() for a, b in itertools.combinations(kinds, 2)
    ]
    return 1 - sum(likeness) / len(likeness)


def _by_vectors(vectors: NDArray[np.float32]) -> float | None:
    read = vectors[vectors.any(axis=1)].astype(np.float64)
    if len(read) < 2:
        return None
    # Of unit rows: the sum of all cosines is the square of the sum of rows.
    total = read.sum(axis=0)
    pairs = (float(total @ total) - len(read)) / (len(read) * (len(read) - 1))
    return min(max(1 - pairs, 0.0), 1.0)
