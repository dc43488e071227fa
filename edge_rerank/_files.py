"""Private files: readable by their owner only from the first byte on, and on disk when written.

Keys, key halves, sealed exports, the anchor and the history file itself are made here. All
raise OSError when the file system refuses; callers turn it into an error of theirs.
"""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o600


def open_new(path: Path) -> int:
    """A descriptor, for writing, of a file that was not there before.

    A file that exists is not opened, not even for a moment: closing it again would release
    the locks that this process holds on it.

    Raises:
        FileExistsError: when there is a file already.
        OSError: when none can be made.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)


def opener(path: str, flags: int) -> int:
    """The ``opener`` of :func:`open` for a file that is private if it is new."""
    return os.open(path, flags, MODE)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there before, durably; nothing is left of it on an error.

    Raises:
        FileExistsError: when there is a file already.
        OSError: when it cannot be made or written.
    """
    descriptor = open_new(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Durably put ``content`` in the place of the file; all or nothing.

    Raises:
        OSError: when the file system refuses; the old file is then still there.
    """
    staged = path.with_name(path.name + ".new")
    staged.unlink(missing_ok=True)
    write_new(staged, content)
    staged.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
