"""Kill a process that works on a history file, again and again, and look at the file.

Usage: script_killed.py MODE FOLDER KILLS SEED. MODE "append" records events; MODE "rotate"
records events and erases people, which rotates the key each time. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryError
from edge_rerank.history.keys import KeyFile
from edge_rerank.history.store import HistoryStore

PEOPLE = ("alice", "bob", "carol")
RUNS_PER_FILE = 25


def event(number: int) -> Event:
    return Event("click", Item(str(number), f"text {number}"), timestamp=float(number))


def work(path: Path, key: KeyFile, acks: int, start: int, *, rotate: bool) -> None:
    """Acknowledge each stored event by its number, until killed."""
    with HistoryStore.open(path, key) as store:
        os.write(acks, b"open\n")
        number = start
        while True:
            if rotate and number % 3 == 0:
                store.append("visitor", [event(number)])
                store.erase("visitor")
                os.write(acks, b"rotated\n")
            store.append(PEOPLE[number % len(PEOPLE)], [event(number)])
            os.write(acks, b"%d\n" % number)
            number += 1


def killed(path: Path, key: KeyFile, start: int, delay: float, *, rotate: bool) -> list[str]:
    """Let a child work for ``delay`` seconds, kill it, and return what it acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        work(path, key, write, start, rotate=rotate)
        os._exit(1)
    os.close(write)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        return stream.read().split()


def main(mode: str, folder: Path, kills: int, seed: int) -> dict[str, int]:
    rng = random.Random(seed)
    found: Counter[str] = Counter(kills=0, acknowledged=0, lost=0, unreadable=0, rotations=0)
    path, key, expected, start = folder / "none", KeyFile(folder / "none.key"), set[str](), 0
    for run in range(kills):
        if run % RUNS_PER_FILE == 0:
            path, expected, start = folder / f"{run}.db", set(), 0
            key = KeyFile.create(folder / f"{run}.key")
            if mode == "rotate":
                with HistoryStore.open(path, key) as store:
                    store.append("archive", [event(number) for number in range(2000)])
        longest = 0.25 if mode == "rotate" else 0.06
        lines = killed(path, key, start, rng.uniform(0.002, longest), rotate=mode == "rotate")
        found["rotations"] += lines.count("rotated")
        expected |= {line for line in lines if line.isdecimal()}
        start = max([start, *(int(line) + 1 for line in lines if line.isdecimal())])
        found["kills"] += 1
        try:
            with HistoryStore.open(path, key) as store:
                kept = {e.item.id for user in PEOPLE for e in store.load(user) if e.item}
                whole = mode != "rotate" or store.count("archive") == 2000
        except HistoryError:
            found["unreadable"] += 1
            continue
        found["lost"] += len(expected - kept) + (not whole)
        start = max([start, *(int(name) + 1 for name in kept)])
        found["acknowledged"] += len(lines)
    return dict(found)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
