"""Speed: the figures the README promises, measured on the machine at hand.

Times that pass are medians, beside what they take of the processor; a loaded run takes them once
more beside a neighbour on every core. Before and after each step a look is taken at how much of
the processor this process is given: on a busy machine a bound that is missed says nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_rerank._progress import Progress
from edge_rerank.evaluation.fresh_process import fresh_process
from edge_rerank.evaluation.invented import (
    KEY,
    add_people,
    has_scorer,
    have_clicked,
    invented_items,
    make_known,
)
from edge_rerank.evaluation.neighbour import ROUNDS, cost, costs
from edge_rerank.evaluation.speed_report import BenchReport, Figure
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.retention import DAY_S
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.reranker import Reranker
from edge_rerank.types import Event, Item

_LOOK_S = 0.2

PEOPLE = 10_000
ROWS = 10_000
KNOWN = 1_000
CATALOGUE = 10_000

_LISTS = 50
"""So many lists in turn: of the last one, what was looked at is remembered."""

_COLD = 5
"""Batches of texts that were never seen."""


@dataclass(frozen=True, slots=True)
class _Meter:
    """Measures calls.

    Attributes:
        loaded: whether to measure beside a neighbour, too.
    """

    loaded: bool

    def figure(
        self,
        name: str,
        call: Callable[[int], object],
        repeats: int,
        *,
        bound: float,
        per: float = 1.0,
        unit: str = "ms",
    ) -> Figure:
        """The figure of ``call(turn)``, made ``repeats`` times or a few more.

        Args:
            name: of the figure.
            call: gets another turn each time, from 0.
            repeats: ≥ 1.
            bound: in ``unit``.
            per: milliseconds of a call are divided by it.
            unit: of what that gives.
        """
        if not self.loaded:
            quiet, beside = cost(call, repeats), None
        else:
            rounds = min(ROUNDS, repeats)
            both = costs(call, calls=-(-repeats // rounds), rounds=rounds)
            quiet, beside = both.quiet, both.loaded.wall_ms / per
        return Figure(name, quiet.wall_ms / per, unit, bound, quiet.cpu_ms / per, beside)


def run(
    pack: str | Path | None = None,
    *,
    quick: bool = False,
    loaded: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure ranking, encoding, the store, and what a fresh process costs.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        quick: fewer repetitions, for a first look.
        loaded: whether to measure each time once more beside a neighbour that burns every core.
        progress: called with (measurements done, measurements to do).

    Raises:
        PackError: when the pack cannot be loaded.
        InferenceError: when a measurement process fails.
    """
    repeats = 20 if quick else 200
    meter = _Meter(loaded)
    with RankingEngine.open(pack) as engine:
        threads, providers = engine.threads, engine.providers
    steps: tuple[Callable[[], Iterable[Figure]], ...] = (
        lambda: _ranking(pack, repeats, meter),
        lambda: _encoding(pack, 64 if quick else 512, meter),
        lambda: _store(repeats, meter),
        lambda: fresh_process(pack, 3 if quick else 7, loaded=loaded),
    )
    figures: list[Figure] = []
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


def _ranking(pack: str | Path | None, repeats: int, meter: _Meter) -> Iterator[Figure]:
    with Reranker.open(pack) as reranker:
        long = not has_scorer(reranker)  # a language model takes a minute for 10,000 items
        items = invented_items((CATALOGUE if long else 100) + _LISTS)
        _accustom(reranker, items)

        def some(count: int) -> Callable[[int], object]:
            return lambda turn: reranker.rank(items[turn % _LISTS :][:count], user="bench")

        yield meter.figure(
            "rank 100 known items, 50 events of history", some(100), repeats, bound=4.0
        )
        yield _from_click_to_list(reranker, items[:100], repeats, meter)
        if long:
            yield meter.figure("rank 1,000 known items", some(KNOWN), repeats // 4, bound=10.0)
            catalogue = reranker.prepare(items[:CATALOGUE])
            yield meter.figure(
                "rank a prepared catalogue of 10,000 items",
                lambda _: reranker.rank(catalogue, user="bench"),
                max(repeats // 20, 3),
                bound=45.0,
            )


def _accustom(reranker: Reranker, items: list[Item]) -> None:
    """Have the reranker know these items, and a person who clicked 50 others."""
    others = invented_items(50, seed=1)
    make_known(reranker, [*items, *others])
    have_clicked(reranker, "bench", others)


def _from_click_to_list(
    reranker: Reranker, items: list[Item], repeats: int, meter: _Meter
) -> Figure:
    """What a person waits for: the click, which teaches, and the list as it is then."""
    shown = reranker.rank(items, user="bench")

    def click(turn: int) -> None:
        nonlocal shown
        chosen = shown[turn % 10].item
        reranker.record(Event("click", chosen, ranking=shown.id), user="bench")
        shown = reranker.rank(items, user="bench")

    return meter.figure("one more click, then rank 100 known items", click, repeats, bound=8.0)


def _encoding(pack: str | Path | None, count: int, meter: _Meter) -> Iterator[Figure]:
    with RankingEngine.open(pack) as engine:
        engine.warmup()
        rounds = [invented_items(count, seed=seed) for seed in range(1, _COLD * 4)]
        yield meter.figure(
            "cold item vector (12 words)",
            lambda turn: engine.vectors(rounds[turn]),
            _COLD,
            bound=1.5 if _has_vnni() else 2.5,
            per=count,
        )


def _has_vnni() -> bool:
    """Whether the processor multiplies int8 at full rate; elsewhere it takes twice as long."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True
    return any(name in flags for name in ("avx512_vnni", "avx_vnni", "asimddp"))


def _store(repeats: int, meter: _Meter) -> Iterator[Figure]:
    yield from _one_person(repeats, meter)
    yield _many_people(max(repeats // 20, 3), meter)
    yield _erasure(meter)


def _one_person(repeats: int, meter: _Meter) -> Iterator[Figure]:
    items = invented_items(100)
    with (
        tempfile.TemporaryDirectory() as folder,
        HistoryStore.open(Path(folder) / "bench.db", KEY) as store,
    ):
        store.set_consent("bench", "personalisation", True)
        yield meter.figure(
            "append one event, on disk when it returns",
            lambda turn: store.append(
                "bench", [Event("click", items[turn % 100], timestamp=float(turn))]
            ),
            max(repeats, 60),
            bound=1.0,
        )
        yield meter.figure(
            "load and open the last 50 events",
            lambda _: store.load("bench", limit=50),
            repeats,
            bound=0.5 if _has_vnni() else 0.8,
        )


def _many_people(repeats: int, meter: _Meter) -> Figure:
    """Opening a file with 10,000 people a day later each time, and looking one of them up."""
    now = time.time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        add_people(path, 0, PEOPLE)

        def open_and_load(turn: int) -> None:
            # Retention looks for what has expired once a day.
            with HistoryStore.open(path, KEY, _clock=lambda: now + turn * DAY_S) as store:
                store.load(f"user {turn}")

        name = "open a file of 10,000 people, load one of them"
        return meter.figure(name, open_and_load, repeats, bound=50.0)


def _erasure(meter: _Meter) -> Figure:
    events = [Event("click", invented_items(1)[0], timestamp=float(n)) for n in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        path, key = Path(folder) / "bench.db", KeyFile.create(Path(folder) / "key")
        with HistoryStore.open(path, key) as store:
            people = ["quiet", "loaded"] if meter.loaded else ["quiet"]
            for person in people:
                store.append(person, events)
            return meter.figure(
                "erase 10,000 events and replace the key",
                lambda turn: store.erase(people[turn]),
                1,
                bound=1.0,
                per=1e3,
                unit="s",
            )
