"""``edge-rerank audit report``: whether a store is set up as GDPR and PIPL ask."""

from __future__ import annotations

import argparse
import os

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_html,
    add_json,
    write_text,
)
from edge_rerank.compliance.inspection import inspect_history
from edge_rerank.compliance.report import ComplianceReport
from edge_rerank.compliance.report_html import as_html
from edge_rerank.errors import HistoryKeyError, InvalidRequest
from edge_rerank.history.keys.keyring import KeyringKey
from edge_rerank.history.keys.passphrase import Passphrase
from edge_rerank.history.keys.sources import KeyEnv, KeyFile, KeySource


def register(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action ``report`` to those of ``audit``."""
    parser = add_command(
        actions,
        "report",
        help="check a history against GDPR and PIPL",
        description="Inspect a history file and print, per article, what was checked, the "
        "evidence, and what the host still owes. Nothing is changed, and an application may have "
        "the history open. The key comes from --key-file, --key-env or --keyring.",
        checks=True,
    )
    add_history(parser, key_file=False)
    parser.add_argument(
        "--passphrase-env",
        metavar="NAME",
        help="environment variable with the passphrase that opens the key file",
    )
    parser.add_argument(
        "--key-env", metavar="NAME", help="environment variable with the key, in hexadecimal"
    )
    parser.add_argument(
        "--keyring",
        nargs=2,
        metavar=("SERVICE", "ACCOUNT"),
        help="entry with the key in the keyring of the operating system",
    )
    add_json(parser)
    add_html(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    report = inspect_history(arguments.history, _source(arguments), anchor=arguments.anchor)
    if arguments.html is not None:
        write_text(arguments.html, as_html(report))
    if arguments.json:
        console.say(report.to_json())
    else:
        _print(report, console)
    return EXIT_DONE if report.passed else EXIT_CHECK_FAILED


def _source(arguments: argparse.Namespace) -> KeySource:
    """Where the flags say that the key comes from."""
    given = [arguments.key_file, arguments.key_env, arguments.keyring]
    if sum(one is not None for one in given) != 1:
        raise InvalidRequest("key: expected one of --key-file, --key-env and --keyring")
    if arguments.passphrase_env is not None:
        if arguments.key_file is None:
            raise InvalidRequest("--passphrase-env: expected together with --key-file")
        words = os.environ.get(arguments.passphrase_env)
        if words is None:
            raise HistoryKeyError(f"{arguments.passphrase_env}: expected a passphrase, found none")
        return Passphrase(words, arguments.key_file)
    if arguments.key_env is not None:
        return KeyEnv(arguments.key_env)
    if arguments.keyring is not None:
        return KeyringKey(*arguments.keyring)
    return KeyFile(arguments.key_file)


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
