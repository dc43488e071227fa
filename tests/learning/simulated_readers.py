"""Simulated readers: how near their examination is estimated, how soon a better order is found.

``python -m tests.learning.simulated_readers`` prints the tables in export/EXPERIMENTS.md.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.examination import SwapClicks
from edge_rerank.learning.exploration import NeighbourSwaps
from edge_rerank.learning.interleaving import Side, team_draft, winner
from edge_rerank.learning.sequential_test import REJECT_AT, OrderTest, wealth

SHOWN = 10
PLACES = np.arange(1, SHOWN + 1)

READERS = {
    "k^-0.4": PLACES**-0.4,
    "k^-0.7": PLACES**-0.7,
    "k^-1": PLACES**-1.0,
    "k^-1.3": PLACES**-1.3,
    "0.85^(k - 1)": 0.85 ** (PLACES - 1),
    "half as much below the fourth": np.where(PLACES <= 4, 1.0, 0.5) * PLACES**-0.5,
}
"""Chances that a place is examined."""


def read(theta: NDArray[np.float64], lists: int, *, epsilon: float, seed: int) -> SwapClicks:
    """Clicks of readers who examine place k with chance θ_k, on lists that are sorted by worth."""
    rng = np.random.default_rng(seed)
    swaps, clicks = NeighbourSwaps.of(SHOWN, epsilon=epsilon), SwapClicks.none()
    for _ in range(lists):
        liked = -np.sort(-rng.uniform(0.05, 0.6, SHOWN))
        drawn = swaps.draw(rng)
        clicked = np.flatnonzero(rng.random(SHOWN) < theta * liked[drawn.order])
        clicks = clicks.after(drawn.tried, set(clicked.tolist()))
    return clicks


def wins_needed(upto: int) -> NDArray[np.int64]:
    """The fewest wins of 1, 2, ... lists at which wealth is 20; one more list wants one at most."""
    needed, wins = [], 0
    for told in range(1, upto + 1):
        while wins <= told and wealth(wins, told - wins) < REJECT_AT:
            wins += 1
        needed.append(wins)
    return np.array(needed)


def lists_until_return(noise: float, seed: int, *, most: int = 3_000) -> tuple[int, int]:
    """Interleaved lists, and those of them that somebody won, until the host's order returns.

    The host's order is by worth, ours by worth with noise of this standard deviation; readers
    examine place k with chance k^−0.7.
    """
    rng, test = np.random.default_rng(seed), OrderTest()
    told = 0
    for lists in range(1, most + 1):
        liked = rng.uniform(0.05, 0.6, SHOWN)
        drafted = team_draft(
            np.argsort(-liked).tolist(),
            np.argsort(-liked - noise * rng.normal(size=SHOWN)).tolist(),
            rng,
        )
        clicked = rng.random(SHOWN) < PLACES**-0.7 * liked[list(drafted.rows)]
        won = winner(drafted.teams, clicked.astype(float).tolist())
        told += won is not None
        test = test.credited(won)
        if test.shown is Side.HOST:
            return lists, told
    return most, told


def _examination() -> None:
    for epsilon, (name, theta) in itertools.product((0.1, 0.5), READERS.items()):
        found = np.array(
            [
                read(theta, 2_000, epsilon=epsilon, seed=seed).probabilities(SHOWN)
                for seed in range(12)
            ]
        )
        relative, absolute = np.abs(found / theta - 1), np.abs(found - theta)
        print(
            f"| {epsilon} | {name} | {relative.mean():.0%} | {relative.max(axis=1).mean():.0%} | "
            f"{absolute.mean():.3f} | {absolute.max(axis=1).mean():.3f} |",
            flush=True,
        )


def _sequential() -> None:
    needed = wins_needed(2_000)
    for chance in (0.5, 0.55, 0.6, 0.7, 0.8):
        won = np.cumsum(np.random.default_rng(0).random((2_000, 2_000)) < chance, axis=1)
        over = won >= needed
        first = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 10_000)
        middle = np.quantile(first, [0.5, 0.9])
        print(f"| {chance} | {(first <= 2_000).mean():.1%} | {middle[0]:.0f} | {middle[1]:.0f} |")
    for noise in (0.1, 0.2, 0.5):
        found = np.array([lists_until_return(noise, seed) for seed in range(40)])
        middle = np.median(found, axis=0)
        late = (found[:, 0] >= 3_000).mean()
        print(f"| noise {noise} | {middle[0]:.0f} | {middle[1]:.0f} | {late:.0%} |", flush=True)


if __name__ == "__main__":
    _sequential()
    _examination()
