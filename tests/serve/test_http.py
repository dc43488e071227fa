"""The HTTP server: who is let in, what is too much, and that ranking goes on meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.serve import connections, http, http_app
from edge_rerank.serve.service import Service
from edge_rerank.serve.token_file import private_folder, read_or_make_token
from tests.serve.conftest import CAPITALS, SHELF, Serving, running

JSON = {"content-type": "application/json"}
ASKED = {"query": "What is the capital of France?", "top_n": 2}


def told(response: Any) -> tuple[int, str]:
    """Status and name of a refusal, whose three members say the same in every shape."""
    body = response.json()
    assert body["error"] == body["message"]
    return response.status_code, body["error_type"]


# -- routes ---------------------------------------------------------------------------


def test_the_shapes_of_others(serving: Serving) -> None:
    documents = {**ASKED, "documents": CAPITALS}
    with serving.client() as client:

        def post(path: str, body: dict[str, Any]) -> Any:
            response = client.post(path, json=body)
            assert response.status_code == 200, response.text
            return response.json()

        cohere = post("/v2/rerank", {**documents, "model": "rerank-v3.5"})
        assert sorted(cohere) == ["id", "meta", "results"]
        (best, other) = cohere["results"]
        assert sorted(best) == ["index", "relevance_score"]
        assert best["index"] == 1
        assert 0 <= other["relevance_score"] <= best["relevance_score"] <= 1

        jina = post("/v1/rerank", documents)
        assert (jina["object"], jina["model"]) == ("list", "default")
        assert jina["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
        assert jina["results"][0]["document"] == {"text": CAPITALS[1]}
        bare = post("/v1/rerank", {**documents, "return_documents": False})
        assert "document" not in bare["results"][0]

        vllm = post("/rerank", documents)["results"][0]
        assert vllm["document"] == {"text": CAPITALS[1]}
        infinity = post("/rerank", {**documents, "return_documents": True})["results"][0]
        assert infinity["document"] == CAPITALS[1]
        assert len(post("/rerank", {**documents, "top_n": 0})["results"]) == len(CAPITALS)

        tei = post("/rerank", {"query": ASKED["query"], "texts": CAPITALS})
        assert [sorted(one) for one in tei] == [["index", "score"]] * 3
        assert [one["score"] for one in tei] == sorted((one["score"] for one in tei), reverse=True)
        tei = post("/rerank", {"query": ASKED["query"], "texts": CAPITALS, "return_text": True})
        assert tei[0] == {**tei[0], "index": 1, "text": CAPITALS[1]}


def test_two_programs_share_one_history(serving: Serving) -> None:
    with serving.client() as phone, serving.client() as player:
        phone.post("/consent", json={"user": "ada", "granted": True})
        phone.post("/record", json={"user": "ada", "event": {"type": "like", "item": SHELF[0]}})
        rest = {"items": SHELF[1:], "user": "ada"}
        answer = player.post("/rank", json=rest).json()
        assert answer["personalised"]
        assert answer["items"][0]["id"] == "sourdough"
        texts = {"query": "", "documents": [item["text"] for item in SHELF[1:]], "user": "ada"}
        ranked = player.post("/v2/rerank", json=texts).json()["results"]
        assert ranked[0]["index"] == 0
        player.post("/forget", json={"user": "ada"})
        assert not phone.post("/rank", json=rest).json()["personalised"]


def test_guests_by_routes(serving: Serving) -> None:
    with serving.client() as client:
        opened = client.post("/guest")
        assert opened.status_code == 201
        guest = opened.json()["guest"]
        recorded = client.post(
            "/record", json={"guest": guest, "event": {"type": "like", "item": SHELF[2]}}
        )
        assert recorded.json() == {"recorded": 1}
        ranked = client.post("/rank", json={"items": SHELF[3:], "guest": guest}).json()
        assert ranked["items"][0]["id"] == "mars"
        gone = client.delete(f"/guest/{guest}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert told(client.delete(f"/guest/{guest}")) == (410, "ClosedError")


def test_errors_by_status(serving: Serving) -> None:
    with serving.client() as client:
        record = {"user": "ada", "event": {"type": "click", "item": "a"}}
        assert told(client.post("/record", json=record)) == (403, "ConsentRequired")
        assert told(client.post("/rank", json={"items": [{"id": ""}]})) == (422, "InvalidItem")
        assert told(client.post("/rank", json=[])) == (422, "InvalidRequest")
        typo = client.post("/rank", content=b'{"items":\n[}', headers=JSON)
        assert typo.json()["error"].endswith("at line 2, column 2")
        latin = client.post("/rank", content=b'"caf\xe9"', headers=JSON)
        assert latin.json()["error"].endswith("at byte 4")
        assert told(client.get("/nowhere")) == (404, "UnknownRoute")
        wrong_verb = client.get("/rank")
        assert told(wrong_verb) == (405, "UnknownMethod")
        assert wrong_verb.headers["allow"] == "POST"
        assert "expected POST" in wrong_verb.json()["error"]
        for body in (b"{", b"\xff", b"[" * 100_000, b'{"items": NaN}'):
            assert told(client.post("/rank", content=body, headers=JSON)) == (400, "ParseError")
        text = {"content-type": "text/plain"}
        assert told(client.post("/rank", content=b"{}", headers=text)) == (415, "NotJson")


def test_a_fault_of_ours_is_told_without_what_it_was_about(
    serving: Serving, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret-title")

    monkeypatch.setattr(service, "_ranked_texts", fail)
    with serving.client() as client:
        response = client.post("/v2/rerank", json={"query": "q", "documents": ["a"]})
        assert told(response) == (500, "InternalError")
        assert "secret" not in response.text


# -- who is let in --------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Basic {token}", "Bearer {token}x"])
def test_nobody_is_let_in_without_the_token(serving: Serving, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header.format(token=serving.token)}
    with serving.client() as client:
        del client.headers["authorization"]
        for method, path in (("POST", "/rank"), ("GET", "/openapi.json"), ("DELETE", "/guest/a")):
            response = client.request(method, path, headers=headers)
            assert told(response) == (401, "Unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
        assert client.get("/health", headers=headers).json() == {"status": "ok"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "[::1]:{port}", ""])
def test_no_other_host_name_leads_here(serving: Serving, host: str) -> None:
    """A page whose name was pointed to 127.0.0.1 meanwhile sends that name."""
    port = serving.url.rpartition(":")[2]
    with serving.client() as client:
        for path in ("/health", "/info"):
            response = client.get(path, headers={"host": host.format(port=port)})
            assert told(response) == (403, "ForeignHost")
        assert client.get("/info", headers={"host": f"localhost:{port}"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}"])
def test_no_other_origin_is_served(serving: Serving, origin: str) -> None:
    port = serving.url.rpartition(":")[2]
    headers = {"origin": origin.format(port=port)}
    with serving.client() as client:
        response = client.post("/rank", json={"items": []}, headers=headers)
        assert told(response) == (403, "ForeignOrigin")
        assert not [name for name in response.headers if name.startswith("access-control")]
        preflight = {**headers, "access-control-request-method": "POST"}
        assert told(client.options("/rank", headers=preflight)) == (403, "ForeignOrigin")


def test_the_token_file_is_private_and_used_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "token"
    token = read_or_make_token(path)
    assert read_or_make_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["readable", "link", "folder", "pipe", "other content", "empty"])
def test_a_token_file_that_is_not_private_is_refused(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / "token", tmp_path / "other"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path, 0o600)
    else:
        read_or_make_token(other if what == "link" else path)
    if what == "readable":
        path.chmod(0o640)
    elif what == "link":
        path.symlink_to(other)
    elif what == "other content":
        path.write_text("password")
    elif what == "empty":
        path.write_text("")
    with pytest.raises(InvalidRequest, match="token file: ") as refused:
        read_or_make_token(path)
    assert "password" not in str(refused.value)


def test_the_default_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert private_folder() == Path("/run/user/7/edge-rerank")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/ada/state")
    assert private_folder() == Path("/home/ada/state/edge-rerank")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert private_folder() == Path.home() / ".local" / "state" / "edge-rerank"


# -- what is too much -----------------------------------------------------------------


def test_what_is_too_large_is_refused(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_app, "MAX_BYTES", 100_000)
    body = json.dumps({"items": SHELF, "query": "x" * 2_000_000}).encode()
    headers = {"content-type": "application/json"}
    with serving.client() as client:
        assert told(client.post("/rank", content=body, headers=headers)) == (413, "TooLarge")

        def chunks() -> Any:
            for start in range(0, len(body), 50_000):
                yield body[start : start + 50_000]

        assert told(client.post("/rank", content=chunks(), headers=headers)) == (413, "TooLarge")
        assert client.post("/rank", json={"items": SHELF}).status_code == 200


def test_bodies_have_only_so_much_room_together(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_app, "MAX_PENDING_BYTES", 1_000)
    with serving.client() as client:
        body = {"items": [], "query": "x" * 2_000}
        response = client.post("/rank", json=body)
        assert told(response) == (429, "Busy")
        assert response.headers["retry-after"] == "1"
        assert client.post("/rank", json={"items": []}).status_code == 200


def connect(serving: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), 20)


def head(serving: Serving, length: int) -> bytes:
    return (
        f"POST /rank HTTP/1.1\r\nhost: {serving.url[7:]}\r\nauthorization: Bearer {serving.token}"
        f"\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def all_of(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_slow_clients_are_refused_and_do_not_hold_up_others(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_app, "BODY_S", 0.6)
    monkeypatch.setattr(connections, "HEADERS_S", 0.6)
    silent, headers, drip, bodies = (connect(serving) for _ in range(4))
    many = [connect(serving) for _ in range(20)]
    started = time.monotonic()
    headers.sendall(b"POST /rank HTTP/1.1\r\nhost:")
    drip.sendall(b"POST /")
    for one in (bodies, *many):
        one.sendall(head(serving, 1_000) + b'{"items"')
    with serving.client() as client:
        assert client.post("/rank", json={"items": SHELF}).status_code == 200
    with contextlib.suppress(ConnectionError):  # a byte now and then prolongs nothing
        while time.monotonic() < started + 15:
            drip.sendall(b"P")
            time.sleep(0.05)
    assert all_of(silent) == all_of(headers) == all_of(drip) == b""
    answer = bodies.recv(65536)
    assert b"408 " in answer.splitlines()[0]
    assert b"TooSlow" in answer
    assert time.monotonic() - started < 10
    for one in (silent, headers, drip, bodies, *many):
        one.close()


def test_headers_without_end_are_refused(serving: Serving) -> None:
    with connect(serving) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\nx: ")
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                endless.sendall(b"a" * 4_000)
                time.sleep(0.001)
        # The answer itself may be lost, as more was sent than is read.
        assert all_of(endless)[:12] in {b"", b"HTTP/1.1 400"}
        assert time.monotonic() - started < connections.HEADERS_S / 2
    with serving.client() as client:  # what is within the bound each, and not together
        for _ in range(3):
            assert client.get("/health", headers={"x": "a" * 40_000}).status_code == 200


def test_a_client_that_breaks_off_or_speaks_no_http_harms_nobody(serving: Serving) -> None:
    with connect(serving) as broken:
        broken.sendall(head(serving, 1_000) + b"{")
    with connect(serving) as strange:
        strange.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b"400 " in strange.recv(65536)
    with serving.client() as client:
        assert client.get("/health").status_code == 200


def test_eight_calls_are_in_flight_and_more_are_told_to_come_back(
    serving: Serving, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, flying = threading.Event(), threading.Semaphore(0)
    real = service.call

    def held(method: str, params: object) -> Any:
        flying.release()
        assert go.wait(20)
        return real(method, params)

    monkeypatch.setattr(service, "call", held)
    with serving.client() as client, ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(client.post, "/rank", json={"items": SHELF}) for _ in range(8)]
        for _ in range(8):
            assert flying.acquire(timeout=20)
        response = client.post("/rank", json={"items": SHELF})
        assert told(response) == (429, "Busy")
        assert response.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        go.set()
        assert [call.result().status_code for call in calls] == [200] * 8
        assert client.post("/rank", json={"items": SHELF}).status_code == 200


def test_a_thousand_at_once(serving: Serving) -> None:
    """Each gets an answer, some of them the one they wanted, and then all is as before."""
    body = json.dumps({"items": SHELF}).encode()
    request = head(serving, len(body)) + body
    opened = [connect(serving) for _ in range(1_000)]
    for one in opened:
        one.sendall(request)
    statuses = [one.recv(65536).split(b" ", 2)[1] for one in opened]
    for one in opened:
        one.close()
    assert set(statuses) <= {b"200", b"429"}
    assert statuses.count(b"200") >= 8
    with serving.client() as client:
        assert client.post("/rank", json={"items": SHELF}).status_code == 200


def test_it_listens_at_this_machines_own_address_alone(serving: Serving) -> None:
    port = int(serving.url.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)
    with connect(serving) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


def test_a_call_that_outlasts_a_stop_is_told_so(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), threading.Event()
    real = service.call

    def held(method: str, params: object) -> Any:
        begun.set()
        assert go.wait(30)
        return real(method, params)

    monkeypatch.setattr(service, "call", held)
    monkeypatch.setattr(http, "GRACE_S", 1)
    with (
        ThreadPoolExecutor(1) as threads,
        running(service, tmp_path) as up,
        up.client(timeout=30) as client,
    ):
        call = threads.submit(client.post, "/rank", json={"items": SHELF})
        assert begun.wait(20)
        up.stop()
        answer = call.result(30)
        go.set()
    assert told(answer) == (503, "Stopping")


def test_a_port_that_is_taken_is_said(serving: Serving, service: Service, tmp_path: Path) -> None:
    from edge_rerank.serve.http import HttpServer

    port = int(serving.url.rpartition(":")[2])
    with pytest.raises(InvalidRequest, match=r"port: .*in use"):
        HttpServer(service, port=port, token_file=tmp_path / "token")
