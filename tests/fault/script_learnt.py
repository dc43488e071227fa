"""Kill a process that learns of a person, again and again, and look at what it had learnt.

Usage: script_learnt.py FOLDER KILLS SEED. Every child shows lists and tells of a choice from each,
of how it ended, and of several at once; it acknowledges how many events it has recorded. A twin
that is never killed is told the events that are found in the file: its head must be the same.
Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import numpy as np

from edge_rerank import Event, History, Item
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.learning.feedback_log import FeedbackLog
from edge_rerank.learning.head import Head
from edge_rerank.learning.journal import STATE
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import Learner
from edge_rerank.learning.lessons import Features, Shown

USER = "alice"
LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 48)
PATIENCE_S = 10.0
START = float(int(time.time()) - 10**6)  # what is older than retention allows would go at once


def shown(number: int) -> Shown:
    rng = np.random.default_rng(number)
    base = rng.normal(size=6).astype(np.float32)
    features = rng.normal(size=(6, LAYOUT.width)).astype(np.float32)
    made = Features(lambda: features)
    return Shown(f"r{number}", START + 600 * number, tuple("abcdef"), base, made, LAYOUT)


def told(number: int) -> list[list[Event]]:
    """What is recorded of a list, call by call: two events, or three at once."""
    rng = random.Random(number)
    choice, other = rng.sample("bcdef", 2)
    at = START + 600 * number
    click = Event("click", Item(choice), ranking=f"r{number}", timestamp=at + 1)
    read = Event(
        "view", Item(choice), ranking=f"r{number}", timestamp=at + 2, dwell_s=rng.uniform(0, 40)
    )
    if number % 3:
        return [[click], [read]]
    return [[click, Event("dismiss", Item(other), ranking=f"r{number}", timestamp=at + 3), read]]


def following(history: History) -> Learner:
    learner = Learner(history)
    history.beside_record(learner.following)
    return learner


def learnt(learner: Learner) -> Head:
    head = learner.head(USER, LAYOUT)
    assert head is not None
    return head


def next_list(events: tuple[Event, ...]) -> int:
    """Of a list that nothing was told of yet: those of before are closed by a restart."""
    return max((int((one.ranking or "r-1")[1:]) for one in events), default=-1) + 1


def work(path: Path, key: KeyFile, acks: int) -> None:
    """Show a list, record what was done with it, acknowledge; until killed."""
    with History.open(path, key) as history:
        history.consent(USER, True)
        learner = following(history)
        events = history.events(USER)
        number, count = next_list(events), history.overview().events
        while True:
            learnt(learner)
            learner.watch(USER, shown(number))
            for call in told(number):
                count += history.record(call, user=USER)
                os.write(acks, b"%d\n" % count)
            number += 1


def killed(path: Path, key: KeyFile, delay: float) -> int:
    """Let a child work until it acknowledges, and ``delay`` seconds more; what it acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        work(path, key, write)
        os._exit(1)
    os.close(write)
    select.select([read], [], [], PATIENCE_S)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(read) as stream:
        lines = [line for line in stream if line.endswith("\n")]
    return int(lines[-1]) if lines else 0


class Twin:
    """A device that is told the same events, and lives on."""

    def __init__(self) -> None:
        self.history = History.open()
        self.history.consent(USER, True)
        self.learner = following(self.history)
        self.known = 0
        self._lists: set[str] = set()

    def tell(self, events: list[Event]) -> bytes:
        """Tell what is new, one by one; the head then, as it would be kept."""
        for event in events[self.known :]:
            if event.ranking not in self._lists:
                self._lists.add(event.ranking or "")
                learnt(self.learner)
                self.learner.watch(USER, shown(int((event.ranking or "")[1:])))
            self.history.record(event, user=USER)
        self.known = len(events)
        return learnt(self.learner).to_bytes()


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    safe = folder / "safe"
    safe.mkdir(mode=0o700)
    key = KeyFile.create(safe / "key")
    path = folder / "history.db"
    twin = Twin()
    lost = apart = unread = acknowledged = 0
    for _ in range(kills):
        acknowledged = max(acknowledged, killed(path, key, rng.uniform(0, 0.06)))
        with History.open(path, key) as history:
            events = [stored.event for stored in history.access(USER).events]
            lost += len(events) < acknowledged
            apart += learnt(Learner(history)).to_bytes() != twin.tell(events)
            raw = history.state(USER, STATE)
            unread += raw is not None and FeedbackLog.from_bytes(raw) is None
    print(
        json.dumps(
            {
                "kills": kills,
                "acknowledged": acknowledged,
                "events": twin.known,
                "lost": lost,
                "apart": apart,
                "unread": unread,
            }
        )
    )


if __name__ == "__main__":
    main()
