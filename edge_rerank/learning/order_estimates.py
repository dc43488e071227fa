"""Off-policy estimates from a person's own lists: what they earn without what was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import RESAMPLES, Interval, middle, resampled_means
from edge_rerank.learning.figures import SEED, Figure, figure_of, resampled
from edge_rerank.learning.list_record import ListRecord
from edge_rerank.learning.logged_lists import Chances, LoggedLists, Predictions
from edge_rerank.learning.off_policy import Estimator, estimate

ESTIMATORS = (Estimator.IPS, Estimator.SNIPS, Estimator.RIPS, Estimator.DM, Estimator.DR)

_PRIOR_LISTS = 5.0
"""Lists that the mean of a place counts for beside those with one kind of item there."""


@dataclass(frozen=True, slots=True)
class OrderEstimate:
    """Off-policy estimate of what an order earns: successes a list, in its first ten places.

    Attributes:
        estimator: "shown" for the mean of the lists as they were, else how the order without what
            was learnt is estimated: "ips", "snips", "rips", "dm" (direct method) or "dr" (doubly
            robust).
        value: the estimate with its interval.
        effective_size: effective sample size (Kish), in lists.
        lists: that it was estimated from.
        clipped: share of the importance weights that were clipped at 10, from 0 to 1.
    """

    estimator: str
    value: Figure
    effective_size: float
    lists: int
    clipped: float = 0.0


def estimates_of(
    records: Sequence[ListRecord], *, resamples: int = RESAMPLES
) -> tuple[OrderEstimate, ...]:
    """What lists earned, and what they would have without what was learnt.

    The model of rewards tells places apart, and whether the other order has the same item there.

    Args:
        records: at least 100, of lists of which something was left to chance.
        resamples: for the intervals.
    """
    rewards = np.array([one.rewards for one in records])
    same = np.array([one.same for one in records], dtype=np.float64)
    log = LoggedLists(
        rewards,
        Chances(np.array([one.placements for one in records]), same),
        Chances(np.array([one.steps for one in records]), same),
        rewards_at=_predicted(rewards, same),
    )
    count = len(records)
    (shown,) = resampled(rewards.sum(axis=1)[:, None])
    found = [OrderEstimate("shown", shown, float(count), count)]
    for estimator in ESTIMATORS:
        one = estimate(log, estimator, np.random.default_rng(SEED), resamples=resamples)
        interval, size = one.bootstrap, one.effective_size
        if estimator is Estimator.DM:  # by what its model was fitted on, not applied to
            interval, size = _refitted(rewards, same, resamples), float(same.sum(axis=0).min())
        value = figure_of(one.value, interval)
        found.append(OrderEstimate(estimator.value, value, size, count, one.clipped))
    return tuple(found)


def _predicted(rewards: NDArray[np.float64], same: NDArray[np.float64]) -> Predictions:
    """Mean rewards of a place by whether the other order has the same item there.

    Args:
        rewards: of shape (lists, places).
        same: 1 where it has, else 0, likewise.
    """
    alike = _mean(rewards.mean(axis=0), (rewards * same).mean(axis=0), same.mean(axis=0), same)
    other = 1 - same
    unlike = _mean(rewards.mean(axis=0), (rewards * other).mean(axis=0), other.mean(axis=0), same)
    return Predictions(np.where(same > 0, alike, unlike), np.tile(alike, (len(rewards), 1)))


def _mean(
    anywhere: NDArray[np.float64],
    earned: NDArray[np.float64],
    share: NDArray[np.float64],
    lists: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Means of one kind, drawn to the place's mean where there are few lists of the kind."""
    prior = _PRIOR_LISTS / len(lists)
    return np.asarray((earned + prior * anywhere) / (share + prior))


def _refitted(rewards: NDArray[np.float64], same: NDArray[np.float64], resamples: int) -> Interval:
    """Of the direct method: the middle 95 % with the model fitted anew on each resample."""
    columns = np.hstack([rewards, rewards * same, same])
    drawn = resampled_means(columns, np.random.default_rng(SEED), resamples=resamples)
    anywhere, earned, share = np.hsplit(drawn, 3)
    return middle(_mean(anywhere, earned, share, same).sum(axis=1))
