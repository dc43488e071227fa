from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import numpy as np
import pytest

from edge_rerank import Event, EventType, Item
from edge_rerank._check import MAX_ID_CHARS
from edge_rerank.errors import InvalidEvent, InvalidItem
from edge_rerank.types import MAX_CATEGORIES, MAX_VECTOR_DIM, EventName


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": ""},
        {"id": 7.0},
        {"id": True},
        {"id": 1 << 3000},
        {"id": "x" * (MAX_ID_CHARS + 1)},
        {"id": "\ud800"},
        {"id": "a", "text": b"bytes"},
        {"id": "a", "text": None},
        {"id": "a", "categories": "Books"},
        {"id": "a", "categories": [""]},
        {"id": "a", "categories": [1]},
        {"id": "a", "categories": ["c"] * (MAX_CATEGORIES + 1)},
        {"id": "a", "popularity": -1},
        {"id": "a", "popularity": math.nan},
        {"id": "a", "popularity": True},
        {"id": "a", "popularity": "many"},
        {"id": "a", "score": math.inf},
        {"id": "a", "score": 10**400},
        {"id": "a", "vector": []},
        {"id": "a", "vector": [[1.0]]},
        {"id": "a", "vector": [math.nan]},
        {"id": "a", "vector": [1e300]},
        {"id": "a", "vector": ["x"]},
        {"id": "a", "vector": np.zeros(MAX_VECTOR_DIM + 1)},
        {"id": "a", "fields": [("k", 1)]},
        {"id": "a", "fields": {1: "v"}},
        {"id": "a", "fields": {"k": object()}},
    ],
)
def test_malformed_items(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidItem, match="expected"):
        Item(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"type": "teleport"},
        {"type": 3},
        {"type": "click", "item": None},
        {"type": "click", "item": "a"},
        {"type": "search"},
        {"type": "search", "query": " \n"},
        {"type": "search", "query": 5},
        {"type": "click", "dwell_s": -1},
        {"type": "click", "dwell_s": math.nan},
        {"type": "click", "timestamp": -1},
        {"type": "click", "timestamp": "now"},
        {"type": "click", "scroll": math.inf},
        {"type": "click", "value": "5 EUR"},
        {"type": "click", "position": 0},
        {"type": "click", "position": 1.5},
        {"type": "click", "position": 2**63},
        {"type": "click", "position": True},
        {"type": "click", "ranking": ""},
        {"type": "click", "id": 5.5},
        {"type": "click", "timestamp": datetime(2026, 1, 1)},
        {"type": "click", "timestamp": np.datetime64("2026-01-01")},
        {"type": "click", "timestamp": np.array([1.0])},
    ],
)
def test_malformed_events(arguments: dict[str, object]) -> None:
    if arguments["type"] != "search":
        arguments = {"item": Item("a"), **arguments}
    with pytest.raises(InvalidEvent, match=r"expected|needs"):
        Event(**arguments)  # type: ignore[arg-type]


def test_values_are_normalised() -> None:
    item = Item("a", categories=["x"], popularity=np.int64(3), vector=[1, 2], fields={"price": 5})
    assert item.categories == ("x",)
    assert type(item.popularity) is float
    assert item.vector is not None
    assert item.vector.dtype == np.float32
    event = Event("like", item, position=np.int32(4))
    assert event.type is EventType.LIKE
    assert type(event.position) is int


def test_what_hosts_have_at_hand_is_taken() -> None:
    item = Item(7, categories=iter(["a", "b"]), vector=(number for number in (1, 2)))
    assert (item.id, item.categories) == ("7", ("a", "b"))
    assert item.vector is not None
    assert item.vector.tolist() == [1, 2]
    assert Item("a", categories=np.array(["x"])).categories == ("x",)
    moment = datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert Event("click", item, timestamp=moment + timedelta(seconds=5)).timestamp == 5
    assert Event("click", item, timestamp=datetime.fromtimestamp(9, UTC), id=5, ranking=6).id == "5"


def test_the_names_of_events_are_those_of_the_types() -> None:
    assert set(get_args(EventName)) == {kind.value for kind in EventType}


def test_values_are_frozen_to_the_bottom() -> None:
    given = np.ones(3)
    fields = {"price": 5}
    item = Item("a", vector=given, fields=fields)
    given[:] = 0
    fields["price"] = 6
    assert item.vector is not None
    assert item.vector.tolist() == [1, 1, 1]
    assert item.fields == {"price": 5}
    with pytest.raises(ValueError, match="read-only"):
        item.vector[0] = 9
    with pytest.raises(TypeError):
        item.fields["price"] = 7  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        item.id = "b"  # type: ignore[misc]


def test_reprs_hold_no_content() -> None:
    event = Event("search", query="a private question", timestamp=5)
    item = Item("a", "a private text", ["private"])
    assert "private" not in repr(item) + repr(event) + repr(Event("click", item))


def test_equal_items_hash_alike() -> None:
    one, two = Item("a", "t", fields={"k": 1}), Item("a", "t", fields={"k": 1})
    assert one == two
    assert hash(one) == hash(two)
