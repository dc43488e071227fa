"""The server's page says what the server does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import edge_rerank.serve
from edge_rerank import Reranker, errors
from edge_rerank.serve import http, http_app, refusals, wire
from edge_rerank.serve.guests import IDLE_S, MAX_GUESTS
from edge_rerank.serve.mcp import PURPOSE
from edge_rerank.serve.openapi import describe
from edge_rerank.serve.service import Service
from edge_rerank.serve.stdio import StdioServer
from tests.serve.conftest import SHELF

PAGE = (Path(edge_rerank.serve.__file__).parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def shape(value: Any) -> Any:
    """Names of members, and types of values."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items()}
    return [shape(entry) for entry in value[:1]] if isinstance(value, list) else type(value)


def test_the_answers_have_the_form_that_the_page_shows(service: Service) -> None:
    ranking, texts, calls, _ = BLOCKS
    answer = service.call("rank", {"items": SHELF})
    assert shape(answer) == shape(json.loads(ranking))
    answer = service.call("rank_texts", {"query": "q", "documents": ["a", "b"]})
    assert shape(answer) == shape(json.loads(texts))
    service.call("consent", {"user": "alice", "granted": True})
    first, second = calls.encode().splitlines()
    server = StdioServer(service, None, None)  # type: ignore[arg-type]
    ranked = json.loads(server.answer(first))["result"]
    assert [entry["id"] for entry in ranked["items"]] == ["a", "b"]
    assert server.answer(second) == b""
    assert service.call("profile", {"user": "alice"})["liked"] == ["a"]


def test_an_assistants_purpose_is_the_one_that_the_page_names(reranker: Reranker) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, {"reranker": reranker})
    assert reranker.history.consents("alice")[PURPOSE]


def test_every_method_and_route_is_on_the_page(service: Service) -> None:
    methods, _, rest = PAGE.partition("## Standard input and output")
    for method in service._methods:
        assert f"`{method}`" in methods
    for path in describe(page=False)["paths"]:
        assert f"{path}`" in rest.replace("POST ", "").replace("GET ", ""), path


@pytest.mark.parametrize("members", [wire.RANK, wire.TEXTS])
def test_every_member_is_on_the_page(members: tuple[str, ...]) -> None:
    for member in members:
        assert f"`{member}`" in PAGE


def test_every_bound_is_on_the_page() -> None:
    for bound in (
        f"{wire.MAX_BYTES >> 20} MiB",
        f"At most {MAX_GUESTS} are open",
        f"`--guest-idle`, {IDLE_S:.0f}",
        f"after {http_app.BODY_S:.0f} seconds",
        f"{http.GRACE_S} seconds later",
        "eight calls in flight",
    ):
        assert bound in PAGE
    assert http_app.MAX_CALLS == 8


def test_every_code_and_status_is_on_the_page() -> None:
    table = PAGE.partition("## Errors")[2]
    for kind, code, status in refusals._ANSWERS:
        (row,) = [line for line in table.splitlines() if f"`{kind.__name__}`" in line] or [
            line for line in table.splitlines() if str(code) in line
        ]
        assert str(code) in row
        assert f"{int(status)}" in row
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", table))
    ours = {"ParseError", "InvalidCall", "UnknownMethod", "UnknownRoute", "TooLarge"}
    ours |= {"ForeignHost", "ForeignOrigin", "TooSlow", "NotJson", "InternalError"}
    assert {name for name in named if not hasattr(errors, name)} <= ours
