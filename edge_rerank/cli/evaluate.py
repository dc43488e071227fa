"""``edge-rerank eval``: a pack beside the baselines on a data set folder."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from edge_rerank.cli.console import Console, Report
from edge_rerank.cli.options import Subparsers, add_runtime, positive
from edge_rerank.evaluation.evaluate import Evaluation, Progress, evaluate
from edge_rerank.texttable import Column

SHIPPED = "shipped"
_COLUMNS = ("ndcg@1", "ndcg@10", "mrr", "hit@10", "auc", "coverage", "diversity")


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "eval",
        help="judge a pack on a data set, beside the baselines",
        description="Rank the requests of a data set folder with a pack and with the classic "
        "baselines, and compare with what was clicked.",
    )
    parser.add_argument(
        "pack", metavar="PACK", help=f'a model pack, or "{SHIPPED}" for the shipped one'
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--split", default="test", metavar="S", help="which requests (default: test)"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N requests of the split"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, no table")
    add_runtime(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Evaluate and print."""
    with ExitStack() as bars:
        report = evaluate(
            None if arguments.pack == SHIPPED else arguments.pack,
            arguments.folder,
            arguments.split,
            limit=arguments.limit,
            providers=arguments.providers,
            threads=arguments.threads,
            progress=_bars(console, bars),
        )
    if arguments.json:
        console.say(report.to_json())
    else:
        _show(report, console)
    return 0


def _bars(console: Console, bars: ExitStack) -> Progress:
    """One bar after the other, each when its work begins."""
    current: dict[str, Report] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in current:
            bars.close()
            current[what] = bars.enter_context(console.progress(what))
        current[what](done, total)

    return progress


def _show(report: Evaluation, console: Console) -> None:
    console.heading(f"{report.folder}: {report.requests} requests of {report.split}")
    rows = [
        (name, *(f"{quality.to_dict()[column]:.3f}" for column in _COLUMNS))
        for name, quality in (("pack", report.pack), *report.baselines.items())
    ]
    columns = (Column("order"), *(Column(name, right=True) for name in _COLUMNS))
    console.table(columns, rows)
