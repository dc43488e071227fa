"""The command ``replay``: what learning on the device gains on people's choices, in their order."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from edge_rerank.evaluation.learning_curve import LearningCurve, learning_curve
from edge_rerank.evaluation.replay import CHOICES, draw_people, replay
from edge_rerank.evaluation.results import plain
from edge_rerank.formats.dataset import DataSet
from edge_rerank.inference.runtime import Runtime
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_counts,
    add_json,
    add_pack_option,
    add_seed,
    add_threads,
)
from edge_rerank_export.commands._output import for_people, say
from edge_rerank_export.progress import on_console


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "replay",
        run,
        "replay people's choices and see what learning on the device gains",
        "Each choice of what others had chosen by then stands among 19 other such items, and is "
        "asked for before it is learnt: by the pack alone, and with the person's own head. Folders "
        "have to say when items were chosen; their requests are not opened.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="data set folders")
    add_pack_option(parser)
    add_counts(
        parser,
        ("people", 200, "of each folder"),
        ("choices", CHOICES, "the first so many of a person"),
    )
    add_seed(parser, "of people and lists")
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Replay and print.

    Raises:
        DataError: when a folder cannot be used.
        PackError: when the pack cannot be used.
    """
    steps = on_console(console)
    found = {}
    for folder in arguments.folders:
        data, name = DataSet.open(folder), folder.resolve().name
        with steps(f"draw lists of {name}"):
            people = draw_people(
                data, people=arguments.people, choices=arguments.choices, seed=arguments.seed
            )
        runtime = Runtime(threads=arguments.threads, cache_items=max(len(data.items), 1))
        with (
            RankingEngine.open(arguments.pack, runtime=runtime) as engine,
            steps(f"replay {name}") as progress,
        ):
            asked = replay(engine, data, people, progress=progress)
        found[name] = learning_curve(asked, seed=arguments.seed)
    _show(found, for_people(arguments, console))
    if arguments.json:
        every = [{"folder": name, **plain(asdict(one))} for name, one in found.items()]
        say(json.dumps({"replay": every}, indent=2))


def _show(found: Mapping[str, LearningCurve], out: Console) -> None:
    stretches = dict.fromkeys(part.label for one in found.values() for part in one.stretches)
    table = Table(Column("folder", no_wrap=True), box=SIMPLE)
    for heading in ("NDCG@10", "gain", "95 %", *stretches, "worse"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, one in found.items():
        low, high = one.whole.gain.interval
        parts = {part.label: f"{part.gain.mean:+.1%}" for part in one.stretches}
        table.add_row(
            name,
            f"{one.whole.frozen.mean:.3f} {one.whole.learnt.mean:.3f}",
            f"{one.whole.gain.mean:+.1%}",
            f"{low:+.1%} {high:+.1%}",
            *(parts.get(label, "–") for label in stretches),
            f"{one.worse:.0%}",
        )
    out.print(table, highlight=False)
