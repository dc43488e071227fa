"""Kill a process that learns of a person, again and again, and look at what it had learnt.

Usage: script_learnt.py FOLDER KILLS SEED. Every child shows lists and tells of a choice from each;
it acknowledges how many lists its head has learnt from, once the choice is recorded. Prints one
JSON object.
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
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import Learner
from edge_rerank.learning.lessons import Shown

USER = "alice"
LAYOUT = Layout("pack", "a" * 64, ("content", "popularity"), 48)
PATIENCE_S = 10.0
START = time.time() - 1e6  # what is older than retention allows would go at once


def shown(number: int) -> Shown:
    rng = np.random.default_rng(number)
    base = rng.normal(size=6).astype(np.float32)
    features = rng.normal(size=(6, LAYOUT.width)).astype(np.float32)
    return Shown(f"r{number}", START + number, tuple("abcdef"), base, features, LAYOUT)


def learnt(history: History) -> Head:
    head = Learner(history).head(USER, LAYOUT)
    assert head is not None
    return head


def work(path: Path, key: KeyFile, acks: int) -> None:
    """Show a list, record a choice from it, acknowledge; until killed."""
    with History.open(path, key) as history:
        history.consent(USER, True)
        learner = Learner(history)
        history.after_record(learner.heed)
        number = learnt(history).lists
        while True:
            learner.head(USER, LAYOUT)
            learner.watch(USER, shown(number))
            at = START + number
            item = Item("bcdef"[number % 5])
            history.record(Event("click", item, ranking=f"r{number}", timestamp=at), user=USER)
            number += 1
            os.write(acks, b"%d\n" % number)


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


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    safe = folder / "safe"
    safe.mkdir(mode=0o700)
    key = KeyFile.create(safe / "key")
    path = folder / "history.db"
    lost = differs = acknowledged = 0
    for _ in range(kills):
        told = killed(path, key, rng.uniform(0, 0.03))
        acknowledged = max(acknowledged, told)
        with History.open(path, key) as history:
            first = learnt(history)
        with History.open(path, key) as history:
            again = learnt(history)
        lost += first.lists < acknowledged
        differs += first.to_bytes() != again.to_bytes()
    print(
        json.dumps({"kills": kills, "acknowledged": acknowledged, "lost": lost, "differs": differs})
    )


if __name__ == "__main__":
    main()
