"""Lessons: what was looked at, what was chosen, and what dwell times say of it."""

from __future__ import annotations

import numpy as np
import pytest

from edge_rerank import Event, Item
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Features, Lesson, Reading, Shown, satisfaction
from edge_rerank.types import EventName

IDS = ("a", "b", "c", "d", "e")
LAYOUT = Layout("pack", "a" * 64, (), 0)


def shown() -> Shown:
    features = np.zeros((5, LAYOUT.width), dtype=np.float32)
    features[:, 0] = range(5)
    base = np.arange(5, dtype=np.float32)
    return Shown("r", 100.0, IDS, base, Features(lambda: features), LAYOUT)


def deeds_of(*told: tuple[EventName, str, float | None]) -> Deeds:
    deeds = Deeds()
    for kind, item, dwell_s in told:
        deeds.heed(Event(kind, Item(item), dwell_s=dwell_s))
    return deeds


def lesson(*told: tuple[EventName, str, float | None]) -> Lesson | None:
    reading = Reading.of(IDS, deeds_of(*told))
    return None if reading is None else reading.lesson(shown())


def looked_at(one: Lesson | None) -> str:
    assert one is not None
    return "".join(IDS[int(row)] for row in one.features[:, 0])


def test_what_stands_above_the_last_click_was_passed_over_and_perhaps_what_stands_below() -> None:
    one = lesson(("click", "c", None))
    assert looked_at(one) == "abcde"
    assert one is not None
    assert one.chosen.tolist() == [0, 0, 1, 0, 0]
    # Places 4 and 5 are reached from 3 as place k is from the top, with chance k^-0.7.
    chances = [1, 1, 1, (4 / 3) ** -0.7, (5 / 3) ** -0.7]
    np.testing.assert_allclose(one.base, np.arange(5) + np.log(chances))
    assert one.at == 100.0


def test_a_click_on_the_first_item_is_set_against_what_was_perhaps_not_reached() -> None:
    one = lesson(("click", "a", None))
    assert one is not None
    np.testing.assert_allclose(one.base, np.arange(5) - 0.7 * np.log(np.arange(1, 6)))


def test_clicks_by_score_and_place_teach_nothing_more_of_the_score() -> None:
    # Whoever compared what was clicked with what stands above alone would learn here that low
    # scores please: the slope would be -0.3 a list.
    rng = np.random.default_rng(0)
    ids = tuple("abcdefghij")
    base = np.linspace(2, -1, 10)
    reached, liked = np.arange(1, 11) ** -0.7, 1 / (1 + np.exp(2 - base))
    slopes = []
    for _ in range(5_000):
        clicked = np.flatnonzero((rng.random(10) < reached) & (rng.random(10) < liked))
        if len(clicked):
            reading = Reading.of(ids, deeds_of(("click", ids[rng.choice(clicked)], None)))
            assert reading is not None
            scores = base[list(reading.rows)] + np.log(reading.looked)
            expected = np.exp(scores) / np.exp(scores).sum()
            slopes.append(float((np.array(reading.chosen) - expected) @ base))
    assert len(slopes) > 1_000
    assert abs(np.mean(slopes)) < 0.06


def test_a_list_without_a_choice_teaches_nothing() -> None:
    assert lesson() is None
    assert lesson(("impression", "a", None), ("impression", "b", None)) is None
    assert lesson(("click", "c", 2.0)) is None
    assert lesson(("dislike", "c", None)) is None


def test_a_bounce_is_looked_at_and_not_chosen() -> None:
    one = lesson(("click", "d", 2.0), ("click", "b", 60.0))
    assert looked_at(one) == "abde"
    assert one is not None
    assert one.chosen.tolist() == [0, 1, 0, 0]


def test_a_dwell_time_that_comes_later_says_how_the_click_ended() -> None:
    assert lesson(("click", "c", None), ("view", "c", 1.0)) is None
    one = lesson(("click", "c", None), ("view", "c", 12.0))
    assert one is not None
    assert one.chosen[2] == pytest.approx(satisfaction(12.0))


def test_the_order_in_which_events_come_does_not_matter_nor_does_a_second_time() -> None:
    told: list[tuple[EventName, str, float | None]] = [
        ("click", "d", None),
        ("view", "d", 12.0),
        ("click", "b", 40.0),
        ("like", "e", None),
    ]
    once, backwards, twice = lesson(*told), lesson(*told[::-1]), lesson(*told, *told)
    assert once is not None
    assert backwards is not None
    assert twice is not None
    assert once.chosen.tolist() == backwards.chosen.tolist() == twice.chosen.tolist()


@pytest.mark.parametrize("deed", ["complete", "like", "add_to_cart", "purchase"])
def test_a_deed_is_a_whole_success_whatever_the_dwell_time(deed: EventName) -> None:
    one = lesson(("click", "c", 1.0), (deed, "c", None))
    assert one is not None
    assert one.chosen.tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("refusal", ["dislike", "dismiss"])
def test_what_was_turned_down_is_set_against_what_was_chosen(refusal: EventName) -> None:
    one = lesson(("click", "b", 60.0), (refusal, "e", None))
    assert looked_at(one) == "abe"
    assert one is not None
    assert one.chosen.tolist() == [0, 1, 0]
    assert one.preferred == ((1, 2),)


def test_the_last_word_on_an_item_counts() -> None:
    assert lesson(("like", "c", None), ("dislike", "c", None)) is None
    one = lesson(("dislike", "c", None), ("like", "c", None))
    assert one is not None
    assert one.chosen.tolist() == [0, 0, 1, 0, 0]
    assert one.preferred == ()


def test_reported_impressions_say_what_was_looked_at() -> None:
    seen: list[tuple[EventName, str, float | None]] = [("impression", one, None) for one in "bde"]
    assert looked_at(lesson(*seen, ("click", "c", None))) == "bcde"


def test_satisfaction_grows_with_the_logarithm_of_the_seconds() -> None:
    assert satisfaction(0) == satisfaction(4.99) == 0
    assert satisfaction(5) == 0
    assert satisfaction(30) == satisfaction(3_000) == 1
    assert satisfaction((5 * 30) ** 0.5) == pytest.approx(0.5)


def test_the_loss_is_that_of_the_softmax() -> None:
    one = Lesson(
        np.zeros(2), np.zeros((2, LAYOUT.width), np.float32), np.array([1.0, 0.0]), (), 0.0
    )
    assert one.loss(np.array([0.0, 0.0])) == pytest.approx(np.log(2))
    assert one.loss(np.array([np.log(3), 0.0])) == pytest.approx(np.log(4 / 3))
    assert one.loss(np.array([1e4, 0.0])) == pytest.approx(0)
