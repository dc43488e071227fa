"""What a reranker that lives long holds in memory: a script, which tests start in a fresh process.

``python tests/bench/memory.py [PACK ...]`` serves people in turn from an encrypted history file.
Each list is drawn anew from a catalogue; its items are made for the call, for a host's own are no
part of this. Vectors of known items are handed over at first, as many as are kept; of others the
texts are read. A person's click names its list, so that it is learnt from.

Printed are the peak while opening, and by numbers of calls what is resident just after one, and
when nothing was asked for a moment. One JSON object a line, in MiB; ``file`` is the part of it that
lies in libraries' files, which the system may take and read again, and ``pss`` counts what
processes share by its share.
"""

# ruff: noqa: E402 - what is imported must not find pandas

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

# Which sqlite-utils imports where the host has it: 66 MiB of its own.
sys.modules["pandas"] = None  # type: ignore[assignment]

import numpy as np

from edge_rerank import Event, Item, KeyFile, Reranker, Runtime
from edge_rerank.inference.runtime import DEFAULT_CACHE_ITEMS

QUIET_S = 0.6
"""Longer than it takes until an idle process gives memory back."""

WORDS = ("quiet", "river", "night", "paper", "winter", "engine", "orange", "signal", "market")
KINDS = tuple(f"kind {number}" for number in range(40))


def mib(name: str, where: str = "status") -> float:
    """One line of /proc/self."""
    text = Path(f"/proc/self/{where}").read_text(encoding="ascii")
    return int(text.partition(f"\n{name}:")[2].split()[0]) / 1024


def said(**figures: float) -> None:
    """Print one line."""
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}), flush=True)


def item(number: int) -> Item:
    """One of the catalogue: a dozen words, two categories."""
    rng = random.Random(number)
    title = " ".join(rng.choices(WORDS, k=rng.randint(4, 12)))
    return Item(str(number), f"{title} {number}", rng.sample(KINDS, 2), popularity=number % 997)


def know(reranker: Reranker, count: int) -> None:
    """Have vectors of items, a few at a time: to read 20,000 texts takes a minute."""
    rng = np.random.default_rng(0)
    comparer = reranker.engine._comparer
    dim = comparer.vectors([item(0).text]).shape[1]
    for start in range(0, count, 500):
        texts = [item(number).text for number in range(start, min(start + 500, count))]
        vectors = rng.standard_normal((len(texts), dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        comparer.put(texts, vectors)


def measure(reranker: Reranker, asked: argparse.Namespace) -> None:
    """Make the calls, and say at some of them what is held."""
    rng = random.Random(0)
    marks = {asked.calls // 100, asked.calls // 10, asked.calls // 2, asked.calls}
    for person in range(asked.people):
        reranker.consent(f"user {person}", True)
    for turn in range(1, asked.calls + 1):
        user = f"user {turn % asked.people}"
        numbers = rng.sample(range(asked.items), asked.candidates)
        ranking = reranker.rank(list(map(item, numbers)), user=user)
        if turn % asked.every < asked.people:
            reranker.record(Event("click", ranking[0].item, ranking=ranking.id), user=user)
        if turn in marks:
            busy = mib("VmRSS")
            time.sleep(QUIET_S)
            shared, pss = mib("RssFile"), mib("Pss", "smaps_rollup")
            said(calls=turn, busy=busy, settled=mib("VmRSS"), file=shared, pss=pss)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("packs", nargs="*", help="the shipped one by default")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=100, help="of each list")
    parser.add_argument("--items", type=int, default=20_000, help="of the catalogue")
    parser.add_argument("--known", type=int, default=DEFAULT_CACHE_ITEMS, help="items")
    parser.add_argument("--every", type=int, default=8, help="each person clicks once in so many")
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        key = KeyFile.create(Path(folder) / "key")
        with Reranker.open(
            asked.packs or None,
            history=Path(folder) / "me.db",
            key=key,
            runtime=Runtime(threads=asked.threads),
        ) as reranker:
            reranker.rank(list(map(item, range(20))))
            said(opened=mib("VmRSS"), peak=mib("VmHWM"))
            know(reranker, asked.known)
            measure(reranker, asked)
            said(peak=mib("VmHWM"))


if __name__ == "__main__":
    main()
