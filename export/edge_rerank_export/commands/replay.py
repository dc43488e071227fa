"""The command ``replay``: what learning on the device gains on people's choices, in their order."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from edge_rerank.cli.options import positive
from edge_rerank.formats.dataset import DataSet
from edge_rerank.inference.runtime import Runtime
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_pack_option,
    add_threads,
)
from edge_rerank_export.commands._output import say
from edge_rerank_export.progress import on_console

if TYPE_CHECKING:
    from edge_rerank_export.studies.replay.figures import Gains


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "replay",
        run,
        "replay people's choices and see what learning on the device gains",
        "Each choice of a person stands among 19 items that others had chosen by then, and is "
        "asked for before it is learnt: by the pack alone, and with the person's own head. Folders "
        "have to say when items were chosen; their requests are not opened.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="data set folders")
    add_pack_option(parser)
    parser.add_argument(
        "--people", type=positive, default=200, metavar="N", help="of each folder (default: 200)"
    )
    parser.add_argument(
        "--choices", type=positive, default=60, metavar="N", help="of a person (default: 60)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of people and lists")
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Replay and print.

    Raises:
        DataError: when a folder cannot be used.
        PackError: when the pack cannot be used.
    """
    from edge_rerank_export.studies.replay.figures import as_json, gains_of
    from edge_rerank_export.studies.replay.replay import draw_people, replay

    steps = on_console(console)
    found = []
    for folder in arguments.folders:
        data, name = DataSet.open(folder), folder.resolve().name
        with steps(f"draw lists of {name}"):
            people = draw_people(
                data, people=arguments.people, choices=arguments.choices, seed=arguments.seed
            )
        runtime = Runtime(threads=arguments.threads, cache_items=max(len(data.items), 1))
        with (
            RankingEngine.open(arguments.pack, runtime=runtime) as engine,
            steps(f"replay {name}") as update,
        ):
            asked = replay(engine, data, people, update=update)
        found.append(gains_of(name, asked, seed=arguments.seed))
    _show(found)
    if arguments.json:
        say(as_json(found))


def _show(found: list[Gains]) -> None:
    out = Console(file=sys.stdout, highlight=False)
    table = Table(Column("folder", no_wrap=True), box=SIMPLE)
    for heading in ("NDCG@10", "gain", "95 %", "1 to 9", "from 25", "worse"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        low, high = one.interval
        table.add_row(
            one.folder,
            f"{one.frozen:.3f} {one.learnt:.3f}",
            f"{one.gain:+.1%}",
            f"{low:+.1%} {high:+.1%}",
            f"{one.early:+.1%}",
            f"{one.late:+.1%}",
            f"{one.worse:.0%}",
        )
    out.print(table)
