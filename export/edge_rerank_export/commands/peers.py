"""The command ``peers``: a pack's scorer beside other ways of ranking, on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from edge_rerank.packs.pack import Pack
from edge_rerank_export.commands._arguments import Commands, add_command, add_json, pack_folder
from edge_rerank_export.commands._output import for_people, say
from edge_rerank_export.files import write_whole
from edge_rerank_export.progress import on_console

if TYPE_CHECKING:
    from edge_rerank_export.studies.peers import PeerReport, Timing


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "peers",
        run,
        "measure a pack's language-model scorer beside other ways of ranking",
        "Medians of calls in turn, and what the processor works for one in all threads: of the "
        "scorer and of what a user would pick in its place, cross-encoders through "
        "sentence-transformers, FlashRank and fastembed, and llama.cpp. "
        "What is not installed is named, and left out.",
    )
    parser.add_argument(
        "--pack",
        type=pack_folder,
        required=True,
        metavar="PACK",
        help="a pack with a scorer",
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first look")
    parser.add_argument(
        "--loaded",
        action="store_true",
        help="measure once more beside a neighbour process that burns every core",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also write an SVG file")
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure and print.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.peers.compare`.
    """
    pack = Pack.open(arguments.pack)
    from edge_rerank_export.studies import peers

    with on_console(console)("compare") as update:
        report = peers.compare(
            pack, quick=arguments.quick, loaded=arguments.loaded, progress=update
        )
    if arguments.plot is not None:
        write_whole(arguments.plot, peers.as_svg(report))
    _show(report, for_people(arguments, console))
    if arguments.json:
        say(report.to_json())


def _show(report: PeerReport, out: Console) -> None:
    loaded = any(timing.loaded_ms is not None for timing in report.timings)
    for shape in report.shapes:
        out.print(f"{shape.label}, {report.threads} threads", style="bold", highlight=False)
        table = Table("contender")
        beside = ("loaded", "longer") if loaded else ()
        for heading in ("median", "to ours", "processor", "to ours", *beside, "runs"):
            table.add_column(heading, justify="right")
        ours, *_ = timings = report.of(shape)
        for timing in timings:
            table.add_row(*_row(timing, ours, loaded=loaded))
        out.print(table, highlight=False)
    for line in report.skipped:
        out.print(line, soft_wrap=True, highlight=False)


def _row(timing: Timing, ours: Timing, *, loaded: bool) -> tuple[str, ...]:
    if timing.median_ms is None:
        return (timing.contender, timing.note)
    beside = (_ms(timing.loaded_ms), _times(timing.loaded_ms, timing.median_ms)) if loaded else ()
    return (
        timing.contender,
        _ms(timing.median_ms),
        _times(timing.median_ms, ours.median_ms),
        _ms(timing.processor_ms),
        _times(timing.processor_ms, ours.processor_ms),
        *beside,
        str(timing.runs),
    )


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f} ms"


def _times(value: float | None, of: float | None) -> str:
    return f"{value / of:.1f} ×" if value is not None and of else ""
