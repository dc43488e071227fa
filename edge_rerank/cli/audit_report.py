"""``edge-rerank audit report``: a history against GDPR and PIPL, article by article."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_html,
    add_json,
    expect_history,
    write_text,
)
from edge_rerank.compliance.report import ComplianceReport, inspect_files
from edge_rerank.compliance.report_html import as_html


def register(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action ``report`` to those of ``audit``."""
    parser = add_command(
        actions,
        "report",
        help="check a history against GDPR and PIPL",
        description="Inspect a history file and print, per article, what was checked, the "
        "evidence, and what the host still owes.",
        checks=True,
    )
    add_history(parser)
    add_json(parser)
    add_html(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    expect_history(arguments.history, arguments.key_file)
    report = inspect_files(arguments.history, arguments.key_file, arguments.anchor)
    if arguments.html is not None:
        write_text(arguments.html, as_html(report))
    if arguments.json:
        console.say(report.to_json())
    else:
        _print(report, console)
    return EXIT_DONE if report.passed else EXIT_CHECK_FAILED


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
