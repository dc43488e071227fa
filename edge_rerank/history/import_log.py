"""Import of a whole log file into the history, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_rerank._check import check_kind, check_path
from edge_rerank._progress import Progress
from edge_rerank.errors import ConsentRequired, InvalidEvent, InvalidRequest
from edge_rerank.formats.layout import FileLayout
from edge_rerank.formats.logs import BadLine, Log, read_log
from edge_rerank.history.clean import clean
from edge_rerank.types import Event, Item

BATCH_EVENTS = 500
"""Events of one person stored in one transaction."""

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""What events of all people may take before they are stored, however few each has."""

_EVENT_BYTES = 1_000
"""What an event and its item take beside their texts."""

MAX_REPORTED_BAD_LINES = 1_000

PROGRESS_LINES = 500
"""Between two reports of how far the reading has come."""

Keep = Callable[[str, Sequence[Event]], int]
"""Records events of one person, all or none; returns how many were new."""

Agree = Callable[[str], object]
"""Notes a person's consent, unless the person has decided already."""


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
        form: what the file was found to be, as "CSV in UTF-16, columns separated by tabs, times
            as ISO 8601".
        people: whose events the good ones are.
        first, last: UTC seconds of the oldest and the newest good event, ``None`` without any.
        without_text: good events with an item of which no text is known.
    """

    read: int
    stored: int
    duplicates: int
    without_user: int
    without_consent: int
    bad: int
    bad_lines: tuple[BadLine, ...]
    form: str = ""
    people: int = 0
    first: float | None = None
    last: float | None = None
    without_text: int = 0

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes as one JSON object; bad lines as ``{"line", "reason"}``."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=indent)


def log_at(path: str | Path, layout: FileLayout | None, items: Sequence[Item]) -> Log:
    """Open a log file, see :meth:`edge_rerank.History.import_log`.

    Raises:
        InvalidRequest: when an argument is malformed.
        DataError: when the file cannot be read at all.
    """
    if layout is not None:
        check_kind(layout, "layout", FileLayout, example='FileLayout({"user": "userId"})')
    return read_log(check_path(path, "path", InvalidRequest), layout, items)


def ingest(
    log: Log,
    keep: Keep,
    *,
    now: float,
    owner: str | None = None,
    agree: Agree | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Read a log and hand its events to ``keep``.

    Args:
        log: see :func:`~edge_rerank.formats.logs.read_log`.
        keep: where the events go.
        now: UTC seconds.
        owner: whose events they are where a line does not say.
        agree: called with each person before their first events are kept; ``None`` for nobody.
        progress: called with (lines handled, lines in all) now and then.

    Raises:
        DataError: when the file cannot be read to its end; a bad line is only counted.
        HistoryError: when the history cannot be written; batches before it are kept.
    """
    return _Ingest(log, keep, now, owner=owner, agree=agree, progress=progress).run()


class _Ingest:
    """One run over a log file; events are stored in batches, one transaction each."""

    def __init__(
        self,
        log: Log,
        keep: Keep,
        now: float,
        *,
        owner: str | None,
        agree: Agree | None,
        progress: Progress | None,
    ) -> None:
        self._log = log
        self._keep = keep
        self._now = now
        self._owner = owner
        self._agree = agree
        self._progress = progress
        self._lines = 0 if progress is None else log.count_lines()
        self._line = 0
        self._pending: dict[str, list[Event]] = {}
        self._pending_events = self._waiting = 0
        self._people: set[str] = set()
        self._first: float | None = None
        self._last: float | None = None
        self._read = self._stored = self._kept = self._without_user = 0
        self._without_consent = self._without_text = self._bad = 0
        self._bad_lines: list[BadLine] = []

    def run(self) -> ImportSummary:
        for found in self._log:
            if found.line >= self._line + PROGRESS_LINES:
                self._line = found.line
                self._report()
            if isinstance(found, BadLine):
                self._note_bad(found)
                continue
            try:
                event = clean(found.event, now=self._now)
            except InvalidEvent as error:
                self._note_bad(BadLine(found.line, str(error)))
                continue
            self._note_good(event)
            user = None if found.nobodys else found.user or self._owner
            if user is None:
                self._without_user += 1
                continue
            self._add(user, event)
        self._line = self._lines
        self._store_all()
        if self._progress is not None:
            self._progress(self._lines, self._lines)
        return ImportSummary(
            read=self._read,
            stored=self._stored,
            duplicates=self._kept - self._stored,
            without_user=self._without_user,
            without_consent=self._without_consent,
            bad=self._bad,
            bad_lines=tuple(self._bad_lines),
            form=self._log.form,
            people=len(self._people),
            first=self._first,
            last=self._last,
            without_text=self._without_text,
        )

    def _note_good(self, event: Event) -> None:
        self._read += 1
        time = event.timestamp
        assert time is not None  # noqa: S101 - clean() gives one
        self._first = time if self._first is None else min(self._first, time)
        self._last = time if self._last is None else max(self._last, time)
        self._without_text += event.item is not None and not event.item.text

    def _report(self) -> None:
        """Reading a line is half of the work, storing its event the other half."""
        if self._progress is not None and self._lines:
            read = min(self._line, self._lines)
            self._progress(read - min(self._pending_events // 2, read), self._lines)

    def _add(self, user: str, event: Event) -> None:
        batch = self._pending.setdefault(user, [])
        batch.append(event)
        self._pending_events += 1
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
        self._pending_events -= len(batch)
        try:
            if user not in self._people and self._agree is not None:
                self._agree(user)
            self._people.add(user)
            self._stored += self._keep(user, batch)
            self._kept += len(batch)
        except ConsentRequired:
            self._without_consent += len(batch)
        self._report()


def _size(event: Event) -> int:
    text = 0 if event.item is None else len(event.item.text)
    return _EVENT_BYTES + text + len(event.query or "")
