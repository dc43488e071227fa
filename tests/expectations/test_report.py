from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator

import pytest

from edge_rerank import History, Item, RankedItem, Ranking, Reranker
from edge_rerank.evaluation.expectations.catalogue import Catalogue
from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    NEVER,
    Bound,
    Expectation,
    ExpectationReport,
    Group,
    Outcome,
    at_least,
    at_most,
    between,
)
from edge_rerank.evaluation.expectations.measures import (
    best_place,
    count,
    mean_place,
    place,
    shared,
    without,
)
from edge_rerank.evaluation.expectations.queries import mistype
from edge_rerank.evaluation.expectations.visits import BEGINNING, Host
from edge_rerank.ranking.engine import RankingEngine


@pytest.fixture
def host(engine: RankingEngine) -> Iterator[Host]:
    with History.open() as history:
        reranker = Reranker(engine, history)
        yield Host(reranker, Catalogue.shipped(), Catalogue.in_other_scripts())


def ranking(*kinds: str) -> Ranking:
    """Items of these kinds, ids from 1 on."""
    return Ranking(
        tuple(
            RankedItem(Item(str(rank), fields={"kind": kind}), rank, 0.0)
            for rank, kind in enumerate(kinds, start=1)
        ),
        id="made",
    )


def outcome(group: Group, got: float, bound: Bound) -> Outcome:
    expectation = Expectation(group, f"{group} {got}", bound, lambda _host: got)
    return Outcome(expectation, got, bound.holds(got))


@pytest.mark.parametrize(
    ("bound", "inside", "outside", "text"),
    [
        (at_least(2), (2, 9), (1.99, -math.inf, math.nan), "≥ 2"),
        (at_most(0.5), (0.5, -3), (0.51, math.inf, math.nan), "≤ 0.5"),
        (between(4, 6), (4, 5.5, 6), (3.9, 6.1, math.nan), "4 to 6"),
        (ALWAYS, (1,), (0.99, 0), "1"),
        (NEVER, (0,), (1, 0.01), "0"),
    ],
)
def test_bounds(
    bound: Bound, inside: tuple[float, ...], outside: tuple[float, ...], text: str
) -> None:
    assert all(map(bound.holds, inside))
    assert not any(map(bound.holds, outside))
    assert str(bound) == text


def test_a_report_counts_by_group() -> None:
    report = ExpectationReport(
        "tiny 1",
        (
            outcome(Group.QUERY, 1.0, ALWAYS),
            outcome(Group.QUERY, 0.25, at_least(0.8)),
            outcome(Group.STRENGTH, 3.0, between(1, 4)),
        ),
    )
    assert report.met == 2
    assert report.share == pytest.approx(2 / 3)
    assert [one.got for one in report.unmet] == [0.25]
    assert [*report.groups] == [Group.STRENGTH, Group.QUERY]  # in their order, empty ones left out
    assert report.rows() == [
        ("✓", "strength", "strength 3.0", "1 to 4", "3"),
        ("✓", "query", "query 1.0", "1", "1"),
        ("✗", "query", "query 0.25", "≥ 0.8", "0.25"),
    ]
    assert report.rows(unmet=True) == report.rows()[2:]


def test_a_report_as_strict_json() -> None:
    report = ExpectationReport(
        "tiny 1",
        (outcome(Group.QUERY, math.nan, at_least(0.8)), outcome(Group.HOST, 3.0, at_most(4))),
    )

    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(report.to_json(), parse_constant=refuse)
    assert {name: found[name] for name in ("model", "share", "met", "count", "groups")} == {
        "model": "tiny 1",
        "share": 0.5,
        "met": 1,
        "count": 2,
        "groups": {"query": 0.0, "host": 1.0},
    }
    first, second = found["expectations"]
    assert (first["low"], first["high"], first["got"], first["met"]) == (0.8, None, None, False)
    assert (second["low"], second["high"], second["got"], second["met"]) == (None, 4, 3, True)


def test_measures() -> None:
    tea, chess, cat = "tea", "chess", "cat"
    one = ranking(tea, chess, tea, cat)
    other = ranking(cat, chess)
    assert count(one, tea) == 2
    assert count(one, tea, cat, top=1) == 1
    assert place(one, one[2].item) == 3
    assert best_place(one, cat) == 4
    assert mean_place(one, tea) == 2.0
    assert mean_place(one, tea, besides=[one[0].item]) == 3.0
    assert shared(one, other) == 2
    assert shared(one, other, top=1) == 1
    assert without([ranked.item for ranked in one], [one[0].item]) == [
        ranked.item for ranked in one[1:]
    ]


def test_typing_errors_are_one_a_long_word() -> None:
    rng = random.Random(1)
    text = "Choosing your first telescope: 200 to 800 euros"
    for _ in range(200):
        typed = mistype(text, rng)
        words, before = re.findall(r"[A-Za-z]+", typed), re.findall(r"[A-Za-z]+", text)
        assert len(words) == len(before)
        for word, original in zip(words, before, strict=True):
            assert (word == original) is (len(original) < 5)
            assert word[0] == original[0]
            assert abs(len(word) - len(original)) <= 1


def test_a_person_does_things_one_after_the_other(host: Host) -> None:
    tea = host.catalogue.some("茶", 2)
    person = host.person().read(*tea).searched("green tea").later(hours=2.0).clicked(tea[0])
    events = host.reranker.history.events(person.user)
    assert [event.type.value for event in events] == [
        *("click", "view", "click", "view", "search", "click")
    ]
    times = [event.timestamp or 0.0 for event in events]
    assert times == sorted(times)
    assert times[0] == BEGINNING
    assert person.profile().sessions == 2
    assert host.person().user != person.user
    assert person.now > times[-1]


def test_a_stranger_has_no_history(host: Host) -> None:
    person = host.person().clicked(*host.catalogue.some("chess", 4))
    assert person.list().personalised
    assert not host.to_stranger().personalised
    assert host.to_stranger() is host.to_stranger()
    assert host.to_stranger("chess") != host.to_stranger()
