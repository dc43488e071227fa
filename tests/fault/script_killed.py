"""Kill a process that works on a history file, again and again, and look at the file.

Usage: script_killed.py MODE FOLDER KILLS SEED ARCHIVE. MODE "append" records events; MODE
"rotate" records events and erases people, which rotates the outer key each time; MODE "reseal"
records events while the data key of a person with ARCHIVE events is rotated, again and again;
MODE "rekey" the same while every key is replaced. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from edge_rerank import Event, Item
from edge_rerank.errors import HistoryError
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault import rekey as rekeying
from edge_rerank.history.vault import root
from edge_rerank.history.vault.retention import Retention
from edge_rerank.history.vault.store import HistoryStore

PEOPLE = ("alice", "bob", "carol")
RUNS_PER_FILE = 25
PATIENCE_S = 10.0
root.FINE_FROM = 0  # sums of leaves, which only files of many people have


def event(number: int) -> Event:
    return Event("click", Item(str(number), f"text {number}"), timestamp=float(number))


def reseal(store: HistoryStore, acks: int) -> None:
    while True:
        store.rotate_person_key("archive")
        os.write(acks, b"resealed\n")


def rekey(store: HistoryStore, acks: int) -> None:
    rekeying.STEP = 40
    while True:
        store.rekey()
        os.write(acks, b"rekeyed\n")


BESIDE = {"reseal": reseal, "rekey": rekey}
"""What goes on in a thread while events are recorded."""


def work(path: Path, key: KeyFile, acks: int, start: int, mode: str) -> None:
    """Acknowledge each stored event by its number, until killed."""
    with HistoryStore.open(path, key) as store:
        os.write(acks, b"open\n")
        if mode in BESIDE:
            threading.Thread(target=BESIDE[mode], args=(store, acks), daemon=True).start()
        number = start
        while True:
            if mode == "rotate" and number % 3 == 0:
                store.append("visitor", [event(number)])
                store.erase("visitor")
                os.write(acks, b"rotated\n")
            store.append(PEOPLE[number % len(PEOPLE)], [event(number)])
            os.write(acks, b"%d\n" % number)
            number += 1


def killed(
    path: Path, key: KeyFile, start: int, delay: float, mode: str, *, at_work: bool
) -> list[str]:
    """Let a child work for ``delay`` seconds, kill it, and return what it acknowledged.

    ``at_work`` counts from its first acknowledgement: on a busy machine it would otherwise
    be killed before it did anything, every time.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        work(path, key, write, start, mode)
        os._exit(1)
    os.close(write)
    if at_work:
        select.select([read], [], [], PATIENCE_S)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        return stream.read().split()


def interrupted(path: Path, mode: str) -> bool:
    """Whether the kill left a person with two data keys, or two rings.

    Read without opening the store.
    """
    if mode == "rekey":
        sql = "SELECT 1 FROM rings WHERE outer_id = 0"
    else:
        sql = "SELECT 1 FROM wrapped_keys GROUP BY owner HAVING count(DISTINCT id) > 1"
    copy = path.with_suffix(".look")
    for suffix in ("", "-wal"):
        if path.with_name(path.name + suffix).exists():
            shutil.copy(path.with_name(path.name + suffix), f"{copy}{suffix}")
    connection = sqlite3.connect(copy)
    try:
        return connection.execute(sql).fetchone() is not None
    except sqlite3.OperationalError:  # killed before the tables were made
        return False
    finally:
        connection.close()
        for left in path.parent.glob(f"{copy.name}*"):
            left.unlink()


def main(mode: str, folder: Path, kills: int, seed: int, archive: int) -> dict[str, int]:
    rng = random.Random(seed)
    found: Counter[str] = Counter(
        kills=0, acknowledged=0, lost=0, unreadable=0, rotations=0, interrupted=0
    )
    path, key, expected, start = folder / "none", KeyFile(folder / "none.key"), set[str](), 0
    for run in range(kills):
        if run % RUNS_PER_FILE == 0:
            path, expected, start = folder / f"{run}.db", set(), 0
            key = KeyFile.create(folder / f"{run}.key")
            if archive:
                with HistoryStore.open(path, key, retention=Retention.UNLIMITED) as store:
                    store.append("archive", [event(number) for number in range(archive)])
        longest = {"append": 0.06, "rotate": 0.25}.get(mode, archive / 5000)
        delay, at_work = rng.uniform(0.002, longest), rng.random() < 0.7
        lines = killed(path, key, start, delay, mode, at_work=at_work)
        found["rotations"] += (
            lines.count("rotated") + lines.count("resealed") + lines.count("rekeyed")
        )
        found["interrupted"] += interrupted(path, mode)
        expected |= {line for line in lines if line.isdecimal()}
        start = max([start, *(int(line) + 1 for line in lines if line.isdecimal())])
        found["kills"] += 1
        try:
            with HistoryStore.open(path, key) as store:
                if store.rekeying:
                    store.rekey()
                kept = {e.item.id for user in PEOPLE for e in store.load(user) if e.item}
                whole = len(store.load("archive")) == archive
                settled = store._vault.root.resealing == 0 and len(store._vault.keybook.epochs) == 1
                stale = store._vault.file.execute(
                    "SELECT count(DISTINCT substr(sealed, 3, 4)) > 1 FROM events"
                    " WHERE key >> 34 ="
                    " (SELECT key >> 34 FROM events WHERE (key >> 2 & 4294967295) = ?)",
                    (max(archive, 1),),
                ).fetchone()[0]
        except HistoryError:
            found["unreadable"] += 1
            continue
        found["lost"] += len(expected - kept) + (not whole) + (not settled) + stale
        start = max([start, *(int(name) + 1 for name in kept)])
        found["acknowledged"] += len(lines)
    return dict(found)


if __name__ == "__main__":
    print(
        json.dumps(
            main(
                sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
            )
        )
    )
