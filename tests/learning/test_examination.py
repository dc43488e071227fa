"""Examination of places: what is estimated is what simulated readers did."""

from __future__ import annotations

import numpy as np
import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.examination import MAX_SURFACES, PLACES, Examination, SwapClicks
from tests.learning.simulated_readers import SHOWN, read


def test_before_any_click_it_is_what_is_usual() -> None:
    known = SwapClicks.none()
    usual = np.arange(1, 61) ** -0.7
    assert known.probabilities(60) == pytest.approx(usual)
    assert known.weights(60) == pytest.approx(np.minimum(1 / usual, 10))
    assert known.weights(60).max() == 10.0


def test_clicks_are_counted_on_tried_pairs_alone() -> None:
    known = SwapClicks.none().after((0, 4), {0, 1, 5, 8})
    assert known.counts[:, 0].tolist() == [1, 1]
    assert known.counts[:, 4].tolist() == [0, 1]
    assert known.counts.sum() == 3
    assert SwapClicks.none().after((PLACES + 3,), {PLACES + 3}).counts.sum() == 0


@pytest.mark.parametrize("decline", [0.4, 0.7, 1.0])
def test_after_2000_lists_the_truth_is_near(decline: float) -> None:
    """A pair tried wherever one may begin with chance ½; more in export/EXPERIMENTS.md."""
    theta = np.arange(1, SHOWN + 1) ** -decline
    found = read(theta, 2_000, epsilon=0.5, seed=1).probabilities(SHOWN)
    assert np.abs(found - theta).max() <= 0.10
    usual = np.arange(1, SHOWN + 1) ** -0.7
    assert decline == 0.7 or np.abs(found - theta).max() < np.abs(usual - theta).max() / 2


def test_with_many_clicks_the_prior_is_forgotten() -> None:
    """A fold of the screen after four places, of which the prior knows nothing."""
    theta = np.where(np.arange(SHOWN) < 4, 1.0, 0.3)
    counts = np.zeros((2, PLACES - 1), dtype=np.int64)
    counts[:, : SHOWN - 1] = np.round(100_000 * np.stack([theta[:-1], theta[1:]]))
    assert SwapClicks(counts).probabilities(SHOWN) == pytest.approx(theta, abs=0.01)


def test_what_is_examined_most_has_one() -> None:
    """A banner below the first place draws more eyes than it."""
    theta = np.array([0.25, 1.0, 0.6, 0.45, 0.4])
    counts = np.zeros((2, PLACES - 1), dtype=np.int64)
    counts[:, :4] = np.round(20_000 * np.stack([theta[:-1], theta[1:]]))
    found = SwapClicks(counts).probabilities(5)
    assert found.max() == found[1] == 1.0
    assert found == pytest.approx(theta, abs=0.03)


def test_surfaces_are_apart() -> None:
    known = Examination()
    for _ in range(200):
        known.learn("home", (0,), {0})
    home, search = known.of("home").probabilities(2), known.of("search").probabilities(2)
    assert home[1] < search[1] == pytest.approx(2**-0.7)


def test_kept_and_loaded_it_is_the_same_whatever_the_order() -> None:
    one, other = Examination(), Examination()
    lists = [("home", (0, 3), {0}), ("search", (1,), {2}), ("home", (3,), {4})]
    for surface, tried, clicked in lists:
        one.learn(surface, tried, clicked)
    for surface, tried, clicked in reversed(lists):
        other.learn(surface, tried, clicked)
    loaded = Examination.load(one.state())
    for kept in (other.state(), loaded.state()):
        assert list(kept) == ["home", "search"]
        assert all(np.array_equal(kept[name], one.state()[name]) for name in kept)
    loaded.learn("home", (0,), {0})
    assert loaded.state()["home"].sum() == one.state()["home"].sum() + 1


def test_surfaces_are_bounded_and_the_state_is_small() -> None:
    known = Examination()
    for number in range(MAX_SURFACES):
        known.learn(f"surface {number}", (0,), {0})
    with pytest.raises(InvalidRequest, match="at most 16 different ones"):
        known.learn("one more", (0,), {0})
    assert sum(counts.nbytes for counts in known.state().values()) <= 10 * 1024


def test_what_is_no_state_is_refused() -> None:
    good = SwapClicks.none().counts
    for bad in (good[:, 1:], good.astype(np.float64), good - 1):
        with pytest.raises(InvalidRequest, match="state of examination: expected counts"):
            Examination.load({"home": bad})  # type: ignore[dict-item]
    with pytest.raises(InvalidRequest, match="at most 16 surfaces"):
        Examination.load({str(number): good for number in range(17)})
    with pytest.raises(InvalidRequest, match="surface"):
        Examination().learn("", (), ())
