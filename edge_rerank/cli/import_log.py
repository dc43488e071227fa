"""``edge-rerank import``: bring a log into an encrypted history file."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    EXIT_FAILED,
    NO_CONSENT,
    Subparsers,
    add_command,
    add_consent,
    add_history,
    add_items,
    add_json,
    add_log_layout,
    add_user,
    complain_of,
    items_of,
    log_layout,
    open_history,
)
from edge_rerank.errors import ConsentRequired, InvalidRequest
from edge_rerank.formats.logs import read_log
from edge_rerank.history.history import PERSONALISATION
from edge_rerank.history.import_log import ImportSummary
from edge_rerank.render.texttable import Column

_NOBODYS_CONSENT = (
    "nobody has agreed to personalisation: give --user and --consent for one person who has, or "
    "--consent-all where everybody in the log has"
)


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "import",
        help="bring a log into an encrypted history",
        description="Read a log of events (JSON lines, CSV or Metarank's envelope, plain or .gz) "
        "into an encrypted history file. Where neither the file nor its key is there yet, both "
        "are made. A line that does not say whose it is counts as the person's of --user; one "
        "whose user is empty is nobody's, and left out. Other people's events are kept where "
        "they have agreed. Separators, encodings and forms of times are recognised and said.",
    )
    parser.add_argument("log", type=Path, metavar="LOG", help="the log")
    add_log_layout(parser)
    add_items(parser, required=False)
    add_history(parser)
    add_user(parser, required=False)
    add_consent(parser)
    parser.add_argument(
        "--consent-all",
        action="store_true",
        help="everybody in the log has agreed to personalisation: whoever gives this says so and "
        "answers for it; noted for each, but for those who have withdrawn",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Import and print what became of the lines."""
    if arguments.consent and arguments.user is None:
        raise InvalidRequest("--consent: expected together with --user; see --consent-all")
    if not (arguments.consent or arguments.consent_all or arguments.history.exists()):
        raise ConsentRequired(_NOBODYS_CONSENT if arguments.user is None else NO_CONSENT)
    layout, items = log_layout(arguments), items_of(arguments)
    # What is no log leaves no key, no file and no consent behind.
    read_log(arguments.log, layout)
    with (
        open_history(arguments, create=True) as history,
        console.progress("lines") as progress,
    ):
        if arguments.consent:
            history.consent(arguments.user, True)
        elif (
            arguments.user is not None
            and not arguments.consent_all
            and not history.consents(arguments.user).get(PERSONALISATION)
        ):
            raise ConsentRequired(NO_CONSENT)
        summary = history.import_log(
            arguments.log,
            user=arguments.user,
            layout=layout,
            items=items,
            consent_all=arguments.consent_all,
            progress=progress,
        )
    if arguments.json:
        console.say(summary.to_json(indent=2))
    else:
        _show(summary, console, items=bool(items))
    complain_of(summary.bad_lines, summary.bad, console)
    if summary.bad and not summary.read:
        console.complain("edge-rerank: nothing imported: no line of the log could be used")
        return EXIT_FAILED
    return EXIT_DONE


def _show(summary: ImportSummary, console: Console, *, items: bool) -> None:
    console.say(f"Read as {summary.form}.")
    if summary.first is not None and summary.last is not None:
        days = " to ".join(
            f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
            for time in (summary.first, summary.last)
        )
        console.say(f"Events of {summary.people} people, {days}.")
    counts = (
        ("good events", summary.read),
        ("stored", summary.stored),
        ("known already", summary.duplicates),
        ("of others without consent, left out", summary.without_consent),
        ("of nobody, left out", summary.without_user),
        ("bad lines, left out", summary.bad),
        *([("of items without a text", summary.without_text)] if items else []),
    )
    console.table(
        (Column("what"), Column("count", right=True)),
        [(what, str(count)) for what, count in counts],
    )
