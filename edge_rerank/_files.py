"""Private files: readable by their owner only from the first byte on, and on disk when written.

Keys, key halves, sealed exports, the anchor and the history file itself are made here. All
raise OSError when the file system refuses; callers turn it into an error of theirs.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

MODE = 0o600


def reason_of(error: Exception) -> str:
    """Why the system refused, in its words, as "No space left on device"; else the error's type."""
    number = error.errno if isinstance(error, OSError) else None
    # By its number: the error's own text may be anybody's, and hold a path.
    return os.strerror(number) if number else type(error).__name__


def open_new(path: Path) -> int:
    """A descriptor, for writing, of a file that was not there before.

    A file that exists is not opened, not even for a moment: closing it again would release
    the locks that this process holds on it.

    Raises:
        FileExistsError: when there is a file already.
        OSError: when none can be made.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)


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

    A symbolic link stays, and what it leads to is replaced: replacing the link would leave the
    old content where it was. The way is walked once, here; after it the file is only renamed
    onto, and made only where there is none, and neither follows a link that somebody puts there
    meanwhile.

    Raises:
        OSError: when the file system refuses; the old file is then still there.
    """
    target = Path(os.path.realpath(path))
    staged = target.with_name(target.name + ".new")
    staged.unlink(missing_ok=True)
    write_new(staged, content)
    staged.replace(target)
    _sync_folder(target.parent)


def replace_secret(path: Path, content: bytes) -> None:
    """:func:`replace_file`, with zeros written over the old content in the end.

    Other names of the old file, hard links, then no longer lead to it. What the file system
    or the disk keeps by itself, in a snapshot or a worn block, is beyond anybody's reach here.

    Raises:
        OSError: when the file system refuses; the old file is then still there.
    """
    try:
        former = os.open(os.path.realpath(path), os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # there is none, or it is read-only and a rename is all that can be done
        replace_file(path, content)
        return
    with os.fdopen(former, "r+b") as stream:
        replace_file(path, content)
        with suppress(OSError):
            stream.write(bytes(os.fstat(stream.fileno()).st_size))
            stream.flush()
            os.fsync(stream.fileno())


def write_private(path: Path, content: bytes) -> None:
    """Put ``content`` into a file that then only its owner can read, whoever could before.

    The file is another one of the same name: who has the old one open reads on in that. A link
    is followed; a pipe or a device is written to as it is.

    Raises:
        OSError: when the file system refuses.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    target = Path(os.path.realpath(path))
    descriptor, staged = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(staged).replace(target)
    except OSError:
        Path(staged).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
