"""Cosines of texts that have nothing in common: where an encoder's scale begins.

Some encoders give unrelated texts cosines around 0, others around 0.8. How alike two texts are
is told by how far their cosine lies above those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank._lazy import cached_property
from edge_rerank.inference.encoders.cache import Encoder
from edge_rerank.inference.numpy_threads import ONE_THREAD

TEXTS = (
    "How to bake rye bread",
    "Wireless mouse with two batteries",
    "The goalkeeper saved a penalty",
    "Growing tomatoes on a balcony",
    "A short history of the Roman empire",
    "Leather boots for women",
    "Introduction to linear algebra",
    "Jazz records of the fifties",
    "Parliament votes on the new budget",
    "Shampoo for dry hair",
    "A detective novel set in winter",
    "Dog food with chicken",
    "Cheap flights to the islands",
    "Learn to play chess",
    "Volcano erupts after a hundred years",
    "Cotton sheets for a double bed",
    "Yoga for a sore back",
    "How vaccines are tested",
    "Electric drill and screwdriver",
    "Puzzle with a thousand pieces",
    "Tips for a job interview",
    "Green tea from the mountains",
    "Space pirates, a video game",
    "Tuning an old piano",
)
"""Titles of two dozen subjects, in the language of most models' training."""


class Unrelated:
    """What cosines an encoder gives to unrelated texts. Safe from several threads.

    Args:
        encoder: reads two dozen short texts when it is first asked.
        queries: reads them on the other side of each pair; ``None`` for the same.
    """

    def __init__(self, encoder: Encoder, queries: Encoder | None = None) -> None:
        self._encoder = encoder
        self._queries = encoder if queries is None else queries

    def prepare(self) -> None:
        """Read them now, so that the first query does not wait for it."""
        self._usual  # noqa: B018 - is kept

    def above(self, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many standard deviations cosines lie above those of unrelated texts."""
        mean, spread = self._usual
        return (cosines - mean) / spread

    @cached_property
    def asked(self) -> NDArray[np.float64]:
        """Vectors of the texts as queries, shape (texts, dim)."""
        return self._queries.encode(TEXTS).astype(np.float64)

    @cached_property
    def _usual(self) -> tuple[float, float]:
        asked = vectors = self.asked
        if self._queries is not self._encoder:
            vectors = self._encoder.encode(TEXTS).astype(np.float64)
        with ONE_THREAD:
            cosines = (asked @ vectors.T)[np.triu_indices(len(TEXTS), k=1)]
        return mean_and_spread(cosines)


def mean_and_spread(cosines: NDArray[np.float64]) -> tuple[float, float]:
    """Of cosines of what has nothing in common; a spread that can be divided by."""
    return float(cosines.mean()), float(max(cosines.std(), _LEAST_SPREAD))


_LEAST_SPREAD = 1e-3
