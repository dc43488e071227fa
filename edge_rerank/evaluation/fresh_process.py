"""What a fresh process costs: import, the first list, memory. This one has everything loaded."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from edge_rerank.errors import InferenceError
from edge_rerank.evaluation.neighbour import neighbour
from edge_rerank.evaluation.speed_report import Figure

_IMPORT = """
import time
wall, processor = time.perf_counter(), time.process_time()
import edge_rerank
print(time.perf_counter() - wall, time.process_time() - processor)
"""

_OPEN = """
import sys, time
from edge_rerank import Item, Reranker
wall, processor = time.perf_counter(), time.process_time()
with Reranker.open(sys.argv[1] or None) as reranker:
    reranker.rank([Item(str(n), f"an item called {n}") for n in range(20)])
    print(time.perf_counter() - wall, time.process_time() - processor)
"""

_MEMORY = """
import random, sys, time
sys.modules["pandas"] = None  # which sqlite-utils imports where the host has it: 66 MiB of its own
from edge_rerank import Event, Item, Reranker
def mib(name):
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith(name)).split()[1]) / 1024
rng = random.Random(0)
with Reranker.open(sys.argv[1] or None) as reranker:
    reranker.consent("bench", True)
    for turn in range(int(sys.argv[2])):
        words = "quiet river garden " * rng.randrange(1, 9)
        items = [Item(f"{turn}-{n}", words + str(n)) for n in range(rng.randrange(1, 100))]
        ranking = reranker.rank(items, user="bench")
        reranker.record(Event("click", ranking[0].item), user="bench")
    time.sleep(1.0)  # when nobody asks for anything, memory goes back
    print(mib("VmHWM"), mib("VmRSS"))
"""


def fresh_process(pack: str | Path | None, repeats: int, *, loaded: bool) -> Iterator[Figure]:
    """Import and first list in seconds, and memory in MiB, where the system tells it.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        repeats: fresh processes for a time, and a tenth of the rankings before memory is read.
        loaded: whether to take the times beside a neighbour, too.

    Raises:
        InferenceError: when a measurement process fails.
    """
    place = str(pack) if pack is not None else ""
    for name, script, bound in (
        ("import edge_rerank", _IMPORT, 0.25),
        ("open to first result", _OPEN, 1.0),
    ):
        wall, processor = _python(script, repeats, place)
        beside = _python(script, repeats, place, loaded=True)[0] if loaded else None
        yield Figure(name, wall, "s", bound, processor, beside)
    if Path("/proc/self/status").exists():
        peak, settled = _python(_MEMORY, 1, place, str(10 * repeats))
        yield Figure("peak memory of the process", peak, "MiB", 200.0)
        yield Figure("settled memory of the process", settled, "MiB", 150.0)


def _python(
    script: str, repeats: int, *arguments: str, loaded: bool = False
) -> tuple[float, float]:
    """Of the two numbers that ``script`` prints in fresh interpreters: the median, the least."""
    firsts, seconds = [], []
    for _ in range(repeats):
        with neighbour() if loaded else nullcontext():
            done = subprocess.run(  # noqa: S603 - our own scripts, see above
                [sys.executable, "-c", script, *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise InferenceError(f"a measurement process ended with code {done.returncode}")
        first, second = done.stdout.split()
        firsts.append(float(first))
        seconds.append(float(second))
    return statistics.median(firsts), min(seconds)
