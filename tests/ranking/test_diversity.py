from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Item
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.policies.diversity import PLACES, diversify
from edge_rerank.types import Degradation

TWO_KINDS = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
SCORES = np.array([4.0, 3.9, 3.8, 3.0])


def order(
    scores: np.ndarray, vectors: np.ndarray, *, strength: float, places: int = 100
) -> list[int]:
    rows, in_time = diversify(scores, vectors, strength=strength, places=places)
    assert in_time
    return rows.tolist()


def test_strength_zero_is_the_order_of_the_scores() -> None:
    assert order(SCORES, TWO_KINDS, strength=0.0) == [0, 1, 2, 3]


def test_a_copy_makes_room_for_another_kind() -> None:
    assert order(SCORES, TWO_KINDS, strength=0.6)[:2] == [0, 3]


def test_equal_scores_keep_the_order_in_which_they_came() -> None:
    assert order(np.ones(4), TWO_KINDS, strength=0.5) == [0, 1, 2, 3]


def test_nothing_to_order() -> None:
    assert order(np.empty(0), np.empty((0, 2), np.float32), strength=0.5, places=1) == []


def slowly(scores: np.ndarray, vectors: np.ndarray, *, strength: float, places: int) -> list[int]:
    """The definition, item by item."""
    if len(scores) < 3 or np.ptp(scores) <= 0:
        return list(range(len(scores)))
    spread = float(np.ptp(scores))
    relevance = (1 - strength) * (scores - scores.min()) / spread
    chosen, left = [0], list(range(1, len(scores)))
    while left and len(chosen) < places:
        likeness = (vectors @ vectors[chosen].T).max(axis=1)
        best = max(left, key=lambda row: relevance[row] - strength * likeness[row])
        left.remove(best)
        chosen.append(best)
    return chosen + left


@given(st.integers(0, 12), st.floats(0.01, 1), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_item_appears_once_and_where_the_definition_says(
    count: int, strength: float, places: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 3)).astype(np.float32)
    scores = np.sort(rng.normal(size=count))[::-1]
    got = order(scores, vectors, strength=strength, places=places)
    assert sorted(got) == list(range(count))
    assert got == slowly(scores, vectors, strength=strength, places=places)


def test_only_the_best_are_brought_forward_and_the_rest_follows_by_score() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(rng.normal(size=500))[::-1]
    vectors = rng.normal(size=(200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    got = order(scores, vectors, strength=0.5, places=500)
    assert sorted(got) == list(range(500))
    assert max(got[:PLACES]) < 200
    assert got[:PLACES] != sorted(got[:PLACES])
    assert got[PLACES:] == sorted(got[PLACES:])


def test_a_call_of_10000_items_is_not_quadratic_and_keeps_its_budget(
    engine: RankingEngine,
) -> None:
    words = ["bread", "moon", "goal", "song", "river"]
    items = [
        Item(str(n), words[n % 5], popularity=n % 97, vector=np.eye(5, dtype=np.float32)[n % 5])
        for n in range(10_000)
    ]
    whole = engine.rank(items, diversity=0.5)
    assert len({ranked.item.text for ranked in whole[:5]}) > 1
    assert sorted(int(ranked.item.id) for ranked in whole) == list(range(10_000))
    assert not whole.degraded
    late = engine.rank(items, diversity=0.5, budget_ms=0.0)
    assert late.degraded == (Degradation.TIME_BUDGET,)
    assert len(late) == 10_000
