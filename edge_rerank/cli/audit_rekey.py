"""``edge-rerank audit rekey``: every key of a history replaced, after a theft of file and key."""

from __future__ import annotations

import argparse

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


def register(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action ``rekey`` to those of ``audit``."""
    parser = add_command(
        actions,
        "rekey",
        help="replace every key, after file and key may have been stolen",
        description="Replace every key of a history and the key in the key file, and seal "
        "everything anew. What was copied before opens nothing of the history from then on. Cut "
        "short, it goes on when it is called again. The check fails when something damaged had to "
        "be left as it was.",
        checks=True,
    )
    add_history(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    try:
        with open_history(arguments) as history, console.progress("people and entries") as progress:
            receipt = history.rekey(progress=progress)
    except HistoryCorrupt as error:
        console.complain(f"edge-rerank: damaged or changed: {error}")
        return EXIT_CHECK_FAILED
    if arguments.json:
        console.say(receipt.to_json())
        return EXIT_DONE
    console.say(
        f"{receipt.people} people with {receipt.events} events and {receipt.audit_entries} audit "
        f"entries sealed anew; the key in {arguments.key_file} was replaced"
    )
    if receipt.resumed:
        console.say("it had been cut short before: call again if a copy was taken since it began")
    return EXIT_DONE
