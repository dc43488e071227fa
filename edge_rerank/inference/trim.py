"""Freed memory given back to the system: glibc keeps what was freed, in pieces.

A model without an arena takes and frees its numbers at each run, a call its lists, and the pieces
lie between what stays. Giving them back takes 5 to 12 ms, so it is done where a model was loaded or
a catalogue read, after half a second of runs or a second of calls, which is 1 to 2 % of the time,
and when no call has come for a moment: that a worker thread does; with ``threads=1`` none is there.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_rerank.inference.workers import QUIET_S

EVERY_S = 0.5
"""Seconds of runs between two trims."""

EVERY_CALLED_S = 1.0
"""Seconds of calls between two, where they are spent on other things."""

WORTH_S = 0.05
"""Seconds of runs and calls after which idle time is used for it."""


class Trimmer:
    """Counts how long models run and calls take, and says when it is time. Thread-safe.

    Args:
        trim: gives back what is free; ``None`` where the system needs no telling.
    """

    def __init__(self, trim: Callable[[], object] | None) -> None:
        self._trim = trim
        self._lock = threading.Lock()
        self._run_s = 0.0
        self._called_s = 0.0
        self._last = -QUIET_S

    @property
    def worth(self) -> bool:
        """Whether there was enough to do that idle time may be used for it."""
        return max(self._run_s, self._called_s) >= WORTH_S

    def ran(self, seconds: float) -> None:
        """Note that a model has run."""
        self._run_s += seconds  # what a second thread adds at the same time may be lost

    def settle(self) -> None:
        """Trim if there was enough to do, and no other thread is at it."""
        if self._run_s >= EVERY_S or self._called_s >= EVERY_CALLED_S:
            self._alone()

    @contextmanager
    def call(self, rest: Callable[[], object]) -> Iterator[None]:
        """Around a call: it counts, and may be the last for a while.

        Args:
            rest: sees to it that somebody calls :meth:`idle` if no other comes.
        """
        started = time.perf_counter()
        try:
            yield
        finally:
            self._last = time.perf_counter()
            self._called_s += self._last - started
            self.settle()
            if self.worth:
                rest()

    def idle(self) -> float | None:
        """Trim in a moment in which nobody waits, if it is :attr:`worth` it.

        Returns:
            Seconds to wait, where a call came too short a time ago; else ``None``.
        """
        since = time.perf_counter() - self._last
        if since < QUIET_S:
            return QUIET_S - since
        if self.worth:
            self._alone()
        return None

    def leave_to_parent(self) -> None:
        """Begin anew in a child, whose other threads, one of them trimming perhaps, are gone."""
        self._lock = threading.Lock()

    def _alone(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self.now()
            finally:
                self._lock.release()

    def now(self) -> None:
        """Trim whatever was done."""
        self._run_s = self._called_s = 0.0
        if self._trim is not None:
            self._trim()


def _malloc_trim() -> Callable[[], object] | None:
    """That of glibc, which other threads may allocate beside; ``None`` elsewhere."""
    if sys.platform != "linux":
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if trim is None else lambda: trim(0)


TRIMMER = Trimmer(_malloc_trim())
"""The process's own: free memory is."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TRIMMER.leave_to_parent)
