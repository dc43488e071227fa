"""Nothing leaves the machine, and nothing is written outside the given paths.

A whole session runs under strace, with ``CI`` unset because onnxruntime is silent there
anyway. The control run shows that the same watch sees onnxruntime's telemetry when it is on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

SESSION = """
import asyncio, sys, time
from edge_rerank import Event, Item, Reranker
folder = sys.argv[1]
with Reranker.open(history=folder + "/me.db", key=bytes(range(32))) as reranker:
    reranker.consent("alice", True)
    items = [Item(str(n), f"an item called {n}", ["kind"], popularity=n) for n in range(20)]
    ranking = reranker.rank(items, user="alice", query="something")
    reranker.record(Event("click", ranking[0].item, ranking=ranking.id), user="alice")
    asyncio.run(reranker.rank_async(items, user="alice"))
    with reranker.guest_session() as guest:
        guest.record(Event("view", items[3], dwell_s=12))
        guest.rank(items)
    reranker.profile("alice")
    reranker.forget("alice")
    time.sleep(2)
"""

CONTROL = """
import os, time
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
import onnxruntime
onnxruntime.get_available_providers()
time.sleep(1)
"""

_CALLS = "socket,connect,bind,openat,open,creat,mkdir,rename,renameat,renameat2"
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


@dataclass(frozen=True)
class Watched:
    """System calls of one run: sockets opened, and paths opened for writing or made."""

    sockets: list[str]
    written: list[Path]


def watch(script: str, folder: Path, *arguments: str) -> Watched:
    home = folder / "home"
    home.mkdir()
    trace = folder / "trace"
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    variables |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            f"trace={_CALLS}",
            "-o",
            str(trace),
            sys.executable,
            "-c",
            script,
            *arguments,
        ],
        env=variables,
        cwd=home,
        check=True,
        timeout=120,
    )
    sockets: list[str] = []
    written: list[Path] = []
    for line in trace.read_text(errors="replace").splitlines():
        call, _, rest = line.partition("(")
        name = call.split()[-1]
        if name in {"socket", "connect", "bind"}:
            sockets.append(line)
        elif " = -1 " not in line and (not name.startswith("open") or _WRITING.search(rest)):
            written.extend(home / path for path in re.findall(r'"([^"]*)"', rest)[-1:])
    return Watched(sockets, written)


def test_a_session_opens_no_socket_and_writes_only_its_history(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    seen = watch(SESSION, tmp_path, str(store))
    outside = [
        path
        for path in seen.written
        if not path.is_relative_to(store) and not path.is_relative_to("/dev")
    ]
    assert seen.sockets == []
    assert outside == []
    assert any(path.is_relative_to(store) for path in seen.written)
    assert [path.name for path in store.iterdir()] == ["me.db"]
    assert not any((tmp_path / "home").iterdir())


def test_the_watch_would_see_telemetry(tmp_path: Path) -> None:
    seen = watch(CONTROL, tmp_path)
    if not seen.written and not seen.sockets:
        pytest.skip("this onnxruntime has no telemetry to be seen")
    assert any("onnxruntime" in str(path) for path in seen.written)
