"""Logged lists for off-policy estimates: rewards, propensities and predictions, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_rerank.errors import InvalidRequest


@dataclass(frozen=True, slots=True, repr=False)
class Chances:
    """Chances of what was shown, under the policy that was logged and under the one asked about.

    Attributes:
        logged: by the policy that made the log, above 0 and at most 1, float64 of shape
            (lists, places).
        target: by the policy whose worth is asked for, from 0 to 1, of the same shape.
    """

    logged: NDArray[np.float64]
    target: NDArray[np.float64]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """Importance weights, target over logged, of the same shape."""
        return self.target / self.logged


@dataclass(frozen=True, slots=True, repr=False)
class Predictions:
    """What a model of rewards says.

    Attributes:
        shown: of what was shown at each place, float64 of shape (lists, places).
        target: the mean over what the policy asked about would show there, of the same shape.
    """

    shown: NDArray[np.float64]
    target: NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class LoggedLists:
    """Lists that were shown, what came of them, and how likely another policy shows them.

    Arrays are float64 of shape (lists, places), places from the top, and are copied. A list with
    fewer places is filled up with rewards and predictions of 0 and chances of 1, which add
    nothing to an estimate. A discount of lower places is multiplied into rewards and predictions
    beforehand.

    Attributes:
        rewards: what came of each place, as 1 for a click.
        placements: chances that the item stands at its place, whatever stands elsewhere.
        steps: chances that the item stands at its place given what stands above it; the product
            over a list is the chance of the list. ``None`` if not known.
        rewards_at: predictions of the reward at a place. ``None`` without a model.
        rewards_from: predictions of the sum of rewards from a place on, given what stands above
            it. ``None`` without a model.

    Raises:
        InvalidRequest: shapes differ, a number is not finite, a chance is no chance, or a logged
            chance is 0.
    """

    rewards: NDArray[np.float64]
    placements: Chances
    steps: Chances | None = None
    rewards_at: Predictions | None = None
    rewards_from: Predictions | None = None

    def __post_init__(self) -> None:
        rewards = _matrix(self.rewards, "rewards")
        put = object.__setattr__
        put(self, "rewards", rewards)
        put(self, "placements", _chances(self.placements, "placements", rewards.shape))
        if self.steps is not None:
            put(self, "steps", _chances(self.steps, "steps", rewards.shape))
        for name in ("rewards_at", "rewards_from"):
            predictions = getattr(self, name)
            if predictions is not None:
                put(self, name, _predictions(predictions, name, rewards.shape))

    @classmethod
    def of_actions(
        cls,
        rewards: ArrayLike,
        logged: ArrayLike,
        target: ArrayLike,
        predicted: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """One item at a time: every kind of estimate is defined, and the cascade is none.

        Args:
            rewards: of each action, of shape (actions,).
            logged: chance that the logged policy took it, of the same shape.
            target: chance that the policy asked about takes it, likewise.
            predicted: of the action taken, and the mean over the actions of the policy asked
                about, both of shape (actions,).
        """
        chances = Chances(_column(logged, "logged"), _column(target, "target"))
        model = None
        if predicted is not None:
            model = Predictions(*(_column(one, "predicted") for one in predicted))
        return cls(_column(rewards, "rewards"), chances, chances, model, model)

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def places(self) -> int:
        """How many places the longest list has."""
        return int(self.rewards.shape[1])


def check_within(log: LoggedLists, bounds: tuple[float, float]) -> tuple[float, float]:
    """The smallest and the largest reward of a place, where the log keeps within them.

    Raises:
        InvalidRequest: they are no bounds, or rewards or predictions lie outside of them.
    """
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidRequest(f"bounds: expected two numbers, rising, got {low}, {high}")
    lowest, highest = min(low, 0.0), max(high, 0.0)  # what fills up a short list is 0
    once, remaining = np.ones(log.places), np.arange(float(log.places), 0.0, -1.0)
    parts = [("rewards", log.rewards, once)]
    for name, model, places in (
        ("rewards_at", log.rewards_at, once),
        ("rewards_from", log.rewards_from, remaining),
    ):
        if model is not None:
            parts += [(name, model.shown, places), (name, model.target, places)]
    for name, values, places in parts:
        small, large = lowest * places - _SLACK, highest * places + _SLACK
        if (values < small).any() or (values > large).any():
            wanted = f"numbers from {low:g} to {high:g} a place"
            raise InvalidRequest(f"{name}: expected {wanted}, got one outside")
    return lowest, highest


_SLACK = 1e-9


def _column(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Of shape (n,) as one of shape (n, 1)."""
    array = _floats(values, name)
    if array.ndim != 1:
        raise InvalidRequest(f"{name}: expected an array of 1 axis, got one of {array.ndim}")
    return array[:, None]


def _matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = _floats(values, name)
    if array.ndim != 2 or not array.shape[1]:
        raise InvalidRequest(f"{name}: expected shape (lists, places), got {array.shape}")
    return array


def _floats(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidRequest(f"{name}: expected an array of numbers") from None
    if not np.isfinite(array).all():
        raise InvalidRequest(f"{name}: expected finite numbers, got one that is not")
    return array


def _like(values: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = _floats(values, name)
    if array.shape != shape:
        raise InvalidRequest(f"{name}: expected shape {shape} as of rewards, got {array.shape}")
    return array


def _chances(chances: Chances, name: str, shape: tuple[int, ...]) -> Chances:
    logged = _like(chances.logged, f"{name}.logged", shape)
    target = _like(chances.target, f"{name}.target", shape)
    if (logged <= 0).any() or (logged > 1 + _SLACK).any():
        raise InvalidRequest(f"{name}.logged: expected chances above 0 and up to 1")
    if (target < 0).any() or (target > 1 + _SLACK).any():
        raise InvalidRequest(f"{name}.target: expected chances from 0 to 1")
    return Chances(logged, target)


def _predictions(model: Predictions, name: str, shape: tuple[int, ...]) -> Predictions:
    return Predictions(
        _like(model.shown, f"{name}.shown", shape), _like(model.target, f"{name}.target", shape)
    )
