"""Ratings of whole lists: taken, joined to their list, no part of a taste."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rerank import Event, History, Item, Reranker
from edge_rerank.errors import ConsentRequired, InvalidEvent
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.interest_reader import read_interests, without_list_ratings
from edge_rerank.ranking.policies.exploring import LEAST_CHOICES, is_known
from edge_rerank.ranking.request import Request
from tests.learning.test_stats_door import SHELF, USER


@pytest.mark.parametrize("value", [None, 1_000.5, -1_001])
def test_a_rating_of_a_list_needs_a_value(value: float | None) -> None:
    with pytest.raises(InvalidEvent, match="value: a list's rating needs one within ±1,000"):
        Event("rating", ranking="r", value=value)


def test_what_has_neither_item_nor_list_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="item: a rating event needs an item"):
        Event("rating", value=4)
    with pytest.raises(InvalidEvent, match="item: a click event needs an item"):
        Event("click", ranking="r")  # type: ignore[call-overload, unused-ignore]
    assert Event("rating", ranking="r", value=4).of_list
    assert not Event("rating", Item("a"), ranking="r", value=4).of_list


def rated(reranker: Reranker, *values: float) -> None:
    for value in values:
        ranking = reranker.rank(SHELF, USER)
        reranker.record(Event("rating", ranking=ranking.id, value=value), user=USER)


def test_the_mean_of_ratings_with_an_interval(reranker: Reranker) -> None:
    reranker.consent(USER, True)
    rated(reranker, *[4.0, 5.0] * 6)
    reranker.rank(SHELF, USER)
    stats = reranker.stats(USER)
    assert (stats.whole.lists, stats.whole.rated) == (13, 12)
    assert stats.whole.rating is not None
    assert stats.whole.rating.value == 4.5
    assert stats.whole.rating.low == pytest.approx(4.5 - 1.96 * 0.522 / 12**0.5, abs=0.01)
    (month,) = stats.by_month
    assert (month.rated, month.rating) == (12, stats.whole.rating)
    (order,) = stats.by_order
    assert (order.name, order.rated) == ("pack", 12)


def test_the_last_rating_of_a_list_counts(reranker: Reranker) -> None:
    reranker.consent(USER, True)
    ranking = reranker.rank(SHELF, USER)
    for second, value in enumerate((1.0, 5.0)):
        event = Event("rating", ranking=ranking.id, value=value, timestamp=1_000.0 + second)
        reranker.record(event, user=USER)
    whole = reranker.stats(USER).whole
    assert whole.rating is not None
    assert (whole.rated, whole.rating.value) == (1, 5.0)


def test_lists_are_told_apart_by_the_order_that_was_used(reranker: Reranker) -> None:
    reranker.consent(USER, True)
    for _ in range(8):
        ranking = reranker.rank(SHELF, USER)
        click = [one.item for one in ranking if "scarf" in one.item.text][-1]
        happy = Event("rating", ranking=ranking.id, value=5)
        reranker.record([Event("click", click, ranking=ranking.id, dwell_s=60), happy], user=USER)
    found = {one.name: one for one in reranker.stats(USER).by_order}
    assert set(found) == {"pack", "learnt"}
    assert found["pack"].lists + found["learnt"].lists == 8
    assert found["learnt"].rating is not None
    assert found["learnt"].rating.value == 5


def test_they_move_no_item_and_state_no_scale(engine: RankingEngine) -> None:
    history = [
        Event("rating", SHELF[0], value=2, timestamp=1.0),
        Event("click", SHELF[3], timestamp=2.0),
    ]
    lists = [Event("rating", ranking=f"r{n}", value=90, timestamp=3.0) for n in range(5)]
    plain = engine.rank(SHELF, history=history, now=4.0)
    assert engine.rank(SHELF, history=[*history, *lists], now=4.0) == plain
    assert not engine.rank(SHELF, history=lists, now=4.0).personalised


def test_nothing_that_reads_a_history_for_tastes_is_handed_any(engine: RankingEngine) -> None:
    day = 86_400.0
    own = [Event("click", SHELF[n], timestamp=n * day) for n in range(LEAST_CHOICES - 1)]
    # Between two visits, and all through the years before.
    lists = [Event("rating", ranking=f"r{n}", value=90, timestamp=n * 600.0) for n in range(500)]
    every = sorted((*own, *lists), key=lambda event: event.timestamp or 0.0)
    comparer = engine._comparer
    asked = Request.of(SHELF, history=every, comparer=comparer, now=4 * day)
    plain = Request.of(SHELF, history=own, comparer=comparer, now=4 * day)
    assert tuple(asked.history) == tuple(plain.history) == tuple(own)
    assert asked.interests == plain.interests
    assert not is_known(asked)
    assert read_interests(every, now=4 * day) == read_interests(own, now=4 * day)
    searched = [Event("search", query="tea", timestamp=1.0)]
    assert without_list_ratings([*searched, *lists]) == tuple(searched)


def test_they_are_kept_shown_taken_back_and_erased(tmp_path: Path) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    events = [Event("rating", ranking=f"r{n}", value=n, timestamp=9.0) for n in range(3)]
    with History.open(file, key) as history:
        with pytest.raises(ConsentRequired):
            history.record(events, user=USER)
        history.consent(USER, True)
        assert history.record(events, user=USER) == 3  # in one second: of three lists
        assert history.record(events, user=USER) == 0
        told = history.access(USER).to_json()
        assert all(one.event.item is None for one in history.access(USER).events)
        history.consent("bob", True)
        assert history.restore(told, user="bob") == 3
        assert history.events("bob") == history.events(USER) == tuple(events)
        assert history.forget(USER).events == 3
        assert history.all_events(USER) == ()


def test_ratings_of_lists_go_with_the_person(tmp_path: Path) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    with Reranker.open(history=file, key=key) as first:
        first.consent(USER, True)
        rated(first, 3.0)
    with Reranker.open(history=file, key=key) as second:
        stats = second.stats(USER)
        assert stats.whole.rated == 1
        assert stats.coverage is not None
        assert stats.coverage.items.shown == pytest.approx(10, abs=1)
        second.forget(USER)
        assert second.stats(USER).whole.rated == 0
        assert second.stats(USER).coverage is None
