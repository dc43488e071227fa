"""Bounds that a packed model must hold beside the one it was made from, by kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncoderBounds:
    """What the packed model must reach.

    Attributes:
        min_tau: mean Kendall τ of the candidates' order, original against packed.
        min_cosine: smallest cosine of a text's two vectors.
        max_difference: largest difference in one component of a vector.
        max_batch_effect: largest difference in one component between a text alone and the
            same text in a batch, padded or not.
        max_ndcg_loss: share of the original's NDCG@10 that may be lost, where the texts
            come with clicks.
    """

    min_tau: float = 0.95
    min_cosine: float = 0.98
    max_difference: float = 0.05
    max_batch_effect: float = 1e-5
    max_ndcg_loss: float = 0.01


@dataclass(frozen=True, slots=True)
class ScorerBounds:
    """What the packed scorer must reach.

    Attributes:
        min_tau: mean Kendall τ of the candidates' order, float32 against packed.
        max_conversion_error: largest difference of a token's score between the original and
            the converted float32 model.
        max_company_effect: largest difference of a score by the company a candidate is
            in or by how the history came to be read.
        max_ndcg_loss: share of NDCG@10 that may be lost, where the texts come with clicks.
    """

    min_tau: float = 0.95
    max_conversion_error: float = 0.01
    max_company_effect: float = 1e-4
    max_ndcg_loss: float = 0.01


@dataclass(frozen=True, slots=True)
class PairBounds:
    """What the packed scorer of pairs must reach.

    Attributes:
        min_tau: mean Kendall τ of the candidates' order, original against packed, after histories
            and after queries.
        max_conversion_error: largest difference of a score between the original and the
            converted float32 model, alone, in a batch and padded.
        max_batch_effect: largest difference between a pair's score alone and in a batch.
        max_ndcg_loss: share of NDCG@10 that may be lost, where the texts come with clicks.
    """

    min_tau: float = 0.95
    max_conversion_error: float = 1e-4
    max_batch_effect: float = 1e-5
    max_ndcg_loss: float = 0.01


@dataclass(frozen=True, slots=True)
class MediaBounds:
    """What the packed encoder of pictures or sounds must reach.

    Attributes:
        min_cosine: smallest cosine of the two vectors of a picture or sound, original against
            packed.
        min_mean_cosine: the mean of these cosines.
        max_conversion_error: what the cosine of the original's vector and that of the converted
            float32 model may lack to 1, at most.
    """

    min_cosine: float = 0.99
    min_mean_cosine: float = 0.99
    max_conversion_error: float = 1e-3
