"""From features to one score: a linear blend, so that every part can be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.sources.rules import Feature


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the features, shape (features,), and their linear combination."""

    weights: Mapping[Feature, float]

    def contributions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each feature adds to each score.

        Args:
            values: float64 of shape (n, features), see
                :class:`~edge_rerank.ranking.sources.rules.Feature`.

        Returns:
            float64 of the same shape; a candidate's score is the sum of its row.
        """
        weights = np.array([self.weights.get(feature, 0.0) for feature in Feature])
        contributions: NDArray[np.float64] = values * weights
        return contributions


UNTRAINED = Blend(
    MappingProxyType(
        {
            Feature.SIMILAR_MAX: 4.0,
            Feature.SIMILAR_MEAN: 2.0,
            Feature.CATEGORY: 2.0,
            Feature.NEXT: 0.5,
            Feature.QUERY: 6.0,
            Feature.POPULARITY: 0.5,
            Feature.HOST: 1.0,
            Feature.DISLIKED: -3.0,
            Feature.REJECTED: -6.0,
            Feature.SHOWN: -0.2,
            Feature.SCORER: 1.0,
        }
    )
)
"""For packs without trained weights. Similarity, category and popularity were chosen on
validation requests of shop, film, game and news data; the rest by reason alone. A scorer's
pack says itself what its numbers weigh."""

LEARNED = Blend(
    MappingProxyType(
        {
            Feature.LEARNED_CONTENT: 1.0,
            Feature.LEARNED_CATEGORY: 1.0,
            Feature.LEARNED_TOGETHER: 1.0,
            Feature.LEARNED_POPULARITY: 1.0,
            **{
                feature: UNTRAINED.weights[feature]
                for feature in (
                    Feature.QUERY,
                    Feature.HOST,
                    Feature.DISLIKED,
                    Feature.REJECTED,
                    Feature.SHOWN,
                    Feature.SCORER,
                )
            },
        }
    )
)
"""For packs with a history encoder, whose parts are log-odds already; what its training data
cannot teach (queries, host scores, dislikes) keeps the untrained weight."""
