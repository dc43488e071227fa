"""Bringing a whole log file into the history, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_rerank.errors import ConsentRequired, InvalidEvent
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.history.clean import clean
from edge_rerank.history.history import RecentHistory
from edge_rerank.types import Event

BATCH_EVENTS = 500
"""Events of one person stored in one transaction."""

MAX_REPORTED_BAD_LINES = 1_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of a log file.

    Attributes:
        read: good events found in the file.
        stored: events that are now in the history.
        duplicates: events that were there already.
        without_user: good events that named no user.
        without_consent: good events of people who have not agreed.
        bad: lines that could not be used.
        bad_lines: the first 1,000 of them with number and reason.
    """

    read: int
    stored: int
    duplicates: int
    without_user: int
    without_consent: int
    bad: int
    bad_lines: tuple[BadLine, ...]


def ingest(
    path: Path,
    history: RecentHistory,
    *,
    owner: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportSummary:
    """Read the log at ``path`` into ``history``.

    Args:
        path: see :mod:`edge_rerank.formats.logs`.
        history: where the events go.
        owner: whose events they are where a line does not say.
        progress: called with (events handled, 0) after each batch; the total is not known.

    Raises:
        DataError: when the file cannot be read at all; a bad line is only counted.
        HistoryError: when the history cannot be written; batches before it are kept.
    """
    return _Ingest(history, owner, progress).run(path)


class _Ingest:
    """One run over a log file; events are stored in batches, one transaction each."""

    def __init__(
        self, history: RecentHistory, owner: str | None, progress: Callable[[int, int], None] | None
    ) -> None:
        self._history = history
        self._owner = owner
        self._progress = progress
        self._pending: dict[str, list[Event]] = {}
        self._now = time.time()
        self._read = self._stored = self._kept = self._without_user = 0
        self._without_consent = self._bad = 0
        self._bad_lines: list[BadLine] = []

    def run(self, path: Path) -> ImportSummary:
        for found in read_log(path):
            if isinstance(found, BadLine):
                self._note_bad(found)
                continue
            try:
                event = clean(found.event, now=self._now)
            except InvalidEvent as error:
                self._note_bad(BadLine(found.line, str(error)))
                continue
            self._read += 1
            user = found.user or self._owner
            if user is None:
                self._without_user += 1
                continue
            batch = self._pending.setdefault(user, [])
            batch.append(event)
            if len(batch) >= BATCH_EVENTS:
                self._store(user, self._pending.pop(user))
        for user, batch in self._pending.items():
            self._store(user, batch)
        return ImportSummary(
            read=self._read,
            stored=self._stored,
            duplicates=self._kept - self._stored,
            without_user=self._without_user,
            without_consent=self._without_consent,
            bad=self._bad,
            bad_lines=tuple(self._bad_lines),
        )

    def _note_bad(self, line: BadLine) -> None:
        self._bad += 1
        if len(self._bad_lines) < MAX_REPORTED_BAD_LINES:
            self._bad_lines.append(line)

    def _store(self, user: str, batch: list[Event]) -> None:
        try:
            self._stored += self._history.record(user, batch, now=self._now)
            self._kept += len(batch)
        except ConsentRequired:
            self._without_consent += len(batch)
        if self._progress is not None:
            self._progress(self._kept + self._without_consent, 0)
