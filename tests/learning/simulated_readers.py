"""Simulated readers: how soon a better order of the host is found by what they click.

``python -m tests.learning.simulated_readers`` prints the tables in export/EXPERIMENTS.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.interleaving import Side, team_draft, winner
from edge_rerank.learning.sequential_test import REJECT_AT, OrderTest, wealth

SHOWN = 10
PLACES = np.arange(1, SHOWN + 1)


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
