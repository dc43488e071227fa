"""A query is intent: relevance first, person second; recorded searches fade."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from edge_rerank import Event, Item, Ranking, RankingEngine, ReasonCode
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.sources.search import (
    EARLIER_SESSION,
    EVENTS_A_SEARCH,
    HALF_LIFE_EVENTS,
    ROOM,
    freshness,
)

NOW = 1_000_000.0
DAY = 86_400.0
SUBJECTS = {
    "Astronomy": [
        "Choosing your first telescope",
        "Star charts for the winter sky",
        "How black holes bend light",
        "Telescopes with motor mounts compared",
        "Craters of the Moon through binoculars",
        "The rings of Saturn explained",
        "A night at the observatory",
        "Meteor showers to watch this year",
    ],
    "Pizza": [
        "Pizza dough with slow ferment",
        "Margherita like in Naples",
        "Cast iron pan pizza",
        "Four cheese calzone",
        "Sauce from San Marzano tomatoes",
        "Wood fired ovens for the patio",
    ],
    "Running": [
        "Couch to five kilometres",
        "Marathon training in sixteen weeks",
        "Trail running shoes tested",
        "How to avoid shin splints",
        "Interval sessions for speed",
        "Stretching after a long run",
        "Heart rate zones for runners",
        "Fuel and gels for race day",
        "Half marathon pacing chart",
        "Track workouts for beginners",
    ],
    "Code": [
        "Vim in a week",
        "Learn Python by building games",
        "Git branches explained",
        "SQL queries that scale",
        "Regular expressions cookbook",
        "Debugging memory leaks in C",
    ],
    "Travel": [
        "Lisbon in three days",
        "Night trains across Europe",
        "Island hopping in Greece",
        "Packing light for a month",
        "A weekend in Prague",
        "Camping in Iceland",
    ],
    "Чтение": ["Книга о звёздах", "Новые книги зимы", "Как читать быстрее"],
}
SHELF = [
    Item(f"{name}-{place}", text, [name], popularity=(7 * place) % 5 * 10)
    for name, texts in SUBJECTS.items()
    for place, text in enumerate(texts)
]


def subject(item: Item) -> str:
    return item.id.partition("-")[0]


def of(name: str) -> list[Item]:
    return [item for item in SHELF if subject(item) == name]


def clicks(name: str, count: int, *, until: float = NOW - 10) -> list[Event]:
    items = of(name)
    return [
        Event("click", items[n % len(items)], timestamp=until - 20 * (count - n))
        for n in range(count)
    ]


def subjects(ranking: Ranking, places: int) -> list[str]:
    return [subject(ranked.item) for ranked in ranking[:places]]


def codes(ranking: Ranking) -> set[ReasonCode]:
    return {reason.code for ranked in ranking for reason in ranked.reasons}


@pytest.mark.parametrize("count", [5, 20])
@pytest.mark.parametrize("query", ["pizza", "piza", "PIZZA recipes"])
def test_a_query_comes_before_clicks_elsewhere(
    engine: RankingEngine, query: str, count: int
) -> None:
    ranking = engine.rank(SHELF, query=query, history=clicks("Running", count), now=NOW)
    assert subjects(ranking, 6) == ["Pizza"] * 6
    assert ranking[0].reasons[0].code is ReasonCode.QUERY


def test_typos_find_what_is_meant_by_letters_and_sense(engine: RankingEngine) -> None:
    ranking = engine.rank(SHELF, query="telescpoe", history=clicks("Running", 5), now=NOW)
    first = {ranked.item.text for ranked in ranking[:2]}
    assert first == {
        "Choosing your first telescope",
        "Telescopes with motor mounts compared",
    }
    # No vector of a misspelt word says so.
    assert subjects(ranking, 5).count("Astronomy") >= 4


def test_what_the_encoder_cannot_read_is_found_by_its_letters(engine: RankingEngine) -> None:
    for query in ("книги", "книгу"):
        ranking = engine.rank(SHELF, query=query, history=clicks("Running", 5), now=NOW)
        found = {ranked.item.text for ranked in ranking[:2]}
        assert found == {"Книга о звёздах", "Новые книги зимы"}
    misspelt = engine.rank(SHELF, query="кинги", history=clicks("Running", 5), now=NOW)
    assert misspelt[0].item.text == "Новые книги зимы"


def test_the_person_orders_what_fits(engine: RankingEngine) -> None:
    shoes = [
        Item("a", "Shoes for the mountains", ["Hiking"]),
        Item("b", "Shoes for the office", ["Office"]),
        Item("c", "Shoes for the track", ["Running"]),
        Item("d", "Umbrella for the office", ["Office"]),
    ]
    for liked in ("Hiking", "Office", "Running"):
        history = [
            Event("click", Item(f"{liked}{n}", f"{liked} {n}", [liked]), timestamp=NOW - 100 + n)
            for n in range(6)
        ]
        ranking = engine.rank(shoes, query="shoes", history=history, now=NOW)
        assert ranking[0].item.categories == (liked,)
        assert ranking[3].item.id == "d"


def test_what_was_turned_down_stands_below_what_else_fits(engine: RankingEngine) -> None:
    history = [*clicks("Pizza", 3), Event("dislike", of("Pizza")[2], timestamp=NOW - 5)]
    ranking = engine.rank(SHELF, query="pizza", history=history, now=NOW)
    fitting = [ranked.item for ranked in ranking if subject(ranked.item) == "Pizza"]
    assert fitting[-1] == of("Pizza")[2]


@pytest.mark.parametrize("query", ["qwxzv", "zzzz", "???", "数学"])
def test_a_query_that_nothing_fits_changes_nothing(engine: RankingEngine, query: str) -> None:
    history = clicks("Running", 5)
    plain = engine.rank(SHELF, history=history, now=NOW)
    asked = engine.rank(SHELF, history=history, query=query, now=NOW)
    assert [one.item for one in asked] == [one.item for one in plain]
    assert ReasonCode.QUERY not in codes(asked)


def test_a_recorded_search_acts_like_a_query_at_first(engine: RankingEngine) -> None:
    history = [*clicks("Running", 5), Event("search", query="pizza", timestamp=NOW - 5)]
    ranking = engine.rank(SHELF, history=history, now=NOW)
    assert subjects(ranking, 6) == ["Pizza"] * 6
    assert ranking[0].reasons[0].code is ReasonCode.SEARCH
    assert ReasonCode.QUERY not in codes(ranking)


def test_a_recorded_search_fades_with_what_is_done_after_it(engine: RankingEngine) -> None:
    search = Event("search", query="pizza", timestamp=NOW - 1000)
    places = []
    for count in (0, 3, 6, 12):
        ranking = engine.rank(SHELF, history=[search, *clicks("Running", count)], now=NOW)
        rows = [place for place, one in enumerate(ranking) if subject(one.item) == "Pizza"]
        places.append(float(np.mean(rows)))
    assert all(earlier <= later for earlier, later in pairwise(places))
    assert places[0] < 3
    assert places[-1] > 6


def test_a_search_of_an_earlier_session_says_little(engine: RankingEngine) -> None:
    search = Event("search", query="pizza", timestamp=NOW - DAY)
    ranking = engine.rank(SHELF, history=[search, *clicks("Running", 5)], now=NOW)
    assert subjects(ranking, 2) == ["Running"] * 2
    assert subjects(ranking, 5).count("Running") >= 4


def test_a_query_silences_recorded_searches(engine: RankingEngine) -> None:
    history = [Event("search", query="pizza", timestamp=NOW - 5)]
    both = engine.rank(SHELF, history=history, query="running", now=NOW)
    alone = engine.rank(SHELF, query="running", now=NOW)
    assert [one.item for one in both] == [one.item for one in alone]
    assert ReasonCode.SEARCH not in codes(both)


def test_a_search_is_no_item_that_was_liked(engine: RankingEngine) -> None:
    history = [Event("search", query="pizza", timestamp=NOW - 5)]
    assert ReasonCode.SIMILAR not in codes(engine.rank(SHELF, history=history, now=NOW))


def test_nothing_of_a_query_is_left_behind(engine: RankingEngine) -> None:
    engine.rank(SHELF, query="very secret wish", now=NOW)
    engine.forget()
    assert len(engine._comparer._words) == 0


def test_how_much_a_search_counts() -> None:
    def searched(query: str, at: float) -> Event:
        return Event("search", query=query, timestamp=at)

    def clicked(at: float) -> Event:
        return Event("click", SHELF[0], timestamp=at)

    assert freshness([], now=NOW) == ({}, 0.0)
    assert freshness([searched("a", NOW - 5)], now=NOW) == ({"a": 1.0}, 1.0)
    three = [searched("a", NOW - 50), *[clicked(NOW - 40 + n) for n in range(3)]]
    assert three and freshness(three, now=NOW) == ({"a": pytest.approx(0.5)}, pytest.approx(0.5))
    seen = [
        searched("a", NOW - 50),
        *[Event("impression", SHELF[n], timestamp=NOW - 40) for n in range(20)],
    ]
    assert freshness(seen, now=NOW)[0] == {"a": 1.0}
    two = [searched("a", NOW - 50), searched("b", NOW - 40)]
    expected = 2 ** (-EVENTS_A_SEARCH / HALF_LIFE_EVENTS)
    assert freshness(two, now=NOW) == ({"a": pytest.approx(expected), "b": 1.0}, 1.0)
    assert freshness([*two, searched("a", NOW - 30)], now=NOW)[0]["a"] == 1.0
    before = [searched("a", NOW - DAY)]
    assert freshness(before, now=NOW) == ({"a": EARLIER_SESSION}, 0.0)
    # It does not come back to life in the next session.
    used = [*before, *[clicked(NOW - DAY + n) for n in range(1, 15)]]
    assert freshness(used, now=NOW)[0].get("a", 0.0) < 0.05
    long_ago = [searched("a", NOW - 9 * DAY), *[clicked(NOW - n * DAY) for n in range(8, 0, -1)]]
    assert freshness(long_ago, now=NOW)[0] == {}


def evidence_of(personal: Sequence[float], query: Sequence[float]) -> Evidence:
    columns = (
        Column("one", 1.0, ReasonCode.SIMILAR),
        Column("two", 2.0, ReasonCode.POPULAR),
        Column("asked", 1.0, ReasonCode.QUERY, yields=False),
    )
    evidence = Evidence(columns, len(personal))
    evidence["one"] = np.array(personal)
    evidence["two"] = -0.25 * np.array(personal)
    evidence["asked"] = np.array(query)
    return evidence


def test_what_steps_back_differs_by_no_more_than_its_room() -> None:
    evidence = evidence_of([0.0, 12.0, -8.0], [0.0, 0.0, 3.0])
    plain = evidence.contributions()
    evidence.step_back(ROOM)
    bounded = evidence.contributions()
    assert np.ptp(bounded[:, :2].sum(axis=1)) == pytest.approx(ROOM)
    assert bounded[:, 2].tolist() == plain[:, 2].tolist()
    # In proportion, so that a reason keeps its share.
    assert bounded[1, 1] / bounded[1, 0] == pytest.approx(plain[1, 1] / plain[1, 0])
    assert evidence.scores().tolist() == pytest.approx(bounded.sum(axis=1).tolist())
    assert evidence.scores().argmax() == 2


def test_what_differs_by_less_stays_as_it_is() -> None:
    evidence = evidence_of([0.0, 1.0], [0.0, 0.0])
    plain = evidence.contributions().tolist()
    evidence.step_back(ROOM)
    assert evidence.contributions().tolist() == plain


def test_half_a_step_back_leaves_half_of_the_rest() -> None:
    evidence = evidence_of([0.0, 12.0], [0.0, 0.0])
    spread = float(np.ptp(evidence.scores()))
    evidence.step_back(ROOM, degree=0.5)
    assert np.ptp(evidence.scores()) == pytest.approx((spread + ROOM) / 2)


def test_what_is_filled_in_later_steps_back_too() -> None:
    # A scorer, say, which comes last and reads the query itself.
    evidence = evidence_of([0.0, 0.0], [3.0, 0.0])
    evidence.step_back(ROOM)
    evidence["one"] = np.array([0.0, 40.0])
    assert evidence.scores().argmax() == 0
