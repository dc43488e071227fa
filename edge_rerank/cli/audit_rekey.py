"""``edge-rerank audit rekey``: every key of a history replaced, after a theft of file and key."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_json,
    open_history,
)


def register(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the action ``rekey`` to those of ``audit``."""
    parser = add_command(
        actions,
        "rekey",
        help="replace every key, after file and key may have been stolen",
        description="Replace every key of a history and the key in the key file, and seal "
        "everything anew. What was copied before opens nothing of the history from then on. Cut "
        "short, it goes on when it is called again.",
    )
    add_history(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, console: Console) -> int:
    with open_history(arguments) as history, console.progress("people and entries") as progress:
        receipt = history.rekey(progress=progress)
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
