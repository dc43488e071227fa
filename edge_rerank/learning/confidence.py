"""Empirical-Bernstein intervals, and how many records weighted ones are worth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import CONFIDENCE, Interval


def effective_size(weights: NDArray[np.float64]) -> float:
    """How many records of equal weight say as much: (Σ w)² / Σ w².

    Kish, "Survey Sampling", 1965.

    Args:
        weights: not negative, float64 of shape (records,).

    Returns:
        From 0, where all weights are 0, to their number.
    """
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def bernstein(
    values: NDArray[np.float64], bounds: tuple[float, float], *, error: float = 1 - CONFIDENCE
) -> Interval:
    """An interval that holds the mean for every distribution within the bounds.

    Maurer and Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009,
    theorem 4, at half of the error on each side.

    Args:
        values: independent, float64 of shape (records,), at least two.
        bounds: what no value can be below or above, from the way the values are made, not from
            those that came.
        error: chance that the interval misses.
    """
    mean = float(values.mean())
    reach = _reach(float(values.var(ddof=1)), len(values), bounds[1] - bounds[0], error)
    return Interval(max(mean - reach, bounds[0]), min(mean + reach, bounds[1]))


def weighted_bernstein(
    weights: NDArray[np.float64],
    rewards: NDArray[np.float64],
    largest: float,
    bounds: tuple[float, float],
    *,
    error: float = 1 - CONFIDENCE,
) -> Interval:
    """An interval of Σ w r / Σ w: all values v with which w (r − v) may have a mean of zero.

    Fieller's way with a ratio, with the bound of :func:`bernstein` in place of a normal one: it
    leaves out the true value only where that bound fails for the mean of w (r − v).

    Args:
        weights: w, from 0 to ``largest``, float64 of shape (records,).
        rewards: r, within the bounds, likewise.
        largest: that a weight can be.
        bounds: the smallest and the largest reward.
        error: chance that the interval misses.
    """
    low, high = bounds
    count = len(weights)
    spread = np.cov(weights * rewards, weights)
    mean_product, mean_weight = float((weights * rewards).mean()), float(weights.mean())
    width = largest * (high - low)

    def outside(value: float) -> bool:
        """Whether zero is no plausible mean of w (r − value)."""
        variance = float(spread[0, 0] - 2 * value * spread[0, 1] + value**2 * spread[1, 1])
        reach = _reach(max(variance, 0.0), count, width, error)
        return abs(mean_product - value * mean_weight) > reach

    centre = mean_product / mean_weight if mean_weight else low
    return Interval(_edge(outside, centre, low), _edge(outside, centre, high))


def _reach(variance: float, count: int, width: float, error: float) -> float:
    log_term = math.log(4 / error)
    return math.sqrt(2 * variance * log_term / count) + 7 * width * log_term / (3 * (count - 1))


def _edge(outside: Callable[[float], bool], inside: float, bound: float) -> float:
    """Where plausible values end on the way to a bound, or the bound.

    One crossing at most: the distance of the mean from zero grows evenly on this way and the
    reach is convex.
    """
    if not outside(bound):
        return bound
    for _ in range(_HALVINGS):
        middle = (inside + bound) / 2
        inside, bound = (inside, middle) if outside(middle) else (middle, bound)
    return bound


_HALVINGS = 60
