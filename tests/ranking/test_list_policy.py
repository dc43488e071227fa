"""List policies as values: checked when they are made, read from JSON, copied."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from edge_rerank import (
    Block,
    Calibrate,
    Cap,
    Collapse,
    Decay,
    Diversify,
    Exposure,
    Fatigue,
    Fresh,
    Item,
    ListPolicy,
    RankingEngine,
    Rotate,
    Spread,
)
from edge_rerank.errors import InvalidRequest

WHOLE = ListPolicy(
    block=Block(ids=[7], categories=["Ads"], words=["Free  Money"]),
    pin={"a": 1, "b": 4},
    caps=[Cap("category", share=0.3), Cap("sponsored", most=1, hard=True, of=True)],
    spread=[Spread("brand", distance=3)],
    decay=[Decay("author", factor=0.4, floor=0.2)],
    fatigue=Fatigue(shown=4),
    rotate=Rotate(rate=0.2),
    fresh=Fresh(half_life_days=2),
    floor=0.1,
    collapse=Collapse(cosine=0.9),
    diversity=Diversify(0.4, "dpp"),
    calibrate=Calibrate(0.6),
    had="sink",
)


def test_a_policy_is_one_value() -> None:
    for again in (copy.copy(WHOLE), copy.deepcopy(WHOLE), pickle.loads(pickle.dumps(WHOLE))):
        assert again == WHOLE
        assert hash(again) == hash(WHOLE)
    assert ListPolicy() == ListPolicy(caps=(), pin={})
    with pytest.raises(AttributeError):
        WHOLE.floor = 0.5  # type: ignore[misc]
    with pytest.raises(TypeError):
        WHOLE.pin["c"] = 2  # type: ignore[index]


def test_words_are_folded_and_ids_become_strings() -> None:
    assert WHOLE.block is not None
    assert WHOLE.block.words == {"free money"}
    assert WHOLE.block.ids == {"7"}


def test_reprs_show_nothing_of_a_person() -> None:
    assert "money" not in repr(WHOLE)
    assert "Ads" not in repr(WHOLE)
    assert repr(ListPolicy()) == "ListPolicy(<off>)"
    assert "brand" not in repr(ListPolicy(spread=[Spread("brand")]))


def test_a_policy_comes_from_json() -> None:
    record = {
        "block": {"ids": [7], "categories": ["Ads"], "words": ["Free  Money"]},
        "pin": {"a": 1, "b": 4},
        "caps": [
            {"key": "category", "share": 0.3},
            {"key": "sponsored", "most": 1, "hard": True, "of": True},
        ],
        "spread": [{"key": "brand", "distance": 3}],
        "decay": [{"key": "author", "factor": 0.4, "floor": 0.2}],
        "fatigue": {"shown": 4},
        "rotate": {"rate": 0.2},
        "fresh": {"half_life_days": 2},
        "floor": 0.1,
        "collapse": {"cosine": 0.9},
        "diversity": {"strength": 0.4, "method": "dpp"},
        "calibrate": {"strength": 0.6},
        "had": "sink",
    }
    assert ListPolicy.from_dict(json.loads(json.dumps(record))) == WHOLE
    assert ListPolicy.from_dict({"floor": None}) == ListPolicy()


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {"secret-member": 1},
        {"caps": {"key": "a", "most": 1}},
        {"caps": [{"most": 1}]},
        {"caps": [{"key": "a"}]},
        {"caps": [{"key": "a", "most": 1, "share": 0.5}]},
        {"caps": [{"key": "a", "most": 1, "secret-member": 1}]},
        {"block": ["a"]},
        {"block": {"ids": "abc"}},
        {"block": {"words": ["  "]}},
        {"pin": ["a"]},
        {"pin": {"a": 0}},
        {"pin": {"a": 1, "b": 1}},
        {"diversity": {"method": "secret-method"}},
        {"had": "secret-word"},
        {"floor": 1.5},
        {"spread": [{"key": "a", "distance": 1}]},
    ],
)
def test_what_is_malformed_is_refused_without_repeating_it(record: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ListPolicy.from_dict(record)
    assert "expected" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cap("", most=1),
        lambda: Cap("a", most=0),
        lambda: Cap("a", share=0.0),
        lambda: Cap("a", share=1.1),
        lambda: Cap("a", most=1, hard=1),  # type: ignore[arg-type]
        lambda: Cap("a", most=1, of=["x"]),  # type: ignore[arg-type]
        lambda: Spread("a", distance=101),
        lambda: Decay("a", factor=-0.1),
        lambda: Decay("a", floor=0.0),
        lambda: Fatigue(shown=0),
        lambda: Fatigue(least=0.0),
        lambda: Fatigue(hidden_days=-1),
        lambda: Rotate(rate=1.0),
        lambda: Rotate(seconds=0),
        lambda: Fresh(half_life_days=0),
        lambda: Fresh(weight=float("nan")),
        lambda: Collapse(cosine=2.0),
        lambda: Diversify(strength=True),
        lambda: Calibrate(strength="much"),  # type: ignore[arg-type]
        lambda: Exposure(shown=-1),
        lambda: Exposure(shown=1, last=datetime(2026, 1, 1)),
        lambda: ListPolicy(caps=Cap("a", most=1)),  # type: ignore[arg-type]
        lambda: ListPolicy(caps=[Spread("a")]),  # type: ignore[list-item]
        lambda: ListPolicy(caps=[Cap("a", most=1)] * 17),
        lambda: ListPolicy(fresh=Rotate()),  # type: ignore[arg-type]
        lambda: ListPolicy(pin={"a": 10_001}),
    ],
)
def test_each_rule_is_checked_once_when_it_is_made(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidRequest, match="expected"):
        make()


def test_an_exposure_takes_a_datetime() -> None:
    assert Exposure(3, last=datetime(2026, 1, 1, tzinfo=UTC)).last == 1767225600.0


def test_a_call_takes_policies_and_exposures_alone(engine: RankingEngine) -> None:
    items = [Item("a", "tea"), Item("b", "bread")]
    with pytest.raises(InvalidRequest, match="policy: expected a ListPolicy, got dict"):
        engine.rank(items, policy={"floor": 0.1})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="exposures: expected"):
        engine.rank(items, exposures=[1])  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="exposures: expected a Exposure"):
        engine.rank(items, policy=ListPolicy(fatigue=Fatigue()), exposures={"a": 3})  # type: ignore[dict-item]
