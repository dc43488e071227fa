"""JSON-RPC on standard input and output."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.serve import stdio
from edge_rerank.serve.service import Service
from edge_rerank.serve.stdio import StdioServer
from tests.serve.conftest import SHELF, Child, hang_up, terminate

Start = Callable[..., Child]
RANK = {"jsonrpc": "2.0", "id": "a", "method": "rank", "params": {"items": SHELF}}


def talk(service: Service, *lines: bytes) -> list[Any]:
    """What is answered to these lines."""
    target = io.BytesIO()
    StdioServer(service, io.BytesIO(b"\n".join(lines)), target).run()
    return [json.loads(line) for line in target.getvalue().splitlines()]


def code(answer: Any) -> Any:
    return answer["id"], answer["error"]["code"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", (None, -32700)),
        (b"\xff", (None, -32700)),
        (b"[]", (None, -32600)),
        (b"7", (None, -32600)),
        (b'{"id": 1, "method": "info"}', (1, -32600)),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "info"}', (1, -32600)),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', (1, -32600)),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "info"}', (None, -32600)),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "steal"}', (1, -32601)),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "rank", "params": [1]}', (1, -32602)),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "rank", "params": {"items": [{}]}}', (1, -32602)),
        (
            b'{"jsonrpc": "2.0", "id": 1, "method": "record", '
            b'"params": {"user": "a", "event": {"type": "click", "item": "b"}}}',
            (1, -32001),
        ),
        (
            b'{"jsonrpc": "2.0", "id": 1, "method": "guest_close", "params": {"guest": "b"}}',
            (1, -32004),
        ),
    ],
)
def test_errors_have_the_codes_of_the_specification(
    service: Service, line: bytes, expected: object
) -> None:
    (answer,) = talk(service, line)
    assert code(answer) == expected
    assert answer["error"]["data"]["type"]


def test_notifications_are_done_and_not_answered(service: Service) -> None:
    consent = {"jsonrpc": "2.0", "method": "consent", "params": {"user": "a", "granted": True}}
    unknown = {"jsonrpc": "2.0", "method": "steal"}
    profile = {"jsonrpc": "2.0", "id": None, "method": "profile", "params": {"user": "a"}}
    (answer,) = talk(service, *(json.dumps(one).encode() for one in (consent, unknown, profile)))
    assert answer["id"] is None
    assert answer["result"]["consents"] == {"personalisation": True}


def test_a_batch_is_answered_in_one_line_without_its_notifications(service: Service) -> None:
    notification = {"jsonrpc": "2.0", "method": "info"}
    batch = [RANK, notification, 7, {**RANK, "id": 2.5, "method": "info"}]
    (answers,) = talk(service, json.dumps(batch).encode())
    assert [one["id"] for one in answers] == ["a", None, 2.5]
    assert talk(service, json.dumps([notification]).encode()) == []


def test_a_batch_has_only_so_many_calls(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "MAX_BATCH", 2)
    (answer,) = talk(service, json.dumps([RANK] * 3).encode())
    assert code(answer) == (None, -32600)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(10_000, -32700), (10_001, -32006), (20_000, -32006), (20_001, -32006), (95_000, -32006)],
)
def test_a_line_that_is_too_long_is_skipped_to_its_end(
    service: Service, monkeypatch: pytest.MonkeyPatch, length: int, expected: int
) -> None:
    monkeypatch.setattr(stdio, "MAX_BYTES", 10_000)
    refused, answered = talk(service, b"x" * length, json.dumps(RANK).encode())
    assert code(refused) == (None, expected)
    assert len(answered["result"]["items"]) == len(SHELF)
    assert [code(one) for one in talk(service, b" " * 10_001)] == [(None, -32006)]


def test_a_process_keeps_a_history_and_ends_in_good_order(child: Start, tmp_path: Path) -> None:
    """By the end of its input, and by a signal while it waits; nothing else is ever printed."""
    history = ("--history", tmp_path / "h.db", "--key-file", tmp_path / "key")
    one = child(*history)
    one.send(b"no json")
    assert one.read()["error"]["code"] == -32700
    assert one.call("consent", user="ada", granted=True) == {}
    assert one.call("rank", items=SHELF, user="ada")["personalised"] is False
    assert one.call("record", user="ada", event={"type": "like", "item": "bread"})
    code, out, err = one.ends(terminate)
    assert (code, out) == (0, b"")
    assert err == b"edge-rerank: ready on standard input\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "key"]

    other = child(*history)
    assert other.call("rank", items=SHELF, user="ada")["personalised"] is True
    assert other.ends(hang_up)[:2] == (0, b"")


def test_what_a_library_prints_is_no_answer(child: Start, tmp_path: Path) -> None:
    """Whatever writes to the process's standard output comes out at its standard error."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, edge_rerank.serve.service as s\n"
        "s.Service._info = lambda self, params: os.write(1, b'noise') and print('more') or {}\n"
    )
    import os

    from tests.serve import conftest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            conftest,
            "environment",
            lambda: {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{conftest.ROOT}"},
        )
        one = child()
    assert one.call("info") == {}
    code, out, err = one.ends(hang_up)
    assert (code, out) == (0, b"")
    assert b"noise" in err
