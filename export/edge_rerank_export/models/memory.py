"""Memory of a build: how much it takes, told from the number of weights before any are read."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

from edge_rerank_export.errors import NotEnoughMemory

BASE_BYTES = 700 << 20
"""What torch, transformers and onnxruntime take before any weights are read, with the texts that a
pack is verified on."""

COPIES = 4.5
"""Of its weights in float32 that a build holds at most, while ONNX is written and while a session
is made of it. Measured with random scorers, to int8: 94 million weights took 2.0 GiB (2.3 said),
268 million 4.7 (5.2), and 742 million, which lie in a file beside the graph, 11.0 (13.1)."""

_GIB = 1 << 30
_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")
_CGROUP = Path("/sys/fs/cgroup")

_LARGE = 3 << 29
"""Bytes below which collecting takes longer than it is worth."""


def memory_of(weights: int) -> int:
    """Bytes that a build of so many weights takes at most."""
    return BASE_BYTES + int(COPIES * 4 * weights)


def check_memory(needed: int, available: int | None) -> None:
    """Refuse what this machine has no memory for.

    Args:
        needed: bytes.
        available: bytes; ``None`` where nobody can say.

    Raises:
        NotEnoughMemory: with both numbers.
    """
    if available is not None and needed > available:
        raise NotEnoughMemory(
            f"memory: this model takes up to {needed / _GIB:.1f} GiB, and {available / _GIB:.1f} "
            "are free; --ignore-memory tries all the same"
        )


def available_memory() -> int | None:
    """Bytes that can be taken without paging, within a container's limit; ``None`` off Linux."""
    try:
        found = _MEMINFO.read_text(encoding="ascii").partition("MemAvailable:")[2].split()[0]
    except (OSError, IndexError):
        return None
    free = int(found) * 1024
    try:
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        stat = (_CGROUP / "memory.stat").read_text(encoding="ascii")
        cached = int(stat.partition("inactive_file ")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return free  # no limit
    return min(free, max(0, limit - used + cached))


def give_back() -> None:
    """Return what is not used any more to the system.

    Exporters leave circles of references to a model, and the C library keeps for later what was
    freed. After the export of 94 million weights 0.93 GiB were held, and 0.42 after this.
    """
    if _held() < _LARGE:
        return
    gc.collect()
    # Of other C libraries no such habit is known.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _held() -> int:
    """Bytes that this process holds in main memory; a lot where nobody can say."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return _LARGE
