"""The circumstances of a call and which list it is for: checked, kept, and no part of a score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, RankOptions, Reranker
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Value
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.request import Request

ITEMS = [
    Item(f"i{number}", text, [category], popularity=10.0 * number)
    for number, (text, category) in enumerate(
        [
            ("Sourdough bread for beginners", "Food"),
            ("Choosing a first telescope", "Science"),
            ("Croissants, step by step", "Food"),
            ("A walk to the moon", "Science"),
            ("Rye bread", "Food"),
        ]
    )
]
EVENT = Event("like", ITEMS[0], timestamp=1_700_000_000.0)
CONTEXT: Mapping[str, Value | None] = {
    "hour": 20,
    "device": "kiosk",
    "temperature": -3.5,
    "unknown": None,
}


class Nothing:
    """Compares nothing: no source asks here."""

    def compare(self, *_: object) -> Comparisons:
        raise AssertionError

    def likeness(self, *_: object) -> NDArray[np.float64]:
        raise AssertionError


def request(**options: Any) -> Request:
    return Request.of(ITEMS, history=(), comparer=Nothing(), **options)


def test_a_request_keeps_what_was_said() -> None:
    made = request(context=CONTEXT, surface="home")
    assert made.context == {"hour": 20, "device": "kiosk", "temperature": -3.5}
    assert made.surface == "home"
    with pytest.raises(TypeError):
        made.context["hour"] = 3  # type: ignore[index]
    assert CONTEXT["unknown"] is None
    assert len(CONTEXT) == 4
    assert "kiosk" not in repr(made)
    given = dict(CONTEXT)
    made = request(context=given)
    given["hour"] = 3
    assert made.context["hour"] == 20


def test_a_request_says_nothing_where_nothing_was_said() -> None:
    for made in (request(), request(context=None, surface=None), request(context={})):
        assert made.context == {}
        assert made.surface is None


@pytest.mark.parametrize(
    "context",
    [
        "secret",
        [("secret", 1)],
        {"secret!": 1},
        {"secret": ""},
        {"secret": "x" * 129},
        {"secret": False},
        {"secret": float("nan")},
        {f"secret{number}": 1 for number in range(17)},
        {"hour": 24},
        {"hour": -1},
        {"hour": 20.0},
        {"hour": "20"},
        {"weekday": 7},
        {"month": 0},
    ],
    ids=repr,
)
def test_what_is_malformed_is_refused(context: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^context: .*expected") as caught:
        request(context=context)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("edge", [{"hour": 0}, {"hour": 23}, {"weekday": 0}, {"month": 12}])
def test_the_edges_are_taken(edge: dict[str, int]) -> None:
    assert request(context=edge).context == edge
    assert request(context={name: np.int64(one) for name, one in edge.items()}).context == edge


@pytest.mark.parametrize("surface", ["", "a b", "_home", "h" * 65, 7, b"home", "家"])
def test_a_surface_is_a_name(surface: Any) -> None:
    with pytest.raises(InvalidRequest, match="surface: expected 1 to 64"):
        request(surface=surface)


def test_they_change_no_score() -> None:
    with Reranker.open() as reranker:
        reranker.consent("alice", True)
        reranker.record(EVENT, user="alice")
        moment: RankOptions = {"now": 1_700_000_100.0}
        plain = reranker.rank(ITEMS, "alice", **moment)
        ways: list[RankOptions] = [
            {"now": moment["now"], "context": CONTEXT},
            {"now": moment["now"], "surface": "home"},
            {"now": moment["now"], "context": {}, "surface": None},
        ]
        for said in ways:
            again = reranker.rank(ITEMS, "alice", **said)
            assert [(one.item.id, one.score) for one in again] == [
                (one.item.id, one.score) for one in plain
            ]
        texts = reranker.rank_texts("bread", ["tea", "bread"], context=CONTEXT, surface="home")
        assert texts[0].index == 1
        reranker.describe("alice", {"age_group": "30-39"})
        described = reranker.rank(ITEMS, "alice", **moment)
        assert [(one.item.id, one.score) for one in described] == [
            (one.item.id, one.score) for one in plain
        ]
        with pytest.raises(InvalidRequest, match="context"):
            reranker.rank(ITEMS, context={"hour": 99})


@pytest.mark.parametrize("locale", ["", "z", "中文", "zh CN", "zh-", 7, "a" * 9, "zh\n"])
def test_a_locale_is_a_language_tag(locale: Any) -> None:
    with pytest.raises(InvalidRequest, match="locale: expected a language tag"):
        request(locale=locale)


@pytest.mark.parametrize("locale", ["zh", "zh-CN", "zh_Hans_CN", "en", "de-DE-1996"])
def test_language_tags_are_taken(locale: str) -> None:
    assert request(locale=locale).locale == locale
    assert request().locale == ""
