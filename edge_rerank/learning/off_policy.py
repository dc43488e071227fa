"""Off-policy estimates: what another order would have earned, from a log of lists shown.

Sources of the formulas, with r the reward of place k, w the ratio of chances and q a prediction:

- IPS, SNIPS and DR by places, Σ over the places: Li, Abbasi-Yadkori, Kveton, Muthukrishnan,
  Vinay and Wen, "Offline evaluation of ranking policies with click models", KDD 2018 (the
  item-position model); the normalised form after Swaminathan and Joachims, "The self-normalized
  estimator for counterfactual learning", NeurIPS 2015; the doubly robust one after Dudík, Langford
  and Li, "Doubly robust policy evaluation and learning", ICML 2011.
- RIPS: McInerney, Brost, Chandar, Mehrotra and Carterette, "Counterfactual evaluation of slate
  recommendations with sequential reward interactions", KDD 2020, without normalisation.
- Cascade-DR: Kiyohara, Saito, Matsuhiro, Narita, Shimizu and Yamamoto, "Doubly robust off-policy
  evaluation for ranking policies under the cascade behavior model", WSDM 2022.
- Clipped weights: Ionides, "Truncated importance sampling", 2008. Clipping leaves out part of what
  rare choices earned: ``Estimate.clipped`` says how many weights it touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import CONFIDENCE, RESAMPLES, Interval, middle, resampled_means
from edge_rerank.errors import InvalidRequest, NotEnoughRecords
from edge_rerank.learning.confidence import bernstein, effective_size, weighted_bernstein
from edge_rerank.learning.logged_lists import LoggedLists, Predictions, check_within

LEAST_RECORDS = 100
"""Below, an estimate is refused: its interval would say more than is known."""

CLIP = 10.0
"""The largest weight of a record."""


class Estimator(StrEnum):
    """A way of estimating."""

    IPS = "ips"
    """Σ w r by places: unbiased where a place's reward does not depend on the other places."""
    SNIPS = "snips"
    """The same over the mean weight of the place: a little bias, far less variance."""
    RIPS = "rips"
    """Σ w r with the weight of everything down to the place: for people who read from the top."""
    DM = "dm"
    """The predictions alone, the direct method. No interval knows how wrong the model is."""
    DR = "dr"
    """The predictions, and by places the weighted error where something was shown."""
    CASCADE_DR = "cascade_dr"
    """Likewise with the weights of RIPS, and predictions of all rewards from a place on."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a list of the policy asked about earns, the sum over its places.

    Attributes:
        estimator: by which it was estimated.
        value: the estimate.
        standard_error: of it, from the variance of the lists; of SNIPS by the delta method.
        bootstrap: the middle 95 % on resamples of the lists.
        bernstein: holds for every distribution of bounded rewards, and is wide; the whole range
            where weights are not clipped. With clipped weights it is about the clipped mean.
        effective_size: lists of equal weight that say as much (Kish), at the place where it is
            least.
        records: lists in the log.
        clipped: share of weights that were cut, from 0 to 1.
    """

    estimator: Estimator
    value: float
    standard_error: float
    bootstrap: Interval
    bernstein: Interval
    effective_size: float
    records: int
    clipped: float


@dataclass(frozen=True, slots=True, repr=False)
class _Parts:
    """An estimate before it is summed up over the log.

    Attributes:
        values: what each list contributes, float64 of shape (lists,); their mean is the estimate,
            except of SNIPS.
        weights: float64 of shape (lists, places), clipped.
        clipped: share of weights that were cut.
        bounds: of each value, from the way it is made.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    clipped: float
    bounds: tuple[float, float]


def estimate(
    log: LoggedLists,
    estimator: Estimator,
    rng: np.random.Generator,
    *,
    clip: float = CLIP,
    bounds: tuple[float, float] = (0.0, 1.0),
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate what the policy asked about earns a list.

    Args:
        log: independent lists.
        estimator: how. RIPS wants ``log.steps``, DM and DR want ``log.rewards_at``, cascade-DR
            wants ``log.steps`` and ``log.rewards_from``.
        rng: all chance there is.
        clip: the largest weight; ``math.inf`` for none.
        bounds: the smallest and the largest reward of a place.
        resamples: for the bootstrap interval.

    Raises:
        NotEnoughRecords: the log has fewer than 100 lists.
        InvalidRequest: the log lacks what the estimator wants, rewards or predictions are out of
            bounds, or the weight to clip at is no weight.
    """
    if len(log) < LEAST_RECORDS:
        raise NotEnoughRecords(
            f"off-policy estimate: expected at least {LEAST_RECORDS} logged lists, got {len(log)}"
        )
    if not clip > 0:
        raise InvalidRequest(f"clip: expected a number above 0, got {clip}")
    limits = check_within(log, bounds)
    parts = _PARTS[estimator](log, clip, limits)
    draw = partial(resampled_means, rng=rng, resamples=resamples)
    whole = (limits[0] * log.places, limits[1] * log.places)
    if estimator is Estimator.SNIPS:
        value, error, resampled, exact = _normalised(log, parts.weights, clip, limits, draw)
    else:
        value = float(parts.values.mean())
        error = float(parts.values.std(ddof=1)) / math.sqrt(len(log))
        resampled = middle(draw(parts.values[:, None])[:, 0])
        exact = bernstein(parts.values, parts.bounds) if math.isfinite(sum(parts.bounds)) else None
    return Estimate(
        estimator=estimator,
        value=value,
        standard_error=error,
        bootstrap=resampled,
        bernstein=_cut(exact, whole),
        effective_size=min(effective_size(column) for column in parts.weights.T),
        records=len(log),
        clipped=parts.clipped,
    )


def _by_places(log: LoggedLists, clip: float, limits: tuple[float, float]) -> _Parts:
    """IPS: Σ_k w_k r_k. SNIPS starts from the same weights."""
    weights, clipped = _clipped(log.placements.ratios, clip)
    bounds = (_times(clip, log.places * limits[0]), _times(clip, log.places * limits[1]))
    return _Parts((weights * log.rewards).sum(axis=1), weights, clipped, bounds)


def _by_steps(log: LoggedLists, clip: float, limits: tuple[float, float]) -> _Parts:
    """RIPS: Σ_k w_1 ⋯ w_k r_k."""
    weights, clipped = _clipped(_down_to_place(log), clip)
    bounds = (_times(clip, log.places * limits[0]), _times(clip, log.places * limits[1]))
    return _Parts((weights * log.rewards).sum(axis=1), weights, clipped, bounds)


def _predicted(log: LoggedLists, _clip: float, limits: tuple[float, float]) -> _Parts:
    """DM: Σ_k q_k of what the policy would show."""
    model = _model(log.rewards_at, "rewards_at")
    bounds = (log.places * limits[0], log.places * limits[1])
    return _Parts(model.target.sum(axis=1), np.ones_like(log.rewards), 0.0, bounds)


def _doubly_robust(log: LoggedLists, clip: float, limits: tuple[float, float]) -> _Parts:
    """DR: Σ_k q_k of what the policy would show + w_k (r_k − q_k of what was shown)."""
    model = _model(log.rewards_at, "rewards_at")
    weights, clipped = _clipped(log.placements.ratios, clip)
    values = (model.target + weights * (log.rewards - model.shown)).sum(axis=1)
    low, high = limits
    error = _times(clip, high - low)
    bounds = (log.places * (low - error), log.places * (high + error))
    return _Parts(values, weights, clipped, bounds)


def _cascade(log: LoggedLists, clip: float, limits: tuple[float, float]) -> _Parts:
    """Cascade-DR: Σ_k w_1 ⋯ w_{k−1} q_k of the policy + w_1 ⋯ w_k (r_k − q_k of what was shown)."""
    model = _model(log.rewards_from, "rewards_from")
    weights, clipped = _clipped(_down_to_place(log), clip)
    before = np.column_stack([np.ones(len(log)), weights[:, :-1]])
    values = (before * model.target + weights * (log.rewards - model.shown)).sum(axis=1)
    low, high = limits
    lowest = highest = 0.0
    for place in range(log.places):
        left = log.places - place
        earlier = 1.0 if not place else clip
        lowest += _times(earlier, left * low) - _times(clip, left * high - low)
        highest += _times(earlier, left * high) + _times(clip, high - left * low)
    return _Parts(values, weights, clipped, (lowest, highest))


_PARTS: dict[Estimator, Callable[[LoggedLists, float, tuple[float, float]], _Parts]] = {
    Estimator.IPS: _by_places,
    Estimator.SNIPS: _by_places,
    Estimator.RIPS: _by_steps,
    Estimator.DM: _predicted,
    Estimator.DR: _doubly_robust,
    Estimator.CASCADE_DR: _cascade,
}


def _normalised(
    log: LoggedLists,
    weights: NDArray[np.float64],
    clip: float,
    limits: tuple[float, float],
    draw: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[float, float, Interval, Interval | None]:
    """SNIPS: Σ_k (Σ w_k r_k / Σ w_k) with its error and intervals; a place without weight is 0."""
    rewards = log.rewards
    both = np.hstack([weights * rewards, weights])
    earned = _ratios(both.mean(axis=0)[None])[0]
    means = weights.mean(axis=0)
    scaled = np.divide(weights, means, out=np.zeros_like(weights), where=means > 0)
    influence = (scaled * (rewards - earned)).sum(axis=1)
    drawn = _ratios(draw(both)).sum(axis=1)
    exact = None
    if math.isfinite(clip):
        share = (1 - CONFIDENCE) / log.places
        edges = [
            weighted_bernstein(weights[:, k], rewards[:, k], clip, limits, error=share)
            for k in range(log.places)
        ]
        exact = Interval(sum(edge.low for edge in edges), sum(edge.high for edge in edges))
    error = float(influence.std(ddof=1)) / math.sqrt(len(log))
    return float(earned.sum()), error, middle(drawn), exact


def _ratios(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products over weights by places, from means of shape (n, 2 × places)."""
    products, weights = np.hsplit(both, 2)
    return np.divide(products, weights, out=np.zeros_like(products), where=weights > 0)


def _clipped(ratios: NDArray[np.float64], clip: float) -> tuple[NDArray[np.float64], float]:
    return np.minimum(ratios, clip), float((ratios > clip).mean())


def _times(weight: float, reward: float) -> float:
    """A product in which no reward stays none, whatever its weight."""
    return weight * reward if reward else 0.0


def _cut(interval: Interval | None, whole: tuple[float, float]) -> Interval:
    """Within what a list can earn; all of that where nothing else is known."""
    if interval is None:
        return Interval(*whole)
    low, high = (min(max(edge, whole[0]), whole[1]) for edge in interval)
    return Interval(low, high)


def _down_to_place(log: LoggedLists) -> NDArray[np.float64]:
    """Weights of everything down to each place, float64 of shape (lists, places)."""
    if log.steps is None:
        raise InvalidRequest("steps: expected chances given what stands above, got None")
    return np.cumprod(log.steps.ratios, axis=1, dtype=np.float64)


def _model(model: Predictions | None, name: str) -> Predictions:
    if model is None:
        raise InvalidRequest(f"{name}: expected predictions of rewards, got None")
    return model
