"""What a prior is worth: the first lists of people whom no device of the fleet knew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Reranker, Retention, Runtime
from edge_rerank._resampling import middle, resampled_means
from edge_rerank_export.fleet.federation.simulation.plan import Judged
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.simulate.plan import Arm, Order
from edge_rerank_export.studies.simulate.play import make_person, play_arms
from edge_rerank_export.studies.simulate.ranker import PackRanker
from edge_rerank_export.studies.simulate.world import World

_CACHE = 20_000
"""Item vectors that fit beside the catalogue's: those of texts that were scrubbed."""


def opened_reranker(pack: Path, prior: Path | None, world: World, threads: int | None) -> Reranker:
    """A reranker that learns, with the vectors of the catalogue; whoever asked closes it."""
    reranker = Reranker.open(
        pack if prior is None else [pack, prior],
        runtime=Runtime(threads=threads, cache_items=len(world.items) + _CACHE),
        retention=Retention.UNLIMITED,
        guard=None,
    )
    reranker.engine.warmup(world.items, vectors=world.vectors)
    return reranker


def gains_of(
    world: World,
    judged: Judged,
    pack: Path,
    priors: Sequence[Path],
    *,
    threads: int | None,
    steps: Steps,
) -> list[dict[str, Any]]:
    """NDCG@10 of new people's first lists with each prior, beside the head without one.

    The same people see the same items in all arms; intervals are of resampled people, paired.

    Args:
        world: gives items and people.
        judged: who, and over how many lists.
        pack: a pack's folder.
        priors: folders of priors.
        threads: that compute at once; ``None`` for the default.
        steps: told of it.

    Returns:
        For each prior the figures by name.
    """
    with ExitStack() as opened:
        arms = [
            (
                Arm(f"arm-{place}", Order.LEARNING),
                PackRanker(opened.enter_context(opened_reranker(pack, prior, world, threads))),
            )
            for place, prior in enumerate([None, *priors])
        ]
        by_person = []
        with steps("first lists of new people") as update:
            for done, number in enumerate(judged.people):
                person = make_person(world, judged.plan, number)
                courses = play_arms(world, judged.plan, person, arms)
                by_person.append([np.mean(one.ndcg) for one in courses])
                update(done + 1, len(judged.people))
    return figures_of(np.array(by_person))


def figures_of(ndcg: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Means and gains of each arm beside the first.

    Args:
        ndcg: of each person in each arm, float64 of shape (people, arms).
    """
    drawn = resampled_means(ndcg, np.random.default_rng(0))
    means = ndcg.mean(axis=0)
    return [
        {
            "ndcg_without": float(means[0]),
            "ndcg_with": float(means[place]),
            "gain": float(means[place] / means[0] - 1),
            "gain_interval": list(middle(drawn[:, place] / drawn[:, 0] - 1)),
            "people_judged_by": len(ndcg),
        }
        for place in range(1, ndcg.shape[1])
    ]
