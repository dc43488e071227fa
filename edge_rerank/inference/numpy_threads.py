"""numpy's products on one thread: a limit on its OpenBLAS while this package computes.

OpenBLAS hands any product of more than 2^18 multiplications to threads of its own, which spin
while they wait. Of products as small as a ranking's that costs several times the processor time,
and on a busy machine the wall time, too. The number of its threads belongs to the process: as in
scikit-learn, it is set around a call and given back after it, so that a product that the host
begins in another thread meanwhile has one thread, too. Setting it takes 0.3 us.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

_NAMES = tuple(
    (f"{prefix}_get_num_threads{suffix}", f"{prefix}_set_num_threads{suffix}")
    for prefix in ("scipy_openblas", "openblas")
    for suffix in ("64_", "")
)
"""As numpy's own wheels call them, and distributions of Linux and conda."""


class Setting(NamedTuple):
    """A number of threads that belongs to the process."""

    get: Callable[[], int]
    set: Callable[[int], object]


class OneThread:
    """One thread for numpy's products, for as long as any thread is inside of ``with``.

    Whoever leaves last gives back the number that was found, unless somebody has set another in
    between. Safe from several threads.

    Args:
        setting: how many threads numpy's BLAS has; ``None`` where that cannot be set.
    """

    def __init__(self, setting: Setting | None) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._inside = 0
        self._found = 1

    def __enter__(self) -> None:
        if self._setting is None:
            return
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._found = self._setting.get()
                if self._found > 1:
                    self._setting.set(1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._setting is None:
            return
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._give_back()

    def leave_to_parent(self) -> None:
        """Begin anew in a child, whose other threads, one of them inside perhaps, are gone."""
        self._lock = threading.Lock()
        if self._inside:
            self._inside = 0
            self._give_back()

    def _give_back(self) -> None:
        if self._setting is not None and self._found > 1 and self._setting.get() == 1:
            self._setting.set(self._found)


def openblas() -> Setting | None:
    """The number of threads of numpy's OpenBLAS; ``None`` where numpy has another BLAS."""
    for library in _libraries():
        for get, put in _NAMES:
            if hasattr(library, get) and hasattr(library, put):
                return Setting(getattr(library, get), getattr(library, put))
    return None


def _libraries() -> list[Any]:
    """What numpy has loaded its BLAS from; a library that is loaded is not loaded again."""
    # Names are looked up in all that a library depends on; on Windows in itself alone.
    cores = (sys.modules.get(f"numpy.{core}._multiarray_umath") for core in ("_core", "core"))
    paths = [Path(core.__file__) for core in cores if core is not None and core.__file__]
    if os.name == "nt":
        paths += sorted(Path(np.__file__).parents[1].glob("numpy.libs/*openblas*.dll"))
    found = []
    for path in paths:
        try:
            found.append(ctypes.PyDLL(str(path)))  # keeps the GIL: nothing here takes long
        except OSError:
            continue
    return found


ONE_THREAD = OneThread(openblas())
"""The process's own."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ONE_THREAD.leave_to_parent)
