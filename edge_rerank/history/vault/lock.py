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

_MAX_STATE = 4096

_HELD: WeakValueDictionary[Path, LockFile] = WeakValueDictionary()
"""What this process holds, to tell a second opening here from one elsewhere."""


class LockFile:
    """A lock, held until it is released or the process ends. Made by :meth:`take`.

    Attributes:
        path: of the lock file.
        found: whether it was there already: a process that held it was killed.
    """

    def __init__(self, path: Path, descriptor: int, *, found: bool) -> None:
        self.path = path
        self.found = found
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
            lock = cls._open(path)
        except FileNotFoundError:
            if path.parent.is_dir():
                return None  # deleted since: once more
            raise HistoryUnavailable("the history file cannot be locked: no such folder") from None
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

    @classmethod
    def _open(cls, path: Path) -> Self:
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            return cls(path, os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE), found=False)
        except FileExistsError:
            return cls(path, os.open(path, flags), found=True)

    def write(self, state: bytes) -> None:
        """Put ``state`` into the file, not synced: it outlives the process, not a power cut."""
        with contextlib.suppress(OSError):  # a full disk; what is lost then is a check alone
            self._stream.seek(0)
            self._stream.write(state)

    def read(self) -> bytes:
        """What a process that was killed had put there, empty for nothing."""
        try:
            self._stream.seek(0)
            return self._stream.read(_MAX_STATE)
        except OSError:
            return b""

    def release(self, *, keep: bool = False) -> None:
        """Let go of the file, and delete it where the file system lets us.

        Args:
            keep: leave it there, with what is in it.
        """
        if self._stream.closed:  # by now it may be somebody else's
            return
        _HELD.pop(self.path, None)
        if sys.platform == "win32":
            self._stream.close()
        if not keep:
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
