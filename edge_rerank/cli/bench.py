"""``edge-rerank bench``: the promised figures on this machine."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_html,
    add_json,
    add_pack,
    write_text,
)
from edge_rerank.evaluation import growth
from edge_rerank.evaluation import speed as bench
from edge_rerank.evaluation.speed_html import as_html
from edge_rerank.evaluation.speed_report import BenchReport, Figure
from edge_rerank.render.texttable import Column


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "bench",
        help="measure speed and memory on this machine",
        description="Measure ranking, encoding, the history file and what a fresh process "
        "costs, each against its bound: the median of the time that passes, and beside it what "
        "the processor works for it in all threads. The check fails when a bound is missed, but "
        "not where other work takes so much of the machine that it says nothing: that is marked "
        "busy. Bounds hold without the neighbour of --loaded. The page of --html also draws what "
        "ranking costs against items, events and people.",
        checks=True,
    )
    add_pack(parser)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first look")
    parser.add_argument(
        "--loaded",
        action="store_true",
        help="measure once more beside a neighbour process that burns every core",
    )
    add_html(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure and print."""
    with console.progress("measurements") as progress:
        report = bench.run(
            arguments.pack, quick=arguments.quick, loaded=arguments.loaded, progress=progress
        )
    if arguments.html is not None:
        with console.progress("curves") as progress:
            grown = growth.measure(arguments.pack, quick=arguments.quick, progress=progress)
        write_text(arguments.html, as_html(report, grown))
    if arguments.json:
        console.say(report.to_json())
    else:
        _show(report, console)
    return EXIT_CHECK_FAILED if report.missed else EXIT_DONE


def _show(report: BenchReport, console: Console) -> None:
    loaded = report.longer is not None
    console.heading(f"{report.threads} threads, {', '.join(report.providers)}")
    console.table(
        (
            Column(""),
            Column("what", flexible=True),
            Column("median", right=True),
            Column("processor", right=True),
            *([Column("loaded", right=True)] if loaded else []),
            Column("at most", right=True),
            Column("unit"),
        ),
        [_row(figure, report, loaded=loaded) for figure in report.figures],
    )
    if loaded:
        longest = max(report.figures, key=lambda figure: figure.longer or 0.0)
        console.say(
            f"Beside a neighbour on every core a call takes {report.longer:.1f} times as long, "
            f"the median of the figures; at most {longest.longer:.1f} times: {longest.name}."
        )
    if report.busy:
        console.say(
            f"The machine is busy: this process got {report.share:.0%} of the processor that "
            "it asked for, so a bound that is missed says nothing."
        )


def _row(figure: Figure, report: BenchReport, *, loaded: bool) -> tuple[str, ...]:
    missed = "busy" if report.busy else "✗"
    return (
        "✓" if figure.ok else missed,
        figure.name,
        f"{figure.value:.2f}",
        _number(figure.processor),
        *([_number(figure.loaded)] if loaded else []),
        f"{figure.bound:g}",
        figure.unit,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
