"""The command ``baselines``: trained recommenders to measure a pack against."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from edge_rerank.cli.choices import one_of
from edge_rerank.cli.options import positive
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_seed,
    add_split,
    add_threads,
    pack_folder,
    use_threads,
)
from edge_rerank_export.commands._output import say_json
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import on_console
from edge_rerank_export.studies.baselines.names import Baseline


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "baselines",
        run,
        "train BPR and SASRec on a data set folder and score its requests",
        "Write a file of scores for each, which edge-rerank eval --scores reads; with --full rank "
        "the whole catalogue for each request, and write the places of what was chosen.",
    )
    parser.add_argument("data", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where NAME.jsonl is written"
    )
    add_split(parser)
    parser.add_argument(
        "--only",
        type=one_of(Baseline),
        choices=list(Baseline),
        help="one of them (default: one after the other)",
    )
    add_seed(parser, "of the trainings")
    parser.add_argument(
        "--full",
        action="store_true",
        help="rank the whole catalogue, by what needs no training, too",
    )
    parser.add_argument(
        "--beside",
        type=pack_folder,
        action="append",
        default=[],
        metavar="PACK",
        help="with --full: a pack that ranks it, too; repeatable",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="with --full: requests at most, drawn by chance (default: all)",
    )
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train, then score.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.baselines.run.train_baselines`.
    """
    from edge_rerank_export.studies.baselines.run import train_baselines

    use_threads(arguments)
    if arguments.full:
        _rank_fully(arguments, console)
        return
    if arguments.beside or arguments.limit:
        raise RecipeError("--beside, --limit: expected --full with them")
    finished = []
    for one in train_baselines(
        arguments.data,
        arguments.out,
        split=arguments.split,
        only=arguments.only,
        seed=arguments.seed,
        steps=on_console(console),
    ):
        console.print(
            f"{one.name}: NDCG@10 {one.valid_ndcg_10:.3f} on {one.valid_requests} validation "
            f"requests; scores of {one.requests} requests in {one.file}",
            highlight=False,
        )
        finished.append(asdict(one))
    if arguments.json:
        say_json({"split": arguments.split, "baselines": finished})


def _rank_fully(arguments: argparse.Namespace, console: Console) -> None:
    from edge_rerank_export.studies.baselines.full_run import FullStudy, rank_fully

    study = FullStudy(
        folder=arguments.data,
        output=arguments.out,
        split=arguments.split,
        only=arguments.only,
        packs=tuple(arguments.beside),
        limit=arguments.limit,
        seed=arguments.seed,
    )
    finished = []
    for one in rank_fully(study, steps=on_console(console)):
        console.print(
            f"{one.name}: NDCG@10 {one.ndcg_10:.4f} ({one.low:.4f} to {one.high:.4f}), hit@10 "
            f"{one.hit_10:.4f} on {one.requests} requests, {one.items} items; places in {one.file}",
            highlight=False,
        )
        finished.append(asdict(one))
    if arguments.json:
        say_json({"split": arguments.split, "orders": finished})
