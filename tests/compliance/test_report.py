from __future__ import annotations

import argparse
import io
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_rerank import Event, Item, _telemetry
from edge_rerank.cli import audit_report
from edge_rerank.cli.console import Console
from edge_rerank.compliance.checks import Facts, Verdict
from edge_rerank.compliance.facts import gather
from edge_rerank.compliance.report import REQUIREMENTS, ComplianceReport, inspect
from edge_rerank.compliance.report_html import as_html
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber

SECRET = "canaryqueryword"


class Site:
    """A history and its key, each in a folder of its own."""

    def __init__(self, folder: Path, scrubber: Scrubber | None = None) -> None:
        for name in ("data", "keys"):
            (folder / name).mkdir(mode=0o700)
        self.history, self.key = folder / "data" / "me.db", folder / "keys" / "key"
        with History.open(self.history, KeyFile.create(self.key), scrubber=scrubber) as history:
            history.consent("canary-user", True)
            events = [Event("search", query=SECRET), Event("click", Item("canary-item", SECRET))]
            history.record(events, user="canary-user")

    def facts(self) -> Facts:
        source = KeyFile(self.key)
        with HistoryStore.open(self.history, source) as store:
            return gather(store, source)

    def report(self, **changes: object) -> ComplianceReport:
        return inspect(self.history, self.key, replace(self.facts(), **changes))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def failed(report: ComplianceReport) -> set[str]:
    return {
        finding.check
        for section in report.sections
        for finding in section.findings
        if finding.verdict is Verdict.FAILED
    }


def test_a_store_set_up_well_passes(site: Site) -> None:
    report = site.report()
    assert failed(report) == set()
    assert report.passed
    articles = [(r.law, r.article) for r, _ in REQUIREMENTS]
    assert articles == [
        *(("GDPR", number) for number in ("5", "7", "15", "17", "20", "25", "32")),
        *(("PIPL", number) for number in ("24", "45", "47", "51")),
    ]


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda site: site.history.chmod(0o644), "history file"),
        (lambda site: site.history.parent.chmod(0o777), "history file"),
    ],
)
def test_loose_files_fail(site: Site, spoil: Callable[[Site], None], check: str) -> None:
    facts = site.facts()
    spoil(site)
    report = inspect(site.history, site.key, facts)
    assert failed(report) == {check}
    assert not report.passed


def test_a_loose_key_file_fails(site: Site) -> None:
    facts = site.facts()
    site.key.chmod(0o644)
    assert failed(inspect(site.history, site.key, facts)) == {"key"}


def test_a_key_beside_the_history_fails(site: Site) -> None:
    facts = site.facts()
    beside = site.key.rename(site.history.with_name("key"))
    assert failed(inspect(site.history, beside, facts)) == {"key"}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"retention_days": None}, "retention"),
        ({"expired": 3}, "retention"),
        ({"without_consent": 1}, "consent"),
        ({"rotation_due": True}, "erasure"),
        ({"audit_entries": 0}, "audit log"),
    ],
)
def test_a_store_that_says_bad_things_of_itself_fails(
    site: Site, changes: dict[str, object], check: str
) -> None:
    assert failed(site.report(**changes)) == {check}


def test_damage_fails(site: Site) -> None:
    connection = sqlite3.connect(site.history)
    connection.execute("UPDATE events SET sealed = zeroblob(length(sealed)) WHERE seq = 1")
    connection.commit()
    connection.close()
    assert failed(site.report()) == {"sealing", "audit log"}


def test_stale_sqlite_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = site.facts()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 39, 1))
    assert failed(inspect(site.history, site.key, facts)) == {"sqlite"}


@pytest.mark.parametrize("way", ["late", "variable"])
def test_telemetry_fails(site: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "late":
        monkeypatch.setattr(_telemetry, "TELEMETRY_OFF", False)
    else:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert failed(site.report()) == {"telemetry"}


def test_a_trial_that_goes_wrong_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = site.facts()
    monkeypatch.setattr(HistoryStore, "has_consent", lambda *_: True)
    report = inspect(site.history, site.key, facts)
    assert {"no consent, no record", "withdrawal"} <= failed(report)


def test_kinds_left_in_are_noted_in_the_store_and_owed(tmp_path: Path) -> None:
    report = Site(tmp_path, Scrubber(keep=["phone"])).report()
    owed = [
        finding.evidence
        for section in report.sections
        for finding in section.findings
        if finding.check == "minimisation"
    ]
    assert owed
    assert all("left in queries and texts by the host: phone" in text for text in owed)
    assert report.passed


def test_nothing_of_a_person_is_in_any_form_of_the_report(site: Site) -> None:
    report = site.report()
    for text in (report.to_json(), as_html(report), repr(report)):
        assert "canary" not in text
        assert str(site.history.parent) not in text


def test_the_page_needs_nothing_else_and_escapes(site: Site) -> None:
    page = as_html(replace(site.report(), history="<script>alert(1)</script>"))
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?://", page)
    assert page.count("<section ") == len(REQUIREMENTS)


def test_the_command(site: Site, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    audit_report.register(parser.add_subparsers())
    page = tmp_path / "page.html"
    line = ["report", "--history", str(site.history), "--key-file", str(site.key)]
    for more in ([], ["--json", "--html", str(page)]):
        out = io.StringIO()
        arguments = parser.parse_args([*line, *more])
        code = arguments.run(arguments, Console(out, out, use_rich=False))
    members = json.loads(out.getvalue())
    assert code == (0 if members["passed"] else 1)
    assert len(members["sections"]) == len(REQUIREMENTS)
    assert page.read_text().startswith("<!doctype html>")
    site.history.chmod(0o644)
    arguments = parser.parse_args(line)
    assert arguments.run(arguments, Console(io.StringIO(), io.StringIO(), use_rich=False)) == 1
