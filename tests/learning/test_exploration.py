"""Swaps of neighbours: the chances that are given are those of the lists that come."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.exploration import NeighbourSwaps


def chance_of(swaps: NeighbourSwaps, order: Sequence[int] | NDArray[np.int64]) -> float:
    """Of a whole list."""
    return float(swaps.steps(order).prod())


def test_two_and_three_places_by_hand() -> None:
    two = NeighbourSwaps.of(2, epsilon=0.2)
    assert chance_of(two, [1, 0]) == pytest.approx(0.1)
    assert chance_of(two, [0, 1]) == pytest.approx(0.9)
    three = NeighbourSwaps.of(3, epsilon=0.2)
    # The second pair may begin where the first is not tried: 0.8 × 0.1.
    assert chance_of(three, [0, 2, 1]) == pytest.approx(0.08)
    assert chance_of(three, [1, 0, 2]) == pytest.approx(0.1)
    assert chance_of(three, [0, 1, 2]) == pytest.approx(0.82)
    assert chance_of(three, [2, 1, 0]) == chance_of(three, [1, 2, 0]) == 0.0
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
    chances = np.array([chance_of(swaps, one) for one in lists])
    assert chances.sum() == pytest.approx(1.0)
    for order, chance in zip(lists, chances, strict=True):
        if not chance:
            continue
        same = lists == order
        assert swaps.placements(order) == pytest.approx(chances @ same)
        above = [chances[same[:, :place].all(axis=1)].sum() for place in range(places + 1)]
        assert swaps.steps(order) == pytest.approx(np.divide(above[1:], above[:-1]))


def test_lists_come_as_often_as_is_said() -> None:
    swaps, rng = NeighbourSwaps.of(4, epsilon=0.4), np.random.default_rng(0)
    drawn = [swaps.draw(rng) for _ in range(4_000)]
    counts = Counter(tuple(one.tolist()) for one in drawn)
    for order, count in counts.items():
        assert count / 4_000 == pytest.approx(chance_of(swaps, order), abs=0.03)


def test_only_neighbours_swap() -> None:
    swaps, rng = NeighbourSwaps.of(6, epsilon=0.5), np.random.default_rng(1)
    for _ in range(200):
        drawn = swaps.draw(rng)
        for upper in np.flatnonzero(drawn > np.arange(6)).tolist():
            assert drawn[upper : upper + 2].tolist() == [upper + 1, upper]


def test_equal_generators_draw_equal_lists() -> None:
    swaps = NeighbourSwaps.of(30, epsilon=0.5)
    first, again, other = (swaps.draw(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_pinned_item_never_moves() -> None:
    movable = np.array([True, True, False, True, True])
    swaps = NeighbourSwaps.of(5, epsilon=0.5, movable=movable)
    rng = np.random.default_rng(2)
    orders = np.array([swaps.draw(rng) for _ in range(500)])
    assert (orders[:, 2] == 2).all()
    assert (orders[:, 0] == 1).any() and (orders[:, 3] == 4).any()
    assert chance_of(swaps, [0, 2, 1, 3, 4]) == 0.0


def test_no_exploration_is_the_list_as_it_is() -> None:
    swaps = NeighbourSwaps.of(8, epsilon=0)
    drawn = swaps.draw(np.random.default_rng(0))
    assert drawn.tolist() == list(range(8))
    assert chance_of(swaps, drawn) == 1.0
    one = NeighbourSwaps.of(1, epsilon=0.1)
    assert chance_of(one, one.draw(np.random.default_rng(0))) == 1.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(
        InvalidRequest, match=r"epsilon: expected a number from 0 to 0\.5, got 0\.6"
    ):
        NeighbourSwaps.of(3, epsilon=0.6)
    with pytest.raises(InvalidRequest, match="places"):
        NeighbourSwaps.of(0, epsilon=0.1)
    with pytest.raises(InvalidRequest, match="movable: expected 3 bools"):
        NeighbourSwaps.of(3, epsilon=0.1, movable=np.array([True]))
    with pytest.raises(InvalidRequest, match="order: expected each of 3 places once"):
        NeighbourSwaps.of(3, epsilon=0.1).steps([0, 0, 1])
