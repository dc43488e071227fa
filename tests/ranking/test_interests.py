from __future__ import annotations

import pytest

from edge_rerank import Event, Item
from edge_rerank.ranking.interests import MAX_ITEMS, MAX_SEARCHES, read_interests

A, B, C = Item("a", "A"), Item("b", "B"), Item("c", "C")
HOUR = 3600.0


def at(kind: str, item: Item | None, when: float, **more: object) -> Event:
    return Event(kind, item, timestamp=when, **more)  # type: ignore[arg-type]


def test_events_on_one_item_add_up_and_the_sum_is_capped() -> None:
    history = [at("view", A, 0), at("like", A, 1), at("purchase", A, 2)]
    (interest,) = read_interests(history, now=3).liked
    assert interest.strength == 2.0


def test_a_dislike_outweighs_a_click() -> None:
    interests = read_interests([at("click", A, 0), at("dislike", A, 1)], now=2)
    assert interests.liked == ()
    assert interests.disliked[0].strength == -0.5


def test_dwell_and_scroll_scale_a_click() -> None:
    def strength(**more: float) -> float:
        return read_interests([at("click", A, 0, **more)], now=1).liked[0].strength

    assert strength() == 1.0
    assert strength(dwell_s=30.0) == 1.0
    assert strength(dwell_s=0.0) == pytest.approx(0.3)
    assert strength(dwell_s=0.0) < strength(dwell_s=5.0) < strength(dwell_s=20.0)
    assert strength(dwell_s=30.0, scroll=0.0) == pytest.approx(0.65)


def test_recency_halves_with_twenty_items_and_twenty_sessions() -> None:
    items = [Item(str(n)) for n in range(21)]
    close = read_interests([at("click", item, n) for n, item in enumerate(items)], now=21)
    assert close.liked[-1].recency == 1.0
    assert close.liked[0].recency == pytest.approx(0.5)
    apart = read_interests([at("click", A, 0), at("click", B, HOUR)], now=HOUR)
    assert apart.liked[0].recency == pytest.approx(2 ** (-1 / 20 - 1 / 20))


def test_searches_are_kept_apart_newest_last_without_repeats() -> None:
    history = [at("search", None, n, query=f"q{n % 7}") for n in range(10)]
    searches = [query for query, _ in read_interests(history, now=10).searches]
    assert searches == ["q5", "q6", "q0", "q1", "q2"]
    assert len(searches) == MAX_SEARCHES


def test_shown_and_not_chosen() -> None:
    history = [at("impression", A, 0), at("impression", B, 0), at("impression", A, 1)]
    interests = read_interests([*history, at("click", B, 2)], now=3)
    assert interests.shown == {"a": 2}


def test_ratings_are_read_against_the_persons_own_scale() -> None:
    history = [
        at("rating", A, 0, value=2.0),
        at("rating", B, 1, value=5.0),
        at("rating", C, 2, value=3.5),
    ]
    interests = read_interests(history, now=3)
    assert [one.item.id for one in interests.liked] == ["b"]
    assert [one.item.id for one in interests.disliked] == ["a"]
    thumbs_up = read_interests([at("rating", A, 0, value=1.0)], now=1)
    assert [one.item.id for one in thumbs_up.liked] == ["a"]


def test_only_the_newest_items_take_part() -> None:
    history = [at("click", Item(str(n)), n) for n in range(MAX_ITEMS + 30)]
    liked = read_interests(history, now=1000).liked
    assert [one.item.id for one in liked] == [str(n) for n in range(30, MAX_ITEMS + 30)]


def test_nobody() -> None:
    assert not read_interests([], now=0)
