"""``edge-rerank expect``: what a person would expect of a list, tried on a pack."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
    add_language,
    add_runtime,
    positive,
    runtime_of,
    share,
)
from edge_rerank.formats.dataset import DataSet
from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.installed import SHIPPED
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.opening import Packs
from edge_rerank.render.texttable import Column

if TYPE_CHECKING:
    from edge_rerank.evaluation.expectations.expectation import ExpectationReport
    from edge_rerank.evaluation.expectations.relations import RelationsReport

AT_LEAST = 0.95
"""Share of the expectations that a pack is asked to meet where nothing else is said."""

RELATIONS_AT_LEAST = 0.99
"""Likewise of the changes to real histories."""

HISTORIES = 200


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "expect",
        help="behavioural tests of a pack: what anyone would expect of its lists",
        description="Play people at a catalogue in English and Chinese, and hold "
        "the lists they get to sentences that anyone would hold of such a product: each a "
        "measured number and a bound. With --data, change one thing in real histories as well, and "
        "see whether the list moves the right way. The check fails when too few are met.",
        checks=True,
    )
    parser.add_argument(
        "pack",
        nargs="?",
        metavar="PACK",
        help=f'a model pack, a folder or an installed one by name; "{SHIPPED}" for the default one '
        "that comes with this package (default: of those that do, the one for the language)",
    )
    add_language(parser)
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
        "--data", metavar="FOLDER", type=Path, help="a data set folder whose histories are changed"
    )
    parser.add_argument(
        "--histories",
        type=positive,
        default=HISTORIES,
        metavar="N",
        help=f"histories of --data (default: {HISTORIES})",
    )
    parser.add_argument(
        "--relations-at-least",
        type=share,
        default=RELATIONS_AT_LEAST,
        metavar="SHARE",
        help="share of the changes after which the list has to move the right way, 0 to 1 "
        f"(default: {RELATIONS_AT_LEAST})",
    )
    parser.add_argument(
        "--unmet", action="store_true", help="list only the expectations that are not met"
    )
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Play and print."""
    # Here, for these take 20 ms that no other command needs.
    from edge_rerank.evaluation.expectations import suite  # noqa: PLC0415
    from edge_rerank.evaluation.expectations.catalogue import Language  # noqa: PLC0415

    packs = [pack for pack in (arguments.pack, arguments.scorer) if pack is not None] or None
    runtime = runtime_of(arguments)
    with console.progress("expectations") as progress:
        report = suite.run(
            packs, runtime=runtime, language=Language(arguments.language), progress=progress
        )
    relations = None
    if arguments.data is not None:
        relations = _relations(arguments, packs, runtime, console)
    if arguments.json:
        told = {**report.to_dict(), "relations": relations and relations.to_dict()}
        console.say(json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _show(report, console, unmet=arguments.unmet)
        if relations is not None:
            _show_relations(relations, console)
    met = report.share >= arguments.at_least and (
        relations is None or relations.share >= arguments.relations_at_least
    )
    return EXIT_DONE if met else EXIT_CHECK_FAILED


def _relations(
    arguments: argparse.Namespace, packs: Packs | None, runtime: Runtime, console: Console
) -> RelationsReport:
    from edge_rerank.evaluation.expectations.relations import check_relations  # noqa: PLC0415

    data = DataSet.open(arguments.data)
    with (
        RankingEngine.open(packs, runtime=runtime) as engine,
        console.progress("histories") as progress,
    ):
        return check_relations(engine, data, count=arguments.histories, progress=progress)


def _show_relations(report: RelationsReport, console: Console) -> None:
    from edge_rerank.evaluation.expectations.relations import COLUMNS  # noqa: PLC0415

    console.heading(
        f"{report.histories} histories of {report.split}: the list moved the right way after "
        f"{report.share:.1%} of the changes"
    )
    console.table(COLUMNS, report.rows())


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
