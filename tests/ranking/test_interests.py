from __future__ import annotations

import numpy as np
import pytest

from edge_rerank import Event, Item, RatingScale
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.digest import MAX_ITEMS, MAX_SEARCHES
from edge_rerank.ranking.interest_reader import InterestReader, read_interests
from edge_rerank.ranking.interests import Interests

A, B, C = Item("a", "A"), Item("b", "B"), Item("c", "C")
HOUR = 3600.0


def at(kind: str, item: Item | None, when: float, **more: object) -> Event:
    return Event(kind, item, timestamp=when, **more)  # type: ignore[arg-type]


def test_events_on_one_item_come_to_one_strength() -> None:
    history = [at("view", A, 0), at("like", A, 1), at("purchase", A, 2)]
    (interest,) = read_interests(history, now=3).liked
    assert interest.strength == 1.6 + 0.25 * 2.25


def test_the_last_word_holds() -> None:
    turned = read_interests([at("click", A, 0), at("purchase", A, 1), at("dislike", A, 2)], now=3)
    assert turned.liked == ()
    assert [one.item.id for one in turned.disliked] == ["a"]
    again = read_interests([at("dislike", A, 0), at("like", A, 1)], now=2)
    assert [one.item.id for one in again.liked] == ["a"]
    assert again.disliked == ()


def test_recency_halves_with_twenty_items_and_twenty_sessions() -> None:
    items = [Item(str(n)) for n in range(21)]
    close = read_interests([at("click", item, n) for n, item in enumerate(items)], now=21)
    assert close.liked[-1].recency == 1.0
    assert close.liked[0].recency == pytest.approx(0.5)
    apart = read_interests([at("click", A, 0), at("click", B, HOUR)], now=HOUR)
    assert apart.liked[0].recency == pytest.approx(2 ** (-1 / 20 - 1 / 20))


def test_searches_are_kept_apart_newest_last_without_repeats() -> None:
    history = [at("search", None, n, query=f"q{n % 7}") for n in range(10)]
    searches = list(read_interests(history, now=10).searches)
    assert searches == ["q5", "q6", "q0", "q1", "q2"]
    assert len(searches) == MAX_SEARCHES


def test_a_search_that_names_an_item_is_a_search_and_says_nothing_of_it() -> None:
    plain = [at("click", A, 0), at("search", None, 1, query="q"), at("click", C, 2)]
    named = [plain[0], at("search", B, 1, query="q"), plain[2]]
    read = read_interests(named, now=3)
    assert read == read_interests(plain, now=3)
    assert read.searches == ("q",)
    reader = InterestReader()
    reader.read(tuple(named), now=3)
    assert reader.read(tuple(named[2:]), now=3) == read_interests(plain[2:], now=3)


def test_an_event_that_names_an_item_by_its_id_alone_leaves_it_described() -> None:
    told = Item("a", "Espresso machine", ["Coffee"])
    history = [at("purchase", told, 0), at("click", Item("a"), 1)]
    (liked,) = read_interests(history, now=2).liked
    assert liked.item is told
    (liked,) = read_interests([*history, at("click", Item("a", "Another name"), 2)], now=3).liked
    assert liked.item.text == "Another name"
    (liked,) = read_interests(history[1:], now=2).liked
    assert liked.item is history[1].item


def test_shown_and_not_chosen() -> None:
    history = [at("impression", A, 0), at("impression", B, 0), at("impression", A, 1)]
    interests = read_interests([*history, at("click", B, 2)], now=3)
    assert interests.shown == {"a": 2}


def test_one_low_rating_is_low_and_a_four_beside_a_five_is_not() -> None:
    one_star = read_interests([at("rating", A, 0, value=1.0)], now=1)
    assert [one.item.id for one in one_star.disliked] == ["a"]
    both = read_interests([at("rating", A, 0, value=5.0), at("rating", B, 1, value=4.0)], now=2)
    assert [one.item.id for one in both.liked] == ["a", "b"]


def test_a_scale_that_the_host_states_counts() -> None:
    history = [at("rating", A, 0, value=3.0)]
    assert read_interests(history, now=1).liked
    assert read_interests(history, now=1, ratings=RatingScale(0, 10)).disliked


def test_bounces_push_nothing_into_the_past() -> None:
    bounces = [at("click", Item(str(n)), n + 1, dwell_s=0.5) for n in range(60)]
    interests = read_interests([at("like", A, 0), *bounces], now=100)
    (liked,) = (one for one in interests.liked if one.item.id == "a")
    assert liked.recency > 0.9
    assert liked in interests.newest(1).liked


def test_sessions_and_what_came_later_are_known() -> None:
    history = [at("click", A, 0), at("click", B, HOUR), at("view", C, HOUR + 1, dwell_s=30)]
    first, second, third = read_interests(history, now=HOUR + 2).liked
    assert [one.session for one in (first, second, third)] == [1, 0, 0]
    assert [one.later for one in (first, second, third)] == [2.0, 1.0, 0.0]


def test_what_was_had_is_known_and_fades() -> None:
    day = 24 * HOUR
    history = [at("purchase", A, day), at("click", B, day), at("complete", C, 8 * day)]
    done = read_interests(history, now=8 * day).done
    assert done == pytest.approx({"a": 0.5, "c": 1.0})
    assert not read_interests([at("purchase", A, 0), at("dislike", A, 1)], now=2).done


def test_what_is_had_again_and_again_fades_by_its_own_rhythm() -> None:
    day = 24 * HOUR
    monthly = [at("purchase", A, (1 + 30 * month) * day) for month in range(3)]
    assert read_interests(monthly, now=64 * day).done == pytest.approx({"a": 0.5})
    daily = [at("complete", A, (1 + n) * day) for n in range(3)]
    assert read_interests(daily, now=3.1 * day).done == pytest.approx({"a": 0.5})
    # Twice is no rhythm, and neither are two of one sitting; but it is a sign of one.
    twice = read_interests(daily[:2], now=3 * day).done
    assert 0.0 < twice["a"] < 0.5
    one_cart = [at("purchase", A, day), at("purchase", A, day + 60), daily[1]]
    assert read_interests(one_cart, now=3 * day).done == pytest.approx(twice)


def test_stars_end_what_was_had_once_and_not_what_somebody_comes_back_to() -> None:
    evenings = [at("view", A, n * 24 * HOUR, dwell_s=60) for n in (1, 2, 3)]
    stars = at("rating", A, 73 * HOUR, value=5)
    assert read_interests([evenings[2], stars], now=73 * HOUR).done == {"a": 1.0}
    assert read_interests([*evenings, stars], now=73 * HOUR).done == {}
    finished = at("complete", A, 73 * HOUR + 1)
    assert "a" in read_interests([*evenings, stars, finished], now=74 * HOUR).done


def test_visits_are_the_sessions_in_which_a_thing_was_chosen() -> None:
    def visits(*history: Event, now: float) -> tuple[int, ...] | None:
        return read_interests(list(history), now=now).visits.get("a")

    mornings = [at("click", A, n * 24 * HOUR) for n in range(1, 4)]
    assert visits(*mornings, now=72 * HOUR) == (0, 1, 2)
    assert visits(*mornings[:2], now=60 * HOUR) == (1, 2)
    twice_today = [at("click", A, HOUR), at("click", A, HOUR + 60)]
    assert visits(*twice_today, now=HOUR + 61) == (0,)
    bounces = [at("view", A, n * 24 * HOUR, dwell_s=2) for n in range(1, 4)]
    assert visits(*bounces, now=72 * HOUR) is None
    # A like is no more than a word; what was turned down begins anew.
    like, dislike = (at(kind, A, 96 * HOUR) for kind in ("like", "dislike"))
    assert visits(*mornings, like, now=96 * HOUR) == (1, 2, 3)
    assert visits(*mornings, dislike, now=96 * HOUR) is None
    liked_later = at("like", A, 120 * HOUR)
    assert visits(*mornings, dislike, liked_later, now=120 * HOUR) == (0,)


def test_being_shown_in_vain_counts_from_the_last_choice_and_fades() -> None:
    history = [at("impression", A, 0), at("click", A, 1), at("impression", A, 2)]
    assert read_interests(history, now=3).shown == {"a": 1.0}
    assert read_interests(history, now=2 + HOUR).shown["a"] < 1.0


def test_only_the_newest_items_take_part() -> None:
    history = [at("click", Item(str(n)), n) for n in range(MAX_ITEMS + 30)]
    liked = read_interests(history, now=1000).liked
    assert [one.item.id for one in liked] == [str(n) for n in range(30, MAX_ITEMS + 30)]


def test_nobody() -> None:
    assert not read_interests([], now=0)


def test_a_history_that_comes_again_gives_the_very_same_until_its_session_ends() -> None:
    reader = InterestReader()
    history = (Event("click", Item("a", "text", ["x"]), timestamp=1_000.0),)
    first = reader.read(history, now=1_010.0)
    assert reader.read(history, now=1_020.0) is first
    assert first.derived("ones", lambda: np.ones(1)) is first.derived("ones", lambda: np.zeros(1))
    later = reader.read(history, now=1_000.0 + 1_801.0)
    assert later is not first
    assert [one.session for one in (*first.liked, *later.liked)] == [0, 1]
    reader.forget()
    assert reader.read(history, now=1_010.0) is not first


def test_what_was_had_fades_while_nothing_is_done() -> None:
    reader = InterestReader()
    history = (Event("purchase", Item("a"), timestamp=1_000.0),)
    soon, later = (reader.read(history, now=now) for now in (1_000.0, 1_500.0))
    assert soon.done["a"] == 1.0 > later.done["a"]
    assert later.liked is soon.liked


def test_what_follows_from_the_newest_is_kept_with_the_history_and_fades_all_the_same() -> None:
    reader = InterestReader()
    history = tuple(Event("purchase", Item(str(n)), timestamp=1_000.0 + n) for n in range(30))
    soon, later = (reader.read(history, now=now).newest(20) for now in (1_100.0, 2_000.0))
    assert [one.item.id for one in soon.liked] == [str(n) for n in range(10, 30)]
    assert soon.ids == tuple(str(n) for n in range(10, 30))
    assert later.liked is soon.liked
    assert later.done["29"] < soon.done["29"]
    ones = soon.derived("ones", lambda: np.ones(1))
    assert later.derived("ones", lambda: np.zeros(1)) is ones
    assert reader.read(history, now=1_100.0).derived("ones", lambda: np.zeros(1)) is not ones


def test_what_follows_beside_something_is_made_anew_beside_another() -> None:
    interests, one, other = Interests(), object(), object()
    assert interests.derived("n", lambda: 1, beside=one) == 1
    assert interests.derived("n", lambda: 2, beside=one) == 1
    assert interests.derived("n", lambda: 3, beside=other) == 3
    assert interests.derived("n", lambda: 4, beside=one) == 4


def test_a_remembered_history_is_not_looked_at_again_and_another_is() -> None:
    reader = InterestReader()
    rated = Event("rating", value=4.0, ranking="r", timestamp=1_000.0)
    history = (Event("click", Item("a"), timestamp=1_000.0), rated)
    tastes = reader.tastes(history)
    assert tastes == history[:1]
    assert reader.tastes(history) is tastes
    assert reader.read(tastes, now=1_000.0) == reader.read(history, now=1_000.0)
    with pytest.raises(InvalidRequest, match="only Event, got str"):
        reader.tastes((history[0], "nothing"))
