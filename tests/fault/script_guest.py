"""Kill a process that serves a visitor, again and again, and look for the visitor on the disk.

Usage: script_guest.py MODE FOLDER KILLS SEED. MODE "session" records into a guest session; MODE
"server" is the kiosk's server, asked over HTTP to rank and to record. Every folder that a program
is told to write to lies in FOLDER. Prints one JSON object: kills, what was acknowledged before
them, the number of files there, and the names of those that hold anything of a visitor.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from edge_rerank import Event, Item, Reranker
from edge_rerank.guest import GuestSession

PAGE = Path(__file__).parents[2] / "examples" / "kiosk" / "page"
PATIENCE_S = 10.0
PAUSE_S = 0.005
"""Between two acts of a visitor: whoever kills them may be kept waiting on a busy machine."""


def visitor(number: int) -> dict[str, str]:
    """What is only ever said of this visitor."""
    return {name: f"{name}-xq{number:04d}zv" for name in ("ident", "title", "kind", "words")}


def doings(marks: dict[str, str], step: int) -> list[dict[str, Any]]:
    item = {"id": f"{marks['ident']}-{step}", "text": f"{marks['title']} no. {step}"}
    item |= {"categories": [marks["kind"]]}
    return [{"type": "like", "item": item}, {"type": "search", "query": f"{marks['words']} {step}"}]


def events(marks: dict[str, str], step: int) -> list[Event]:
    return [
        Event(one["type"], Item(**one["item"]) if "item" in one else None, query=one.get("query"))
        for one in doings(marks, step)
    ]


def in_session(reranker: Reranker, marks: dict[str, str], acks: int) -> None:
    """Acknowledge what is recorded, until killed."""
    with GuestSession(reranker.engine) as guest:
        step = 0
        while True:
            guest.record(events(marks, step))
            os.write(acks, b".")
            time.sleep(PAUSE_S)
            step += 1


def killed_session(reranker: Reranker, marks: dict[str, str], delay: float) -> int:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        in_session(reranker, marks, write)
        os._exit(1)
    os.close(write)
    select.select([read], [], [], PATIENCE_S)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as stream:
        return len(stream.read())


def killed_server(folder: Path, marks: dict[str, str], delay: float) -> int:
    command = [sys.executable, "-m", "edge_rerank", "serve", "--http", "--page", str(PAGE)]
    acknowledged = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        token = Path(told["token_file"]).read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(told["url"].removeprefix("http://"))

        def call(path: str, body: object) -> Any:
            connection.request("POST", path, json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

        guest = call("/guest", {})["guest"]
        marks["guest"] = guest
        done = doings(marks, 0)
        timer: threading.Timer | None = None
        try:
            while True:
                items = [one["item"] for one in done if "item" in one]
                call("/rank", {"guest": guest, "items": items, "query": marks["words"]})
                acknowledged += call("/record", {"guest": guest, "events": done})["recorded"]
                done = doings(marks, acknowledged)
                if timer is None:
                    timer = threading.Timer(delay, server.kill)
                    timer.start()
        except (OSError, http.client.HTTPException, ValueError):
            server.kill()
    return acknowledged


def traces(folder: Path, marks: dict[str, str]) -> list[str]:
    """Files that hold something of a visitor, as it is or in base64."""
    plain = [mark.encode() for mark in marks.values()]
    wanted = [*plain, *(base64.b64encode(mark)[:-4] for mark in plain)]
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(mark in path.read_bytes() for mark in wanted)
    ]


def main(mode: str, folder: Path, kills: int, seed: int) -> dict[str, object]:
    rng = random.Random(seed)
    for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        place = folder / name.lower()
        place.mkdir(mode=0o700)
        os.environ[name] = str(place)
    os.chdir(folder)
    found: set[str] = set()
    acknowledged = 0
    reranker = Reranker.open() if mode == "session" else None
    if reranker is not None:  # what a first visitor costs is paid here, not in each child
        with reranker.guest_session() as guest:
            guest.record(events(visitor(kills), 0))
    for number in range(kills):
        marks = visitor(number)
        delay = rng.uniform(0.0, 0.05)
        if reranker is not None:
            acknowledged += killed_session(reranker, marks, delay)
        else:
            acknowledged += killed_server(folder, marks, delay)
        found.update(traces(folder, marks))
    files = sum(path.is_file() for path in folder.rglob("*"))
    (folder / "control").write_text(f"so much of {marks['title']} is found", encoding="utf-8")
    return {
        "kills": kills,
        "acknowledged": acknowledged,
        "files": files,
        "found": sorted(found),
        "control": traces(folder, marks),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
