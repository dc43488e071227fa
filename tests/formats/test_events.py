from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, EventType, Item
from edge_rerank.errors import InvalidEvent, InvalidInput, InvalidItem
from edge_rerank.formats.dataset import DataSet
from edge_rerank.formats.events import (
    EVENT_MEMBERS,
    HOST_MEMBERS,
    ITEM_MEMBERS,
    MEDIA_MEMBERS,
    event_from_dict,
    event_to_dict,
    item_from_dict,
    item_to_dict,
)
from edge_rerank.formats.items import read_events, read_items
from edge_rerank.formats.times import read_timestamp
from edge_rerank.history.personal_data import PersonalData, read_export
from edge_rerank.history.vault.codec import decode, encode
from edge_rerank.history.vault.receipts import StoredEvent

WHOLE = (*ITEM_MEMBERS, *HOST_MEMBERS)

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)
amounts = st.floats(0, allow_nan=False, allow_infinity=False)
dates = st.floats(0, 1e11, exclude_max=True)
items = st.builds(
    Item,
    ids,
    st.text(max_size=80),
    st.lists(ids, max_size=4),
    st.none() | amounts,
    st.none() | numbers,
    st.none() | st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1),
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | numbers | st.text()),
    st.none() | dates,
)
events = st.builds(
    Event,
    st.sampled_from([kind for kind in EventType if kind is not EventType.SEARCH]),
    items,
    timestamp=st.none() | amounts,
    dwell_s=st.none() | amounts,
    scroll=st.none() | numbers,
    query=st.none() | st.text(max_size=20),
    value=st.none() | numbers,
    ranking=st.none() | ids,
    position=st.none() | st.integers(1, 2**31 - 1),
    id=st.none() | ids,
)


def through_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def vector_of(item: Item | None) -> list[float] | None:
    return None if item is None or item.vector is None else item.vector.tolist()


def kept(item: Item) -> Item:
    return Item(item.id, item.text, item.categories, item.popularity, vector=item.vector)


@given(items)
def test_an_item_comes_back_whole(item: Item) -> None:
    again = item_from_dict(through_json(item_to_dict(item, WHOLE)), WHOLE, complete=True)
    assert again == item
    assert vector_of(again) == vector_of(item)


@given(items)
def test_by_default_what_is_kept_of_an_item(item: Item) -> None:
    record = through_json(item_to_dict(item))
    assert list(record) == list(ITEM_MEMBERS)
    assert item_from_dict(record, complete=True) == kept(item)


@given(events)
def test_an_event_comes_back_whole(event: Event) -> None:
    record = through_json(event_to_dict(event))
    assert list(record) == list(EVENT_MEMBERS)
    item = item_from_dict(record["item"], complete=True)
    again = event_from_dict(record, item, complete=True)
    assert event.item is not None
    assert again == dataclasses.replace(event, item=kept(event.item))
    assert vector_of(again.item) == vector_of(event.item)


def test_the_members_are_the_fields() -> None:
    """Who adds a field to an item or an event decides here how it is written."""
    fields = {field.name for field in dataclasses.fields(Item)}
    assert {*WHOLE, *MEDIA_MEMBERS} == fields
    assert set(EVENT_MEMBERS) == {field.name for field in dataclasses.fields(Event)}


def test_the_order_is_that_of_sealed_events() -> None:
    event = Event("click", Item("a", "A", ["x"], 2, vector=[0.5]), timestamp=7, ranking="r")
    assert json.dumps(event_to_dict(event)) == (
        '{"type": "click", "timestamp": 7, "item": {"id": "a", "text": "A", "categories": ["x"], '
        '"popularity": 2.0, "vector": [0.5]}, "dwell_s": null, "scroll": null, "query": null, '
        '"value": null, "ranking": "r", "position": null, "id": null}'
    )


def test_absent_members_are_defaults() -> None:
    assert item_from_dict({"id": "a", "price": 3, "score": 2}) == Item("a")
    assert item_from_dict({"id": "a", "score": 2}, WHOLE) == Item("a", score=2)
    assert event_from_dict({"type": "search", "query": "tea"}, None) == Event("search", query="tea")
    only = event_from_dict({"type": "click", "id": "e", "value": 3}, Item("a"), ("type", "value"))
    assert only == Event("click", Item("a"), value=3)


@pytest.mark.parametrize(
    "record",
    [None, [], "a", {}, {"id": 7.5}, {"id": "a", "text": None}, {"id": "a", "vector": "x"}],
)
def test_what_is_no_item(record: object) -> None:
    with pytest.raises(InvalidItem):
        item_from_dict(record)


@pytest.mark.parametrize(
    "record", [None, [], "a", {}, {"type": "stare"}, {"type": "click", "timestamp": "1970-01-01"}]
)
def test_what_is_no_event(record: object) -> None:
    with pytest.raises(InvalidEvent):
        event_from_dict(record, Item("a"))


def test_complete_means_every_member() -> None:
    item = item_to_dict(Item("a"))
    event = event_to_dict(Event("click", Item("a"), timestamp=1))
    for name in item:
        with pytest.raises(InvalidItem, match="expected all of id, text"):
            item_from_dict({key: item[key] for key in item if key != name}, complete=True)
    for name in event:
        less = {key: event[key] for key in event if key != name}
        with pytest.raises(InvalidEvent, match="expected all of type, timestamp"):
            event_from_dict(less, Item("a"), complete=True)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5),
        ("5.5", 5.5),
        (1_700_000_000_000, 1_700_000_000),
        ("1700000000000", 1_700_000_000),
        ("1970-01-01T00:00:05Z", 5),
        (" 1970-01-01T01:00:05+01:00 ", 5),
        ("1970-01-01 00:00:05", 5),
        (None, None),
        (True, True),
    ],
)
def test_timestamps(written: object, seconds: float | None) -> None:
    assert read_timestamp(written) == seconds


def test_times_of_any_form_are_read_where_that_is_asked_for() -> None:
    record = {"type": "click", "timestamp": "1970-01-01T00:00:05Z"}
    assert event_from_dict(record, Item("a"), any_time=True).timestamp == 5
    with pytest.raises(InvalidInput, match="timestamp: expected UTC seconds"):
        event_from_dict(record, Item("a"))
    with pytest.raises(InvalidInput, match="ISO 8601") as caught:
        event_from_dict({**record, "timestamp": "secret"}, Item("a"), any_time=True)
    assert "secret" not in str(caught.value)


def test_logs_data_sets_item_files_and_exports_read_alike(tmp_path: Path) -> None:
    item = Item("a", "A", ["x", "y"], 2.5)
    event = Event("view", item, timestamp=7, dwell_s=3.5, scroll=0.5, position=4)
    (tmp_path / "items.jsonl").write_text(json.dumps(item_to_dict(item)))
    (tmp_path / "log.jsonl").write_text(json.dumps(event_to_dict(event)))
    shown = {**event_to_dict(event), "item": item.id}
    request = {"history": [shown], "candidates": [], "clicked": []}
    (tmp_path / "test.jsonl").write_text(json.dumps(request))
    export = PersonalData(0, events=(StoredEvent(1, 7, event),)).to_json()

    assert read_items(tmp_path / "items.jsonl") == [item]
    assert read_log_of(tmp_path / "items.jsonl", tmp_path / "log.jsonl") == [event]
    data = DataSet.open(tmp_path)
    assert data.items == {"a": item}
    assert next(data.requests("test")).history == (event,)
    assert read_export(export) == ((event,), {})
    assert decode([encode(event, recorded=7)[0]]) == [(event, 7)]


def read_log_of(items: Path, log: Path) -> list[Event]:
    events, bad = read_events(log, read_items(items))
    assert not bad
    return events


@pytest.mark.parametrize(
    ("given_time", "seconds"),
    [("2026-11-03T18:20:00Z", 1793730000.0), ("1793730000", 1793730000.0), (5, 5.0), (None, None)],
)
def test_when_an_item_was_published_is_read_in_any_form(
    given_time: object, seconds: float | None
) -> None:
    assert item_from_dict({"id": "a", "published": given_time}, WHOLE).published == seconds


def test_a_time_of_publishing_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidItem, match="published: expected") as caught:
        item_from_dict({"id": "a", "published": "secret"}, WHOLE)
    assert "secret" not in str(caught.value)
