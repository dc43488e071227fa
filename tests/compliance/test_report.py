from __future__ import annotations

import argparse
import io
import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_rerank import (
    Argon2Cost,
    KeyCallback,
    KeyEnv,
    KeyringKey,
    KeySource,
    Passphrase,
    _telemetry,
    errors,
    inspect_history,
)
from edge_rerank.cli import audit_report
from edge_rerank.cli.console import Console
from edge_rerank.compliance.checks import data_kept
from edge_rerank.compliance.findings import Verdict
from edge_rerank.compliance.report import REQUIREMENTS
from edge_rerank.compliance.report_html import as_html
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber

from .conftest import USER, Site, failed, findings

WORDS = "an oyster counts 9 green lamps"
CHEAP = Argon2Cost(memory_kib=19_456, iterations=1, lanes=1)


def held(site: Site) -> bytes:
    return os.urandom(32)


def variable(site: Site) -> KeySource:
    return KeyEnv("EDGE_RERANK_TEST_KEY")


def service(site: Site) -> KeySource:
    key = os.urandom(32)
    return KeyCallback(lambda: key)


def replacing_service(site: Site) -> KeySource:
    keys = [os.urandom(32)]
    return KeyCallback(lambda: keys[-1], keys.append)


GOOD: dict[str, Callable[[Site], bytes | KeySource]] = {
    "KeyFile": lambda site: KeyFile.create(site.key),
    "Passphrase": lambda site: Passphrase.create(WORDS, site.key, cost=CHEAP),
    "KeyringKey": lambda site: KeyringKey.create(),
    "KeyEnv": variable,
    "KeyCallback": service,
    "KeyCallback that replaces": replacing_service,
    "bytes": held,
}
PLACE_UNSEEN = {"KeyEnv", "KeyCallback", "KeyCallback that replaces", "bytes"}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.usefixtures("ring")
def test_a_store_set_up_well_passes_with_every_kind_of_key(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_RERANK_TEST_KEY", os.urandom(32).hex())
    site.source = GOOD[kind](site)
    site.anchor = site.folder / "anchors" / "anchor"
    report = site.make().report()
    assert failed(report) == set()
    assert report.passed
    owed = findings(report, Verdict.OWED)
    assert ("key" in owed) == (kind in PLACE_UNSEEN)
    assert "roll-back" not in owed


def test_the_articles_that_are_reported_on() -> None:
    articles = [(r.law, r.article) for r, _ in REQUIREMENTS]
    assert articles == [
        *(("GDPR", number) for number in ("5", "7", "15", "17", "20", "25", "32")),
        *(("PIPL", number) for number in ("24", "45", "47", "51")),
    ]


def test_what_is_not_there_or_not_this_file_s_is_an_error(site: Site) -> None:
    site.make()
    assert isinstance(site.source, KeyFile)
    with pytest.raises(errors.HistoryUnavailable, match="found none"):
        inspect_history(site.history.with_name("none"), site.source)
    with pytest.raises(errors.HistoryKeyError, match="No such file"):
        inspect_history(site.history, KeyFile(site.key.with_name("none")))
    with pytest.raises(errors.HistoryKeyError, match="not the one"):
        inspect_history(site.history, os.urandom(32))
    assert not site.history.with_name("none").exists()


@pytest.mark.parametrize(
    ("version", "verdict", "flaw"),
    [
        ((3, 39, 1), Verdict.FAILED, "CVE-2022-35737"),
        ((3, 50, 1), Verdict.OWED, "CVE-2025-6965"),
        ((3, 50, 2), Verdict.OWED, "WAL-reset"),
        ((3, 51, 3), Verdict.PASSED, ""),
    ],
)
def test_the_sqlite_that_is_loaded(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
    verdict: Verdict,
    flaw: str,
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    found = findings(site.make().report(), verdict)["sqlite"]
    assert ".".join(map(str, version)) in found.evidence
    assert flaw in found.evidence
    assert ("CVE-2025-6965" in found.evidence) == (version < (3, 50, 2))


@pytest.mark.parametrize("way", ["late", "variable"])
def test_telemetry_fails(site: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "late":
        monkeypatch.setattr(_telemetry, "TELEMETRY_OFF", False)
    else:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert failed(site.make().report()) == {"telemetry"}


def test_a_trial_that_goes_wrong_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.make()
    monkeypatch.setattr(HistoryStore, "has_consent", lambda *_: True)
    assert {"no consent, no record", "withdrawal"} <= failed(site.report())


def test_kinds_left_in_are_noted_in_the_store_and_owed(site: Site) -> None:
    report = site.make(scrubber=Scrubber(keep=["phone"])).report()
    owed = findings(report, Verdict.OWED)["minimisation"]
    assert "left in queries and texts by the host: phone" in owed.evidence
    assert report.passed


def test_it_names_the_kinds_of_data_that_are_kept(site: Site) -> None:
    def describe(store: HistoryStore) -> None:
        for user in (USER, "another"):
            store.set_consent(user, "personalisation", True)
            store.set_state(user, "attributes", b"{}")
        store.set_state(USER, "head", b"learnt")

    site.make().then(0, describe)
    report = site.report()
    assert report.passed
    said = findings(report, Verdict.PASSED)["data kept"].evidence
    assert "attributes that the application stated (of 2 people)" in said
    assert "learnt from the events (of 1 people)" in said
    named = [r.article for r, some in REQUIREMENTS if data_kept in some]
    assert named == ["5", "15", "45"]


def test_an_application_at_work_is_inspected_and_left_alone(site: Site) -> None:
    """Its log is not in the file yet, and it holds the exclusive lock."""
    site.source = KeyFile.create(site.key)
    with HistoryStore.open(site.history, site.source) as store:
        store.set_consent(USER, "personalisation", True)
        assert site.history.with_name("me.db-wal").stat().st_size > 0
        assert failed(site.report()) == set()
        store.set_consent(USER, "aggregates", True)
        assert store.verify().ok


def test_nothing_of_a_person_is_in_any_form_of_the_report(site: Site) -> None:
    report = site.make().report()
    for text in (report.to_json(), as_html(report), repr(report)):
        assert "canary" not in text
        assert str(site.history.parent) not in text


def test_the_page_needs_nothing_else_and_escapes(site: Site) -> None:
    page = as_html(replace(site.make().report(), history="<script>alert(1)</script>"))
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?://", page)
    assert page.count("<section ") == len(REQUIREMENTS)


def command(*line: object) -> tuple[int, str]:
    """Run ``audit report``; returns its exit code and what it printed."""
    parser = argparse.ArgumentParser()
    audit_report.register(parser.add_subparsers())
    out = io.StringIO()
    arguments = parser.parse_args(["report", *map(str, line)])
    return arguments.run(arguments, Console(out, out, use_rich=False)), out.getvalue()


def test_the_command(site: Site, tmp_path: Path) -> None:
    site.make()
    line = ["--history", site.history, "--key-file", site.key]
    page = tmp_path / "page.html"
    assert command(*line)[0] == 0
    code, text = command(*line, "--json", "--html", page)
    assert code == 0
    assert len(json.loads(text)["sections"]) == len(REQUIREMENTS)
    assert page.read_text().startswith("<!doctype html>")
    site.history.chmod(0o644)
    assert command(*line)[0] == 1


@pytest.mark.usefixtures("ring")
def test_the_command_takes_every_kind_of_key_that_it_can(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_RERANK_TEST_KEY", os.urandom(32).hex())
    monkeypatch.setenv("EDGE_RERANK_TEST_WORDS", WORDS)
    flags: dict[str, tuple[object, ...]] = {
        "KeyEnv": ("--key-env", "EDGE_RERANK_TEST_KEY"),
        "KeyringKey": ("--keyring", "edge-rerank", "history"),
        "Passphrase": ("--key-file", site.key, "--passphrase-env", "EDGE_RERANK_TEST_WORDS"),
    }
    for kind, given in flags.items():
        site.source = GOOD[kind](site)
        site.make()
        assert command("--history", site.history, *given)[0] == 0, kind
        site.history.unlink()


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--key-env", "EDGE_RERANK_TEST_KEY", "--key-file", "key"),
        ("--key-env", "EDGE_RERANK_TEST_KEY", "--passphrase-env", "EDGE_RERANK_TEST_WORDS"),
    ],
)
def test_the_command_wants_one_key(site: Site, given: tuple[str, ...]) -> None:
    site.make()
    with pytest.raises(errors.InvalidRequest, match="expected"):
        command("--history", site.history, *given)


def test_the_command_wants_the_words(site: Site) -> None:
    site.make()
    with pytest.raises(errors.HistoryKeyError, match="expected a passphrase"):
        command(
            "--history", site.history, "--key-file", site.key, "--passphrase-env", "UNSET_WORDS"
        )
