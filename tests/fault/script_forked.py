"""Fork a process that ranks and records, and call everything in the children.

Usage: script_forked.py FOLDER CALLS. Prints one JSON object: how many calls a child made and how
many of them were refused, how many children ended badly, and what became of the parent's events,
in the file and in a copy of it as after a kill.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from edge_rerank import Event, History, Item, Reranker
from edge_rerank.errors import ForkedError

KEY = bytes(range(32))
ITEMS = [Item("tea", "green tea leaves"), Item("bolt", "steel bolt"), Item("pot", "clay tea pot")]
ENDS = ("as usual", *["at once"] * 12, "closed", *["at once"] * 12)
PATIENCE_S = 10.0


def calls(reranker: Reranker, folder: Path) -> list[Callable[[], object]]:
    history, guest = reranker.history, reranker.guest_session()
    guest.record(Event("click", ITEMS[0]))
    click = Event("click", ITEMS[0], timestamp=1.0)
    return [
        lambda: reranker.rank(ITEMS, user="alice"),
        lambda: reranker.rank(ITEMS),
        lambda: reranker.record(click, user="alice"),
        lambda: reranker.consent("alice", False),
        lambda: reranker.profile("alice"),
        lambda: reranker.forget("alice"),
        reranker.guest_session,
        lambda: reranker.warmup(ITEMS),
        lambda: reranker.engine.rank(ITEMS, history=[click]),
        lambda: reranker.engine.unread(["text"]),
        lambda: history.record(click, user="alice"),
        lambda: history.events("alice"),
        lambda: history.all_events("alice"),
        lambda: history.consent("alice", False),
        lambda: history.consents("alice"),
        lambda: history.pause("alice"),
        lambda: history.access("alice"),
        lambda: history.remove_event("alice", 1),
        lambda: history.forget("alice"),
        lambda: history.release_counts(["kind"], epsilon=1.0),
        history.audit_log,
        history.verify,
        lambda: history.rotate_key(KEY[::-1]),
        lambda: guest.rank(ITEMS),
        lambda: guest.record(click),
        guest.profile,
    ]


def outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except ForkedError:
        return "refused"
    except Exception as error:
        return type(error).__name__
    return "went through"


def ended(child: int) -> bool:
    """Whether the child ended well; one that hangs is killed."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def main(folder: Path, count: int) -> dict[str, object]:
    reranker = Reranker.open(history=folder / "me.db", key=KEY)
    reranker.consent("alice", True)
    ways = list(islice(cycle(calls(reranker, folder)), count))
    refused = wrong = 0
    other: dict[str, int] = {}
    for number, call in enumerate(ways):
        if number % 5 == 0:  # an empty log is what a closing child would delete
            reranker.history._store._vault.file.empty_log()
        read, write = os.pipe()
        end = ENDS[number % len(ENDS)]
        child = os.fork()
        if child == 0:
            os.write(write, outcome(call).encode())
            if end == "as usual":
                sys.exit()
            if end == "closed":
                reranker.close()
            os._exit(0)
        os.close(write)
        wrong += not ended(child)
        with os.fdopen(read) as stream:
            told = stream.read()
        refused += told == "refused"
        if told != "refused":
            other[told] = other.get(told, 0) + 1
        click = Event("click", Item(str(number), "text"), timestamp=float(number))
        assert reranker.record(click, user="alice") == 1
    shutil.copytree(folder, folder.with_name("copy"))
    whole = reranker.history.verify().ok
    reranker.close()

    def kept(place: Path) -> int:
        with History.open(place / "me.db", KEY) as history:
            return len(history.all_events("alice")) if history.verify().ok else -1

    return {
        "calls": count,
        "refused": refused,
        "other": other,
        "children that ended badly": wrong,
        "whole": whole,
        "events": kept(folder),
        "events after a kill": kept(folder.with_name("copy")),
    }


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]))
    print(json.dumps(found))
