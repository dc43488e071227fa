"""Progress callbacks: they are told how far a long piece of work has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with (done, total); total is 0 where it is not known."""

StepProgress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total), for work of several steps."""

EVERY_S = 30.0
"""Between two lines of a progress that goes into a file: often enough to see that it moves."""


@contextmanager
def told_by_time(
    say: Callable[[str], None], label: str, *, every_s: float = EVERY_S
) -> Iterator[Progress]:
    """Say in lines how far the block is, for output that is no terminal.

    The lines come by the clock, from a thread of their own, so that work which reports nothing
    for a long time is seen to go on.

    Args:
        say: writes one line.
        label: what is being done.
        every_s: seconds between two lines.

    Yields:
        What is to be told of the progress.
    """
    began = time.monotonic()
    ended = threading.Event()
    seen = (0, 0)

    def note(done: int, total: int) -> None:
        nonlocal seen
        seen = (done, total)

    def tell() -> None:
        while not ended.wait(every_s):
            say(_line(label, *seen, time.monotonic() - began))

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield note
    finally:
        ended.set()
        teller.join()


def _line(label: str, done: int, total: int, seconds: float) -> str:
    if not done:
        return f"{label}: at work for {_duration(seconds)}"
    if not total:
        return f"{label}: {done} in {_duration(seconds)}"
    left = "" if done >= total else f", about {_duration(seconds * (total - done) / done)} left"
    return f"{label}: {done} of {total} in {_duration(seconds)}{left}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
