"""Work on a history file under faults.c and record what reaches the file system.

Usage: script_recorded.py FOLDER LOG [SYNCHRONOUS], the store's own setting if left out.
Notes "USER COUNT" after each append that was acknowledged.
"""

from __future__ import annotations

import ctypes
import random
import sys
from pathlib import Path

from edge_rerank import Event, Item
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
PEOPLE = ("alice", "bob", "carol")


def main(folder: Path, log: Path, synchronous: str | None) -> None:
    faults = ctypes.CDLL(None)
    faults.fault_watch(b"watched")
    faults.fault_record(str(log).encode())
    rng = random.Random(0)
    counts = dict.fromkeys(PEOPLE, 0)
    for sitting in range(3):
        with HistoryStore.open(folder / "me.db", KEY) as store:
            if synchronous is not None:
                store._vault.file.execute(f"PRAGMA synchronous = {synchronous}")
            for _ in range(60):
                user = rng.choice(PEOPLE)
                events = [
                    Event(
                        "click",
                        Item(f"{user}-{counts[user] + n}", "x" * rng.randrange(1500)),
                        timestamp=float(counts[user] + n),
                    )
                    for n in range(rng.randrange(1, 4))
                ]
                store.append(user, events)
                counts[user] += len(events)
                faults.fault_note(f"{user} {counts[user]}".encode())
            if sitting == 1:
                store._vault.file.empty_log()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
