"""What somebody who has the prior could tell of who took part: membership inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.head import Head
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import vector_of


def auc(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Chance that a member scores above somebody else, ties by half (Mann and Whitney, 1947).

    Args:
        members: scores, float64 of shape (members,).
        others: likewise, float64 of shape (others,).
    """
    above = members[:, None] - others[None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def membership_auc(prior: Prior, members: list[Head], others: list[Head]) -> dict[str, float]:
    """How well three attacks tell who took part, by whole heads of people and the prior alone.

    Along the mean: the vector that the person would have sent points where the prior went
    (Homer and others, 2008). By likelihood: the person's weights are likely under the prior
    beside the runtime's own. By distance: they are near its mean.

    Args:
        prior: what was released.
        members: heads of people who took part, as if they began with no prior.
        others: heads of people who did not.

    Returns:
        The area under the curve of each attack, 0.5 for a guess.
    """
    attacks = {"along": _along, "likelihood": _likelihood, "distance": _distance}
    return {
        name: auc(
            np.array([score(prior, head) for head in members]),
            np.array([score(prior, head) for head in others]),
        )
        for name, score in attacks.items()
    }


def _along(prior: Prior, head: Head) -> float:
    return float(vector_of(head)[: len(prior.mean)].astype(np.float64) @ prior.mean)


def _likelihood(prior: Prior, head: Head) -> float:
    usual = head.layout.prior()
    mean = head.mean.astype(np.float64)
    by_prior = prior.precision * (mean - prior.mean) ** 2 - np.log(prior.precision)
    return float(0.5 * (usual * mean**2 - np.log(usual) - by_prior).sum())


def _distance(prior: Prior, head: Head) -> float:
    return -float(np.linalg.norm(head.mean.astype(np.float64) - prior.mean))
