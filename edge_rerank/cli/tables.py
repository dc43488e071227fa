"""``edge-rerank tables``: what a log says of a catalogue, counted and learnt for ranking."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import StepProgress
from edge_rerank.cli.choices import one_of
from edge_rerank.cli.console import Console
from edge_rerank.cli.options import (
    EXIT_DONE,
    Subparsers,
    add_command,
    add_items,
    add_json,
    add_log_layout,
    add_pack,
    add_runtime,
    complain_of,
    items_of,
    log_layout,
    positive,
    runtime_of,
    step_bars,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.dataset import DataSet
from edge_rerank.formats.logs import BadLine, read_log
from edge_rerank.packs.tables import Tables
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.render.texttable import Column
from edge_rerank.tables.choices import Choices
from edge_rerank.tables.folder import check_out
from edge_rerank.tables.make import Making, Part, make_folder
from edge_rerank.tables.people import read_people
from edge_rerank.types import Item

_ENCODED_AT_ONCE = 500
_CALLED = {"together": "pairs", "record": "counts over time", "succession": "successions"}


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "tables",
        help="count a log in tables, by which packs rank better",
        description="Count in an application's log what people choose together, when, and one "
        "after the other, and write tables that a pack's history model reads: Reranker.open("
        "tables=...), --tables of eval, rank and serve. The log is read as by import, or a data "
        "set folder, of which only the training part is read. Successions are learnt where texts "
        "are known: from a folder, --items, or the log itself. The tables tell what people of the "
        "log did: keep them like it, or see --min-people.",
    )
    parser.add_argument("log", type=Path, metavar="LOG", help="the log, or a data set folder")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="TABLES",
        help="the folder to write; earlier tables in it are replaced in one step",
    )
    add_log_layout(parser)
    add_items(parser, required=False)
    add_pack(parser)
    parser.add_argument(
        "--skip",
        type=one_of(Part),
        choices=list(Part),
        action="append",
        default=[],
        metavar="KIND",
        help="leave out pairs, counts or successions; may be repeated",
    )
    parser.add_argument(
        "--min-people",
        type=positive,
        default=1,
        metavar="K",
        help="leave out what fewer than K people did (default: 1)",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="of learning successions, about 25 ms each (default: by the number of choices, 100 "
        "for a thousand, 800 for a hundred thousand, 1,600 for a million)",
    )
    add_runtime(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Make the tables and say what they are."""
    began = time.perf_counter()
    making = Making(arguments.skip, arguments.min_people, arguments.steps)
    check_out(arguments.out)
    with ExitStack() as opened, ExitStack() as bars:
        progress = step_bars(console, bars)
        choices, bad = _read(arguments, progress)
        complain_of(bad, len(bad), console)
        encode = None
        if Part.SUCCESSIONS not in making.skip:
            engine = RankingEngine.open(arguments.pack, runtime=runtime_of(arguments))
            encode = partial(_encode, opened.enter_context(engine), progress)
        tables = make_folder(choices, arguments.out, making, encode=encode, progress=progress)
    seconds = time.perf_counter() - began
    if arguments.json:
        members = asdict(tables.manifest) | {"bad_lines": len(bad), "seconds": round(seconds, 1)}
        console.say(json.dumps(members, indent=2, ensure_ascii=False))
    else:
        _show(tables, console, arguments.out, seconds)
    return EXIT_DONE


def _encode(
    engine: RankingEngine, progress: StepProgress, texts: Sequence[str]
) -> NDArray[np.float32]:
    """Vectors of texts, see :data:`edge_rerank.tables.make.Encode`."""
    parts = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        some = texts[start : start + _ENCODED_AT_ONCE]
        parts.append(engine.vectors([Item("any", text) for text in some]))
        progress("item texts", start + len(some), len(texts))
    return np.concatenate(parts)


def _read(
    arguments: argparse.Namespace, progress: StepProgress
) -> tuple[Choices, Sequence[BadLine]]:
    if arguments.log.is_dir():
        if arguments.items is not None or arguments.map or arguments.type or arguments.dates:
            raise InvalidRequest(
                "--items, --map, --type, --dates: expected with a log, not a folder"
            )
        return Choices.of_folder(DataSet.open(arguments.log)), ()
    layout, items = log_layout(arguments), items_of(arguments)
    log = read_log(arguments.log, layout, items)
    people = read_people(log, update=lambda done, total: progress("lines", done, total))
    catalogue = {item.id: item for item in items}
    return Choices.of_deeds(people.deeds, {**people.items, **catalogue}), people.bad


def _show(tables: Tables, console: Console, out: Path, seconds: float) -> None:
    manifest = tables.manifest
    console.say(
        f"{manifest.choices} choices of {manifest.people} people among {manifest.items} items, "
        f"in {seconds:.0f} s."
    )
    sizes = {entry.name: entry.size for entry in manifest.files}
    console.table(
        (Column("table"), Column("of"), Column("KiB", right=True)),
        [
            (name, _CALLED.get(name, name), f"{sizes[file] / 1024:.0f}")
            for name, file in sorted(manifest.tables.items())
        ],
    )
    for name, called in _CALLED.items():
        if name not in manifest.tables:
            console.say(f"No {called}.")
    console.say(f"Written to {out}.")
