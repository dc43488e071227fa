"""A neighbour on every core: what a call costs on a quiet machine, and beside other programs.

Wall time on a busy machine measures the neighbours, too; what a call takes of the processor is its
own. Both are measured in turn, quiet and loaded, within the same seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_rerank.errors import InferenceError
from edge_rerank.inference.session import usable_processors

CALLS, ROUNDS = 20, 3

_BURN = """
import os
parent = os.getppid()
print("burning", flush=True)
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
"""Of one core, until it is killed, or an orphan."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call costs.

    Attributes:
        wall_ms: the median.
        cpu_ms: of the processor, by all threads of the process: the 10 % quantile, because other
            programs that empty the caches only ever make it more.
    """

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What one call costs on the machine as it is, and beside a neighbour on every core."""

    quiet: Cost
    loaded: Cost

    @property
    def wall_times(self) -> float:
        """How many times its quiet wall time a call takes beside the neighbour."""
        return self.loaded.wall_ms / self.quiet.wall_ms


@contextmanager
def neighbour(cores: int | None = None) -> Iterator[None]:
    """Another program that burns ``cores`` cores meanwhile; every usable one if ``None``.

    Raises:
        InferenceError: when it cannot be started.
    """
    command = [sys.executable, "-S", "-c", _BURN]
    others: list[subprocess.Popen[bytes]] = []
    try:
        others.extend(
            subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for _ in range(usable_processors() if cores is None else cores)
        )
        for other in others:
            if not (other.stdout and other.stdout.readline()):
                raise InferenceError("a neighbour that burns a core could not be started")
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.communicate()


def cost(call: Callable[[int], object], calls: int = CALLS) -> Cost:
    """What ``call(turn)`` costs."""
    return _cost(_times(call, calls))


def costs(call: Callable[[int], object], *, calls: int = CALLS, rounds: int = ROUNDS) -> Costs:
    """What ``call(turn)`` costs, quiet and loaded in turn; turns count on through the rounds.

    Args:
        call: made ``calls`` times quiet and as often loaded, in each of ``rounds``.
        calls: ≥ 1.
        rounds: ≥ 1.

    Raises:
        InferenceError: see :func:`neighbour`.
    """
    quiet: list[tuple[float, float]] = []
    loaded: list[tuple[float, float]] = []
    for _ in range(rounds):
        quiet += _times(call, calls, first=len(quiet) + len(loaded))
        with neighbour():
            loaded += _times(call, calls, first=len(quiet) + len(loaded))
    return Costs(_cost(quiet), _cost(loaded))


def _times(call: Callable[[int], object], calls: int, first: int = 0) -> list[tuple[float, float]]:
    """Milliseconds of wall and processor time of each call."""
    times = []
    for turn in range(first, first + calls):
        wall, cpu = time.perf_counter(), time.process_time()
        call(turn)
        times.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    return times


def _cost(times: list[tuple[float, float]]) -> Cost:
    walls, cpus = zip(*times, strict=True)
    return Cost(statistics.median(walls), sorted(cpus)[len(cpus) // 10])
