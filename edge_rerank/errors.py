"""The tree of exceptions: every one that the runtime raises on purpose.

``EdgeRerankError`` is never raised itself; catch it to catch them all::

    EdgeRerankError
    ├── InvalidInput (ValueError)      the caller handed over something malformed
    │   ├── InvalidItem
    │   ├── InvalidEvent
    │   └── InvalidRequest             an argument of rank(), open(), consent(), ...
    ├── ConsentRequired                record() without the person's consent
    │   └── RecordingPaused            the person has paused recording
    ├── PrivacyBudgetSpent             counts were asked for more often than is safe
    ├── NotEnoughRecords               a figure was asked of fewer records than can carry it
    ├── ClosedError                    used after close()
    │   └── ForkedError                opened before a fork, used in the child
    ├── HistoryError                   the encrypted history file
    │   ├── HistoryKeyError            no key, malformed key, or not this file's key
    │   ├── HistoryCorrupt             tampered with, damaged, or not a history file
    │   │   └── HistoryRolledBack      an old copy, as the anchor outside the file tells
    │   ├── HistoryLocked              another process holds the file
    │   ├── HistoryUnavailable         the file system refused: full, read-only, gone
    │   └── HistoryVersionError        written by a newer edge-rerank
    ├── PackError                      a model pack
    │   ├── PackNotFound
    │   ├── PackInvalid                malformed, incomplete, or a file does not match
    │   ├── PackUntrusted              digest or signature is not the trusted one
    │   └── PackUnsupported            a format or architecture this version cannot run
    ├── InferenceError                 the model could not be run
    │   └── ProviderUnavailable        an execution provider that was asked for by name
    ├── DataError                      a data set or log file, with file, line and reason
    └── MissingExtra (ImportError)     an optional part is not installed

Messages say what was expected and what came. They never hold item text, queries or user
ids: they end up in logs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class EdgeRerankError(Exception):
    """Base of all errors of this package; never raised itself."""


class InvalidInput(EdgeRerankError, ValueError):  # noqa: N818 - named for what is wrong
    """The caller handed over something malformed."""


class InvalidItem(InvalidInput):
    """An item with a missing, mistyped or out-of-range field."""


class InvalidEvent(InvalidInput):
    """An event with a missing, mistyped or out-of-range field."""


class InvalidRequest(InvalidInput):
    """An argument of a public call is mistyped or out of range."""


class ConsentRequired(EdgeRerankError):  # noqa: N818
    """Something was to be recorded for a person who has not agreed to it."""


class RecordingPaused(ConsentRequired):
    """Something was to be recorded for a person who has paused recording."""


class PrivacyBudgetSpent(EdgeRerankError):  # noqa: N818
    """What the lifetime budget of aggregates has left does not cover a release."""


class NotEnoughRecords(EdgeRerankError):  # noqa: N818
    """A figure was asked of fewer records than can carry it."""


class ClosedError(EdgeRerankError):
    """The object was used after ``close()``."""


class ForkedError(ClosedError):
    """The object was opened before a fork and used in the child: open it in the child instead."""


class HistoryError(EdgeRerankError):
    """Base of everything that can go wrong with the history file."""


class HistoryKeyError(HistoryError):
    """The key is missing, malformed, or not the key of this file."""


class HistoryCorrupt(HistoryError):  # noqa: N818
    """The file was tampered with, is damaged, or is not a history file."""


class HistoryRolledBack(HistoryCorrupt):
    """The anchor outside the file knows a newer state, or is not this file's."""


class HistoryLocked(HistoryError):  # noqa: N818
    """Another process has the file open."""


class HistoryUnavailable(HistoryError):  # noqa: N818
    """The file system refused: disk full, read-only, quota, or the file is gone."""


class HistoryVersionError(HistoryError):
    """The file was written by a newer version of edge-rerank."""


class PackError(EdgeRerankError):
    """Base of everything that can go wrong with a model pack."""


class PackNotFound(PackError):  # noqa: N818
    """There is no pack at the given place."""


class PackInvalid(PackError):  # noqa: N818
    """The manifest is malformed, or a file is missing or does not match it."""


class PackUntrusted(PackError):  # noqa: N818
    """The pack's digest or signature is not one the host trusts."""


class PackUnsupported(PackError):  # noqa: N818
    """The pack needs a format version or an architecture this version cannot run."""


class InferenceError(EdgeRerankError):
    """The model could not be loaded or run."""


class ProviderUnavailable(InferenceError):  # noqa: N818
    """An execution provider asked for by name is not available here."""


class DataError(EdgeRerankError):
    """A data set or log file cannot be read.

    Attributes:
        path: the file.
        line: 1-based line number, or ``None`` when the whole file is meant.
        reason: what was expected and what came.
    """

    def __init__(self, path: Path, reason: str, *, line: int | None = None) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {reason}")

    def __reduce__(self) -> tuple[Callable[..., DataError], tuple[Any, ...]]:
        """Pickled with its parts, so that a pool of processes can hand it on."""
        return _again, (type(self), self.path, self.reason, self.line)


def _again(kind: type[DataError], path: Path, reason: str, line: int | None) -> DataError:
    return kind(path, reason, line=line)


class MissingExtra(EdgeRerankError, ImportError):  # noqa: N818
    """An optional part is not installed; the message is the command that installs it."""
