"""Room beside the host's order: earned by choices that more of it would have put higher."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.examination import weights
from edge_rerank.learning.host_guard import HostGuard, HostTests, Trial
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.room_test import FLOOR, STAKE, RoomTest, lifts
from edge_rerank.learning.sequential_test import REJECT_AT, OrderTest
from tests.learning.test_host_guard import chosen, drafted
from tests.learning.test_learner import LAYOUT, a_list

GUARD = HostGuard(room=0.75)
ROOMS = (0.75, None)


def tilted(*tilt: float, surface: str = "") -> Shown:
    """A list of the items a to e."""
    return replace(a_list(), tilt=np.array(tilt), surface=surface)


WIDER = tilted(-1.0, 0.0, 0.5, 1.0, 0.2)
"""Choosing d speaks for more room, a against it."""


def after(tests: HostTests, items: str) -> HostTests:
    for item in items:
        tests = tests.after(WIDER, chosen(item))
    return tests


def test_wealth_by_hand() -> None:
    test = RoomTest().after(1.0)
    assert test.wealth == pytest.approx(math.log(1 + STAKE))
    assert test.after(-0.5).wealth == pytest.approx(math.log((1 + STAKE) * (1 - STAKE / 2)))
    assert RoomTest().after(7.0) == test  # cut
    assert RoomTest(earned=True).after(-1.0).wealth == test.wealth


def test_eight_clear_lists_earn_room_and_eight_lose_it() -> None:
    needed = math.ceil(math.log(REJECT_AT) / math.log(1 + STAKE))
    assert needed == 8
    test = RoomTest()
    for _ in range(needed):
        assert not test.earned
        test = test.after(1.0)
    assert test == RoomTest(earned=True)
    for _ in range(needed):
        assert test.earned
        test = test.after(-1.0)
    assert test == RoomTest()


def test_after_a_long_time_without_gain_it_is_earned_soon_all_the_same() -> None:
    for long in range(40):
        test = RoomTest()
        for _ in range(long):
            test = test.after(-1.0)
        for _ in range(23):
            test = test.after(1.0)
            if test.earned:
                break
        assert test.earned


@given(st.lists(st.floats(-2, 2), max_size=60))
def test_what_is_held_against_a_room_is_bounded(gains: list[float]) -> None:
    test = RoomTest()
    for gain in gains:
        test = test.after(gain)
        assert math.log(FLOOR) < test.wealth < math.log(REJECT_AT)
        assert float(np.float32(test.wealth)) == test.wealth


def test_where_more_room_gains_nothing_it_is_earned_by_few() -> None:
    """One try of twenty at most, and here a try is some dozens of lists."""
    rng, earned = np.random.default_rng(0), 0
    for _ in range(400):
        test, lists = RoomTest(), 0
        while not test.earned and lists < 40:
            test, lists = test.after(float(rng.choice([-1.0, 1.0]))), lists + 1
        earned += test.earned
    assert 0 < earned <= 400 / 20 * 1.5


def test_a_room_beyond_its_bounds_is_refused() -> None:
    for wealth in (3.1, -6.1, math.nan):
        with pytest.raises(InvalidRequest, match=r"wealth of a room: expected -5\.991 to 2\.996"):
            RoomTest(wealth=wealth)


def test_an_item_is_lifted_by_the_discounts_of_its_places() -> None:
    lift = lifts(np.array([0, 1, 2, 3]), np.array([3, 1, 0, 2]))
    by_hand = [1 / 2 - 1, 0.0, 1 / math.log2(5) - 1 / 2, 1 - 1 / math.log2(5)]
    assert lift == pytest.approx(by_hand)
    assert not lifts(np.arange(5), np.arange(5)).any()


def test_a_choice_weighs_as_much_as_its_place_is_seldom_looked_at() -> None:
    assert weights(3) == pytest.approx([1.0, 2**0.7, 3**0.7])
    assert weights(100).max() == 10.0
    assert weights(0).shape == (0,)


def test_reweighted_clicks_judge_an_order_that_was_not_shown() -> None:
    """Of readers who look at place k with chance k^-0.7 the mean gain is that of the orders."""
    rng, wanted = np.random.default_rng(2), np.array([0.1, 0.1, 0.3, 0.2, 0.6, 0.05])
    narrow, wide = np.arange(6), np.argsort(-wanted, kind="stable")
    tilt = lifts(narrow, wide) * weights(6)
    clicked = rng.random((60_000, 6)) < wanted * np.arange(1, 7) ** -0.7
    assert (clicked @ tilt).mean() == pytest.approx(wanted @ lifts(narrow, wide), abs=0.01)


def test_choices_that_more_room_would_have_put_higher_earn_it() -> None:
    assert HostTests().trial("", GUARD) == Trial(Side.OURS, 0.1, 0.75, ROOMS)
    tests = after(HostTests(), "dddddddd")
    assert tests.trial("", GUARD) == Trial(Side.OURS, 0.1, None, ROOMS)
    assert tests.trial("", HostGuard(room=0.75, most=3.0)).room == 3.0
    assert tests.trial("elsewhere", GUARD).room == 0.75
    assert after(tests, "aaaaaaaa").trial("", GUARD).room == 0.75


def test_with_a_bound_nothing_is_earned() -> None:
    tests = after(HostTests(), "dddddddd")
    for guard in (HostGuard(room=1.0, most=1.0), HostGuard(room=None)):
        assert tests.trial("", guard) == Trial(Side.OURS, 0.1, guard.room)


def test_a_list_that_was_left_or_bounced_off_tells_nothing_of_room() -> None:
    assert HostTests().after(WIDER, Deeds()) == HostTests()
    assert HostTests().after(WIDER, chosen("d", dwell_s=1.0)) == HostTests()
    assert HostTests().after(WIDER, chosen("b")) == HostTests()


def test_another_room_begins_another_try_of_the_orders() -> None:
    tests = HostTests().after(drafted(), chosen("c"))
    assert tests.of("") == OrderTest(host_wins=1)
    assert after(tests, "ddddddd").of("") == OrderTest(host_wins=1)
    assert after(tests, "dddddddd").of("") == OrderTest()


def test_where_the_hosts_order_returns_what_was_earned_is_lost() -> None:
    tests = after(HostTests(), "dddddddd")
    for _ in range(7):
        assert tests.room_of("").earned
        tests = tests.after(drafted(), chosen("c"))
    assert tests.of("").shown is Side.HOST
    assert tests.room_of("") == RoomTest()


@given(st.lists(st.sampled_from("abcde"), max_size=20), st.booleans())
def test_bytes_come_back(items: list[str], both: bool) -> None:
    tests = after(HostTests(), "".join(items))
    tests = tests.after(drafted(surface="s"), chosen("c")) if both else tests
    raw = tests.to_bytes(LAYOUT)
    assert HostTests.from_bytes(raw, LAYOUT) == tests
    if tests.tests:
        assert HostTests.from_bytes(raw[:-4] + b"\xff" * 4, LAYOUT) is None


def test_a_bound_below_the_room_is_refused() -> None:
    for wrong in ({"room": 2.0, "most": 1.0}, {"room": None, "most": 1.0}):
        with pytest.raises(InvalidRequest, match="most: expected at least room"):
            HostGuard(**wrong)
    with pytest.raises(InvalidRequest, match="most: expected"):
        HostGuard(room=0.0, most=-1.0)
