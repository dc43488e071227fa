from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, EventType, Item, RatingScale
from edge_rerank.errors import InvalidInput
from edge_rerank.ranking.strength import MOST, ItemEvents, attention, guess_scale, preference_of

STARS = RatingScale(1, 5)
THING = Item("thing")


def said(*events: tuple[str, dict[str, float]] | str, session: int = 0) -> float:
    every = ItemEvents()
    for one in events:
        kind, more = (one, {}) if isinstance(one, str) else one
        every.take(Event(kind, THING, **more), session=session, scale=STARS)  # type: ignore[arg-type]
    return every.strength


def dwell(seconds: float) -> tuple[str, dict[str, float]]:
    return ("view", {"dwell_s": seconds})


def rating(value: float) -> tuple[str, dict[str, float]]:
    return ("rating", {"value": value})


def test_what_is_said_grows_from_a_bounce_to_a_purchase() -> None:
    strengths = [
        said(one)
        for one in (dwell(4), dwell(6), dwell(12), "view", "click", dwell(600), "purchase")
    ]
    assert all(less < more for less, more in pairwise(strengths))
    assert strengths[0] == 0
    assert said("click") == said(dwell(30)) == 1.0
    assert said("add_to_cart") == said("complete") == 1.5 < said("like") == 1.6


@given(st.floats(5, 599), st.floats(0.01, 300))
def test_every_second_more_counts_more_after_a_bounce(seconds: float, more: float) -> None:
    assert 0 <= attention(seconds) < attention(seconds + more) <= attention(600) == 1.2


@given(st.floats(0, 5))
def test_a_bounce_says_nothing(seconds: float) -> None:
    assert attention(seconds) == attention(seconds, 1.0) == 0


def test_an_item_that_was_not_scrolled_counts_half() -> None:
    assert attention(30, 0.0) == 0.5
    assert attention(30, 1.0) == 1.0
    assert attention(None, 0.0) == pytest.approx(0.2)
    assert attention(None, 1.0) == attention(None) == 1.0


def test_a_view_says_how_the_click_before_it_ended() -> None:
    assert said("click", dwell(0.5)) == said(dwell(0.5))
    assert said("click", dwell(600)) == said(dwell(600))
    assert said(dwell(600), "click") == said(dwell(600))


def test_a_later_session_is_another_visit() -> None:
    every = ItemEvents()
    for session in (1, 0):
        every.take(Event("click", THING), session=session, scale=STARS)
    assert every.strength == 1.25


def test_a_verdict_takes_the_place_of_all_before_it() -> None:
    assert said("click", "purchase", "dislike") == said("dislike") == -1.6
    assert said("dislike", "like") == said("like") == 1.6
    assert said("like", "dislike") == -1.6
    assert said("like", "dismiss") == -1.0
    assert said("purchase", rating(1)) == said(rating(1)) == -1.6


def test_after_a_verdict_against_it_a_click_is_no_change_of_mind_and_a_purchase_is() -> None:
    assert said("dislike") < said("dislike", "click") < 0
    assert said("dislike", "purchase") > 0


def test_beside_the_strongest_the_others_count_a_quarter() -> None:
    assert said("click", "add_to_cart") == 1.5 + 0.25 * 1.0
    assert said("like", "click") == 1.85


def test_nothing_is_larger_than_the_bound() -> None:
    every = ItemEvents()
    for session in range(20):
        every.take(Event("purchase", THING), session=session, scale=STARS)
        every.take(Event("click", THING), session=session, scale=STARS)
    assert every.strength == MOST


def test_ratings_lie_on_the_scale_and_not_on_the_persons_own() -> None:
    assert [said(rating(stars)) for stars in (1, 2, 3, 4, 5)] == [-1.6, -0.4, 0.25, 1.3, 1.6]
    assert said(rating(9)) == 1.6  # beyond the scale


def test_a_rating_without_a_value_says_nothing_but_that_it_was_had() -> None:
    every = ItemEvents()
    every.take(Event("rating", THING), session=0, scale=STARS)
    assert (every.strength, every.done) == (0.0, True)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1], (1, 5)),
        ([5, 4], (1, 5)),
        ([7], (0, 10)),
        ([2, 55], (0, 100)),
        ([250], (0, 250)),
        ([-1], (-1, 1)),
        ([-1, 1], (-1, 1)),
        ([], (1, 5)),
    ],
)
def test_a_scale_that_is_not_stated_is_the_smallest_standard_one(
    values: list[float], scale: tuple[float, float]
) -> None:
    history = [Event("rating", THING, value=value) for value in values]
    assert guess_scale([Event("click", THING), *history]) == RatingScale(*scale)


def test_a_scale_wants_two_different_numbers() -> None:
    for low, high in ((5, 1), (3, 3), (None, 5), (1, "5"), (0, float("inf"))):
        with pytest.raises(InvalidInput, match="expected"):
            RatingScale(low, high)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="got 6 and 1: where the least is the best, record low"):
        RatingScale(6, 1)


@given(
    st.sampled_from([kind for kind in EventType if kind not in {"search", "impression"}]),
    st.none() | st.floats(0, 2_000),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 10),
)
def test_a_single_event_says_what_it_says_among_others_to_come(
    kind: EventType, dwell_s: float | None, scroll: float | None, value: float | None
) -> None:
    event = Event(kind, THING, timestamp=5.0, dwell_s=dwell_s, scroll=scroll, value=value)
    scale = RatingScale(0, 10)
    every = ItemEvents()
    every.take(event, session=3, scale=scale)
    once = preference_of([(event, 3)], scale)
    assert once[:3] == (every.strength, every.done, every.had)
    twice = ItemEvents()
    for session in (3, 1):
        twice.take(event, session=session, scale=scale)
    visits = tuple(sorted(twice.sessions))
    both = preference_of([(event, 3), (event, 1)], scale)
    assert both == (twice.strength, twice.done, twice.had, visits)
