from __future__ import annotations

import time
from collections.abc import Callable

import pytest

SLOWEST = 3.0
"""A shared machine is at times a third as fast as in a quiet hour; a bound is for a quiet one. On
two hyper-threads ``rank()`` of 100 items took 7.8 to 12.9 ms within an hour, the same code."""

LOOP_S = 0.1
"""Processor time of a million turns of a plain loop on the slowest core that bounds are meant for.
One that was held back from outside took 0.23 s, and everything else so much longer, too."""


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure even where pytest captures output: figures are what a bench is for."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="")

    return line


@pytest.fixture
def slowest(report: Callable[[str], None]) -> Callable[[], float]:
    """Gives how many times its bound a figure may be, for a machine as fast as this is just now.

    The pace is that of the fixture's beginning or of the call, whichever is slower: a machine that
    is held back from outside is so for minutes.
    """
    before = _loop_s()

    def times() -> float:
        pace = max(before, _loop_s()) / LOOP_S
        report(f"a plain loop takes {pace:.2f} times what it may")
        return SLOWEST * max(pace, 1.0)

    return times


def _loop_s() -> float:
    """Processor time of the loop, the least of three."""
    return min(_loop() for _ in range(3))


def _loop() -> float:
    started, total = time.process_time(), 0
    for turn in range(1_000_000):
        total += turn * turn
    return time.process_time() - started
