"""The command ``tune``: a search for the best values of a history encoder's recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank_export.commands._arguments import (
    Commands,
    add_base,
    add_command,
    add_data,
    add_json,
    add_recipe,
    add_seed,
    add_threads,
)
from edge_rerank_export.commands._output import say_json
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.file import Kind, RecipeFile, find_recipe


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "tune",
        run,
        "search a history encoder's recipe for better values within a time limit",
        "Train with one set of values after the other, judge each on the validation "
        "requests, and write the best recipe. Called again with the same study, it goes on. "
        'Needs Optuna: pip install "edge-rerank-export[tune]".',
    )
    add_recipe(parser)
    add_data(parser)
    parser.add_argument(
        "--minutes", type=float, required=True, metavar="N", help="reading the data included"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the best recipe, a .toml file"
    )
    parser.add_argument(
        "--study", type=Path, metavar="FILE", help="SQLite file of the trials (default: OUT.db)"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="stop after so many, at most")
    add_base(parser)
    add_seed(parser, "of the search")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="item vectors (default: OUT.work)"
    )
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Search, then write.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.tune.run.tune`.
    """
    file = RecipeFile.read(find_recipe(arguments.recipe))
    file.expect(Kind.HISTORY, trains=True)
    from edge_rerank_export.studies.tune.run import Tuning, tune
    from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe

    found = tune(
        Tuning(
            recipe=HistoryFinetuneRecipe.of(file),
            folders=tuple(arguments.data),
            out=arguments.out,
            minutes=arguments.minutes,
            study=arguments.study,
            trials=arguments.trials,
            base=arguments.base,
            seed=arguments.seed,
            work=arguments.work,
            threads=arguments.threads,
        ),
        steps=on_console(console),
        tell=lambda text: console.print(text, highlight=False),
    )
    console.print(
        f"{arguments.out.name}: NDCG@10 {found.value:.4f} on validation requests after "
        f"{found.trials} trials, {found.before:.4f} before; the best of many is a little too high",
        highlight=False,
    )
    if arguments.json:
        say_json(
            {
                "file": arguments.out.name,
                "trials": found.trials,
                "valid_ndcg_10": found.value,
                "valid_ndcg_10_before": found.before,
            }
        )
