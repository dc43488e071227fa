"""The SQLite file itself: how it is opened, written and closed."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_rerank._files import MODE, open_new
from edge_rerank._process import OwnProcess, keep_for_ever, when_forked
from edge_rerank.errors import (
    HistoryCorrupt,
    HistoryError,
    HistoryRolledBack,
    HistoryUnavailable,
    InvalidRequest,
)
from edge_rerank.history.vault import schema
from edge_rerank.history.vault.failures import endless, typed_errors
from edge_rerank.history.vault.lock import WAIT_S, LockFile
from edge_rerank.history.vault.wal import lost_transactions

if TYPE_CHECKING:
    from sqlite_utils import Database

PRAGMAS = (
    "journal_mode = WAL",
    # The write-ahead log is synced at every commit: what record() returned from is on disk.
    "synchronous = FULL",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "foreign_keys = ON",
)

logger = logging.getLogger(__name__)

LIMITS = {
    # No trigger runs, not even one that the check of the schema were to miss.
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 16,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 8,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
}
"""Far above what the statements of this package and its schema need."""

TICK = 100_000
"""Instructions of SQLite's machine between two looks at what a statement costs."""

FREE_TICKS = 10
"""A statement may cost a million instructions, 0.15 s, and ten thousand more for each page of
the file: twenty times what the dearest, ``PRAGMA integrity_check``, was measured to take (490)."""

PAGE_BYTES = 4096


class Making(StrEnum):
    """Whether opening may make a history where there is none."""

    WHERE_MISSING = "where missing"
    ALWAYS = "always"
    NEVER = "never"


class HistoryFile:
    """One connection that no other process can share. Not safe from several threads.

    Opening reads only: a file that turns out to be somebody else's, or sealed under another
    key, is left byte for byte as it was, see :meth:`abandon`.

    Args:
        path: made if missing, readable by its owner only; ``None`` for memory.
        making: ``NEVER`` refuses a file that is missing or empty, as one that an anchor knows
            cannot be; ``ALWAYS`` one that is not.
        accept_loss: go on without the transactions that a damaged write-ahead log would lose.

    Raises:
        HistoryLocked: when another process, or this one, has it open.
        HistoryCorrupt: when it is not a history file, or its write-ahead log is damaged.
        HistoryRolledBack: when there is none, with ``NEVER``.
        InvalidRequest: when there is one, with ``ALWAYS``.
        HistoryUnavailable: when the file system refuses.
    """

    db: Database

    def __init__(
        self,
        path: Path | None,
        *,
        making: Making = Making.WHERE_MISSING,
        accept_loss: bool = False,
    ) -> None:
        # A link is followed here, once: SQLite would make what it points to readable by all.
        self.path = None if path is None else Path(os.path.realpath(path))
        self._process = OwnProcess("the history")
        self._lock = None if self.path is None else LockFile.take(self.path)
        try:
            if self.path is not None:
                # Whether a file with something in it is a history, its tables will show.
                if making is not Making.ALWAYS:
                    _admit(making, empty=not size_of(self.path))
                _make(self.path)
                if not accept_loss:
                    self._check_log(self.path)
            connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=WAIT_S,
                isolation_level=None,
                check_same_thread=False,
            )
        except BaseException:
            self._release()
            raise
        from sqlite_utils import Database  # noqa: PLC0415 - a quarter of the import time

        self.db = Database(connection)
        when_forked(self)
        self._ticks = 0
        self._schema = 0
        self.recovered = any(size_of(file) for file in self._files()[1:])
        """Whether a process that had it open was killed, and left a write-ahead log."""
        self._log_due = False
        _harden(connection)
        if self.path is not None:
            connection.set_progress_handler(self._tick, TICK)
        try:
            # Before WAL: it then needs no shared memory, and no second process gets in.
            self.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.is_new = self._identify()
            _admit(making, empty=self.is_new)
            if not self.is_new:
                self._check_schema()
            for pragma in PRAGMAS:
                self.execute(f"PRAGMA {pragma}")
            self.execute("BEGIN EXCLUSIVE")
            self.execute("COMMIT")
        except BaseException:
            self.abandon()
            raise

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        self._begin()
        return self.db.execute(sql, parameters)

    def execute_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run one statement for each row of parameters."""
        self._begin()
        self.db.conn.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has been left.

        Raises:
            HistoryCorrupt: when somebody has changed the schema meanwhile.
        """
        try:
            self.execute("BEGIN IMMEDIATE")
            if self._schema != self._schema_cookie():
                self._check_schema()
            yield
            self._schema = self._schema_cookie()
            self.execute("COMMIT")
        except BaseException:
            if self.db.conn.in_transaction:
                self.execute("ROLLBACK")
            raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a transaction that can fail alone."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self.db.conn.in_transaction:
                self.execute("ROLLBACK TO part")
            raise
        finally:
            if self.db.conn.in_transaction:
                self.execute("RELEASE part")

    def make_private(self) -> None:
        """Take from all but the owner what a copy or an empty file put there let them read.

        For a file that is known to be a history of this key. What the file system refuses stays
        as it is, and the compliance report says so.
        """
        for path in self._files():
            with suppress(OSError):
                if path.stat().st_mode & ~MODE & 0o777:
                    path.chmod(MODE)

    def schema_version(self) -> int:
        """Number of the last migration applied."""
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def _check_schema(self) -> None:
        """See that nothing was planted in the schema.

        Raises:
            HistoryCorrupt: when something was.
            HistoryVersionError: when the file is newer than this package.
        """
        version = self.schema_version()
        schema.check_version(version)
        schema.check_objects(self.db, version)
        self._schema = self._schema_cookie()

    def _schema_cookie(self) -> int:
        """A number that SQLite changes with every change of the schema."""
        return int(self.execute("PRAGMA schema_version").fetchone()[0])

    def _begin(self) -> None:
        """A statement: what it costs is counted anew."""
        self._ticks = 0
        endless.found = False

    def _tick(self) -> bool:
        """Whether the statement at work is to be stopped, for a damaged file may have no end."""
        self._ticks += 1
        if self._ticks > FREE_TICKS:
            pages = sum(size_of(path) for path in self._files()) / PAGE_BYTES
            endless.found = self._ticks > FREE_TICKS + pages / 10
        return endless.found

    def _files(self) -> tuple[Path, ...]:
        """The database and its write-ahead log."""
        if self.path is None:
            return ()
        return self.path, self.path.with_name(f"{self.path.name}-wal")

    def empty_log(self) -> None:
        """Move the write-ahead log into the file and truncate it, so that it holds nothing old.

        Raises:
            HistoryUnavailable: when SQLite could not.
        """
        if self.path is None:
            return
        busy, _, _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise HistoryUnavailable("the write-ahead log could not be emptied")

    def empty_log_soon(self) -> None:
        """:meth:`empty_log`, for a call that has done its work: what is refused is tried again."""
        self._log_due = True
        self.empty_log_if_due()

    def empty_log_if_due(self) -> None:
        """Try again what the file system refused when a call had done its work."""
        if self._log_due:
            try:
                with typed_errors():
                    self.empty_log()
                self._log_due = False
            except HistoryError as error:
                logger.warning("write-ahead log not emptied yet: %s", type(error).__name__)

    def note_state(self, state: bytes) -> None:
        """Have the lock file say what was acknowledged, for whoever opens it after a kill."""
        if self._lock is not None:
            self._lock.write(state)

    def noted_state(self) -> bytes:
        """What a killed process had acknowledged last, empty where that is not known."""
        return self._lock.read() if self._lock is not None and self._lock.found else b""

    @staticmethod
    def _check_log(path: Path) -> None:
        """See that SQLite will not pass over damage in the write-ahead log.

        Raises:
            HistoryCorrupt: when it would.
        """
        log = path.with_name(f"{path.name}-wal")
        if not size_of(log):
            return
        with typed_errors(), path.open("rb") as stream:
            size = int.from_bytes(stream.read(18)[16:], "big")
            lost = lost_transactions(log.read_bytes(), 65536 if size == 1 else size)
        if lost:
            raise HistoryCorrupt(
                f"the write-ahead log is damaged: {lost} transactions or more would be lost; put "
                "file and log back from a copy, or go on without them: accept_loss=True"
            )

    def close(self) -> None:
        """Empty the write-ahead log and let go of the file; a forked child only lets go."""
        if self._process.here:
            self.db.close()
            self._release()

    def abandon(self) -> None:
        """Let go of the file without writing to it, not even from its write-ahead log."""
        if self.db.conn.in_transaction:
            self.execute("ROLLBACK")
        # SQLite copies a log left by a crash into the file when the last connection closes;
        # an interrupt makes it leave both as they are.
        self.db.conn.interrupt()
        self.db.close()
        self._release(keep=self._lock is not None and self._lock.found)

    def leave_to_parent(self) -> None:
        """Never touch the file again, in a child that was just forked.

        Closing SQLite's connection there, even at the end of the program, would move the
        write-ahead log into the file and delete it under the parent's hands.
        """
        keep_for_ever(self.db.conn)
        if self._lock is not None:
            self._lock.leave()

    def _release(self, *, keep: bool = False) -> None:
        if self._lock is not None:
            self._lock.release(keep=keep)

    def _identify(self) -> bool:
        """Whether the file is empty.

        Raises:
            HistoryCorrupt: when it holds something else than a history.
        """
        application = self.execute("PRAGMA application_id").fetchone()[0]
        tables = self.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables and application == 0 and self._pages() == 0:
            self.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        elif application != schema.APPLICATION_ID:
            raise HistoryCorrupt("the file is not a history file")
        return bool(tables == 0)

    def _pages(self) -> int:
        return int(self.execute("PRAGMA page_count").fetchone()[0])


def size_of(path: Path) -> int:
    """Bytes in a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _harden(connection: sqlite3.Connection) -> None:
    """Take from a hostile file what SQLite would do for it.

    ``trusted_schema`` stands first here, before the schema is read. Python can set defensive
    mode, and switch triggers and views off altogether, from 3.12 on; before, the check of the
    schema and :data:`LIMITS` stand alone.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    for limit, value in LIMITS.items():
        connection.setlimit(limit, value)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)


def _admit(making: Making, *, empty: bool) -> None:
    """See that there is a history, or none, as the host says.

    Raises:
        HistoryRolledBack: when there must be one.
        InvalidRequest: when there must be none.
    """
    if empty and making is Making.NEVER:
        raise HistoryRolledBack(
            "the history file is missing or empty, and an anchor was given: put the file back, or "
            "say new=True to begin another history with this anchor"
        )
    if not empty and making is Making.ALWAYS:
        raise InvalidRequest("new: expected no history file there yet, found one")


def _make(path: Path) -> None:
    """Make an empty private file, unless there is a file."""
    try:
        os.close(open_new(path))
    except FileExistsError:
        pass
    except OSError as error:
        raise HistoryUnavailable(f"the history file cannot be made: {error.strerror}") from error
