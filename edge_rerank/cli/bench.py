"""``edge-rerank bench``: the promised figures on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_CHECK_FAILED,
    EXIT_DONE,
    Subparsers,
    add_command,
    add_json,
    add_pack,
    write_text,
)
from edge_rerank.errors import InvalidRequest, PackUnsupported
from edge_rerank.evaluation import speed as bench
from edge_rerank.export import INSTALL
from edge_rerank.packs.pack import Pack
from edge_rerank.render.texttable import Column

if TYPE_CHECKING:
    from edge_rerank_export.studies.peers import Timing


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "bench",
        help="measure speed and memory on this machine",
        description="Measure ranking, encoding, the history file and what a fresh process "
        "costs, each against its bound. The check fails when a bound is missed.",
        checks=True,
    )
    add_pack(parser)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first look")
    add_json(parser)
    parser.add_argument(
        "--peers",
        action="store_true",
        help="measure the language-model scorer of --pack beside other ways of ranking instead; "
        "needs the export toolchain",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="with --peers: an SVG file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure and print."""
    if arguments.peers:
        return _peers(arguments, console)
    if arguments.plot is not None:
        raise InvalidRequest("--plot: expected together with --peers")
    with console.progress("measurements") as progress:
        report = bench.run(arguments.pack, quick=arguments.quick, progress=progress)
    if arguments.json:
        console.say(report.to_json())
    else:
        console.heading(f"{report.threads} threads, {', '.join(report.providers)}")
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
                    "✓" if figure.ok else "✗",
                    figure.name,
                    f"{figure.value:.2f}",
                    f"{figure.bound:g}",
                    figure.unit,
                )
                for figure in report.figures
            ],
        )
    return EXIT_DONE if all(figure.ok for figure in report.figures) else EXIT_CHECK_FAILED


def _peers(arguments: argparse.Namespace, console: Console) -> int:
    try:
        from edge_rerank_export.studies import peers  # noqa: PLC0415 - has PyTorch behind it
    except ModuleNotFoundError:
        raise PackUnsupported(f"--peers: {INSTALL}") from None
    if arguments.pack is None:
        raise InvalidRequest("--peers: expected --pack FOLDER, a pack with a scorer")
    pack = Pack.open(arguments.pack)
    with console.progress("comparisons") as progress:
        report = peers.compare(pack, quick=arguments.quick, progress=progress)
    if arguments.plot is not None:
        write_text(arguments.plot, peers.as_svg(report))
    if arguments.json:
        console.say(report.to_json())
        return 0
    for shape in report.shapes:
        console.heading(f"{shape.label}, {report.threads} threads")
        console.table(
            (
                Column("contender", flexible=True),
                Column("median", right=True),
                Column("to ours", right=True),
                Column("runs", right=True),
            ),
            [_row(timing, report.of(shape)[0]) for timing in report.of(shape)],
        )
    for line in report.skipped:
        console.say(line)
    return 0


def _row(timing: Timing, ours: Timing) -> tuple[str, ...]:
    if timing.median_ms is None or ours.median_ms is None:
        return (timing.contender, timing.note, "", "")
    return (
        timing.contender,
        f"{timing.median_ms:,.0f} ms",
        f"{timing.median_ms / ours.median_ms:.1f} ×",
        str(timing.runs),
    )
