"""How costs grow: ``rank()`` with candidates and events, a history file with its people."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_rerank._progress import Progress
from edge_rerank.evaluation.invented import (
    KEY,
    add_people,
    has_scorer,
    have_clicked,
    invented_items,
    make_known,
)
from edge_rerank.history.history import History
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.reranker import Reranker
from edge_rerank.types import Event, Item

CANDIDATES = (10, 100, 1_000, 10_000)
SCORED = (10, 20, 50, 100)
"""Candidates in place of those for a pack with a language-model scorer."""

EVENTS = (0, 10, 50, 200, 500)
PEOPLE = (100, 1_000, 10_000)

_RANKED = 100
_LISTS = 20

_Call = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Curve:
    """What one thing costs, by size.

    Attributes:
        name: of the thing.
        sizes: ascending.
        cpu_ms: processor time of a call at each size, the 10 % quantile.
    """

    name: str
    sizes: tuple[int, ...]
    cpu_ms: tuple[float, ...]

    @property
    def times(self) -> float:
        """How many times the cost at the first size that at the last is."""
        return self.cpu_ms[-1] / max(self.cpu_ms[0], 1e-9)


@dataclass(frozen=True, slots=True)
class Growth:
    """Costs against how much there is.

    Attributes:
        candidates: ``rank()`` against candidates, of plain lists and of a prepared catalogue.
        events: ``rank()`` of 100 items against events of the person.
        people: opening a file, recording and ranking against the people in it.
    """

    candidates: tuple[Curve, ...]
    events: tuple[Curve, ...]
    people: tuple[Curve, ...]


def measure(
    pack: str | Path | None = None, *, quick: bool = False, progress: Progress | None = None
) -> Growth:
    """Measure all curves, of items whose vectors are known.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        quick: fewer repetitions, for a first look.
        progress: called with (curves done, curves to do).

    Raises:
        PackError: when the pack cannot be loaded.
    """
    told = progress if progress is not None else lambda _done, _total: None
    repeats = 5 if quick else 20
    with Reranker.open(pack) as reranker:
        sizes = SCORED if has_scorer(reranker) else CANDIDATES
        items = invented_items(max(*sizes, _RANKED) + _LISTS)
        make_known(reranker, items)
        candidates = _candidates(reranker, items, sizes, repeats)
        told(1, 3)
        events = _events(reranker, items, repeats)
        told(2, 3)
        people = _people(reranker.engine, items, repeats)
        told(3, 3)
    return Growth(candidates, events, people)


def _candidates(
    reranker: Reranker, items: list[Item], sizes: tuple[int, ...], repeats: int
) -> tuple[Curve, ...]:
    user = "candidates"
    have_clicked(reranker, user, items[:50])
    catalogue = reranker.prepare(items)

    def plain(size: int) -> _Call:
        return lambda turn: reranker.rank(_list(items, turn, size), user)

    def prepared(size: int) -> _Call:
        part = catalogue.select([item.id for item in items[:size]])
        return lambda _: reranker.rank(part, user)

    return (
        _curve("plain list", sizes, plain, repeats),
        _curve("prepared", sizes, prepared, repeats),
    )


def _events(reranker: Reranker, items: list[Item], repeats: int) -> tuple[Curve, ...]:
    others = invented_items(_RANKED, seed=1)
    make_known(reranker, others)

    def at(count: int) -> _Call:
        user = f"{count} events"
        have_clicked(reranker, user, [others[n % _RANKED] for n in range(count)])
        return lambda turn: reranker.rank(_list(items, turn, _RANKED), user)

    return (_curve("rank 100", EVENTS, at, repeats),)


def _people(engine: RankingEngine, items: list[Item], repeats: int) -> tuple[Curve, ...]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        paths = {count: Path(folder) / f"{count}.db" for count in PEOPLE}
        for count, path in paths.items():
            add_people(path, 0, count)

        def opening(count: int) -> _Call:
            return lambda _: History.open(paths[count], KEY).close()

        curves = [_curve("open", PEOPLE, opening, repeats)]
        rerankers = {}
        for place, (count, path) in enumerate(paths.items()):
            history = opened.enter_context(History.open(path, KEY))
            rerankers[count] = Reranker(engine, history)
            for turn in range(repeats):
                history.consent(_person(place, turn), True)

        def recording(count: int) -> _Call:
            reranker, place = rerankers[count], PEOPLE.index(count)
            return lambda turn: reranker.record(
                Event("click", items[turn]), user=_person(place, turn)
            )

        def ranking(count: int) -> _Call:
            reranker, place = rerankers[count], PEOPLE.index(count)
            return lambda turn: reranker.rank(_list(items, turn, _RANKED), _person(place, turn))

        curves.append(_curve("record", PEOPLE, recording, repeats))
        curves.append(_curve("rank 100", PEOPLE, ranking, repeats))
    return tuple(curves)


def _person(place: int, turn: int) -> str:
    """Another person for each file and turn: whoever was there a moment ago is remembered."""
    return f"user {len(PEOPLE) * turn + place}"


def _curve(name: str, sizes: tuple[int, ...], at: Callable[[int], _Call], repeats: int) -> Curve:
    """The curve of calls at each size, made in turn: the pace of a machine changes by the second.

    Args:
        name: of the curve.
        sizes: ascending.
        at: makes the call at a size, which gets the turn.
        repeats: calls at each size, ≥ 1.
    """
    calls = [at(size) for size in sizes]
    taken: list[list[float]] = [[] for _ in sizes]
    for turn in range(repeats):
        for times, call in zip(taken, calls, strict=True):
            began = time.process_time()
            call(turn)
            times.append((time.process_time() - began) * 1e3)
    return Curve(name, sizes, tuple(sorted(times)[len(times) // 10] for times in taken))


def _list(items: list[Item], turn: int, count: int) -> list[Item]:
    """Another list at each turn: of the last one, what was looked at is remembered."""
    return items[turn % _LISTS :][:count]
