from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_rerank import Item
from edge_rerank.ranking.interests import Interest
from edge_rerank.ranking.policies.proportions import share_out as share_out_each
from edge_rerank.ranking.policies.proportions import shares_of

Array = NDArray[np.float64]


def liked(*strengths: float, sessions: tuple[int, ...] | None = None) -> list[Interest]:
    """Oldest first."""
    later = np.cumsum(np.minimum(strengths, 1.0)[::-1])[::-1] - np.minimum(strengths, 1.0)
    ages = sessions or (0,) * len(strengths)
    return [
        Interest(Item(str(number)), strength, 1.0, None, age, float(since))
        for number, (strength, age, since) in enumerate(zip(strengths, ages, later, strict=True))
    ]


def shares(*strengths: float, sessions: tuple[int, ...] | None = None) -> list[float]:
    one_each = np.ones(len(strengths))
    values: list[float] = shares_of(liked(*strengths, sessions=sessions), one_each).tolist()
    return values


def share_out(
    scores: Array, belongs: Array, wanted: Array, *, places: int
) -> tuple[NDArray[np.intp], Array]:
    """Of one list."""
    picked, worth = share_out_each(scores[None], belongs[None], wanted[None], places=places)
    return picked[0], worth[0]


def served(scores: list[float], kinds: list[int], wanted: list[float], places: int) -> list[int]:
    """How many places each kind gets; kind -1 is nobody's."""
    belongs = np.array([[float(kind == one) for one in range(len(wanted))] for kind in kinds])
    picked, _ = share_out(np.array(scores), belongs, np.array(wanted), places=places)
    return [sum(kinds[row] == one for row in picked) for one in range(len(wanted))]


def test_one_click_leaves_nearly_half_of_the_list_to_nobody_and_thirty_next_to_nothing() -> None:
    assert sum(shares(1.0)) == pytest.approx(1 / 1.75)
    assert 0.95 < sum(shares(*[1.0] * 30)) < 1


def test_a_stronger_word_has_the_larger_share() -> None:
    weak, strong = shares(0.05, 0.05)[0], shares(2.0, 0.05)[0]
    assert strong > 0.9 * sum(shares(2.0, 0.05))
    assert weak < 0.1
    assert sum(shares(0.05)) < 0.07


def test_half_of_the_list_follows_a_switch_within_two_three_and_five_clicks() -> None:
    for before, after in ((3, 2), (10, 3), (30, 5)):
        values = shares(*[1.0] * (before + after))
        assert sum(values[-after:]) > sum(values[:-after])


def test_what_was_liked_for_long_is_not_gone() -> None:
    values = shares(*[1.0] * 15)
    assert sum(values[:10]) > 0.2


def test_a_new_session_counts_more_than_old_ones() -> None:
    together = shares(1.0, 1.0, 1.0)
    apart = shares(1.0, 1.0, 1.0, sessions=(1, 1, 0))
    assert apart[2] > together[2]


def test_what_was_turned_down_of_a_kind_takes_its_share() -> None:
    interests = liked(1.0, 1.0)
    full = shares_of(interests, np.array([1.0, 1.0]))
    left = shares_of(interests, np.array([0.2, 1.0]))
    assert left[0] < full[0] / 2
    assert left[1] > full[1]
    assert shares_of(interests, np.zeros(2)).tolist() == [0.0, 0.0]


def test_two_equal_tastes_share_the_list_where_their_items_are_about_as_good() -> None:
    scores = [1.0 + 0.01 * n for n in range(20)] + [0.01 * n for n in range(20)]
    assert served(scores, [0] * 20 + [1] * 20, [0.5, 0.5], places=10) in ([5, 5], [6, 4])


def test_a_taste_of_a_fifth_gets_about_two_places_of_ten() -> None:
    scores = [1.0] * 20 + [0.0] * 20
    _, second = served(scores, [0] * 20 + [1] * 20, [0.8, 0.2], places=10)
    assert second in {1, 2}


def test_what_is_clearly_better_stands_first_all_the_same() -> None:
    scores, kinds = [30.0, 20.0, 10.0, 0.0], [0, 0, 0, 1]
    belongs = np.array([[float(kind == one) for one in range(2)] for kind in kinds])
    picked, _ = share_out(np.array(scores), belongs, np.array([0.5, 0.5]), places=4)
    assert picked.tolist() == [0, 1, 2, 3]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 40), st.data())
def test_every_place_is_filled_with_another_candidate(
    scores: list[float], places: int, data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(st.integers(-1, 2), min_size=len(scores), max_size=len(scores)))
    belongs = np.array([[float(kind == one) for one in range(3)] for kind in kinds])
    picked, worth = share_out(np.array(scores), belongs, np.array([0.5, 0.2, 0.1]), places=places)
    assert len(picked) == len(worth) == min(places, len(scores))
    assert len(set(picked.tolist())) == len(picked)
    assert np.isfinite(worth).all()


def test_of_one_kind_alone_the_order_stays() -> None:
    scores = np.linspace(3, 0, 12)
    picked, _ = share_out(scores, np.ones((12, 1)), np.array([0.98]), places=12)
    assert picked.tolist() == list(range(12))


def test_lists_that_are_shared_out_together_are_so_to_the_last_bit_as_alone() -> None:
    rng = np.random.default_rng(0)
    scores, belongs = rng.normal(size=(5, 40)), rng.random((5, 40, 7)) ** 4
    wanted = rng.dirichlet(np.ones(8), 5)[:, :7]
    picked, worth = share_out_each(scores, belongs, wanted, places=20)
    for row in range(5):
        alone = share_out(scores[row], belongs[row], wanted[row], places=20)
        assert picked[row].tolist() == alone[0].tolist()
        assert worth[row].tolist() == alone[1].tolist()
    assert len({tuple(one) for one in picked.tolist()}) == 5
