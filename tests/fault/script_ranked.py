"""Rank and record while the file system refuses every write, and after it no longer does.

Usage: script_ranked.py FOLDER ERRNO. Prints one JSON object: what each step gave.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path

from edge_rerank import Event, Item, Reranker
from edge_rerank.errors import HistoryUnavailable
from edge_rerank.history.vault.retention import DAY_S

KEY = bytes(range(32))
ITEMS = [Item("tea", "green tea leaves"), Item("bolt", "steel bolt"), Item("pot", "clay tea pot")]


def main(folder: Path, error: int) -> dict[str, object]:
    faults = ctypes.CDLL(None)
    faults.fault_watch(b"watched")
    found: dict[str, object] = {}
    (folder / "watched").mkdir()
    with Reranker.open(history=folder / "watched" / "me.db", key=KEY) as reranker:

        def ranked(step: str) -> None:
            ranking = reranker.rank(ITEMS, user="alice")
            found[step] = [
                len(ranking),
                ranking.personalised,
                [str(one) for one in ranking.degraded],
            ]

        def recorded(step: str, item: Item) -> None:
            try:
                found[step] = reranker.record(Event("click", item), user="alice")
            except HistoryUnavailable:
                found[step] = "refused"

        reranker.consent("alice", True)
        recorded("recorded before", ITEMS[0])
        ranked("ranked before")
        faults.fault_arm(0, error)
        recorded("recorded without space", ITEMS[1])
        ranked("ranked without space")
        vault = reranker._history._store._vault
        vault._clock = lambda: time.time() + DAY_S / 2
        ranked("ranked half a day later")
        # Two days later retention is due, and cannot be written either.
        vault._clock = lambda: time.time() + 2 * DAY_S
        ranked("ranked when retention is due")
        faults.fault_disarm()
        ranked("ranked afterwards")
        recorded("recorded afterwards", ITEMS[1])
        found["events"] = reranker.profile("alice").events
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
