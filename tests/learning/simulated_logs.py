"""Simulated logs of lists whose worth under another policy is known: how often intervals hold it.

``python -m tests.learning.simulated_logs --logs 1000`` prints the table in export/EXPERIMENTS.md.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.logged_lists import Chances, LoggedLists, Predictions
from edge_rerank.learning.off_policy import Estimate, Estimator, estimate

ITEMS, PLACES, CONTEXTS = 5, 3, 12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Contexts in which all lists of three of five items are numbered.

    Policies draw places from the top by the softmax of scores (Plackett and Luce), clicks follow
    the examination of places or a cascade.

    Attributes:
        lists: int64 of shape (60, 3).
        logged, target: steps of both policies, float64 of shape (contexts, 60, 3).
        places_logged, places_target: their chances of placements, likewise.
        clicks: chances of clicks, likewise.
    """

    lists: NDArray[np.int64]
    logged: Floats
    target: Floats
    places_logged: Floats
    places_target: Floats
    clicks: Floats

    @classmethod
    def of(cls, seed: int, *, cascade: bool) -> Self:
        """A world; in a cascade a liked item ends the reading with chance ½."""
        rng = np.random.default_rng(seed)
        lists = np.array(list(itertools.permutations(range(ITEMS), PLACES)))
        liked = rng.uniform(0.05, 0.6, (CONTEXTS, ITEMS))
        scores = rng.normal(0, 0.6, (CONTEXTS, ITEMS))
        logged = steps(scores, lists)
        target = steps(scores / 2 + 1.5 * liked, lists)
        clicks = liked[:, lists]
        if cascade:
            goes_on = np.cumprod(1 - clicks / 2, axis=2)
            clicks[:, :, 1:] *= goes_on[:, :, :-1]
        else:
            clicks = clicks * np.arange(1, PLACES + 1) ** -0.7
        return cls(
            lists, logged, target, placements(logged, lists), placements(target, lists), clicks
        )

    @property
    def worth(self) -> float:
        """What the target earns a list, by adding up all of them."""
        return float((self.target.prod(axis=2) * self.clicks.sum(axis=2)).sum(axis=1).mean())

    def log(self, count: int, rng: np.random.Generator, *, error: float = 0.05) -> LoggedLists:
        """A log; its model of rewards is off by ``error`` either way at each place."""
        contexts = rng.integers(CONTEXTS, size=count)
        upto = self.logged.prod(axis=2).cumsum(axis=1)[contexts]
        rows = np.minimum((rng.random((count, 1)) > upto).sum(axis=1), len(self.lists) - 1)
        clicks = self.clicks[contexts, rows]
        return LoggedLists(
            (rng.random(clicks.shape) < clicks).astype(np.float64),
            Chances(self.places_logged[contexts, rows], self.places_target[contexts, rows]),
            Chances(self.logged[contexts, rows], self.target[contexts, rows]),
            *(self._predictions(one, contexts, rows, rng, error) for one in (False, True)),
        )

    def _predictions(
        self,
        onwards: bool,
        contexts: NDArray[np.int64],
        rows: NDArray[np.int64],
        rng: np.random.Generator,
        error: float,
    ) -> Predictions:
        off = rng.choice([-error, error], size=(2, len(rows), PLACES))
        high = np.arange(PLACES, 0, -1) if onwards else 1
        right = self.onwards if onwards else self.at_places
        picked = [one[contexts, rows] + by for one, by in zip(right, off, strict=True)]
        return Predictions(*(np.clip(one, 0, high) for one in picked))

    @cached_property
    def at_places(self) -> tuple[Floats, Floats]:
        """Rewards of a place by its item, and their means under the target, as clicks."""
        return self._means(onwards=False)

    @cached_property
    def onwards(self) -> tuple[Floats, Floats]:
        """Rewards from a place on by what stands down to it, and their means under the target."""
        return self._means(onwards=True)

    def _means(self, *, onwards: bool) -> tuple[Floats, Floats]:
        shown, means = np.empty(self.clicks.shape), np.empty(self.clicks.shape)
        for place in range(PLACES):
            above = self.lists[:, : place if onwards else 0]
            reward = self.clicks[:, :, place:].sum(axis=2) if onwards else self.clicks[:, :, place]
            for one in np.unique(above, axis=0):
                inside = (above == one).all(axis=1)
                for item in range(ITEMS):
                    here = inside & (self.lists[:, place] == item)
                    shown[:, here, place] = self._mean(reward, here)
                means[:, inside, place] = self._mean(shown[:, :, place], inside)
        return shown, means

    def _mean(self, values: Floats, among: NDArray[np.bool_]) -> Floats:
        """The mean of some lists under the target, of shape (contexts, 1)."""
        chances = self.target.prod(axis=2)[:, among]
        total = np.maximum(chances.sum(axis=1), np.finfo(float).tiny)
        return ((chances * values[:, among]).sum(axis=1) / total)[:, None]


def steps(scores: Floats, lists: NDArray[np.int64]) -> Floats:
    """Chances of each place given those above, of shape (contexts, lists, places)."""
    weights = np.exp(scores)[:, lists]
    left = np.exp(scores).sum(axis=1)[:, None, None] - (np.cumsum(weights, axis=2) - weights)
    return weights / left


def placements(chances: Floats, lists: NDArray[np.int64]) -> Floats:
    """Chances of each item at its place, of shape (contexts, lists, places)."""
    whole = chances.prod(axis=2)
    found = np.empty_like(chances)
    for place, item in itertools.product(range(PLACES), range(ITEMS)):
        here = lists[:, place] == item
        found[:, here, place] = whole[:, here].sum(axis=1)[:, None]
    return found


def coverage(
    estimator: Estimator, logs: int, lists: int, *, resamples: int, cascade: bool
) -> tuple[float, float, list[Estimate]]:
    """How often the bootstrap and the Bernstein interval hold the truth, and the estimates."""
    world = World.of(7, cascade=cascade)
    found = [
        estimate(
            world.log(lists, np.random.default_rng([seed, 0]), error=_error(estimator)),
            estimator,
            np.random.default_rng([seed, 1]),
            resamples=resamples,
        )
        for seed in range(logs)
    ]
    kept = [one.bootstrap.low <= world.worth <= one.bootstrap.high for one in found]
    exact = [one.bernstein.low <= world.worth <= one.bernstein.high for one in found]
    return float(np.mean(kept)), float(np.mean(exact)), found


def _error(estimator: Estimator) -> float:
    """No interval of the direct method's knows of its model's errors, so there it has none."""
    return 0.0 if estimator is Estimator.DM else 0.05


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000)
    parser.add_argument("--lists", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--resamples", type=int, default=500)
    given = parser.parse_args()
    for lists, cascade in itertools.product(given.lists, (False, True)):
        for estimator in Estimator:
            if cascade and estimator not in (Estimator.RIPS, Estimator.CASCADE_DR):
                continue
            kept, exact, found = coverage(
                estimator, given.logs, lists, resamples=given.resamples, cascade=cascade
            )
            values = np.array([one.value for one in found])
            truth = World.of(7, cascade=cascade).worth
            width = np.mean([one.bootstrap.high - one.bootstrap.low for one in found])
            wide = np.mean([one.bernstein.high - one.bernstein.low for one in found])
            size = np.mean([one.effective_size for one in found])
            print(
                f"| {lists} | {'cascade' if cascade else 'places'} | {estimator} | {truth:.3f} | "
                f"{values.mean() - truth:+.4f} | {values.std():.4f} | "
                f"{np.mean([one.standard_error for one in found]):.4f} | {kept * 100:.1f} % | "
                f"{width:.3f} | {exact * 100:.1f} % | {wide / PLACES * 100:.0f} % | {size:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
