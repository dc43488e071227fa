"""Simulated lists of one person, as they are kept: how often intervals hold what the other earns.

``python -m tests.learning.simulated_lists --logs 1000`` prints the table in export/EXPERIMENTS.md.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.exploration import NeighbourSwaps
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.list_record import ListRecord
from edge_rerank.learning.order_estimates import OrderEstimate, estimates_of
from edge_rerank.learning.variety import PLACES
from edge_rerank.types import Event, Item

CANDIDATES = 14
"""Of a list; what stands below the first places matters to nobody."""

MOVED = 0.15
"""Chance that what was learnt exchanged two neighbours of the pack's order."""

LAYOUT = Layout("simulated", "0" * 64, (), 0)

Floats = NDArray[np.float64]


def lists(
    count: int, epsilon: float, rng: np.random.Generator, *, cascade: bool
) -> tuple[list[ListRecord], float]:
    """Records of lists, and what their pack's orders would have earned in the mean.

    Items are liked with chances from 0.02 to 0.5. People look at places by position, k^-0.7, or
    read from the top until they chose something. The pack's order is by what it takes for liking,
    and the head has exchanged some neighbours of it.
    """
    records, earned = [], []
    swaps = NeighbourSwaps.of(CANDIDATES, epsilon=epsilon)
    for _ in range(count):
        liked = rng.uniform(0.02, 0.5, CANDIDATES)
        pack = np.argsort(-(liked + rng.normal(0, 0.1, CANDIDATES)))
        head = np.arange(CANDIDATES)  # by place, the place in the pack's order
        for upper in range(0, CANDIDATES - 1, 2):
            if rng.random() < MOVED:
                head[[upper, upper + 1]] = head[[upper + 1, upper]]
        drawn = swaps.draw(rng)
        without = head[drawn]
        chances = clicks(liked[pack[without]], cascade=cascade)
        clicked = np.flatnonzero(rng.random(PLACES) < chances)
        if cascade:
            clicked = _first(liked[pack[without]], rng)
        records.append(record(swaps.pairs, drawn, without, clicked.tolist()))
        earned.append(float(clicks(liked[pack], cascade=cascade).sum()))
    return records, float(np.mean(earned))


def clicks(liked: Floats, *, cascade: bool) -> Floats:
    """Chances of clicks at the first places, of an order of items."""
    first = liked[:PLACES]
    if not cascade:
        return np.asarray(first * np.arange(1, PLACES + 1) ** -0.7)
    return np.asarray(first * np.append(1.0, np.cumprod(1 - first)[:-1]))


def _first(liked: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """The place where somebody who reads from the top clicks and stops."""
    return np.flatnonzero(rng.random(PLACES) < liked[:PLACES])[:1]


def record(
    pairs: Floats, order: NDArray[np.int64], without: NDArray[np.int64], clicked: Sequence[int]
) -> ListRecord:
    """A list as it is kept."""
    ids = tuple(f"{n}" for n in range(CANDIDATES))
    nothing = np.zeros((CANDIDATES, 1), dtype=np.float32)
    shown = Shown(
        *("r", 0.0, ids, nothing[:, 0], nothing, LAYOUT),
        without=without + 1,
        pairs=tuple(pairs.tolist()),
        order=tuple(order.tolist()),
    )
    deeds = Deeds()
    for place in clicked:
        deeds.heed(Event("click", Item(ids[place]), ranking="r"))
    return ListRecord.from_bytes(ListRecord.of(shown, deeds).to_bytes())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000)
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.1, 0.5])
    parser.add_argument("--resamples", type=int, default=500)
    given = parser.parse_args()
    for epsilon, cascade in itertools.product(given.epsilons, (False, True)):
        found: dict[str, list[tuple[OrderEstimate, float]]] = {}
        for seed in range(given.logs):
            rng = np.random.default_rng([seed, int(1_000 * epsilon), cascade])
            records, worth = lists(given.lists, epsilon, rng, cascade=cascade)
            for one in estimates_of(records, resamples=given.resamples)[1:]:
                found.setdefault(one.estimator, []).append((one, worth))
        for estimator, estimates in found.items():
            _say(epsilon, cascade, estimator, estimates)


def _say(
    epsilon: float, cascade: bool, estimator: str, estimates: Sequence[tuple[OrderEstimate, float]]
) -> None:
    truth = float(np.mean([worth for _, worth in estimates]))
    held = [(one.value.low or 0.0) <= truth <= (one.value.high or 0.0) for one, _ in estimates]
    off = np.mean([one.value.value for one, _ in estimates]) - truth
    size = np.mean([one.effective_size for one, _ in estimates])
    cut = np.mean([one.clipped for one, _ in estimates])
    people = "cascade" if cascade else "places"
    print(
        f"| {epsilon} | {people} | {estimator} | {truth:.3f} | {off:+.3f} | "
        f"{np.mean(held) * 100:.1f} % | {size:.0f} | {cut * 100:.1f} % |",
        flush=True,
    )


if __name__ == "__main__":
    main()
