"""Let the file system refuse every write from the n-th on, for each n in turn.

Usage: script_refused.py FOLDER ERRNO EVERY. Prints one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections import Counter
from pathlib import Path

from edge_rerank import Event, Item
from edge_rerank.errors import EdgeRerankError, HistoryUnavailable
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
ROUNDS = 8


def events(first: int, count: int) -> list[Event]:
    return [
        Event("click", Item(str(first + n), "x" * 900), timestamp=first + n) for n in range(count)
    ]


def main(folder: Path, error: int, every: int) -> dict[str, int]:
    faults = ctypes.CDLL(None)
    faults.fault_watch(b"watched")
    found: Counter[str] = Counter(steps=0, refusals=0, lost=0, stuck=0, untyped=0)
    step = 0
    while True:
        path = folder / "watched" / f"{step}.db"
        path.parent.mkdir(exist_ok=True)
        with HistoryStore.open(path, KEY) as store:
            store.append("alice", events(0, 3))
            acknowledged, refused, complete = 3, False, True
            faults.fault_arm(step, error)
            for turn in range(ROUNDS):
                try:
                    store.append("alice", events(100 * (turn + 1), 3))
                    acknowledged += 3
                    if turn == ROUNDS // 2:
                        with store._use() as vault:
                            vault.file.empty_log()
                except HistoryUnavailable:
                    refused, complete = True, False
                except EdgeRerankError:
                    found["untyped"] += 1
            # What was acknowledged can still be read while nothing can be written.
            try:
                found["lost"] += acknowledged - len(store.load("alice"))
            except HistoryUnavailable:
                refused = True
            faults.fault_disarm()
            try:
                store.append("alice", events(9000, 1))
                acknowledged += 1
            except EdgeRerankError:
                found["stuck"] += 1
        with HistoryStore.open(path, KEY) as store:
            found["lost"] += acknowledged - len(store.load("alice"))
        # Opening what cannot be written is refused with the same error, and harms nothing.
        faults.fault_arm(0, error)
        try:
            HistoryStore.open(path, KEY).close()
        except HistoryUnavailable:
            refused = True
        except EdgeRerankError:
            found["untyped"] += 1
        faults.fault_disarm()
        with HistoryStore.open(path, KEY) as store:
            found["lost"] += acknowledged - len(store.load("alice"))
        path.unlink()
        found["steps"] += 1
        found["refusals"] += refused
        if complete:  # the n-th write is beyond the last
            return dict(found)
        step += every


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
