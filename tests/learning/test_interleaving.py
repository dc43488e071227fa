"""Team-draft interleaving, and the test of the host's order that its wins feed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.interleaving import Interleaved, Side, team_draft, winner
from edge_rerank.learning.sequential_test import (
    CLOSELY,
    LEANING,
    LONGEST,
    LOOKS,
    REJECT_AT,
    RESTING,
    OrderTest,
    wealth,
)
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
def test_every_candidate_once_and_each_side_takes_its_best_left(
    host: list[int], ours: list[int], seed: int
) -> None:
    drafted = team_draft(host, ours, np.random.default_rng(seed))
    assert sorted(drafted.rows) == list(range(9))
    assert drafted == team_draft(host, ours, np.random.default_rng(seed))
    left = list(zip(drafted.rows, drafted.teams, strict=True))
    taken: set[int] = set()
    while left:
        best = {
            side: next(row for row in order if row not in taken)
            for side, order in ((Side.HOST, host), (Side.OURS, ours))
        }
        if best[Side.HOST] == best[Side.OURS]:
            pair = [left.pop(0)]
            assert pair == [(best[Side.HOST], None)]
        else:
            pair = [left.pop(0), left.pop(0)]
            assert {(best[side], side) for side in Side} == set(pair)
        taken |= {row for row, _ in pair}


def test_equal_orders_win_nothing() -> None:
    drafted = team_draft([3, 1, 2], [3, 1, 2], np.random.default_rng(0))
    assert drafted == Interleaved((3, 1, 2), (None, None, None))
    assert winner(drafted.teams, [1.0, 1.0, 1.0]) is None


def test_a_draft_of_some_places_is_the_beginning_of_a_whole_one() -> None:
    host, ours = list(range(9)), list(reversed(range(9)))
    whole = team_draft(host, ours, np.random.default_rng(5))
    for places in (0, 1, 4, 9, 20):
        some = team_draft(host, ours, np.random.default_rng(5), places=places)
        assert (some.rows, some.teams) == (whole.rows[:places], whole.teams[:places])
    assert team_draft(host, host, np.random.default_rng(5), places=2).rows == (0, 1)


def test_the_winner_brought_more_of_a_success() -> None:
    host, ours = Side.HOST, Side.OURS
    teams = (None, ours, host, host, ours)
    assert winner(teams, [0, 1, 1, 0, 1]) is ours
    assert winner(teams, [1, 0, 1, 0, 0]) is host
    assert winner(teams, [0, 0.4, 1, 0, 0]) is host
    assert winner(teams, [0, 1, 1, 0, 0]) is None
    assert winner(teams, [0, 0.3, 0.1, 0.2, 0]) is None  # but for rounding
    assert winner(teams, [0, 0, 0, 0, 0]) is None
    with pytest.raises(InvalidRequest, match="worth: expected 5 numbers, got 1"):
        winner(teams, [1.0])


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
        clicked = rng.random(10) < 0.5 / np.arange(1, 11)
        wins[winner(drafted.teams, clicked.astype(float).tolist())] += 1
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


def test_at_twenty_the_host_returns_and_a_try_of_ours_begins() -> None:
    test = OrderTest()
    while test.shown is Side.OURS:
        assert test.evidence(Side.HOST) < REJECT_AT
        before, test = test, test.credited(Side.HOST)
    assert before.host_wins == 6  # 2 × 2⁷ × (1 − 2⁻⁸) / 8 = 31.9 with one more
    assert test == OrderTest(Side.HOST, returns=1)


def test_ours_comes_back_where_it_is_better_again() -> None:
    test = OrderTest(Side.HOST, returns=1)
    for _ in range(6):
        test = test.credited(Side.OURS)
        assert test.shown is Side.HOST
    assert test.credited(Side.OURS) == OrderTest(Side.OURS, returns=1)


def test_ties_decide_nothing_and_who_is_shown_stays_where_it_wins() -> None:
    for side in Side:
        test = OrderTest(side)
        assert test.credited(None) == test
        for _ in range(60):
            test = test.credited(side)
        assert test.shown is side


def test_what_is_held_against_an_order_is_bounded() -> None:
    """However long ours was better, the host's order returns as soon as from the start."""
    for long in (0, 10, 1_000):
        rng, test = np.random.default_rng(1), OrderTest()
        for _ in range(long):
            test = test.credited(Side.OURS if rng.random() < 0.6 else Side.HOST)
            assert test.host_wins + test.our_wins < LONGEST
        assert test.shown is Side.OURS
        count = 0
        while test.shown is Side.OURS:
            test, count = test.credited(Side.HOST), count + 1
        assert count <= LONGEST + 7


def test_more_lists_are_interleaved_where_the_other_order_seems_better_and_fewer_at_rest() -> None:
    assert OrderTest().share(0.1) == 0.1
    assert OrderTest(our_wins=3).share(0.1) == 0.1
    assert OrderTest(Side.HOST).share(0.1) == 0.1 * RESTING
    for side, wins in ((Side.OURS, {"host_wins": 2}), (Side.HOST, {"our_wins": 2})):
        leaning = OrderTest(side, **wins)
        assert leaning.evidence(Side.HOST if side is Side.OURS else Side.OURS) >= LEANING
        assert leaning.share(0.1) == CLOSELY
        assert leaning.share(0.0) == 0.0


def drafted_of(test: OrderTest, results: list[Side | None], usual: float = 0.1) -> tuple[int, int]:
    """Lists that are interleaved, of how many, until all results came of them."""
    rng, drafted, lists = np.random.default_rng(3), 0, 0
    while drafted < len(results):
        lists += 1
        if rng.random() < test.share(usual):
            test = test.credited(results[drafted])
            drafted += 1
    return drafted, lists


def test_orders_that_agree_on_what_is_chosen_are_drafted_as_seldom_as_usual() -> None:
    """Two early wins of the other order, then nothing but lists that nobody wins."""
    for usual in (0.1, 0.25):
        drafted, lists = drafted_of(OrderTest(), [Side.HOST] * 2 + [None] * 200, usual)
        assert drafted / lists < 1.2 * usual
    # Nor where somebody wins one of five, each as often.
    results = ([Side.HOST, None, None, None, None, Side.OURS, None, None, None, None]) * 40
    drafted, lists = drafted_of(OrderTest(host_wins=2), results)
    assert drafted / lists < 0.12


def test_the_closer_look_goes_on_while_wins_come_in_and_ends_after_so_many_lists() -> None:
    test = OrderTest(host_wins=2)
    for _ in range(4):
        test = test.credited(Side.HOST)
        assert test.share(0.1) == CLOSELY
    test = OrderTest(host_wins=2)
    for won in [None, None, None, None, Side.HOST, Side.HOST]:
        test = test.credited(won)
    assert test.looks < 6  # it had ended before the next win
    assert test.share(0.1) == CLOSELY
    for looks in range(LOOKS + 1):
        least = next(n for n in range(8) if OrderTest(host_wins=n, looks=looks).close or n == 7)
        assert least == 7 or wealth(least, 0) >= LEANING * 10 ** (looks / LOOKS)
    assert not OrderTest(host_wins=60, our_wins=20, looks=LOOKS).close


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="expected counts of at least 0"):
        OrderTest(host_wins=-1)
