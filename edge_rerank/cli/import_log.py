"""``edge-rerank import``: bring a log into an encrypted history file."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import Subparsers, add_history, open_history
from edge_rerank.errors import ConsentRequired
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.history.import_log import ImportSummary, ingest
from edge_rerank.render.texttable import Column

_BAD_LINES_SHOWN = 20
_NO_CONSENT = "the person has not agreed to personalisation: give --consent if they have"


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import",
        help="bring a log into an encrypted history",
        description="Read a log of events (JSON lines, CSV or Metarank's envelope, plain or .gz) "
        "into an encrypted history file. Where neither the file nor its key is there yet, both "
        "are made.",
    )
    parser.add_argument("log", type=Path, metavar="LOG", help="the log")
    add_history(parser)
    parser.add_argument(
        "--consent",
        action="store_true",
        help="the person has agreed to personalisation; noted in the history, so needed once",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Import and print what became of the lines."""
    if not (arguments.consent or arguments.history.exists()):
        raise ConsentRequired(_NO_CONSENT)
    history = open_history(arguments.history, arguments.key_file, create=True)
    with history, console.progress("events") as progress:
        if arguments.consent:
            history.set_consent(arguments.user, PERSONALISATION, granted=True)
        elif not history.consents(arguments.user).get(PERSONALISATION):
            raise ConsentRequired(_NO_CONSENT)
        summary = ingest(arguments.log, history, owner=arguments.user, progress=progress)
    _show(summary, console)
    return 0


def _show(summary: ImportSummary, console: Console) -> None:
    counts = (
        ("good events", summary.read),
        ("stored", summary.stored),
        ("known already", summary.duplicates),
        ("of others without consent, left out", summary.without_consent),
        ("bad lines, left out", summary.bad),
    )
    console.table(
        (Column("what"), Column("count", right=True)),
        [(what, str(count)) for what, count in counts],
    )
    for line in summary.bad_lines[:_BAD_LINES_SHOWN]:
        console.complain(f"line {line.line}: {line.reason}")
    if summary.bad > _BAD_LINES_SHOWN:
        console.complain(f"{summary.bad - _BAD_LINES_SHOWN} more bad lines")
