from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.evaluation.metrics import (
    auc,
    catalogue_coverage,
    hit_rate,
    intra_list_diversity,
    ndcg,
    reciprocal_rank,
)

clicks = st.lists(st.booleans(), min_size=1, max_size=40)


def test_ndcg_by_hand() -> None:
    assert ndcg([True, False, False], 10) == 1.0
    assert ndcg([False, True, False], 10) == pytest.approx(1 / math.log2(3))
    assert ndcg([False, True, False], 1) == 0.0
    # Two clicks in places 2 and 3 against the ideal 1 and 2.
    gained = 1 / math.log2(3) + 1 / 2
    assert ndcg([False, True, True], 3) == pytest.approx(gained / (1 + 1 / math.log2(3)))
    # More clicks than places: the ideal fills the places.
    assert ndcg([True, True, True], 2) == 1.0


def test_the_others_by_hand() -> None:
    order = [False, False, True, False, True]
    assert reciprocal_rank(order) == pytest.approx(1 / 3)
    assert [hit_rate(order, k) for k in (1, 2, 3, 10)] == [0.0, 0.0, 1.0, 1.0]
    # Pairs (chosen, not chosen) in the right order: 1 of 3 for place 3, 0 of 3 for place 5.
    assert auc(order) == pytest.approx(1 / 6)
    assert auc([True, False]) == 1.0
    assert auc([False, True]) == 0.0


@pytest.mark.parametrize("order", [[], [False, False]])
def test_without_a_click(order: list[bool]) -> None:
    assert ndcg(order, 10) == 0.0
    assert reciprocal_rank(order) == 0.0
    assert hit_rate(order, 10) == 0.0
    assert auc(order) == 0.5


def test_nothing_but_clicks() -> None:
    assert auc([True, True]) == 0.5
    assert ndcg([True, True], 10) == 1.0


@given(clicks, st.integers(1, 50))
def test_against_ir_measures(order: list[bool], k: int) -> None:
    qrels = [ir_measures.Qrel("q", f"d{n}", int(clicked)) for n, clicked in enumerate(order)]
    run = [ir_measures.ScoredDoc("q", f"d{n}", float(-n)) for n in range(len(order))]
    if not any(order):
        return
    measures = [ir_measures.nDCG @ k, ir_measures.RR, ir_measures.Success @ k]
    wanted = ir_measures.calc_aggregate(measures, qrels, run)
    assert ndcg(order, k) == pytest.approx(wanted[ir_measures.nDCG @ k], abs=1e-4)
    assert reciprocal_rank(order) == pytest.approx(wanted[ir_measures.RR], abs=1e-4)
    assert hit_rate(order, k) == wanted[ir_measures.Success @ k]


@given(clicks)
def test_auc_counts_pairs(order: list[bool]) -> None:
    pairs = [
        place < other
        for place, clicked in enumerate(order)
        for other, other_clicked in enumerate(order)
        if clicked and not other_clicked
    ]
    assert auc(order) == pytest.approx(sum(pairs) / len(pairs) if pairs else 0.5)


def test_coverage() -> None:
    assert catalogue_coverage([["a", "b"], ["b"]], ["a", "b", "c", "d"]) == 0.5
    assert catalogue_coverage([["a", "elsewhere"]], ["a", "b"]) == 0.5
    assert catalogue_coverage([], ["a"]) == 0.0
    assert catalogue_coverage([], []) == 0.0


def test_diversity() -> None:
    alike = np.array([[1, 0], [1, 0]], np.float32)
    crossed = np.array([[1, 0], [0, 1]], np.float32)
    opposed = np.array([[1, 0], [-1, 0]], np.float32)
    assert intra_list_diversity(alike) == pytest.approx(0.0)
    assert intra_list_diversity(crossed) == pytest.approx(1.0)
    assert intra_list_diversity(opposed) == pytest.approx(1.0)
    # Three items: one pair alike, two unrelated.
    assert intra_list_diversity(np.vstack([alike, crossed[1:]])) == pytest.approx(2 / 3)
    assert intra_list_diversity(alike[:1]) == 0.0
    assert intra_list_diversity(np.empty((0, 2), np.float32)) == 0.0
