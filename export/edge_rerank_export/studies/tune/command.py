"""The ``tune`` command."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from edge_rerank_export.commands.finetune import add_recipe_and_data
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.pack import find_recipe
from edge_rerank_export.studies.results.ledger import data_mark, mark_of, write_whole
from edge_rerank_export.studies.tune.space import space_of
from edge_rerank_export.train.history.material import prepare, read_domains
from edge_rerank_export.train.history.recipe import finetune_toml, read_finetune_recipe
from edge_rerank_export.train.history.run import digests_used, open_base, plan
from edge_rerank_export.train.history.teacher import teacher_of

if TYPE_CHECKING:
    from edge_rerank_export.studies.tune.search import Trialled

_MINUTE_S = 60.0


def add_tune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "tune",
        help="search a fine-tuning recipe's parameters within a time limit",
        description="Train with one set of values after the other, judge each on the validation "
        "requests, and write the best recipe. Called again with the same study, it goes on. "
        "Needs Optuna: pip install optuna.",
    )
    add_recipe_and_data(parser)
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
    parser.add_argument("--base", metavar="PACK", help="base pack, in place of the recipe's")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: 0)")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="item vectors; OUT.work if left out"
    )
    parser.add_argument("--threads", type=int, help="threads inside one operator")
    parser.set_defaults(run=run_tune)


def run_tune(arguments: argparse.Namespace, console: Console) -> None:
    """Search, then write.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.tune.search.search`.
    """
    from edge_rerank_export.studies.tune.search import Search, search  # noqa: PLC0415 - needs Optuna

    deadline = time.monotonic() + _MINUTE_S * _positive(arguments.minutes, "--minutes")
    if arguments.trials is not None:
        _positive(arguments.trials, "--trials")
    path, out = find_recipe(arguments.recipe), arguments.out
    study = arguments.study or out.with_suffix(".db")
    if out.suffix != ".toml" or (out.exists() and not study.exists()):
        raise RecipeError("--out: expected a .toml file that is not there yet, or its study")
    recipe = read_finetune_recipe(path)
    if arguments.base is not None:
        recipe = replace(recipe, base=str(Path(arguments.base).resolve()))
    plan(recipe, arguments.data)
    base = open_base(recipe)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    for one in space_of(recipe):
        scale = ", logarithmic" if one.log else ""
        console.print(f"{one.name}: {one.low:g} to {one.high:g}{scale}", highlight=False)
    work = arguments.work or out.with_name(f"{out.stem}.work")
    work.mkdir(parents=True, exist_ok=True)
    steps = on_console(console)
    domains = read_domains(
        recipe, arguments.data, base=base, work=work, threads=arguments.threads, steps=steps
    )
    settings = {**asdict(recipe), **digests_used(recipe)}
    wanted = Search(
        recipe=recipe,
        base=base,
        study=study,
        mark=mark_of(settings, [data_mark(folder) for folder in arguments.data]),
        deadline=deadline,
        trials=arguments.trials,
        seed=arguments.seed,
        work=work,
    )

    def finished(trial: Trialled) -> None:
        value = "given up" if trial.value is None else f"NDCG@10 {100 * trial.value:.2f}"
        left = max(deadline - time.monotonic(), 0) / _MINUTE_S
        console.print(
            f"trial {trial.number}: {value}, best {100 * trial.best:.2f}; {left:.0f} minutes left",
            highlight=False,
        )

    with teacher_of(recipe.teacher, work, threads=arguments.threads) as teacher:
        material = prepare(recipe, domains, teacher=teacher, steps=steps)
    with steps("search") as update:
        found = search(wanted, material, progress=update, finished=finished)
    write_whole(out, finetune_toml(found.recipe, out.resolve().parent))
    console.print(
        f"{out.name}: NDCG@10 {100 * found.value:.2f} on validation requests after {found.trials} "
        f"trials, {100 * found.before:.2f} before; the best of many is a little too high",
        highlight=False,
    )


def _positive(value: float, name: str) -> float:
    if not 0 < value < float("inf"):
        raise RecipeError(f"{name}: expected a number above 0, got {value}")
    return value
