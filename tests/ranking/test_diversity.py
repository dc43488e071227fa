from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.ranking.policies.diversity import diversify

TWO_KINDS = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
SCORES = np.array([4.0, 3.9, 3.8, 3.0])


def test_strength_zero_is_the_order_of_the_scores() -> None:
    assert diversify(SCORES, TWO_KINDS, strength=0.0, top_k=4) == [0, 1, 2, 3]


def test_a_copy_makes_room_for_another_kind() -> None:
    assert diversify(SCORES, TWO_KINDS, strength=0.6, top_k=4)[:2] == [0, 3]


def test_equal_scores_keep_the_order_in_which_they_came() -> None:
    assert diversify(np.ones(4), TWO_KINDS, strength=0.5, top_k=4) == [0, 1, 2, 3]


def test_nothing_to_order() -> None:
    assert diversify(np.empty(0), np.empty((0, 2), np.float32), strength=0.5, top_k=1) == []


@given(st.integers(0, 12), st.floats(0, 1), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_item_appears_once(count: int, strength: float, top_k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 3)).astype(np.float32)
    order = diversify(rng.normal(size=count), vectors, strength=strength, top_k=top_k)
    assert sorted(order) == list(range(count))
