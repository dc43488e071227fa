"""The ``baselines`` command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Update, on_console
from edge_rerank_export.studies.baselines.bpr import train_bpr
from edge_rerank_export.studies.baselines.choices import Choices, Recommender, validation_ndcg
from edge_rerank_export.studies.baselines.sasrec import train_sasrec

TRAINERS: dict[str, Callable[[Choices, int, Update], Recommender]] = {
    "bpr": lambda choices, seed, update: train_bpr(choices, seed=seed, progress=update),
    "sasrec": lambda choices, seed, update: train_sasrec(choices, seed=seed, progress=update),
}


def add_baselines(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "baselines",
        help="train BPR and SASRec on a data set folder and score its requests",
        description="Write a file of scores for each, which edge-rerank eval --scores reads.",
    )
    parser.add_argument("data", type=Path, metavar="FOLDER", help="a data set folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where NAME.jsonl is written"
    )
    parser.add_argument("--split", default="test", help="which requests (default: test)")
    parser.add_argument(
        "--only", choices=list(TRAINERS), help="one of them (default: one after the other)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run_baselines)


def run_baselines(arguments: argparse.Namespace, console: Console) -> None:
    """Train, then score.

    Raises:
        DataError: when a file of the folder is missing or malformed; nothing is written.
        RecipeError: when the output folder cannot be made.
    """
    data = DataSet.open(arguments.data)
    choices = Choices.read(data)
    requests = list(data.requests(arguments.split))
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"--out: expected a folder, got {type(error).__name__}") from error
    steps = on_console(console)
    for name in [arguments.only] if arguments.only else TRAINERS:
        with steps(name) as update:
            model = TRAINERS[name](choices, arguments.seed, update)
        target = arguments.out / f"{name}.jsonl"
        write_scores(model, requests, target)
        value = validation_ndcg(model, choices)
        console.print(
            f"{name}: NDCG@10 {100 * value:.1f} on {len(choices.valid)} validation requests; "
            f"scores of {len(requests)} requests in {target.name}",
            highlight=False,
        )


def write_scores(model: Recommender, requests: Sequence[Request], target: Path) -> None:
    """Write a line of scores for each request, all of them or none."""
    draft = target.with_name(f".{target.name}.part")
    with draft.open("w", encoding="utf-8") as stream:
        for number, scores in enumerate(model.score(requests)):
            row = {"request": number, "scores": [round(float(one), 6) for one in scores]}
            stream.write(json.dumps(row) + "\n")
    draft.replace(target)
