"""``edge-rerank bench``: the promised figures on this machine."""

from __future__ import annotations

import argparse

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
    add_pack,
)
from edge_rerank.evaluation import speed as bench
from edge_rerank.render.texttable import Column


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "bench",
        help="measure speed and memory on this machine",
        description="Measure ranking, encoding, the history file and what a fresh process "
        "costs, each against its bound. The check fails when a bound is missed, but not where "
        "other work takes so much of the machine that it says nothing: that is marked busy.",
        checks=True,
    )
    add_pack(parser)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first look")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure and print."""
    with console.progress("measurements") as progress:
        report = bench.run(arguments.pack, quick=arguments.quick, progress=progress)
    if arguments.json:
        console.say(report.to_json())
    else:
        console.heading(f"{report.threads} threads, {', '.join(report.providers)}")
        missed = "busy" if report.busy else "✗"
        console.table(
            (
                Column(""),
                Column("what", flexible=True),
                Column("median", right=True),
                Column("at most", right=True),
                Column("unit"),
            ),
            [
                (
                    "✓" if figure.ok else missed,
                    figure.name,
                    f"{figure.value:.2f}",
                    f"{figure.bound:g}",
                    figure.unit,
                )
                for figure in report.figures
            ],
        )
        if report.busy:
            console.say(
                f"The machine is busy: this process got {report.share:.0%} of the processor that "
                "it asked for, so a bound that is missed says nothing."
            )
    return EXIT_CHECK_FAILED if report.missed else EXIT_DONE
