"""``edge-rerank eval``: a pack beside the baselines on a data set folder."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from edge_rerank.cli.choices import one_of
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_html,
    add_json,
    add_runtime,
    add_tables,
    pack_folder,
    positive,
    step_bars,
    write_text,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.evaluation.baselines import Popularity
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.evaluation.learning_curve import WORSE
from edge_rerank.evaluation.report_html import as_html
from edge_rerank.evaluation.results import PACK, Evaluation
from edge_rerank.evaluation.statistics import Comparison
from edge_rerank.formats.dataset import Withheld
from edge_rerank.packs.installed import SHIPPED
from edge_rerank.render.texttable import Column

_COLUMNS = ("ndcg@1", "ndcg@10", "mrr", "hit@10", "auc", "coverage", "diversity")


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "eval",
        help="evaluate a pack on a data set, beside the baselines",
        description="Rank the requests of a data set folder with a pack and with the classic "
        "baselines, and compare with what was clicked.",
    )
    parser.add_argument(
        "pack",
        type=pack_folder,
        metavar="PACK",
        help=f'a model pack, a folder or an installed one by name; "{SHIPPED}" for the one that '
        "comes with this package",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--split", default="test", metavar="S", help="which requests (default: test)"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N requests of the split"
    )
    parser.add_argument(
        "--without",
        type=one_of(Withheld),
        choices=list(Withheld),
        action="append",
        default=[],
        metavar="EVIDENCE",
        help="withhold what is known of items: popularity, categories or media; may be repeated",
    )
    parser.add_argument(
        "--beside",
        type=pack_folder,
        action="append",
        default=[],
        metavar="PACK",
        help="one more pack to compare with, by name and release; may be repeated",
    )
    parser.add_argument(
        "--scores",
        type=_named_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="one more baseline, from a file of its scores; may be repeated "
        "(python -m edge_rerank.export baselines writes those of BPR and SASRec)",
    )
    parser.add_argument(
        "--learning",
        type=positive,
        default=0,
        metavar="PEOPLE",
        help="replay so many people of the training part, choice by choice, and say what learning "
        "on the device gains them (default: nobody)",
    )
    add_tables(parser)
    add_html(parser)
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Evaluate and print."""
    scores = dict(arguments.scores)
    if len(scores) < len(arguments.scores):
        raise InvalidRequest("--scores: expected each name once, got one again")
    with ExitStack() as bars:
        report = evaluate(
            arguments.pack,
            arguments.folder,
            arguments.split,
            beside=arguments.beside,
            scores=scores,
            limit=arguments.limit,
            without=set(arguments.without),
            tables=arguments.tables,
            learning=arguments.learning,
            providers=arguments.providers,
            threads=arguments.threads,
            progress=step_bars(console, bars),
        )
    if arguments.html is not None:
        write_text(arguments.html, as_html(report))
    if arguments.json:
        console.say(report.to_json())
    else:
        _show(report, console)
    return EXIT_DONE


def _show(report: Evaluation, console: Console) -> None:
    withheld = f", without {' and '.join(report.without)}" if report.without else ""
    console.heading(f"{report.folder}: {report.requests} requests of {report.split}{withheld}")
    rows = [
        (name, *(f"{quality.to_dict()[column]:.3f}" for column in _COLUMNS))
        for name, quality in report.orders.items()
    ]
    columns = (Column("order"), *(Column(name, right=True) for name in _COLUMNS))
    console.table(columns, rows)
    _show_comparisons(report, console)
    _show_fairness(report, console)
    _show_learning(report, console)
    latency = report.details[PACK].latency
    assert latency is not None  # noqa: S101 - the pack has just run
    console.say(
        f"pack: {latency.median_ms:.1f} ms a request (p95 {latency.p95_ms:.1f} ms), "
        f"after {report.texts} texts in {report.encoding_s:.1f} s"
    )


def _show_comparisons(report: Evaluation, console: Console) -> None:
    rows = [
        (
            name,
            f"{one.difference:+.3f}",
            f"{one.interval:+.3f}",
            f"{one.p_holm:.4f}",
            _verdict(one),
        )
        for name, detail in report.details.items()
        if (one := detail.comparison) is not None
    ]
    columns = (
        Column("pack against"),
        Column("ndcg@10", right=True),
        Column("95 % interval", right=True),
        Column("p (Holm)", right=True),
        Column("pack is"),
    )
    console.table(columns, rows)


def _show_fairness(report: Evaluation, console: Console) -> None:
    if report.fairness is None:
        return
    rows = [
        (
            group.name,
            f"{group.requests}",
            f"{own.mean:.3f}",
            f"{own.interval:.2f}",
            f"{own.difference:+.3f}",
            f"{most.mean:.3f}",
            f"{most.difference:+.3f}",
        )
        for group in report.fairness.groups
        for own, most in [(group.ndcg_10[PACK], group.ndcg_10[Popularity.name])]
    ]
    columns = (
        Column("ndcg@10 by people", flexible=True),
        *(
            Column(name, right=True)
            for name in ("n", PACK, "95 %", "to rest", Popularity.name, "to rest")
        ),
    )
    if rows:
        console.table(columns, rows)
    for line in report.fairness.sentences(PACK):
        console.say(line)


def _show_learning(report: Evaluation, console: Console) -> None:
    found = report.learning
    if found is None:
        return
    labels = [*(one.label for one in found.stretches), "all"]
    rows = [
        (
            label,
            f"{one.people}",
            f"{one.frozen.mean:.3f}",
            f"{one.learnt.mean:.3f}",
            f"{one.difference.mean:+.3f}",
            f"{one.difference.interval:+.3f}",
        )
        for label, one in zip(labels, (*found.stretches, found.whole), strict=True)
    ]
    columns = (
        Column("choices before"),
        *(
            Column(name, right=True)
            for name in ("people", "pack alone", "with head", "ndcg@10", "95 % interval")
        ),
    )
    console.table(columns, rows)
    console.say(f"{found.worse:.0%} of the people lose more than {WORSE:g} with their head")


def _verdict(comparison: Comparison) -> str:
    if not comparison.significant:
        return "not told apart"
    return "▲ better" if comparison.difference > 0 else "▼ worse"


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise argparse.ArgumentTypeError(f"expected NAME=FILE, got {text!r}")
    return name, Path(file)
