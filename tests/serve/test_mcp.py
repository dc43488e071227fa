"""The tool of assistants: order and ids, with the person's consent to that purpose alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from edge_rerank import Event, Item, KeyFile, ListPolicy, Reranker
from edge_rerank.serve.mcp import PURPOSE, server_of
from tests.serve.conftest import SHELF, Child, environment, terminate

pytestmark = pytest.mark.slow

ITEMS = [{"id": item["id"], "text": item["text"]} for item in SHELF]


def call(reranker: Reranker, user: str | None, **arguments: Any) -> Any:
    """What the tool answers, in this process."""
    server = server_of(reranker, user=user)
    return anyio.run(server.call_tool, "rank", arguments)


def test_a_person_who_has_not_agreed_to_it_is_not_ranked_for(reranker: Reranker) -> None:
    reranker.consent("ada", True)
    reranker.record(Event("like", Item("bread", "Rustic bread")), user="ada")
    for decisions in ([], [True, False]):
        for decision in decisions:
            reranker.consent("ada", decision, PURPOSE)
        with pytest.raises(Exception, match="ConsentRequired: the person has not agreed"):
            call(reranker, "ada", items=ITEMS)
    assert call(reranker, None, items=ITEMS[:1]).structured_content == {"ids": ["bread"]}


def test_rules_that_go_by_the_items_alone_are_kept(reranker: Reranker) -> None:
    policy = {"block": {"ids": ["bread"]}, "pin": {ITEMS[-1]["id"]: 1}}
    ids = call(reranker, None, items=ITEMS, policy=policy).structured_content["ids"]
    assert ids[0] == ITEMS[-1]["id"]
    assert "bread" not in ids
    # Of what somebody had or was shown, and of scores, an assistant learns nothing by rules.
    kept = {"block", "caps", "collapse", "diversity", "pin", "spread"}
    for rule in [*({one.name} for one in fields(ListPolicy) if one.name not in kept), {"x"}]:
        with pytest.raises(Exception, match="policy: expected only block, caps, collapse, divers"):
            call(reranker, None, items=ITEMS, policy=dict.fromkeys(rule, 0.5))
    with pytest.raises(Exception, match="pin: "):
        call(reranker, None, items=ITEMS, policy={"pin": {"bread": 0}})


def test_items_of_a_kind_are_capped_and_stand_apart(reranker: Reranker) -> None:
    items = [
        {"id": f"{kind} {n}", "text": f"{kind} number {n}", "categories": ["goods", kind]}
        for kind in ("tea", "lamp")
        for n in range(4)
    ]

    def kinds(**policy: Any) -> list[str]:
        told = call(reranker, None, items=items, query="tea", policy=policy).structured_content
        return [one.split()[0] for one in told["ids"]]

    assert kinds() == ["tea"] * 4 + ["lamp"] * 4
    cap = {"key": "subcategory", "most": 1, "hard": True}
    assert kinds(caps=[cap]) == ["tea", "lamp"]
    assert kinds(spread=[{"key": "subcategory", "distance": 2}]) == ["tea", "lamp"] * 4
    with pytest.raises(Exception, match="categor"):
        call(reranker, None, items=[{**items[0], "categories": ["a"] * 65}])


def test_over_standard_input_with_the_official_client(tmp_path: Path) -> None:
    history = {"history": tmp_path / "h.db", "key": KeyFile.create(tmp_path / "key")}
    with Reranker.open(**history) as reranker:
        reranker.consent("ada", True)
        reranker.consent("ada", True, PURPOSE)
        reranker.record(Event("like", Item(**SHELF[0])), user="ada")
    flags = ["--history", str(tmp_path / "h.db"), "--key-file", str(tmp_path / "key")]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "edge_rerank", "serve", "--mcp", "--user", "ada", *flags],
        env=environment(),
    )

    async def talk() -> None:
        async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
            await session.initialize()
            (tool,) = (await session.list_tools()).tools
            assert tool.name == "rank"
            assert set(tool.input_schema["properties"]) == {
                "items",
                "policy",
                "query",
            }  # nobody to name
            answer = await session.call_tool("rank", {"items": ITEMS[1:]})
            assert answer.structured_content["ids"][0] == "sourdough"
            assert sorted(answer.structured_content) == ["ids"]
            assert not (await session.list_resources()).resources
            twice = await session.call_tool("rank", {"items": ITEMS[:1] * 2})
            assert twice.is_error
            assert "InvalidRequest: items: expected each id once" in str(twice.content)

    anyio.run(talk)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "key"]


def test_a_signal_ends_it_in_good_order(child: Callable[..., Child], tmp_path: Path) -> None:
    one = child("--mcp", "--history", tmp_path / "h.db", "--key-file", tmp_path / "key")
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    assert one.call("initialize", **hello)["serverInfo"]["name"] == "edge-rerank"
    assert one.ends(terminate)[:2] == (0, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "key"]
