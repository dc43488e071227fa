"""The most memory that this process has held, for scripts that tests start."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """MiB in main memory at most since the program began.

    Linux counts what the starting process held as part of ``ru_maxrss`` (getrusage(2): it is kept
    across execve), so its own figure for the program, ``VmHWM`` of proc(5), is read there.
    """
    if STATUS.exists():
        text = STATUS.read_text(encoding="ascii")
        return int(text.partition("VmHWM:")[2].split()[0]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
