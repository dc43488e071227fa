"""Inspection of a history for the compliance report: everything is looked at, nothing changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edge_rerank._check import check_path
from edge_rerank.compliance.facts import AnchorState, compare_anchor, gather, open_snapshot
from edge_rerank.compliance.findings import Subject
from edge_rerank.compliance.keeping import look_at
from edge_rerank.compliance.places import find_copies
from edge_rerank.compliance.report import ComplianceReport, report_on
from edge_rerank.compliance.snapshot import read_if_there, read_snapshot
from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable, InvalidRequest
from edge_rerank.history.keys.sources import KeySource, as_source
from edge_rerank.history.vault.anchor import Anchor, AnchorFile, as_anchor


def inspect_history(
    path: str | os.PathLike[str],
    key: bytes | KeySource,
    *,
    anchor: str | os.PathLike[str] | Anchor | None = None,
) -> ComplianceReport:
    """Check a history against GDPR and PIPL, and say what the host still owes.

    It only reads: history, log, key and anchor stay byte for byte as they are, and an application
    may have the history open meanwhile. Call it from another process than that application's.

    Args:
        path: the history file, which must be there.
        key: as :meth:`edge_rerank.History.open` takes it.
        anchor: the history's anchor, if it has one.

    Raises:
        HistoryUnavailable: when there is no such file, or the file system refuses.
        HistoryKeyError: when there is no key, it is malformed, or not this file's.
        HistoryLocked: when the history changes faster than it can be read.
        HistoryVersionError: when a newer version wrote it.
        InvalidRequest: when an argument is malformed.
    """
    file = check_path(path, "path", InvalidRequest)
    if not file.exists():
        raise HistoryUnavailable(f"{file}: expected a history file, found none")
    return report_on(look(file, as_source(key), as_anchor(anchor)))


def look(history: Path, source: KeySource, anchor: Anchor | None) -> Subject:
    """Look at everything; what is wrong with the history becomes a fact, or a refusal.

    Args:
        history: the history file.
        source: where its key comes from.
        anchor: its anchor.

    Raises:
        HistoryError: as :func:`inspect_history`.
    """
    keeping = look_at(source)
    # Before the history: the application may go on writing, and an older state is no harm.
    state = None if anchor is None else anchor.load()
    compared = AnchorState.NONE if anchor is None else AnchorState.UNREAD
    facts, store, refusal = None, None, "its key is open to others and was not used"
    if keeping.key is not None:
        try:
            noted = read_if_there(Path(f"{history.resolve()}-lock"))
            content = read_snapshot(history.resolve())
            vault = open_snapshot(content, keeping.key, noted)
            facts, store = gather(vault, source, time.time()), vault.binding.store
            anchored = vault.root.anchored
            vault.close()
            if anchor is not None:
                compared = compare_anchor(content, keeping.key, state, anchored)
            elif anchored:
                compared = AnchorState.DROPPED
        except HistoryCorrupt as error:
            refusal = str(error)
    return Subject(
        history=history,
        keeping=keeping,
        anchor=anchor.path if isinstance(anchor, AnchorFile) else None,
        anchor_state=compared,
        copies=find_copies(history, store, keeping.path, keeping.key),
        facts=facts,
        refusal="" if facts else refusal,
    )
