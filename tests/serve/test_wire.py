"""Requests of every shape, as they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edge_rerank import Cap, Exposure, ListPolicy
from edge_rerank.errors import InvalidEvent, InvalidInput, InvalidItem, InvalidRequest
from edge_rerank.serve.answers import COHERE, JINA, TEI, VLLM, Shape
from edge_rerank.serve.known_items import KnownItems
from edge_rerank.serve.wire import (
    RankCall,
    TextsCall,
    parse,
    read_events,
    read_items,
    read_rank,
    read_texts,
    read_whose,
    render,
)
from edge_rerank.types import Item


@pytest.mark.parametrize("text", ["NaN", "1e999", "-Infinity", '"\xff"', "[" * 100_000, "", "{"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse(text.encode("latin-1"))


def test_half_an_emoji_goes_back_as_it_came() -> None:
    assert render(parse(b'"\\ud83d"')) == b'"\\ud83d"'
    assert render({"ü": 1.5}) == '{"ü":1.5}'.encode()


def test_null_is_the_same_as_not_there_but_for_the_user() -> None:
    call = read_rank({"items": [{"id": 7, "text": None}], "query": None, "user": None}, "me")
    assert read_items(call.items, KnownItems()) == [Item("7")]
    assert call.options == {}
    assert call.whose.user is None
    assert read_rank({"items": []}, "me").whose.user == "me"
    assert read_whose({"guest": "g"}, "me").user is None


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {},
        {"items": "abc"},
        {"items": [7]},
        {"items": [{"text": "no id"}]},
        {"items": [{"id": "a", "secret-member": 1}]},
        {"items": [], "secret-member": 1},
        {"items": [], "user": "a", "guest": "b"},
        {"items": [], "user": ["secret-user"]},
        {"items": [], "why": 1},
    ],
)
def test_a_malformed_request_is_refused_without_its_content(params: Any) -> None:
    with pytest.raises(InvalidInput, match="expected") as refused:
        read_items(read_rank(params, None).items, KnownItems())
    assert "secret" not in str(refused.value)


def test_an_error_says_which_of_a_list_it_was() -> None:
    good = {"id": "a", "text": "Bread"}
    with pytest.raises(InvalidItem, match=r"in items at index 2$"):
        read_items([good, good, {"id": "b", "text": 5}], KnownItems())
    clicks = {"events": [{"type": "click", "item": "a"}, {"type": "click"}]}
    with pytest.raises(InvalidEvent, match=r"in events at index 1$"):
        read_events(clicks, lambda name: None)
    with pytest.raises(InvalidItem, match=r"in documents at index 1$"):
        read_texts({"documents": ["a", {"title": "b"}]}, None)


@pytest.mark.parametrize(
    ("shape", "request_", "top", "echo"),
    [
        (COHERE, {"model": "m", "documents": ["a", "b"], "top_n": 1}, 1, None),
        (COHERE, {"documents": ["a", "b"], "max_tokens_per_doc": 10}, None, None),
        (JINA, {"documents": ["a", {"text": "b"}], "return_documents": True}, None, True),
        (VLLM, {"documents": ["a", "b"], "top_n": 0, "truncate_prompt_tokens": 9}, None, None),
        (VLLM, {"documents": ["a", "b"], "raw_scores": False, "top_n": 2}, 2, None),
        (TEI, {"texts": ["a", "b"], "truncate": True, "return_text": True}, None, True),
        (TEI, {"texts": ["a", {"id": "x", "text": "b", "popularity": 3}]}, None, None),
    ],
)
def test_the_shapes_of_others(
    shape: Shape, request_: dict[str, Any], top: int | None, echo: bool | None
) -> None:
    asked = {**request_, "query": "q"}
    call = read_texts(asked, None, known=shape.members, echo=shape.echo)
    assert len(call.documents) == 2
    assert call.query == "q"
    assert call.options.get("top_k") == top
    assert call.echo is echo


@pytest.mark.parametrize(
    ("shape", "request_"),
    [
        (COHERE, {"query": "q", "texts": ["a"]}),
        (TEI, {"query": "q", "documents": ["a"]}),
        (TEI, {"query": "q", "texts": ["a"], "raw_scores": True}),
        (VLLM, {"query": "q", "documents": ["a"], "top_n": -1}),
        (VLLM, {"query": "q", "documents": ["a"], "top_n": 1, "top_k": 1}),
        (JINA, {"query": "q", "documents": [{"id": "x", "image": "secret"}]}),
        (JINA, {"query": "q", "documents": [["secret"]]}),
    ],
)
def test_what_a_shape_does_not_know_is_refused(shape: Shape, request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="expected") as refused:
        read_texts(request_, None, known=shape.members, echo=shape.echo)
    assert "secret" not in str(refused.value)


def test_what_came_before_is_not_read_again() -> None:
    known = KnownItems()
    sent = {"id": "a", "text": "Rye bread", "categories": ["Bread"], "popularity": 1}
    (first,) = read_items([sent], known)
    (again,) = read_items([dict(sent)], known)
    assert again is first
    (dearer,) = read_items([{**sent, "popularity": 2}], known)
    assert dearer.popularity == 2
    assert read_items([sent], known) == [first]
    assert known.get("a") == first


@pytest.mark.parametrize(
    "changed",
    [
        {"popularity": True},
        {"score": False},
        {"categories": [True]},
        {"text": 7},
        {"fields": [["price", 1]]},
        {"secret-member": 1},
    ],
)
def test_what_came_before_is_refused_where_it_no_longer_fits(changed: dict[str, Any]) -> None:
    known = KnownItems()
    sent = {"id": "a", "text": "Rye", "popularity": 1, "score": 0, "vector": [1, 0]}
    for given in (sent, {name: value for name, value in sent.items() if name != "vector"}):
        read_items([given], known)
        with pytest.raises(InvalidInput, match="expected"):
            read_items([{**given, **changed}], known)


def test_fields_go_back_as_they_came() -> None:
    known = KnownItems()
    for value in (1, True, 1.0, None):
        (item,) = read_items([{"id": "a", "text": "Rye", "fields": {"price": value}}], known)
        assert type(item.fields["price"]) is type(value)


def test_an_event_names_its_item_by_its_id_alone() -> None:
    known = {"a": Item("a", "Rustic bread")}.get
    given = {"events": [{"type": "click", "item": "a"}, {"type": "view", "item": {"id": "a"}}]}
    assert [event.item for event in read_events(given, known)] == [known("a")] * 2
    (event,) = read_events({"event": {"type": "like", "item": 7, "timestamp": 1.5e12}}, known)
    assert event.item == Item("7")
    assert event.timestamp == 1.5e9
    own = {"id": "a", "text": "Rye bread"}
    (event,) = read_events({"event": {"type": "like", "item": own}}, known)
    assert event.item == Item("a", "Rye bread")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"event": {"type": "click", "item": "a"}, "events": []},
        {"event": {"type": "stare", "item": "secret"}},
        {"event": {"type": "click"}},
        {"event": {"type": "click", "item": True}},
        {"event": {"type": "click", "item": "a", "dwell": 3}},
        {"events": {"type": "click", "item": "a"}},
    ],
)
def test_a_malformed_event_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"expected|needs") as refused:
        read_events(json.loads(json.dumps(given)), lambda _: None)
    assert "secret" not in str(refused.value)


def test_a_policy_is_read_with_the_request() -> None:
    given = {"policy": {"caps": [{"key": "brand", "most": 2}]}}
    read = ({"policy": ListPolicy(caps=[Cap("brand", most=2)])},) * 2
    ranked, texts = (
        read_rank({"items": [], **given}, None),
        read_texts({"documents": [], **given}, None),
    )
    assert (ranked.options, texts.options) == read
    for malformed in (7, {"caps": 7}, {"secret-member": 1}, {"floor": 9}):
        for call in (
            lambda: read_rank({"items": [], "policy": malformed}, None),  # noqa: B023
            lambda: read_texts({"documents": [], "policy": malformed}, None),  # noqa: B023
        ):
            with pytest.raises(InvalidInput) as caught:
                call()
            assert "secret" not in str(caught.value)


@pytest.mark.parametrize("read", [read_rank, read_texts])
def test_how_items_were_shown_is_read_with_the_request(
    read: Callable[[object, None], RankCall | TextsCall],
) -> None:
    told = {"tea": {"shown": 3, "last": 9}, "rum": {"shown": 1, "chosen": 1, "last": None}}
    given = {"items": []} if read is read_rank else {"documents": []}
    options = read({**given, "exposures": told}, None).options
    assert options["exposures"] == {"tea": Exposure(3, last=9.0), "rum": Exposure(1, chosen=1)}
    for malformed in (
        7,
        {"tea": 3},
        {"tea": {}},
        {"tea": {"shown": -1}},
        {"tea": {"shown": 1, "last": "secret"}},
        {"tea": {"shown": 1, "secret-member": 1}},
    ):
        with pytest.raises(InvalidRequest, match=r"^exposure") as caught:
            read({**given, "exposures": malformed}, None)
        assert "secret" not in str(caught.value)
        assert "tea" not in str(caught.value)


@pytest.mark.parametrize("rules", [{"policy": {"floor": 0.1}}, {"exposures": {}}])
def test_the_shapes_of_others_have_no_rules(rules: dict[str, Any]) -> None:
    for shape in (COHERE, JINA, TEI, VLLM):
        with pytest.raises(InvalidRequest, match="params: expected only"):
            read_texts({shape.texts: ["a"], **rules}, None, known=shape.members)


@pytest.mark.parametrize("name", ["image", "audio"])
@pytest.mark.parametrize(
    "value",
    [
        "/etc/passwd",
        "secret.png",
        "https://example.org/secret.png",
        "file:///etc/secret",
        "data:image/png;base64,secret!",
        "data:",
        " data:,secret",
        7,
        ["data:,secret"],
        {"path": "secret"},
    ],
)
def test_no_request_reads_a_file_or_fetches_anything(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match="expected") as raised:
        read_items([{"id": "a", name: value}], KnownItems())
    assert "secret" not in str(raised.value)
    event = {"event": {"type": "click", "item": {"id": "a", name: value}}}
    with pytest.raises(InvalidInput, match="expected"):
        read_events(event, lambda _: None)


def test_pictures_of_requests_are_read_and_not_kept() -> None:
    known = KnownItems()
    record = {"id": "a", "text": "a vase", "image": "data:image/png;base64,YWJj", "audio": None}
    for _ in range(2):
        (item,) = read_items([record], known)
        assert (item.image, item.audio) == (b"abc", None)
        kept = known.get("a")
        assert kept is not None
        assert (kept.text, kept.image) == ("a vase", None)
