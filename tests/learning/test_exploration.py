"""Swaps of neighbours: the chances that are given are those of the lists that come."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.exploration import NeighbourSwaps


def test_two_and_three_places_by_hand() -> None:
    two = NeighbourSwaps.of(2, epsilon=0.2)
    assert two.chance([1, 0]) == pytest.approx(0.1)
    assert two.chance([0, 1]) == pytest.approx(0.9)
    three = NeighbourSwaps.of(3, epsilon=0.2)
    # The second pair may begin where the first is not tried: 0.8 × 0.1.
    assert three.chance([0, 2, 1]) == pytest.approx(0.08)
    assert three.chance([1, 0, 2]) == pytest.approx(0.1)
    assert three.chance([0, 1, 2]) == pytest.approx(0.82)
    assert three.chance([2, 1, 0]) == three.chance([1, 2, 0]) == 0.0
    assert three.placements([0, 2, 1]) == pytest.approx([0.9, 0.08, 0.08])
    # Given the first stands where it did, 0.9 of the lists, 0.08 go on with the third.
    assert three.steps([0, 2, 1]) == pytest.approx([0.9, 0.08 / 0.9, 1.0])
    assert three.steps([1, 0, 2]) == pytest.approx([0.1, 1.0, 1.0])


@given(st.integers(1, 5), st.floats(0, 0.5), st.lists(st.booleans(), min_size=5, max_size=5))
def test_chances_are_those_of_all_lists_together(
    places: int, epsilon: float, movable: list[bool]
) -> None:
    swaps = NeighbourSwaps.of(places, epsilon=epsilon, movable=np.array(movable[:places]))
    lists = np.array(list(itertools.permutations(range(places))))
    chances = np.array([swaps.chance(one) for one in lists])
    assert chances.sum() == pytest.approx(1.0)
    for order, chance in zip(lists, chances, strict=True):
        if not chance:
            continue
        same = lists == order
        assert swaps.placements(order) == pytest.approx(chances @ same)
        above = [chances[same[:, :place].all(axis=1)].sum() for place in range(places + 1)]
        assert swaps.steps(order) == pytest.approx(np.divide(above[1:], above[:-1]))
        assert swaps.steps(order).prod() == pytest.approx(chance)


def test_lists_come_as_often_as_is_said() -> None:
    swaps, rng = NeighbourSwaps.of(4, epsilon=0.4), np.random.default_rng(0)
    drawn = [swaps.draw(rng) for _ in range(4_000)]
    counts = Counter(tuple(one.order.tolist()) for one in drawn)
    for order, count in counts.items():
        assert count / 4_000 == pytest.approx(swaps.chance(order), abs=0.03)
    one = drawn[0]
    assert one.chance == swaps.chance(one.order)
    assert np.array_equal(one.steps, swaps.steps(one.order))
    assert np.array_equal(one.placements, swaps.placements(one.order))


def test_a_tried_pair_stands_in_either_order_with_chance_one_half() -> None:
    swaps, rng = NeighbourSwaps.of(6, epsilon=0.5), np.random.default_rng(1)
    swapped = []
    for _ in range(2_000):
        drawn = swaps.draw(rng)
        for upper in drawn.tried:
            assert set(drawn.order[upper : upper + 2].tolist()) == {upper, upper + 1}
            swapped.append(drawn.order[upper] == upper + 1)
        moved = np.flatnonzero(drawn.order > np.arange(6))
        assert set(moved.tolist()) <= set(drawn.tried)
    assert np.mean(swapped) == pytest.approx(0.5, abs=0.04)


def test_equal_generators_draw_equal_lists() -> None:
    swaps = NeighbourSwaps.of(30, epsilon=0.5)
    first, again, other = (swaps.draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first.order, again.order)
    assert first.tried == again.tried
    assert not np.array_equal(first.order, other.order)


def test_a_pinned_item_never_moves() -> None:
    movable = np.array([True, True, False, True, True])
    swaps = NeighbourSwaps.of(5, epsilon=0.5, movable=movable)
    rng = np.random.default_rng(2)
    orders = np.array([swaps.draw(rng).order for _ in range(500)])
    assert (orders[:, 2] == 2).all()
    assert (orders[:, 0] == 1).any() and (orders[:, 3] == 4).any()
    assert swaps.chance([0, 2, 1, 3, 4]) == 0.0


def test_no_exploration_is_the_list_as_it_is() -> None:
    drawn = NeighbourSwaps.of(8, epsilon=0).draw(np.random.default_rng(0))
    assert drawn.order.tolist() == list(range(8))
    assert (drawn.chance, drawn.tried) == (1.0, ())
    assert NeighbourSwaps.of(1).draw(np.random.default_rng(0)).chance == 1.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(
        InvalidRequest, match=r"epsilon: expected a number from 0 to 0\.5, got 0\.6"
    ):
        NeighbourSwaps.of(3, epsilon=0.6)
    with pytest.raises(InvalidRequest, match="places"):
        NeighbourSwaps.of(0)
    with pytest.raises(InvalidRequest, match="movable: expected 3 bools"):
        NeighbourSwaps.of(3, movable=np.array([True]))
    with pytest.raises(InvalidRequest, match="order: expected each of 3 places once"):
        NeighbourSwaps.of(3).chance([0, 0, 1])
