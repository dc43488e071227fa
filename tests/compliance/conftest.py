from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_rerank import ComplianceReport, Event, Item, KeySource, Retention, inspect_history
from edge_rerank.compliance.findings import Finding, Verdict
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber

SECRET = "canaryqueryword"
USER = "canary-user"
DAY_S = 24 * 60 * 60


class Site:
    """A history, its key and its anchor, each in a folder of its own.

    Attributes:
        source: where the key comes from; set before :meth:`make`.
        opens: how the history is opened besides; set before as well.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("data", "keys", "anchors"):
            (folder / name).mkdir(mode=0o700)
        self.folder = folder
        self.history = folder / "data" / "me.db"
        self.key = folder / "keys" / "secret"
        self.anchor: Path | None = None
        self.source: bytes | KeySource | None = None

    def make(self, *, scrubber: Scrubber | None = None, retention: Retention | None = None) -> Site:
        """Record something."""
        with History.open(
            self.history,
            self.begun(),
            scrubber=scrubber,
            retention=retention,
            anchor=self.anchor,
        ) as history:
            history.consent(USER, True)
            events = [Event("search", query=SECRET), Event("click", Item("canary-item", SECRET))]
            history.record(events, user=USER)
        return self

    def then(self, days_ago: float, do: Callable[[HistoryStore], object]) -> Site:
        """Open the history as it was some days ago, making it if it is missing."""
        when = time.time() - days_ago * DAY_S
        source = self.begun(when)
        with HistoryStore.open(
            self.history, source, anchor=self.anchor, _clock=lambda: when
        ) as store:
            do(store)
        return self

    def begun(self, when: float | None = None) -> bytes | KeySource:
        """The key of a history that is there: an anchor comes to one that has begun."""
        if self.source is None:
            self.source = KeyFile.create(self.key)
        if not self.history.exists():
            now = time.time() if when is None else when
            HistoryStore.open(self.history, self.source, _clock=lambda: now).close()
        return self.source

    def report(self) -> ComplianceReport:
        """Inspect it; nothing of it may change, not even when it was written last."""
        assert self.source is not None
        before = self.state()
        report = inspect_history(self.history, self.source, anchor=self.anchor)
        assert self.state() == before
        return report

    def state(self) -> dict[str, tuple[object, ...]]:
        """Every name below the folder, with all that a write would change."""
        return {
            str(path): (
                _stamp(path.lstat()),
                path.read_bytes() if path.is_file() else None,
            )
            for path in (self.folder, *self.folder.rglob("*"))
        }


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return state.st_mode, state.st_ino, state.st_nlink, state.st_size, state.st_mtime_ns


def findings(report: ComplianceReport, verdict: Verdict) -> dict[str, Finding]:
    """The findings of that verdict by their checks."""
    return {
        finding.check: finding
        for section in report.sections
        for finding in section.findings
        if finding.verdict is verdict
    }


def failed(report: ComplianceReport) -> set[str]:
    """Names of the checks that failed."""
    return set(findings(report, Verdict.FAILED))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that the operating system protects, as the package ``keyring`` gives it."""
    kept: dict[tuple[str, str], str] = {}

    class Keyring:
        def get_password(self, service: str, account: str) -> str | None:
            return kept.get((service, account))

        def set_password(self, service: str, account: str, text: str) -> None:
            kept[service, account] = text

    Keyring.__module__, Keyring.__qualname__ = "keyring.backends.SecretService", "Keyring"
    module = types.ModuleType("keyring")
    module.get_keyring = Keyring  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
