"""``edge-rerank users``: of how many people a history holds how much; it cannot say of whom."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_history,
    add_json,
    open_history,
)
from edge_rerank.render.texttable import Column

_NO_NAMES = (
    "Who they are is not in the file, which keeps a keyed hash of each identifier. About one whose "
    "identifier you know: edge-rerank profile show --user, edge-rerank consent show --user."
)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "users",
        help="numbers of people and events in a history",
        description="Count the people and events of an encrypted history. Identifiers cannot be "
        "listed: the file keeps a keyed hash of each, from which nothing leads back. Every event "
        "is opened once, and only counted.",
    )
    add_history(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Count and print."""
    with open_history(arguments) as history:
        found = history.overview()
    if arguments.json:
        console.say(found.to_json(indent=2))
        return EXIT_DONE
    undecided = found.people - found.agreed - found.withdrawn
    rows = [
        ("people", str(found.people)),
        ("agreed to personalisation", str(found.agreed)),
        ("withdrew", str(found.withdrawn)),
        ("decided nothing about it", str(undecided) if undecided else ""),
        ("with events", str(found.with_events)),
        ("events", str(found.events)),
        ("events of one of them, median", str(found.median_events) if found.events else ""),
        ("events of one of them, most", str(found.most_events) if found.events else ""),
        ("from", _day(found.first)),
        ("to", _day(found.last)),
    ]
    console.table((Column("what"), Column("count", right=True)), [row for row in rows if row[1]])
    console.say(_NO_NAMES)
    return EXIT_DONE


def _day(timestamp: float | None) -> str:
    return "" if timestamp is None else f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"
