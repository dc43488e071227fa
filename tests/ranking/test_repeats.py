from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, RankingEngine, ReasonCode, Repeats, Reranker
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.repeats import (
    BEHIND,
    DONE,
    HABIT,
    HAD,
    LEAST,
    MOST,
    NEW_CATALOGUE,
    Familiar,
    RepeatRate,
    RepeatSource,
)

DAY = 86_400.0
NOW = 100 * DAY
NEW = ["garden hose", "violin", "tax law", "stapler", "moon globe", "tent", "soap", "chess clock"]
ITEMS = [
    Item("a", "rye bread"),
    Item("b", "oat milk"),
    *(Item(f"n{place}", text) for place, text in enumerate(NEW)),
]


def log_odds(
    visits: Mapping[str, tuple[int, ...]],
    had: Sequence[str],
    *,
    of: int,
    rate: RepeatRate = NEW_CATALOGUE,
) -> NDArray[np.float64]:
    places = np.array([list(visits).index(name) for name in had], dtype=np.intp)
    return Familiar.of(visits, rate).log_odds(places, of=of)


class Unasked:
    """A comparer that no source may need."""

    def compare(
        self, candidates: Sequence[Item], interests: Interests, query: str | None
    ) -> Comparisons:
        raise AssertionError("no text says what was had before")

    def likeness(self, vectors: object, words: str) -> object:
        raise AssertionError("nor does a query")


def days(item: Item, *ago: float, kind: str = "click") -> list[Event]:
    return [Event(kind, item, timestamp=NOW - day * DAY) for day in ago]


def judged(
    *events: Event,
    items: Sequence[Item] = ITEMS,
    rate: RepeatRate | None = None,
    query: str | None = None,
    repeats: str | None = None,
) -> Evidence:
    history = sorted(events, key=lambda event: event.timestamp or 0.0)
    request = Request.of(
        items,
        history=history,
        comparer=Unasked(),  # type: ignore[arg-type]
        now=NOW,
        query=query,
        repeats=repeats,
    )
    source = RepeatSource() if rate is None else RepeatSource(rate)
    evidence = Evidence(source.columns, len(items))
    source.fill(request, evidence)
    return evidence


def column(evidence: Evidence, of: Column) -> list[float]:
    values: list[float] = evidence[of.name].tolist()
    return values


def test_who_had_none_of_the_candidates_is_told_nothing() -> None:
    assert not judged().values.any()
    assert not judged(*days(Item("gone"), 9, 8, 7)).values.any()


def test_what_somebody_comes_back_to_is_lifted_and_said_to_be_so() -> None:
    evidence = judged(*days(ITEMS[0], 9, 8, 7, 6), *days(ITEMS[1], 5))
    habit, had = column(evidence, HABIT), column(evidence, HAD)
    assert habit[0] > 1.0
    assert habit[1:] == [0.0] * 9
    assert had[0] == 0.0
    assert had[2:] == [0.0] * 8


def test_more_often_and_more_lately_is_more() -> None:
    def odds(**visits: tuple[int, ...]) -> list[float]:
        return log_odds(visits, list(visits), of=20).tolist()

    often, seldom = odds(a=(2, 3, 4), b=(2,))
    late, early = odds(a=(1, 9), b=(5, 9))
    assert often > seldom
    assert late > early
    assert odds(a=(2, 3, 4, 5), b=(2,))[0] > often


def test_who_never_repeats_is_not_taken_back() -> None:
    new = {f"x{n}": (n,) for n in range(1, 40)}
    (never,) = log_odds({**new, "a": (5,)}, ["a"], of=20)
    (repeater,) = log_odds({"a": (5,), "c": (1, 2, 3, 4, 5, 6)}, ["a"], of=20)
    assert never < repeater


def test_a_list_full_of_what_was_had_says_less_of_each() -> None:
    visits = {**{f"x{n}": (2,) for n in range(1, 30)}, "y": (2, 3, 4), "z": (4,)}
    (alone,) = log_odds(visits, ["x1"], of=20)
    crowd = log_odds(visits, [f"x{n}" for n in range(1, 11)], of=20)
    assert crowd == pytest.approx([crowd[0]] * 10)
    assert crowd[0] < alone - 2


def test_where_all_that_was_had_is_listed_it_is_no_find() -> None:
    (alone,) = log_odds({"a": (1,)}, ["a"], of=20)
    (found,) = log_odds({"a": (1,), **{f"x{n}": (1,) for n in range(20)}}, ["a"], of=20)
    assert found - alone > np.log(20) / 2 - 1


def test_the_rate_of_a_catalogue_counts_until_the_person_is_known() -> None:
    visits = {"a": (5,)}
    songs, films = RepeatRate(8.0, 2.0), RepeatRate(0.1, 9.9)
    assert log_odds(visits, ["a"], of=20, rate=songs) > log_odds(visits, ["a"], of=20, rate=films)
    many = {f"x{n}": tuple(range(1, n + 2)) for n in range(40)}
    gap = np.ptp([log_odds({**many, "a": (5,)}, ["a"], of=20, rate=one) for one in (songs, films)])
    assert gap < 0.5


def test_log_odds_are_bounded() -> None:
    steady = log_odds({"a": tuple(range(1, 400)), "b": (400,)}, ["a"], of=10_000)
    strangers = {f"x{n}": (1,) for n in range(400)}
    assert steady.tolist() == [MOST]
    assert (log_odds(strangers, list(strangers), of=400) == LEAST).all()


def test_the_present_session_is_no_coming_back() -> None:
    assert not judged(*days(ITEMS[0], 0)).values.any()
    assert column(judged(*days(ITEMS[0], 0, 1, 2, 3)), HABIT)[0] > 0.0


def test_bounces_and_dislikes_are_no_having() -> None:
    bounces = [Event("view", ITEMS[0], timestamp=NOW - n * DAY, dwell_s=1) for n in (3, 2, 1)]
    assert not judged(*bounces).values.any()
    assert not judged(*days(ITEMS[0], 5, 4, 3), *days(ITEMS[0], 2, kind="dislike")).values.any()


def test_what_was_had_just_now_is_lowered_and_less_so_later() -> None:
    def done(days_ago: float) -> float:
        return column(judged(*days(ITEMS[0], days_ago, kind="purchase")), DONE)[0]

    assert done(0) == pytest.approx(1.0)
    assert done(7) == pytest.approx(0.5)


def test_what_is_due_is_lifted_and_what_was_just_bought_is_not() -> None:
    def total(*ago: float) -> float:
        evidence = judged(*days(ITEMS[0], *ago, kind="purchase"))
        return float(evidence.scores()[0])

    assert total(95, 65, 35, 5) > 0 > total(90.05, 60.05, 30.05, 0.05)


def test_a_query_silences_the_habit() -> None:
    evidence = judged(*days(ITEMS[0], 9, 8, 7), query="oat milk")
    assert not evidence[HABIT.name].any()
    assert not evidence[HAD.name].any()


def test_fresh_says_nothing_for_what_was_had() -> None:
    events = [*days(ITEMS[0], 9, 8, 7), *days(ITEMS[1], 1, kind="purchase")]
    evidence = judged(*events, repeats="fresh")
    assert not evidence[HABIT.name].any()
    assert not evidence[HAD.name].any()
    assert column(evidence, DONE)[1] > 0.5


def test_never_is_known_of_what_was_had() -> None:
    evidence = judged(*days(ITEMS[0], 9, 8), *days(ITEMS[1], 7, kind="dislike"), repeats="never")
    assert column(evidence, BEHIND) == [1.0] + [0.0] * 9


@pytest.fixture(scope="module")
def engine() -> RankingEngine:
    return RankingEngine.open()


HISTORY = sorted(
    [*days(ITEMS[0], 9, 8, 7, 6), *days(ITEMS[1], 5), *days(ITEMS[2], 0.01)],
    key=lambda event: event.timestamp or 0.0,
)


def test_never_stands_behind_all_others_with_a_reason(engine: RankingEngine) -> None:
    for query in (None, "rye bread"):
        ranking = engine.rank(ITEMS, history=HISTORY, now=NOW, repeats="never", query=query)
        assert {one.item.id for one in ranking[-3:]} == {"a", "b", "n0"}
        scores = [one.score for one in ranking]
        assert scores == sorted(scores, reverse=True)
        for one in ranking[-3:]:
            (said,) = (why for why in one.reasons if why.code is ReasonCode.REPEAT)
            assert said.weight < 0


def test_learn_is_what_a_call_and_a_host_that_say_nothing_get(engine: RankingEngine) -> None:
    plain = engine.rank(ITEMS, history=HISTORY, now=NOW)
    learn = engine.rank(ITEMS, history=HISTORY, now=NOW, repeats=Repeats.LEARN)
    assert [one.score for one in plain] == [one.score for one in learn]
    assert plain[0].item.id == "a"
    assert ReasonCode.HABIT in {why.code for why in plain[0].reasons}
    assert plain[0].reasons[0].code.lifts == "you come back to this"


def test_the_host_says_it_for_every_call_and_a_call_for_itself() -> None:
    with Reranker.open(repeats="never") as reranker:
        reranker.consent("ann", True)
        reranker.record(HISTORY, user="ann")
        assert reranker.rank(ITEMS, user="ann", now=NOW)[0].item.id not in {"a", "b", "n0"}
        assert reranker.rank(ITEMS, user="ann", now=NOW, repeats="learn")[0].item.id == "a"


@pytest.mark.parametrize("value", ["always", 1, True, ""])
def test_other_words_are_refused(engine: RankingEngine, value: object) -> None:
    with pytest.raises(InvalidRequest, match="repeats"):
        engine.rank(ITEMS, repeats=value)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="repeats"):
        RankingEngine.open(repeats=value)  # type: ignore[arg-type]
