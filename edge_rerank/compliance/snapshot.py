"""A snapshot of a history file in memory: read without a lock, without a write, beside its owner.

SQLite itself would take locks, make a ``-shm`` file, copy the write-ahead log into the file or
roll a journal back. So the bytes of file and log are read, the log is applied to them as
https://sqlite.org/walformat.html says, and what comes out is opened as a database in memory.
Nothing of the history is changed, whether an application has it open or a crash left it.

An operating system of the POSIX kind drops the locks of a process on a file whenever that process
closes any descriptor of it: inspect from another process than the one that has the history open.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from edge_rerank.errors import HistoryCorrupt, HistoryLocked, HistoryUnavailable
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.wal import checksum

MAX_READS = 20
"""How often file and log are read until they stay the same for the time that it takes."""

_WAL_HEADER = 32
_FRAME_HEADER = 24
_MAGIC = 0x377F0682
_PAGE_SIZES = tuple(1 << power for power in range(9, 17))
_VERSIONS_AT = 18
"""Where a database file says that it has a write-ahead log (2, 2) or has none (1, 1)."""


class SnapshotFile(HistoryFile):
    """A history file in memory, made of the bytes of one on disk.

    Args:
        content: of :func:`read_snapshot`.
        noted: of its lock file.

    Raises:
        HistoryCorrupt: when it is not a history file.
    """

    def __init__(self, content: bytes, noted: bytes) -> None:
        super().__init__(None)
        self._noted = noted
        try:
            self.db.conn.deserialize(content)
            self.is_new = self._identify()
            if self.is_new:
                raise HistoryCorrupt("the file holds no history")  # noqa: TRY301 - closed below
        except BaseException:
            self.close()
            raise

    def noted_state(self) -> bytes:
        """What the lock file says was acknowledged."""
        return self._noted


def read_snapshot(path: Path) -> bytes:
    """The database as it was at one moment, its write-ahead log applied.

    Args:
        path: the history file.

    Returns:
        A database without a log; empty for an empty file.

    Raises:
        HistoryCorrupt: when the log is malformed.
        HistoryLocked: when it changes faster than it can be read.
        HistoryUnavailable: when the file system refuses.
    """
    log = Path(f"{path}-wal")
    try:
        for _ in range(MAX_READS):
            content, frames = path.read_bytes(), read_if_there(log)
            # The same file before and after its log was read: both are of the moment between.
            if _same(path, content) and _same(log, frames):
                return _apply(content, frames)
    except OSError as error:
        raise HistoryUnavailable(f"the history file cannot be read: {error.strerror}") from error
    raise HistoryLocked("the history file changes faster than it can be read: try again")


def read_if_there(path: Path) -> bytes:
    """A file's bytes; none where there is no file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _same(path: Path, content: bytes) -> bool:
    """Whether the file still has that content; not held twice, for it may be large."""
    try:
        with path.open("rb") as stream:
            now = hashlib.file_digest(stream, "blake2b").digest()
    except FileNotFoundError:
        return content == b""
    return now == hashlib.blake2b(content).digest()


def _apply(content: bytes, log: bytes) -> bytes:
    """The database with every committed page of the log in its place."""
    pages: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    count = step = 0
    for number, committed, page in _frames(log):
        waiting[number] = page
        if committed:
            pages.update(waiting)
            waiting.clear()
            count, step = committed, len(page)
    merged = bytearray(content)
    if count:
        # Nothing of a log is sealed: one made by hand must not ask for more than it brings.
        if count * step > len(content) + len(log):
            raise HistoryCorrupt("the write-ahead log is malformed")
        merged = merged[: count * step].ljust(count * step, b"\x00")
        for number, page in pages.items():
            if 1 <= number <= count:
                merged[(number - 1) * step : number * step] = page
    if len(merged) >= _VERSIONS_AT + 2:
        merged[_VERSIONS_AT : _VERSIONS_AT + 2] = b"\x01\x01"
    return bytes(merged)


def _frames(log: bytes) -> list[tuple[int, int, bytes]]:
    """Page number, size of the database in pages if this commits, and page, of each valid frame."""
    if len(log) < _WAL_HEADER:
        return []
    magic, _, page_size, _ = struct.unpack(">4I", log[:16])
    order = ">" if magic & 1 else "<"
    sums = checksum((0, 0), log[:24], order)
    if (
        magic & ~1 != _MAGIC
        or page_size not in _PAGE_SIZES
        or sums != struct.unpack(">2I", log[24:_WAL_HEADER])
    ):
        return []
    found = []
    step = _FRAME_HEADER + page_size
    for at in range(_WAL_HEADER, len(log) - step + 1, step):
        header, page = log[at : at + _FRAME_HEADER], log[at + _FRAME_HEADER : at + step]
        sums = checksum(sums, header[:8] + page, order)
        # What an earlier round of the log left behind has other salts.
        if header[8:16] != log[16:24] or sums != struct.unpack(">2I", header[16:]):
            break
        number, committed = struct.unpack(">2I", header[:8])
        found.append((number, committed, page))
    return found
