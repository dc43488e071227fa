from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_rerank import History, Reranker
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.serve.http import HttpServer
from edge_rerank.serve.service import Service

ROOT = Path(__file__).parents[2]

SHELF = [
    {"id": "bread", "text": "How to bake rustic bread at home", "categories": ["Food"]},
    {"id": "sourdough", "text": "Sourdough starter for beginners", "categories": ["Food"]},
    {"id": "telescope", "text": "Choosing your first telescope", "categories": ["Science"]},
    {"id": "mars", "text": "New pictures from the surface of Mars", "categories": ["Science"]},
    {"id": "football", "text": "Cup final: late goal decides it", "categories": ["Sport"]},
    {"id": "tennis", "text": "Young player wins the open in five sets", "categories": ["Sport"]},
]

CAPITALS = ["Bread needs salt.", "Paris is the capital of France.", "The moon has no air."]


@dataclass(frozen=True)
class Serving:
    """A server that is up, and a way to stop it."""

    url: str
    token: str
    told: Mapping[str, str]
    stop: Callable[[], None]

    def client(self, **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, **options)


@pytest.fixture
def service(reranker: Reranker) -> Iterator[Service]:
    with Service(reranker) as opened:
        yield opened


@contextmanager
def running(service: Service, folder: Path, page: Path | None = None) -> Iterator[Serving]:
    """A server in a thread of this process."""
    up = threading.Event()
    with HttpServer(service, token_file=folder / "token", page=page) as server:
        thread = threading.Thread(target=server.run, args=[lambda told: up.set()])
        thread.start()
        try:
            assert up.wait(20)
            yield Serving(server.told["url"], server.token, server.told, server.stop)
        finally:
            server.stop()
            thread.join()


@pytest.fixture
def serving(service: Service, tmp_path: Path) -> Iterator[Serving]:
    with running(service, tmp_path) as up:
        yield up


@pytest.fixture
def with_page(service: Service, tmp_path: Path) -> Iterator[Serving]:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html><title>Mine</title><p>hello</p>")
    (page / ".secret").write_text("hidden")
    (tmp_path / "outside.txt").write_text("outside")
    (page / "link.txt").symlink_to(tmp_path / "outside.txt")
    with running(service, tmp_path, page) as up:
        yield up


@pytest.fixture(scope="session")
def shared_service(engine: RankingEngine) -> Iterator[Service]:
    """One for clients that only read."""
    with History.open() as history, Service(Reranker(engine, history)) as opened:
        yield opened


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "edge_rerank", "serve", *(str(one) for one in arguments)]


class Child:
    """``edge-rerank serve`` on its standard input and output."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self._number = 0

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        call = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self.send(json.dumps(call).encode())
        answer = self.read()
        assert answer["id"] == self._number
        return answer.get("result", answer.get("error"))

    def ends(self, how: Callable[[Child], object]) -> tuple[int, bytes, bytes]:
        """Exit code and what else came, after ``how`` has been done to it."""
        how(self)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def hang_up(child: Child) -> None:
    assert child.process.stdin
    child.process.stdin.close()
    child.process.stdin = None


def terminate(child: Child) -> None:
    child.process.send_signal(signal.SIGTERM)


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*arguments: object) -> Child:
        children.append(Child(*arguments))
        return children[-1]

    yield start
    for one in children:
        one.process.kill()
        one.process.communicate()
