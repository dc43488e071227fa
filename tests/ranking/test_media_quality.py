"""How well pictures rank, with a real pack: where EDGE_RERANK_IMAGE_PACK names one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.types import Event, Item
from tests.families import Family

PACK = os.environ.get("EDGE_RERANK_IMAGE_PACK", "")
FAMILIES, EACH, PEOPLE = 50, 12, 100

pytestmark = pytest.mark.skipif(not PACK, reason="no pack of pictures is named")


@pytest.fixture(scope="module")
def engine() -> Iterator[RankingEngine]:
    with RankingEngine.open(PACK) as engine:
        yield engine


@pytest.fixture(scope="module")
def items() -> list[Item]:
    made = [(family, at) for family in range(FAMILIES) for at in range(EACH)]
    return [
        Item(f"{family}-{at}", image=Family.of(family).picture(1_000 * family + at))
        for family, at in made
    ]


def test_the_nearest_five_are_of_the_family(engine: RankingEngine, items: list[Item]) -> None:
    looks = engine._media.looks
    assert looks is not None
    vectors = looks.vectors(engine.prepare(items))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    family = np.arange(len(items)) // EACH
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    assert (family[nearest] == family[:, None]).mean() >= 0.9


def _gain(place: float) -> float:
    return float(1 / np.log2(place + 1)) if place <= 10 else 0.0


def test_pictures_alone_rank_a_fifth_above_popularity(
    engine: RankingEngine, items: list[Item]
) -> None:
    """People who choose of three families sixty times as often as of others."""
    rng = np.random.default_rng(1)
    count = len(items)
    family, known = np.arange(count) // EACH, np.exp(rng.normal(0, 1, count))

    def choices(number: int) -> np.ndarray:
        mine = rng.choice(FAMILIES, 3, replace=False)
        chance = np.where(np.isin(family, mine), 60.0, 1.0) * known
        return rng.choice(count, number, replace=False, p=chance / chance.sum())

    counts = np.zeros(count)
    for _ in range(600):
        counts[choices(8)] += 1
    told = zip(items, counts.tolist(), strict=True)
    catalogue = engine.prepare([replace(item, popularity=times) for item, times in told])
    ours, popular = [], []
    for _ in range(PEOPLE):
        *before, target = choices(9).tolist()
        others = np.setdiff1d(np.flatnonzero(counts), [*before, target])
        rows = rng.permutation([target, *rng.choice(others, 19, replace=False)])
        history = [
            Event("click", Item(items[row].id), timestamp=1.7e9 + 3_600 * at)
            for at, row in enumerate(before)
        ]
        part = catalogue.select([items[row].id for row in rows])
        ranking = engine.rank(part, history=history, now=1.7e9 + 36_000)
        ours.append(_gain(next(one.rank for one in ranking if one.item.id == items[target].id)))
        above, equal = (counts[rows] > counts[target]).sum(), (counts[rows] == counts[target]).sum()
        popular.append(_gain(above + (equal + 1) / 2))
    print(f"NDCG@10: pictures {np.mean(ours):.3f}, popularity {np.mean(popular):.3f}")
    assert np.mean(ours) >= 1.2 * np.mean(popular)
