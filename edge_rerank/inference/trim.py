"""Freed memory given back to the system: glibc keeps what models freed, in pieces.

A model without an arena takes and frees its numbers at each run, and the pieces lie between what
stays. Giving them back takes 5 to 12 ms, so it is done where a model was loaded, and after models
have run for half a second in all: about 2 % of the time at most.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

EVERY_S = 0.5
"""Seconds of runs between two trims."""


class Trimmer:
    """Counts what models run, and trims when it is time. Safe from several threads.

    Args:
        trim: gives back what is free; ``None`` where the system needs no telling.
    """

    def __init__(self, trim: Callable[[], object] | None) -> None:
        self._trim = trim
        self._lock = threading.Lock()
        self._run_s = 0.0

    def ran(self, seconds: float) -> None:
        """Note that a model has run."""
        self._run_s += seconds  # what a second thread adds at the same time may be lost

    def settle(self) -> None:
        """Trim if models have run for long enough, and no other thread is at it."""
        if self._run_s >= EVERY_S and self._lock.acquire(blocking=False):
            try:
                self.now()
            finally:
                self._lock.release()

    def now(self) -> None:
        """Trim whatever was run."""
        self._run_s = 0.0
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
