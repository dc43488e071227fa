"""``edge-rerank audit``: is the history whole, and is it kept as the law asks?"""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_rerank.cli import audit_report
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers
from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable
from edge_rerank.history.keys import KeyFile
from edge_rerank.history.store import HistoryStore

EXIT_CHECK_FAILED = 1


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command with its own: verify, report."""
    parser = subparsers.add_parser(
        "audit",
        help="check that a history is whole, and how it is kept",
        description="Check an encrypted history.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify",
        help="open every row and compare it with the seals",
        description="Open every person's record and every event, and compare them with the "
        "sealed heads and the sealed root. Exit code 1 when anything was changed.",
    )
    verify.add_argument(
        "--history", type=Path, required=True, metavar="FILE", help="the encrypted history file"
    )
    verify.add_argument(
        "--key-file", type=Path, required=True, metavar="FILE", help="its key, a file of 32 bytes"
    )
    verify.set_defaults(run=_verify)
    audit_report.register(actions)


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    if not arguments.history.is_file():
        raise HistoryUnavailable("history: expected a history file, found none")
    people = events = 0
    try:
        with HistoryStore.open(arguments.history, KeyFile(arguments.key_file)) as store:
            for _, history in store.everyone():
                people += 1
                events += len(history)
    except HistoryCorrupt as error:
        console.say(f"damaged or changed: {error}")
        return EXIT_CHECK_FAILED
    console.say(f"whole: {events} events of {people} people, all as they were sealed")
    return 0
