"""``edge-rerank import``: bring a log into an encrypted history file."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_consent,
    add_history,
    add_json,
    add_user,
    open_history,
)
from edge_rerank.errors import ConsentRequired
from edge_rerank.formats.logs import read_log
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.history.import_log import ImportSummary
from edge_rerank.render.texttable import Column

_BAD_LINES_SHOWN = 20
_NO_CONSENT = "the person has not agreed to personalisation: give --consent if they have"


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "import",
        help="bring a log into an encrypted history",
        description="Read a log of events (JSON lines, CSV or Metarank's envelope, plain or .gz) "
        "into an encrypted history file. Where neither the file nor its key is there yet, both "
        "are made. A line that does not say whose it is counts as the person's; one whose user "
        "is empty is nobody's, and left out.",
    )
    parser.add_argument("log", type=Path, metavar="LOG", help="the log")
    add_history(parser)
    add_user(parser)
    add_consent(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Import and print what became of the lines."""
    if not (arguments.consent or arguments.history.exists()):
        raise ConsentRequired(_NO_CONSENT)
    read_log(arguments.log)  # what is no log leaves no key, no file and no consent behind
    with (
        open_history(arguments, create=True) as history,
        console.progress("events") as progress,
    ):
        if arguments.consent:
            history.consent(arguments.user, True)
        elif not history.consents(arguments.user).get(PERSONALISATION):
            raise ConsentRequired(_NO_CONSENT)
        summary = history.import_log(arguments.log, user=arguments.user, progress=progress)
    if arguments.json:
        console.say(summary.to_json(indent=2))
    else:
        _show(summary, console)
    _complain(summary, console)
    return EXIT_DONE


def _show(summary: ImportSummary, console: Console) -> None:
    console.say(f"Read as {summary.form}.")
    counts = (
        ("good events", summary.read),
        ("stored", summary.stored),
        ("known already", summary.duplicates),
        ("of others without consent, left out", summary.without_consent),
        ("of nobody, left out", summary.without_user),
        ("bad lines, left out", summary.bad),
    )
    console.table(
        (Column("what"), Column("count", right=True)),
        [(what, str(count)) for what, count in counts],
    )


def _complain(summary: ImportSummary, console: Console) -> None:
    for line in summary.bad_lines[:_BAD_LINES_SHOWN]:
        console.complain(f"line {line.line}: {line.reason}")
    if summary.bad > _BAD_LINES_SHOWN:
        console.complain(f"{summary.bad - _BAD_LINES_SHOWN} more bad lines")
