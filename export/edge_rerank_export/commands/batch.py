"""The command ``batch``: lists for many people, from Parquet to Parquet."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from edge_rerank.cli.options import positive
from edge_rerank.errors import DataError
from edge_rerank_export.commands._arguments import Commands, add_command, add_json, add_pack_option
from edge_rerank_export.commands._extras import extra
from edge_rerank_export.commands._output import for_people, say_json
from edge_rerank_export.progress import on_console

ROWS = 2_000
"""Of a part: ten seconds of a worker, more or less, which is what a kill costs."""

ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run did.

    Attributes:
        rows: in the result.
        marked: of those, how many could not be ranked, and say why.
        before: of those, how many an earlier run had ranked.
        seconds: of this run, the opening of the packs among them.
        workers: processes that ranked.
    """

    rows: int
    marked: int
    before: int
    seconds: float
    workers: int

    @property
    def per_second(self) -> float:
        """Rows of this run in a second."""
        return (self.rows - self.before) / self.seconds


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "batch",
        run,
        "rank for many people at once, from Parquet to Parquet",
        "A row of the input is a person: person, history (ids), types, timestamps, candidates "
        "(ids), and, as far as there are such columns, dwell_s, values, queries, query, context "
        "and now, see edge_rerank.batch. The result has the columns person, ids, scores and error.",
    )
    parser.add_argument(
        "--in", type=Path, required=True, metavar="PARQUET", dest="source", help="a file or folder"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where the parts are written"
    )
    parser.add_argument(
        "--items", type=Path, required=True, metavar="FILE", help="the catalogue, a line an item"
    )
    add_pack_option(parser)
    parser.add_argument(
        "--vectors",
        type=Path,
        metavar="FILE",
        help="keeps the vectors of the items (default: _vectors in the folder of the result)",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="what spreads the rows (local, ray)"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument(
        "--rows", type=positive, default=ROWS, metavar="N", help=f"of a part (default: {ROWS:,})"
    )
    parser.add_argument(
        "--top-k", type=positive, metavar="N", help="items of each list (default: all)"
    )
    parser.add_argument(
        "--now",
        type=float,
        metavar="SECONDS",
        help="the time of the lists, UTC seconds (default: that of the first run)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with what an earlier run left unfinished"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Rank and print how fast.

    Raises:
        DataError: when the input, the items or what lies in the folder cannot be used, or no row
            could be ranked.
        MissingExtra: without pyarrow, or without Ray where that is asked for.
        PackError: when the pack cannot be used.
        WorkerLost: when workers die again and again.
    """
    with extra("batch", "pyarrow"):
        from edge_rerank_export.fleet.batch.job import Question, begin
        from edge_rerank_export.fleet.batch.parts import Counts

    steps = on_console(console)
    question = Question(
        source=arguments.source,
        out=arguments.out,
        items=arguments.items,
        pack=arguments.pack,
        vectors=arguments.vectors,
        rows=arguments.rows,
        top_k=arguments.top_k,
        now=arguments.now,
        engine=arguments.engine,
    )
    started = time.perf_counter()
    job = begin(question, resume=arguments.resume, steps=steps)
    before = job.parts.rows()
    with steps("rank") as update:
        counts: Counts = _engine(arguments.engine)(job, workers=arguments.workers, update=update)
    figures = Figures(
        rows=counts.rows,
        marked=counts.marked,
        before=before,
        seconds=time.perf_counter() - started,
        workers=arguments.workers,
    )
    people = for_people(arguments, console)
    _show(figures, people)
    if arguments.json:
        say_json({**asdict(figures), "per_second": figures.per_second})
    if counts.marked:
        why = f"{counts.marked:,} rows could not be ranked, as {job.parts.why()}"
        if counts.marked == counts.rows:
            raise DataError(arguments.source, why)
        people.print(why, markup=False, highlight=False, soft_wrap=True)


def _engine(name: str) -> Callable[..., Any]:
    """What spreads the rows; only the one that is asked for is imported."""
    if name == "ray":
        from edge_rerank_export.fleet.batch.on_ray import rank_on_ray

        return rank_on_ray
    from edge_rerank_export.fleet.batch.local import rank_locally

    return rank_locally


def _show(figures: Figures, out: Console) -> None:
    table = Table("rows", "not ranked", "done before", "seconds", "rows a second", box=SIMPLE)
    table.add_row(
        f"{figures.rows:,}",
        f"{figures.marked:,}",
        f"{figures.before:,}",
        f"{figures.seconds:.1f}",
        f"{figures.per_second:.1f}",
    )
    out.print(table, highlight=False)
