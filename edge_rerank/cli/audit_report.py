"""``edge-rerank audit report``: is this store set up as GDPR and PIPL ask?"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_anchor, add_history_files, write_text
from edge_rerank.compliance.facts import gather
from edge_rerank.compliance.report import ComplianceReport, inspect
from edge_rerank.compliance.report_html import as_html
from edge_rerank.errors import HistoryUnavailable
from edge_rerank.history.keys.sources import HeldKey, KeyFile, KeySource
from edge_rerank.history.vault.store import HistoryStore

EXIT_CHECK_FAILED = 1


def register(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action ``report`` to those of ``audit``."""
    parser = actions.add_parser(
        "report",
        help="check a history against GDPR and PIPL",
        description="Inspect a history file and print, per article, what was checked, the "
        "evidence, and what the host still owes. Exit code 1 when a check failed.",
    )
    add_history_files(parser)
    add_anchor(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--html", type=Path, metavar="PAGE", help="write an HTML page as well")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    report = _inspect(arguments.history, arguments.key_file, arguments.anchor)
    if arguments.html is not None:
        write_text(arguments.html, as_html(report))
    if arguments.json:
        console.say(report.to_json())
    else:
        _print(report, console)
    return 0 if report.passed else EXIT_CHECK_FAILED


def _inspect(history: Path, key_file: Path, anchor: Path | None) -> ComplianceReport:
    if not history.is_file():
        raise HistoryUnavailable(f"{history}: expected a history file, found none")
    with HistoryStore.open(history, _source(key_file), anchor=anchor) as store:
        facts = gather(store, KeyFile(key_file))
    return inspect(history, key_file, facts)


def _source(key_file: Path) -> KeySource:
    """The key, even of a file that others can read: that is a finding, not an obstacle."""
    try:
        return HeldKey(key_file.read_bytes())
    except OSError:
        return KeyFile(key_file)


def _print(report: ComplianceReport, console: Console) -> None:
    for section in report.sections:
        requirement = section.requirement
        console.say(f"{requirement.law} {requirement.article}: {section.verdict}")
        console.say(f"  {requirement.asks}")
        for finding in section.findings:
            console.say(f"  {finding.verdict:<7} {finding.check}: {finding.evidence}")
            if finding.remedy:
                console.say(f"          › {finding.remedy}")
        for text in requirement.owed:
            console.say(f"  host    {text}")
    console.say("no check failed" if report.passed else "at least one check failed")
