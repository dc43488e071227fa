"""What SQLite and the file system raise, as errors of ours."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_rerank.errors import (
    EdgeRerankError,
    HistoryCorrupt,
    HistoryLocked,
    HistoryUnavailable,
)

_DAMAGED = (
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_CONSTRAINT",
    "SQLITE_MISM",
    "SQLITE_FORMAT",
)
_DAMAGED_TOO = ("SQLITE_INTERRUPT", "SQLITE_ERROR", "OperationalError", "DataError")
_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_IN_WORDS = {
    "SQLITE_FULL": "the disk is full; make room, and go on",
    "SQLITE_IOERR_WRITE": "the disk, or what is allowed of it, is full, or it fails",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_NOTADB": "another program's file, or its beginning is damaged",
}


class Endless(threading.local):
    """Whether the statement that was stopped last in this thread went on and on.

    SQLite says the same of one that Ctrl-C met, and keeps the interrupt to itself.
    """

    found = False


endless = Endless()


@contextmanager
def typed_errors() -> Iterator[None]:
    """Turn what SQLite and the file system raise into errors of ours."""
    try:
        yield
    except EdgeRerankError:
        raise
    except sqlite3.Error as error:
        # The name of the code only: SQLite's own text may quote a value.
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        if name == "SQLITE_INTERRUPT" and not endless.found:
            raise KeyboardInterrupt from None  # which came while SQLite asked, and was dropped
        if name.startswith(_BUSY):
            raise HistoryLocked("another process has the history file open") from None
        if name.startswith(_DAMAGED) or name in _DAMAGED_TOO:
            raise HistoryCorrupt(f"the history file is damaged: {_explained(name)}") from None
        raise HistoryUnavailable(f"the history file cannot be used: {_explained(name)}") from None
    except OSError as error:
        raise HistoryUnavailable(f"the history file cannot be used: {error.strerror}") from None
    except (TypeError, AttributeError, OverflowError) as error:
        # A damaged record can hold a value of any type, whatever the schema demands.
        raise HistoryCorrupt("the history file is damaged: a value has another type") from error
    except UnicodeDecodeError:
        # SQLite quotes a damaged schema in its message, and Python cannot read the quotation.
        raise HistoryCorrupt("the history file is damaged: its schema is not text") from None


def _explained(name: str) -> str:
    """The name of SQLite's code, with what it means where somebody can do something about it."""
    words = (said for code, said in _IN_WORDS.items() if name.startswith(code))
    return ": ".join([name, *words])


def is_whole(look: Callable[[], object]) -> bool:
    """Whether ``look`` finds no damage."""
    try:
        with typed_errors():
            look()
    except HistoryCorrupt:
        return False
    return True
