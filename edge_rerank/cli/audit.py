"""``edge-rerank audit``: whether the history is whole, and kept as the law asks."""

from __future__ import annotations

import argparse

from edge_rerank.cli import audit_rekey, audit_repair, audit_report
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_json,
    open_history,
)
from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.vault.receipts import Verification


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command with its own: verify, report, rekey, repair, quarantine."""
    parser = add_command(
        subparsers,
        "audit",
        help="check that a history is whole and how it is kept, replace its keys",
        description="Check an encrypted history, or replace its keys.",
        checks=True,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = add_command(
        actions,
        "verify",
        help="open every row and compare it with the seals",
        description="Open every person's record, every event and every audit entry, and "
        "compare them with the sealed heads, the sealed root and the anchor. The check fails when "
        "anything was changed.",
        checks=True,
    )
    add_history(verify)
    add_json(verify)
    verify.set_defaults(run=_verify)
    audit_report.register(actions)
    audit_repair.register(actions)
    audit_rekey.register(actions)


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    try:
        with open_history(arguments) as history:
            found = history.verify()
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
    return EXIT_DONE if found.ok else EXIT_CHECK_FAILED


def _anchor(found: Verification) -> str:
    return "the anchor agrees" if found.anchored else "no anchor, so an old copy would pass"
