"""Team-draft interleaving, and the test of the host's order that its wins feed."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.interleaving import Interleaved, Side, team_draft
from edge_rerank.learning.sequential_test import PAUSE, REJECT_AT, OrderTest, wealth
from tests.learning.simulated_readers import wins_needed


def test_the_example_of_the_paper_by_hand() -> None:
    """Orders (a, b, c, d) and (b, e, a, f), completed: four drafts, as the coins of two rounds."""
    seen = set()
    for seed in range(40):
        drafted = team_draft([0, 1, 2, 3, 4, 5], [1, 4, 0, 5, 2, 3], np.random.default_rng(seed))
        seen.add((drafted.rows[:4], drafted.teams[:4]))
    host, ours = Side.HOST, Side.OURS
    assert seen == {
        ((0, 1, 2, 4), (host, ours, host, ours)),
        ((0, 1, 4, 2), (host, ours, ours, host)),
        ((1, 0, 2, 4), (ours, host, host, ours)),
        ((1, 0, 4, 2), (ours, host, ours, host)),
    }


@given(st.permutations(range(9)), st.permutations(range(9)), st.integers(0, 2**32))
def test_every_candidate_once_and_teams_alternate_by_rounds(
    host: list[int], ours: list[int], seed: int
) -> None:
    drafted = team_draft(host, ours, np.random.default_rng(seed))
    assert sorted(drafted.rows) == list(range(9))
    assert drafted == team_draft(host, ours, np.random.default_rng(seed))
    alike = drafted.teams.count(None)
    assert drafted.rows[:alike] == tuple(host[:alike]) == tuple(ours[:alike])
    chosen = drafted.teams[alike:]
    for first, second in zip(chosen[::2], chosen[1::2], strict=False):
        assert {first, second} == {Side.HOST, Side.OURS}
    # Each takes the best that is left.
    for place in range(alike, 9):
        order = host if drafted.teams[place] is Side.HOST else ours
        assert drafted.rows[place] == next(row for row in order if row not in drafted.rows[:place])


def test_equal_orders_win_nothing() -> None:
    drafted = team_draft([3, 1, 2], [3, 1, 2], np.random.default_rng(0))
    assert drafted == Interleaved((3, 1, 2), (None, None, None))
    assert drafted.winner({0, 1, 2}) is None


def test_the_winner_has_more_clicks() -> None:
    host, ours = Side.HOST, Side.OURS
    drafted = Interleaved((0, 1, 2, 3, 4), (None, ours, host, host, ours))
    assert drafted.winner([1, 4, 2]) is ours
    assert drafted.winner([0, 2]) is host
    assert drafted.winner([2, 2, 1]) is None
    assert drafted.winner([]) is None
    with pytest.raises(InvalidRequest, match="clicked: expected places from 0 to 4"):
        drafted.winner([5])


def test_orders_of_other_candidates_are_refused() -> None:
    rng = np.random.default_rng(0)
    for host, ours in (([0, 1], [0, 2]), ([0, 1], [0]), ([0, 0], [0, 0])):
        with pytest.raises(InvalidRequest, match="the same candidates, each once"):
            team_draft(host, ours, rng)


def test_who_clicks_at_random_favours_nobody() -> None:
    rng, wins = np.random.default_rng(4), Counter[Side | None]()
    host, ours = list(range(10)), list(reversed(range(10)))
    for _ in range(4_000):
        drafted = team_draft(host, ours, rng)
        wins[drafted.winner(np.flatnonzero(rng.random(10) < 0.5 / np.arange(1, 11)).tolist())] += 1
    told = wins[Side.HOST] + wins[Side.OURS]
    assert wins[Side.HOST] / told == pytest.approx(0.5, abs=0.03)


def bets(results: list[bool]) -> float:
    """Wealth by bets made one by one, λ from what came before."""
    grid = np.linspace(0.5, 1, 20_001)
    middle = (grid[1:] + grid[:-1]) / 2
    belief = np.ones_like(middle) / len(middle)
    capital = 1.0
    for won in results:
        bet = 2 * (2 * float(belief @ middle) - 1)
        capital *= 1 + bet * (won - 0.5)
        belief *= middle if won else 1 - middle
        belief /= belief.sum()
    return capital


@pytest.mark.parametrize("results", [[True], [False], [True] * 9, [True, False, True, True] * 6])
def test_wealth_is_that_of_bets_one_by_one(results: list[bool]) -> None:
    assert wealth(sum(results), len(results) - sum(results)) == pytest.approx(
        bets(results), rel=1e-6
    )


def test_wealth_by_hand() -> None:
    assert wealth(0, 0) == pytest.approx(1.0)
    # 2 ∫ 2p dp from ½ to 1 = 2 (1 − ¼).
    assert wealth(1, 0) == pytest.approx(1.5)
    assert wealth(0, 1) == pytest.approx(0.5)
    assert wealth(5_000, 0) > 1e200
    assert 0 <= wealth(0, 5_000) < 1e-3


def test_looked_at_after_every_list_equal_orders_are_told_apart_at_most_once_in_twenty() -> None:
    """2,000 sequences of 1,000 wins each; 1 in 20 would be 100 of them, 122 with luck of 1 %."""
    needed = wins_needed(1_000)
    won = np.cumsum(np.random.default_rng(0).random((2_000, 1_000)) < 0.5, axis=1)
    assert 0 < (won >= needed).any(axis=1).sum() <= 122


def test_a_better_order_of_the_host_returns_soon() -> None:
    """Who wins 70 % of the lists is found in some dozens of them."""
    lengths = []
    for seed in range(50):
        rng, test, count = np.random.default_rng(seed), OrderTest(), 0
        while test.shown is Side.OURS and count < 2_000:
            test = test.credited(Side.HOST if rng.random() < 0.7 else Side.OURS)
            count += 1
        lengths.append(count)
    assert np.median(lengths) < 100
    assert max(lengths) < 500


def test_at_twenty_the_host_returns_and_after_a_pause_ours_is_tried_again() -> None:
    test = OrderTest()
    while test.shown is Side.OURS:
        assert test.host_evidence < REJECT_AT
        test = test.credited(Side.HOST)
    assert (test.host_wins, test.paused, test.returns) == (
        7,
        PAUSE,
        1,
    )  # 2 × 2⁷ × (1 − 2⁻⁸) / 8 = 31.9
    assert test.credited(Side.OURS) == test
    for _ in range(PAUSE - 1):
        test = test.listed()
    assert test.shown is Side.HOST
    again = test.listed()
    assert again == OrderTest(returns=1)
    assert again.shown is Side.OURS
    assert again.listed() == again


def test_ties_and_our_wins_bring_nobody_back() -> None:
    test = OrderTest().credited(None)
    assert test == OrderTest()
    for _ in range(60):
        test = test.credited(Side.OURS)
    assert test.shown is Side.OURS
    assert test.our_evidence > REJECT_AT
    assert math.isclose(test.host_evidence, wealth(0, 60))


def test_the_state_is_small_and_comes_back() -> None:
    test = OrderTest(5, 3, 0, 2)
    state = test.state()
    assert state["order_test"].nbytes == 32
    assert OrderTest.load(state) == test
    for bad in ({}, {"order_test": np.zeros(3, np.int64)}, {"order_test": np.zeros(4)}):
        with pytest.raises(InvalidRequest, match="expected int64 of shape"):
            OrderTest.load(bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="expected counts of at least 0"):
        OrderTest.load({"order_test": np.array([-1, 0, 0, 0])})
