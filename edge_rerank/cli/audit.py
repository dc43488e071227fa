"""``edge-rerank audit``: is the history whole, and is it kept as the law asks?"""

from __future__ import annotations

import argparse

from edge_rerank.cli import audit_report
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_anchor, add_history_files
from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable
from edge_rerank.history.keys.sources import KeyFile
from edge_rerank.history.vault.receipts import Verification
from edge_rerank.history.vault.store import HistoryStore


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
        description="Open every person's record, every event and every audit entry, and "
        "compare them with the sealed heads, the sealed root and the anchor. Exit code 1 when "
        "anything was changed.",
    )
    add_history_files(verify)
    add_anchor(verify)
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=_verify)
    audit_report.register(actions)


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    if not arguments.history.is_file():
        raise HistoryUnavailable("history: expected a history file, found none")
    try:
        with HistoryStore.open(
            arguments.history, KeyFile(arguments.key_file), anchor=arguments.anchor
        ) as store:
            found = store.verify()
    except HistoryCorrupt as error:
        found = Verification(0, 0, 0, 0, arguments.anchor is not None, (str(error),))
    if arguments.json:
        console.say(found.to_json(indent=2))
    elif found.ok:
        console.say(
            f"whole: {found.events} events of {found.people} people and {found.audit_entries} "
            f"audit entries, all as they were sealed; {_anchor(found)}"
        )
    for finding in () if arguments.json else found.findings:
        console.say(f"damaged or changed: {finding}")
    return 0 if found.ok else audit_report.EXIT_CHECK_FAILED


def _anchor(found: Verification) -> str:
    return "the anchor agrees" if found.anchored else "no anchor, so an old copy would pass"
