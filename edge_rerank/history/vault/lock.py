"""The lock file beside an open history: one process at a time, whatever else it does.

SQLite's own lock is lost as soon as anything in the process opens and closes the history file
itself, a backup for instance: so POSIX wants it. ``flock`` belongs to the open file, here one
that nobody else has, and ends with it, however the process ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Self
from weakref import WeakValueDictionary

from edge_rerank._files import MODE
from edge_rerank.errors import HistoryLocked, HistoryUnavailable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WAIT_S = 0.3
"""How long to wait for another process to let go: it may be closing the file just now."""

_PAUSE_S = 0.02
_LOCKED_BYTE = 1 << 30
"""Windows locks bytes, not files: one far behind all that is ever written."""

_HELD: WeakValueDictionary[Path, LockFile] = WeakValueDictionary()
"""What this process holds, to tell a second opening here from one elsewhere."""


class LockFile:
    """A lock, held until it is released or the process ends. Made by :meth:`take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._stream = os.fdopen(descriptor, "r+b", buffering=0)

    @classmethod
    def take(cls, history: Path) -> Self:
        """Lock the history file at ``history``, links resolved, which need not exist yet.

        Raises:
            HistoryLocked: when this or another process has it open.
            HistoryUnavailable: when the file system refuses.
        """
        path = history.with_name(f"{history.name}-lock")
        deadline = time.monotonic() + WAIT_S
        while True:
            held = cls._try(path)
            if held is not None:
                _HELD[path] = held
                return held
            if path in _HELD:
                raise HistoryLocked(
                    "this process has the history file open already: share the one that is open, "
                    "or close it first"
                )
            if time.monotonic() > deadline:
                raise HistoryLocked("another process has the history file open")
            time.sleep(_PAUSE_S)

    @classmethod
    def _try(cls, path: Path) -> Self | None:
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            lock = cls(path, os.open(path, flags, MODE))
        except OSError as error:
            raise HistoryUnavailable(
                f"the history file cannot be locked: {error.strerror}"
            ) from None
        try:
            _lock(lock._stream.fileno())
            # Whoever held it may have deleted it meanwhile: then this locks nothing.
            if os.path.samestat(os.fstat(lock._stream.fileno()), path.stat()):
                return lock
        except (BlockingIOError, PermissionError, FileNotFoundError):
            pass
        except OSError as error:
            lock._stream.close()
            raise HistoryUnavailable(
                f"the history file cannot be locked: {error.strerror}"
            ) from None
        lock._stream.close()
        return None

    def release(self) -> None:
        """Delete the file and let go of it; it stays where the file system refuses."""
        if self._stream.closed:  # by now it may be somebody else's
            return
        _HELD.pop(self.path, None)
        if sys.platform == "win32":
            self._stream.close()
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._stream.close()

    def leave(self) -> None:
        """Close this process's copy, in a child: the lock stays the parent's."""
        _HELD.pop(self.path, None)
        self._stream.close()


def _lock(descriptor: int) -> None:
    """Lock the open file, at once or not at all.

    Raises:
        BlockingIOError, PermissionError: when somebody has locked it.
        OSError: when the file system knows no locks.
    """
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
