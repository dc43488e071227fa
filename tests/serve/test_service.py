"""What the methods do, whichever way they are called."""

from __future__ import annotations

import json
import threading
from typing import Any

import jsonschema
import pytest

from edge_rerank import Reranker
from edge_rerank.errors import ClosedError, ConsentRequired, InvalidRequest
from edge_rerank.serve import guests as guests_module
from edge_rerank.serve.guests import Guests
from edge_rerank.serve.known_items import KnownItems
from edge_rerank.serve.refusals import INVALID_PARAMS, Refused, refusal_of
from edge_rerank.serve.service import Service
from edge_rerank.serve.stats_schema import STATS
from edge_rerank.types import Item
from tests.serve.conftest import CAPITALS, SHELF


def first(answer: Any) -> str:
    return str(answer["items"][0]["id"])


def test_a_click_by_id_alone_moves_what_is_like_it(service: Service) -> None:
    service.call("consent", {"user": "ada", "granted": True})
    shown = service.call("rank", {"items": SHELF, "user": "ada"})
    assert not shown["personalised"]
    event = {"type": "like", "item": "bread", "ranking": shown["id"]}
    assert service.call("record", {"user": "ada", "event": event}) == {"recorded": 1}
    rest = [item for item in SHELF if item["id"] != "bread"]
    moved = service.call("rank", {"items": rest, "user": "ada", "reasons": True, "why": True})
    assert moved["personalised"]
    assert first(moved) == "sourdough"
    assert moved["items"][0]["reasons"]
    assert moved["items"][0]["why"]
    assert rest[moved["items"][0]["index"]]["id"] == "sourdough"
    (kept,) = service.call("access", {"user": "ada"})["events"]
    assert kept["item"]["text"] == SHELF[0]["text"]
    assert kept["position"] is not None


def test_what_is_not_asked_for_is_not_in_the_answer(service: Service) -> None:
    short = service.call("rank", {"items": SHELF, "top_k": 2})["items"]
    assert [sorted(entry) for entry in short] == [["id", "index", "rank", "score"]] * 2
    full = service.call(
        "rank", {"items": [{"id": "a", "fields": {"url": "x"}}], "return_items": True}
    )
    assert full["items"][0]["fields"] == {"url": "x"}


def test_a_policy_says_what_it_left_out(service: Service) -> None:
    policy = {"block": {"ids": ["bread"]}, "pin": {"sourdough": 2}}
    answer = service.call("rank", {"items": SHELF, "policy": policy, "reasons": True})
    assert answer["left_out"] == [{"id": "bread", "code": "blocked"}]
    assert answer["items"][1]["id"] == "sourdough"
    assert "pinned" in {why["code"] for why in answer["items"][1]["reasons"]}
    assert service.call("rank", {"items": SHELF})["left_out"] == []


def test_what_was_shown_too_often_is_left_out(service: Service) -> None:
    asked = {"items": SHELF, "policy": {"fatigue": {"shown": 3}}, "now": 1_700_000_000}
    shown = {"bread": {"shown": 3, "last": 1_699_999_000}, "sourdough": {"shown": 2}}
    assert service.call("rank", asked)["left_out"] == []
    answer = service.call("rank", {**asked, "exposures": shown})
    assert [one["id"] for one in answer["left_out"]] == ["bread"]


def test_texts_by_a_policy(service: Service) -> None:
    texts = [{"id": "a", "text": "tea"}, {"id": "b", "text": "coffee"}, {"id": "c", "text": "rum"}]
    asked = {"query": "tea", "documents": texts, "return_documents": True}
    assert service.call("rank_texts", asked)["results"][0]["id"] == "a"
    policy = {"block": {"words": ["rum"]}, "pin": {"b": 1}}
    for method in ("rank_texts", "rank"):
        results = service.call(method, {**asked, "policy": policy})["results"]
        assert [(one["id"], one["text"]) for one in results] == [("b", "coffee"), ("a", "tea")]


def test_texts(service: Service) -> None:
    asked = {"query": "What is the capital of France?", "return_documents": True}
    for params in ({"documents": CAPITALS}, {"texts": CAPITALS}):
        answer = service.call("rank_texts", {**asked, **params, "top_n": 2})
        same = service.call("rank", {**asked, **params, "top_k": 2})
        assert answer["results"] == same["results"]
        assert answer["results"][0]["index"] == 1
        assert answer["results"][0]["text"] == CAPITALS[1]
        assert len(answer["results"]) == 2
        assert all(0 <= one["score"] <= 1 for one in answer["results"])


def test_the_life_of_a_person(service: Service) -> None:
    with pytest.raises(ConsentRequired):
        service.call("record", {"user": "ada", "events": [{"type": "click", "item": "bread"}]})
    service.call("consent", {"user": "ada", "granted": True})
    service.call("record", {"user": "ada", "events": [{"type": "click", "item": SHELF[0]}]})
    service.call("pause", {"user": "ada"})
    with pytest.raises(ConsentRequired):
        service.call("record", {"user": "ada", "event": {"type": "click", "item": "mars"}})
    with pytest.raises(ConsentRequired):
        service.call("describe", {"user": "ada", "attributes": {"age_group": "30-39"}})
    service.call("resume", {"user": "ada"})
    said = {"age_group": "30-39", "visits": 3, "kin": None}
    assert service.call("describe", {"user": "ada", "attributes": said}) == {}
    profile = service.call("profile", {"user": "ada"})
    assert profile["events"] == 1
    assert profile["attributes"] == {"age_group": "30-39", "visits": 3}
    assert service.call("access", {"user": "ada"})["attributes"] == profile["attributes"]
    for wrong in ({}, {"attributes": None}, {"attributes": {"a": True}}):
        with pytest.raises(InvalidRequest, match="attributes: "):
            service.call("describe", {"user": "ada", **wrong})
    assert service.call("forget", {"user": "ada"})["events"] == 1
    assert service.call("profile", {"user": "ada"})["events"] == 0


def test_the_moment_is_taken_and_changes_nothing(service: Service) -> None:
    said: dict[str, object] = {"surface": "home", "shown": False}
    said["context"] = {"hour": 20, "device": "kiosk", "mood": None}
    plain = service.call("rank", {"items": SHELF})
    asked = service.call("rank", {"items": SHELF, **said})
    assert asked["items"] == plain["items"]
    texts = {"texts": ["tea", "bread"], "query": "bread"}
    scores = service.call("rank_texts", {**texts, **said})["results"]
    assert scores == service.call("rank_texts", texts)["results"]
    wrongs: list[dict[str, object]] = [
        {"context": {"hour": 24}},
        {"context": []},
        {"surface": "a b"},
        {"surface": 7},
        {"shown": 1},
    ]
    for wrong in wrongs:
        with pytest.raises(InvalidRequest, match=r"context: |surface: |shown: "):
            service.call("rank", {"items": SHELF, **wrong})
    guest = service.call("guest_open", {})["guest"]
    service.call("describe", {"guest": guest, "attributes": {"age_group": "30-39"}})
    service.call("rank", {"items": SHELF, "guest": guest, **said})
    assert service.call("profile", {"guest": guest})["attributes"] == {"age_group": "30-39"}


def test_forgetting_somebody_drops_the_items_that_were_shown(service: Service) -> None:
    service.call("rank", {"items": SHELF, "user": "ada"})
    service.call("forget", {"user": "ada"})
    service.call("consent", {"user": "bob", "granted": True})
    service.call("record", {"user": "bob", "event": {"type": "click", "item": "bread"}})
    (kept,) = service.call("access", {"user": "bob"})["events"]
    assert kept["item"]["text"] == ""


def test_the_default_person_is_meant_where_none_is_named(reranker: Reranker) -> None:
    with Service(reranker, user="me") as service:
        service.call("consent", {"granted": True})
        service.call("record", {"event": {"type": "like", "item": SHELF[0]}})
        assert service.call("rank", {"items": SHELF})["personalised"]
        assert not service.call("rank", {"items": SHELF, "user": None})["personalised"]
        assert service.call("profile", {})["events"] == 1
    with Service(reranker) as service, pytest.raises(InvalidRequest, match="user: expected"):
        service.call("profile", {})


def test_a_guest_is_personalised_and_then_gone(service: Service) -> None:
    guest = service.call("guest_open", {})["guest"]
    service.call("warmup", {"items": SHELF})
    service.call("record", {"guest": guest, "event": {"type": "like", "item": "telescope"}})
    rest = [item for item in SHELF if item["id"] != "telescope"]
    assert first(service.call("rank", {"items": rest, "guest": guest})) == "mars"
    assert service.call("rank_texts", {"texts": CAPITALS, "guest": guest})["personalised"]
    assert service.call("profile", {"guest": guest})["liked"] == ["telescope"]
    service.call("consent", {"guest": guest, "granted": False})
    assert not service.call("rank", {"items": rest, "guest": guest})["personalised"]
    service.call("guest_close", {"guest": guest})
    for method, params in (
        ("rank", {"items": rest}),
        ("record", {"event": {"type": "like", "item": "mars"}}),
        ("guest_close", {}),
    ):
        with pytest.raises(ClosedError):
            service.call(method, {**params, "guest": guest})


def test_guests_do_not_know_of_each_other(service: Service) -> None:
    one, other = (service.call("guest_open", {})["guest"] for _ in range(2))
    service.call("rank", {"items": SHELF, "guest": one})
    service.call("record", {"guest": one, "event": {"type": "like", "item": "bread"}})
    service.call("record", {"guest": other, "event": {"type": "like", "item": "bread"}})
    rest = [item for item in SHELF if item["id"] != "bread"]
    assert first(service.call("rank", {"items": rest, "guest": one})) == "sourdough"
    for_other = service.call("rank", {"items": rest, "guest": other, "reasons": True})["items"]
    codes = {reason["code"] for entry in for_other for reason in entry["reasons"]}
    assert not codes & {"similar", "session"}  # the other was never shown a text


def test_idle_guests_are_wiped_and_busy_ones_are_not(reranker: Reranker) -> None:
    now = [0.0]
    guests = Guests(reranker.guest_session, idle_s=10.0, clock=lambda: now[0])
    idle, busy = guests.open(), guests.open()
    with guests.use(busy):
        now[0] = 9.0
        assert guests.wipe_idle() == pytest.approx(1.0)
        now[0] = 10.0
        guests.wipe_idle()
        with pytest.raises(ClosedError), guests.use(idle):
            pass
    with guests.use(busy) as visitor:
        assert visitor.session.rank([]).items == ()
    guests.close_all()
    with pytest.raises(ClosedError):
        guests.open()


def test_a_thread_wipes_idle_guests_without_a_call(reranker: Reranker) -> None:
    with Service(reranker, idle_s=0.05) as service:
        guest = service.call("guest_open", {})["guest"]
        (watch,) = [one for one in threading.enumerate() if one.name == "edge-rerank-guests"]
        deadline = threading.Event()
        for _ in range(100):
            deadline.wait(0.02)
            if not service._guests._visitors:
                break
        assert not service._guests._visitors
        with pytest.raises(ClosedError):
            service.call("profile", {"guest": guest})
    watch.join(5)
    assert not watch.is_alive()


def test_there_are_only_so_many_guests(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests_module, "MAX_GUESTS", 2)
    with Service(reranker) as service:
        first_one = service.call("guest_open", {})["guest"]
        service.call("guest_open", {})
        with pytest.raises(Refused) as refused:
            service.call("guest_open", {})
        assert refused.value.refusal.status == 429
        service.call("guest_close", {"guest": first_one})
        service.call("guest_open", {})


def test_known_items_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownItems()
    known.add([Item("a", "x" * 30), Item("b", "x" * 30)])
    monkeypatch.setattr("edge_rerank.serve.known_items.MAX_CHARACTERS", 65)
    known.add([Item("a", "y" * 30), Item("bare")])
    assert known.get("a") == Item("a", "y" * 30)
    known.add([Item("c", "x" * 30)])
    assert (known.get("b"), known.get("bare")) == (None, None)
    monkeypatch.setattr("edge_rerank.serve.known_items.MAX_ITEMS", 1)
    known.add([Item("d", "x")])
    assert (known.get("c"), known.get("d")) == (None, Item("d", "x"))
    known.clear()
    assert known.get("d") is None


def test_an_unknown_method_is_refused(service: Service) -> None:
    with pytest.raises(Refused):
        service.call("rank_secretly", {})


def test_a_fault_of_ours_says_nothing_of_what_it_was_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise KeyError("secret-title")

    try:
        fail()
    except KeyError as error:
        refusal = refusal_of(error)
    assert (refusal.status, refusal.type) == (500, "InternalError")
    assert "secret" not in refusal.message + caplog.text
    assert "KeyError in fail" in caplog.text
    assert refusal_of(InvalidRequest("x: expected y")).code == INVALID_PARAMS


def test_statistics_of_a_person_and_of_a_guest(service: Service) -> None:
    guest = service.call("guest_open", {})["guest"]
    service.call("consent", {"user": "ada", "granted": True})
    for whose in ({"user": "ada"}, {"guest": guest}):
        shown = service.call("rank", {"items": SHELF, **whose, "surface": "home"})
        events = [
            {"type": "click", "item": "mars", "ranking": shown["id"]},
            {"type": "rating", "ranking": shown["id"], "value": 4},
        ]
        assert service.call("record", {"events": events, **whose}) == {"recorded": 2}
        stats = service.call("stats", whose)
        assert (stats["whole"]["lists"], stats["whole"]["clicked"]) == (1, 1)
        assert stats["whole"]["rating"]["value"] == 4
        assert [one["name"] for one in stats["by_surface"]] == ["home"]
        assert stats["coverage"]["items"] == {"shown": 6, "offered": 6, "share": 1.0, "gini": 0.0}
        jsonschema.validate(json.loads(json.dumps(stats)), STATS)
        assert "off-policy" in stats["notes"][-1]["text"]
        chinese = service.call("stats", {**whose, "locale": "zh-CN"})
        assert "没有离线策略估计" in chinese["notes"][-1]["text"]
        assert chinese["whole"] == stats["whole"]
    for wrong in ({"locale": "中文"}, {"locale": 7}, {"language": "zh"}, {}):
        with pytest.raises(InvalidRequest, match=r"locale: |params: |user: "):
            service.call("stats", wrong if not wrong else {"user": "ada", **wrong})


def test_reasons_in_words_of_the_language_of_the_call(service: Service) -> None:
    service.call("consent", {"user": "ada", "granted": True})
    service.call("record", {"user": "ada", "event": {"type": "like", "item": SHELF[0]}})
    asked = {"items": SHELF[1:], "user": "ada", "why": True}
    english = service.call("rank", asked)["items"][0]["why"]
    chinese = service.call("rank", {**asked, "locale": "zh"})["items"][0]["why"]
    assert len(chinese) == len(english)
    assert all(ord(one[0]) > 0x4E00 for one in chinese)
    assert all(one.isascii() for one in english)
