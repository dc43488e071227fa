"""Speed: the figures the README promises, measured on the machine at hand.

Times are medians. What a fresh process costs (import, open, memory) is measured in fresh
processes, because this one has everything loaded. Before and after each step a look is taken at how
much of the processor this process is given: on a busy machine a bound that is missed says nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_rerank._progress import Progress
from edge_rerank.errors import InferenceError
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.retention import DAY_S
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.history.vault.vault import Vault
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.reranker import Reranker
from edge_rerank.types import Event, Item

_WORDS = (
    *("quiet", "river", "garden", "night", "paper", "copper", "winter", "engine", "orange"),
    *("signal", "market", "harbour", "stone", "window", "forest", "kettle", "bicycle", "letter"),
    *("island", "mirror", "violin", "planet", "ladder", "thunder", "basket"),
)


BUSY_SHARE = 0.9
"""Of the processor time asked for; with less, a figure may be a tenth too long and more."""

_LOOK_S = 0.2

PEOPLE = 10_000
ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value against its bound.

    Attributes:
        name: what was measured.
        value: the median, in ``unit``.
        unit: "ms", "s" or "MiB".
        bound: the most it may be.
    """

    name: str
    value: float
    unit: str
    bound: float

    @property
    def ok(self) -> bool:
        """Whether the value is within its bound."""
        return self.value <= self.bound


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All figures of one run, and what it ran on.

    Attributes:
        threads: that compute at once in one call.
        providers: what the models ran on.
        figures: what was measured.
        share: the least share of the processor that this process got when it asked for its
            threads' worth, 0 to 1.
    """

    threads: int
    providers: tuple[str, ...]
    figures: tuple[Figure, ...]
    share: float = 1.0

    @property
    def busy(self) -> bool:
        """Whether other work took so much that a missed bound says nothing."""
        return self.share < BUSY_SHARE

    @property
    def missed(self) -> bool:
        """Whether a bound was missed on a machine that was not busy."""
        return not self.busy and not all(figure.ok for figure in self.figures)

    def to_json(self, *, indent: int | None = 2) -> str:
        """All of it.

        ``{"threads", "providers", "share", "busy", "figures": [{"name", "value", "unit",
        "bound", "ok"}]}``.
        """
        figures = [{**asdict(figure), "ok": figure.ok} for figure in self.figures]
        report = {**asdict(self), "busy": self.busy, "figures": figures}
        return json.dumps(report, indent=indent)


def run(
    pack: str | Path | None = None,
    *,
    quick: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure ranking, encoding, the store, and what a fresh process costs.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        quick: fewer repetitions, for a first look.
        progress: called with (measurements done, measurements to do).

    Raises:
        PackError: when the pack cannot be loaded.
        InferenceError: when a measurement process fails.
    """
    repeats = 20 if quick else 200
    figures: list[Figure] = []
    with RankingEngine.open(pack) as engine:
        threads, providers = engine.threads, engine.providers
    steps: tuple[Callable[[], Sequence[Figure]], ...] = (
        lambda: _ranking(pack, repeats),
        lambda: _encoding(pack, 64 if quick else 512),
        lambda: _store(repeats),
        lambda: _fresh_process(pack, 3 if quick else 7),
    )
    share = _share(threads)
    for done, step in enumerate(steps, start=1):
        figures.extend(step())
        share = min(share, _share(threads))
        if progress is not None:
            progress(done, len(steps))
    return BenchReport(threads, providers, tuple(figures), share)


def _share(threads: int) -> float:
    """The share of the processor that this process gets when it asks for that of ``threads``."""
    block = bytes(1 << 20)  # hashing that much lets other threads run
    began, spent = time.perf_counter(), time.process_time()

    def work() -> None:
        while time.perf_counter() - began < _LOOK_S:
            hashlib.sha256(block).digest()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    wanted = threads * (time.perf_counter() - began)
    return min((time.process_time() - spent) / wanted, 1.0)


def _items(count: int, *, words: int = 12, seed: int = 0) -> list[Item]:
    rng = random.Random(seed)  # noqa: S311 - invented item titles, not secrets
    return [
        Item(
            f"{seed}-{number}",
            " ".join(rng.choices(_WORDS, k=words)),
            rng.sample(_WORDS, 2),
            popularity=rng.randrange(1000),
        )
        for number in range(count)
    ]


def _median_ms(call: Callable[[int], object], repeats: int) -> float:
    times = []
    for turn in range(repeats):
        start = time.perf_counter()
        call(turn)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _ranking(pack: str | Path | None, repeats: int) -> list[Figure]:
    items = _items(150)
    now = time.time()
    with Reranker.open(pack) as reranker:
        reranker.consent("bench", True)
        reranker.record(
            [Event("click", item, timestamp=now - 60 * n) for n, item in enumerate(items[100:])],
            user="bench",
        )
        reranker.warmup(items)
        value = _median_ms(lambda _: reranker.rank(items[:100], user="bench"), repeats)
        click = _median_ms(
            lambda turn: (
                reranker.record(Event("click", items[turn % 100], timestamp=turn), user="bench"),
                reranker.rank(items[:100], user="bench"),
            ),
            repeats,
        )
    return [
        Figure("rank 100 known items, 50 events of history", value, "ms", 5.0),
        Figure("one more click, then rank 100 known items", click, "ms", 8.0),
    ]


def _encoding(pack: str | Path | None, count: int) -> list[Figure]:
    with RankingEngine.open(pack) as engine:
        engine.warmup()
        rounds = [_items(count, seed=seed) for seed in range(1, 6)]
        value = _median_ms(lambda turn: engine.vectors(rounds[turn]), len(rounds)) / count
    return [Figure("cold item vector (12 words)", value, "ms", 1.5 if _has_vnni() else 2.5)]


def _has_vnni() -> bool:
    """Whether the processor multiplies int8 at full rate; elsewhere it takes twice as long."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True
    return any(name in flags for name in ("avx512_vnni", "avx_vnni", "asimddp"))


def _store(repeats: int) -> list[Figure]:
    return [*_one_person(repeats), _many_people(max(repeats // 20, 3)), _erasure()]


def _one_person(repeats: int) -> list[Figure]:
    items = _items(100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        key = bytes(range(32))
        with HistoryStore.open(path, key) as store:
            store.set_consent("bench", "personalisation", True)
            append = _median_ms(
                lambda turn: store.append(
                    "bench", [Event("click", items[turn % 100], timestamp=float(turn))]
                ),
                max(repeats, 60),
            )
            load = _median_ms(lambda _: store.load("bench", limit=50), repeats)
    return [
        Figure("append one event, on disk when it returns", append, "ms", 1.0),
        Figure("load and open the last 50 events", load, "ms", 0.5 if _has_vnni() else 0.8),
    ]


def _many_people(repeats: int) -> Figure:
    """Opening a file with 10,000 people a day later each time, and looking one of them up."""
    now = time.time()
    key, event = bytes(range(32)), Event("click", _items(1)[0], timestamp=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        HistoryStore.open(path, key).close()
        vault = Vault(HistoryFile(path), key, None, time.time)
        with vault.write() as change:  # in one transaction, which no public call does
            for number in range(PEOPLE):
                person = change.person(f"user {number}", create=True)
                vault.rows.insert(person, [event], recorded=change.root.clock)
                change.save(person)
        vault.close()

        def open_and_load(turn: int) -> None:
            # Retention looks for what has expired once a day.
            with HistoryStore.open(path, key, _clock=lambda: now + turn * DAY_S) as store:
                store.load(f"user {turn}")

        value = _median_ms(open_and_load, repeats)
    return Figure("open a file of 10,000 people, load one of them", value, "ms", 50.0)


def _erasure() -> Figure:
    events = [Event("click", _items(1)[0], timestamp=float(n)) for n in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder) / "bench.db", KeyFile.create(Path(folder) / "key")
        with HistoryStore.open(path, key) as store:
            store.append("bench", events)
            value = _median_ms(lambda _: store.erase("bench"), 1) / 1e3
    return Figure("erase 10,000 events and replace the key", value, "s", 1.0)


_IMPORT = """
import time
start = time.perf_counter()
import edge_rerank
print(time.perf_counter() - start)
"""

_OPEN = """
import sys, time
from edge_rerank import Item, Reranker
start = time.perf_counter()
with Reranker.open(sys.argv[1] or None) as reranker:
    reranker.rank([Item(str(n), f"an item called {n}") for n in range(20)])
    print(time.perf_counter() - start)
"""

_MEMORY = """
import random, resource, sys
from edge_rerank import Event, Item, Reranker
rng = random.Random(0)
with Reranker.open(sys.argv[1] or None) as reranker:
    reranker.consent("bench", True)
    for turn in range(int(sys.argv[2])):
        words = "quiet river garden " * rng.randrange(1, 9)
        items = [Item(f"{turn}-{n}", words + str(n)) for n in range(rng.randrange(1, 100))]
        ranking = reranker.rank(items, user="bench")
        reranker.record(Event("click", ranking[0].item), user="bench")
    with open("/proc/self/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)
"""


def _fresh_process(pack: str | Path | None, repeats: int) -> list[Figure]:
    place = str(pack) if pack is not None else ""
    figures = [
        Figure("import edge_rerank", _python(_IMPORT, repeats), "s", 0.25),
        Figure("open to first result", _python(_OPEN, repeats, place), "s", 1.0),
    ]
    if Path("/proc/self/status").exists():
        peak = _python(_MEMORY, 1, place, str(10 * repeats))
        figures.append(Figure("peak memory of the process", peak, "MiB", 300.0))
    return figures


def _python(script: str, repeats: int, *arguments: str) -> float:
    """Median of what ``script`` prints in fresh interpreters."""
    values = []
    for _ in range(repeats):
        done = subprocess.run(  # noqa: S603 - our own scripts, see above
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise InferenceError(f"a measurement process ended with code {done.returncode}")
        values.append(float(done.stdout))
    return statistics.median(values)
