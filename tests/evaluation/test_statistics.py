from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank._resampling import bootstrap
from edge_rerank.evaluation.calibration import calibration
from edge_rerank.evaluation.metrics import graded_ndcg, ndcg
from edge_rerank.evaluation.statistics import compare, holm


def test_the_interval_is_that_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(2.0, 1.0, 300)
    ours = bootstrap(values[:, None], np.random.default_rng(0), resamples=8_000)[0]
    theirs = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=8_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_the_chance_is_that_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    pack, other = rng.normal(0.1, 1, 60), rng.normal(0, 1, 60)
    ours = compare(pack, other[:, None], np.random.default_rng(0))[0]
    theirs = scipy_stats.permutation_test(
        (pack - other,),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.02)
    assert ours.difference == pytest.approx((pack - other).mean())


def test_an_exact_chance_by_hand() -> None:
    # All four differences positive: of 16 signs, two are as far from zero. p = 1/8.
    one = compare(np.ones(4), np.zeros((4, 1)), np.random.default_rng(0))[0]
    assert one.p == pytest.approx(1 / 8, abs=0.01)
    assert not one.significant


def test_no_difference_is_no_difference() -> None:
    one = compare(np.ones(5), np.ones((5, 1)), np.random.default_rng(0))[0]
    assert (one.difference, one.p, one.interval) == (0.0, 1.0, (0.0, 0.0))


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])) == [1.0, 1.0]
    assert holm(np.array([])) == []


def test_missing_numbers_are_left_out() -> None:
    values = np.array([[1.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])
    full, empty = bootstrap(values, np.random.default_rng(0))
    assert full == (1.0, 1.0)
    assert np.isnan(empty.low)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_an_interval_lies_within_the_values(values: list[float]) -> None:
    column = np.array(values)[:, None]
    low, high = bootstrap(column, np.random.default_rng(0), resamples=100)[0]
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_calibration_by_hand() -> None:
    found = calibration(np.array([0.8, 0.2, 0.2, 0.8]), np.array([True, False, True, True]), bins=2)
    assert [(one.count, one.predicted, one.observed) for one in found.bins] == [
        (2, pytest.approx(0.2), 0.5),
        (2, pytest.approx(0.8), 1.0),
    ]
    assert found.expected_error == pytest.approx((0.3 + 0.2) / 2)
    assert found.log_loss == pytest.approx(-(3 * np.log(0.8) + np.log(0.2)) / 4)
    assert found.base_log_loss == pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 25))
def test_graded_gains_of_0_and_1_are_ndcg(clicked: list[bool], k: int) -> None:
    assert graded_ndcg(np.array(clicked, float), k) == pytest.approx(ndcg(clicked, k))


def test_graded_ndcg_is_that_of_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    gains = [1, 0, 3, 2, 0]
    qrels = [ir_measures.Qrel("q", str(n), gain) for n, gain in enumerate(gains)]
    run = [ir_measures.ScoredDoc("q", str(n), -float(n)) for n in range(len(gains))]
    expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 3], qrels, run)
    assert graded_ndcg(gains, 3) == pytest.approx(next(iter(expected.values())))
