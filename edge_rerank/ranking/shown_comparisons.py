"""Likeness of pictures to the words of a query, where one model has both in one space.

Cosines of a picture and a text are lower there than those of two texts, however well they fit:
each kind lies in a cone of its own (Liang et al., "Mind the Gap", NeurIPS 2022). So what is usual
is read off the pictures that are ranked, beside two dozen texts that have nothing to do with
them. The order of the pictures is that of their cosines with the query.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.encoders.unrelated import Unrelated, mean_and_spread
from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.media_comparisons import MediaComparer

MOST = 256
"""Pictures that are compared with the unrelated texts, spread evenly over all that there are."""


class ShownComparer:
    """Compares the pictures of items without a text with queries. Safe from several threads.

    Args:
        looks: makes the pictures' vectors.
        unrelated: has those of unrelated texts, of the same length.
    """

    def __init__(self, looks: MediaComparer, unrelated: Unrelated) -> None:
        self._looks = looks
        self._unrelated = unrelated

    def compare(
        self, likeness: NDArray[np.float64], candidates: Candidates, asked: NDArray[np.float32]
    ) -> None:
        """Fill in how many standard deviations pictures are above those of unrelated texts.

        Args:
            likeness: float64 of shape (n,), changed in place where an item has a picture alone.
            candidates: the n items.
            asked: the query's vector, float32 of shape (dim,).
        """
        rows = np.flatnonzero(self._looks.carried(candidates) & ~candidates.told)
        if not len(rows) or not asked.any():
            return  # a query that the tokeniser cannot read
        cosines = (self._looks.vectors(candidates)[rows] @ asked).astype(np.float64)
        mean, spread = candidates.together(self, self._usual)
        likeness[rows] = (cosines - mean) / spread

    def _usual(self, candidates: Candidates) -> tuple[float, float]:
        """Mean and standard deviation of cosines that say nothing."""
        rows = np.flatnonzero(self._looks.carried(candidates) & ~candidates.told)
        some = np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(np.intp)
        pictures = self._looks.vectors(candidates)[rows[some]].astype(np.float64)
        return mean_and_spread(self._unrelated.asked @ pictures.T)
