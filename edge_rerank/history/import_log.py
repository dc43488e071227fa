"""Import of a whole log file into the history, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_rerank._progress import Progress
from edge_rerank.errors import ConsentRequired, InvalidEvent
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.history.clean import clean
from edge_rerank.types import Event

BATCH_EVENTS = 500
"""Events of one person stored in one transaction."""

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""What events of all people may take before they are stored, however few each has."""

_EVENT_BYTES = 1_000
"""What an event and its item take beside their texts."""

MAX_REPORTED_BAD_LINES = 1_000

Keep = Callable[[str, Sequence[Event]], int]
"""Records events of one person, all or none; returns how many were new."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of a log file.

    Attributes:
        read: good events found in the file.
        stored: events that are now in the history.
        duplicates: events that were there already.
        without_user: good events of nobody: no user is named, or none is known.
        without_consent: good events of people who have not agreed.
        bad: lines that could not be used.
        bad_lines: the first 1,000 of them with number and reason.
        form: what the file was found to be, as "CSV in UTF-16, columns separated by tabs".
    """

    read: int
    stored: int
    duplicates: int
    without_user: int
    without_consent: int
    bad: int
    bad_lines: tuple[BadLine, ...]
    form: str = ""

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes as one JSON object; bad lines as ``{"line", "reason"}``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=indent)


def ingest(
    path: Path,
    keep: Keep,
    *,
    now: float,
    owner: str | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Read the log at ``path`` and hand its events to ``keep``.

    Args:
        path: see :mod:`edge_rerank.formats.logs`.
        keep: where the events go.
        now: UTC seconds.
        owner: whose events they are where a line does not say.
        progress: called with (events handled, 0) after each batch; the total is not known.

    Raises:
        DataError: when the file cannot be read at all; a bad line is only counted.
        HistoryError: when the history cannot be written; batches before it are kept.
    """
    return _Ingest(keep, now, owner, progress).run(path)


class _Ingest:
    """One run over a log file; events are stored in batches, one transaction each."""

    def __init__(
        self,
        keep: Keep,
        now: float,
        owner: str | None,
        progress: Progress | None,
    ) -> None:
        self._keep = keep
        self._now = now
        self._owner = owner
        self._progress = progress
        self._pending: dict[str, list[Event]] = {}
        self._waiting = 0
        self._read = self._stored = self._kept = self._without_user = 0
        self._without_consent = self._bad = 0
        self._bad_lines: list[BadLine] = []

    def run(self, path: Path) -> ImportSummary:
        log = read_log(path)
        for found in log:
            if isinstance(found, BadLine):
                self._note_bad(found)
                continue
            try:
                event = clean(found.event, now=self._now)
            except InvalidEvent as error:
                self._note_bad(BadLine(found.line, str(error)))
                continue
            self._read += 1
            user = None if found.nobodys else found.user or self._owner
            if user is None:
                self._without_user += 1
                continue
            self._add(user, event)
        self._store_all()
        return ImportSummary(
            read=self._read,
            stored=self._stored,
            duplicates=self._kept - self._stored,
            without_user=self._without_user,
            without_consent=self._without_consent,
            bad=self._bad,
            bad_lines=tuple(self._bad_lines),
            form=log.form,
        )

    def _add(self, user: str, event: Event) -> None:
        batch = self._pending.setdefault(user, [])
        batch.append(event)
        self._waiting += _size(event)
        if len(batch) >= BATCH_EVENTS:
            self._waiting -= sum(map(_size, batch))
            self._store(user, self._pending.pop(user))
        elif self._waiting > MAX_WAITING_BYTES:
            self._store_all()

    def _store_all(self) -> None:
        while self._pending:
            self._store(*self._pending.popitem())
        self._waiting = 0

    def _note_bad(self, line: BadLine) -> None:
        self._bad += 1
        if len(self._bad_lines) < MAX_REPORTED_BAD_LINES:
            self._bad_lines.append(line)

    def _store(self, user: str, batch: list[Event]) -> None:
        try:
            self._stored += self._keep(user, batch)
            self._kept += len(batch)
        except ConsentRequired:
            self._without_consent += len(batch)
        if self._progress is not None:
            self._progress(self._kept + self._without_consent, 0)


def _size(event: Event) -> int:
    text = 0 if event.item is None else len(event.item.text)
    return _EVENT_BYTES + text + len(event.query or "")
