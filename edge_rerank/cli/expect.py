"""``edge-rerank expect``: what a person would expect of a list, tried on a pack."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    SHIPPED,
    Subparsers,
    add_command,
    add_json,
    add_runtime,
    pack_folder,
    runtime_of,
    share,
)
from edge_rerank.evaluation.expectations import suite
from edge_rerank.evaluation.expectations.expectation import ExpectationReport
from edge_rerank.render.texttable import Column

AT_LEAST = 0.95
"""Share of the expectations that a pack is asked to meet where nothing else is said."""


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "expect",
        help="try on a pack what a person would expect of a list",
        description="Play people at a catalogue in English and Chinese, and hold "
        "the lists they get to sentences that anyone would hold of such a product: each a "
        "measured number and a bound. The check fails when too few are met.",
        checks=True,
    )
    parser.add_argument(
        "pack",
        nargs="?",
        type=pack_folder,
        default=SHIPPED,
        metavar="PACK",
        help=f'a model pack, or "{SHIPPED}" for the one that comes with this package (default)',
    )
    parser.add_argument(
        "--scorer", metavar="FOLDER", help="a pack with a scorer, to be used beside PACK"
    )
    parser.add_argument(
        "--at-least",
        type=share,
        default=AT_LEAST,
        metavar="SHARE",
        help=f"share of the expectations to be met, 0 to 1 (default: {AT_LEAST})",
    )
    parser.add_argument(
        "--unmet", action="store_true", help="list only the expectations that are not met"
    )
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Play and print."""
    packs = [pack for pack in (arguments.pack, arguments.scorer) if pack is not None]
    with console.progress("expectations") as progress:
        report = suite.run(packs or None, runtime=runtime_of(arguments), progress=progress)
    if arguments.json:
        console.say(report.to_json())
    else:
        _show(report, console, unmet=arguments.unmet)
    return EXIT_DONE if report.share >= arguments.at_least else EXIT_CHECK_FAILED


def _show(report: ExpectationReport, console: Console, *, unmet: bool) -> None:
    console.heading(
        f"{report.model}: {report.met} of {len(report.outcomes)} expectations met, "
        f"{report.share:.1%}"
    )
    console.table(
        (Column("group"), Column("met", right=True), Column("of", right=True)),
        [
            (group.value, str(sum(one.met for one in ones)), str(len(ones)))
            for group, ones in report.groups.items()
        ],
    )
    rows = report.rows(unmet=unmet)
    if rows:
        columns = (
            Column(""),
            Column("group"),
            Column("what is expected", flexible=True),
            Column("bound", right=True),
            Column("got", right=True),
        )
        console.table(columns, rows)
