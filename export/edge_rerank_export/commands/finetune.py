"""The ``finetune`` command."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.pack import ScorerPackRecipe, checkpoint_of, find_recipe
from edge_rerank_export.train.history.recipe import FinetuneRecipe, read_finetune_recipe
from edge_rerank_export.train.history.run import Plan, check, finetune, plan

_MIB = 1 << 20


def add_finetune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "finetune",
        help="train a pack's history encoder, its text encoder, or a scorer, on data set folders",
    )
    add_recipe_and_data(parser)
    parser.add_argument("--out", type=Path, metavar="PACK", help="folder of the new pack")
    parser.add_argument("--base", metavar="PACK", help="base pack, in place of the recipe's")
    parser.add_argument("--seed", type=int, help="in place of the recipe's")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="checkpoints and item vectors; PACK.work if left out",
    )
    parser.add_argument("--threads", type=int, help="threads inside one operator")
    parser.add_argument("--dry-run", action="store_true", help="read everything, train nothing")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace the pack that is there")
    parser.set_defaults(run=run_finetune)


def add_recipe_and_data(parser: argparse.ArgumentParser) -> None:
    """Add what every training wants to know."""
    parser.add_argument("recipe", help="a .toml file, or the name of a recipe that comes with this")
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER",
        help="a data set folder; may be given several times",
    )


def run_finetune(arguments: argparse.Namespace, console: Console) -> None:
    """Run the command.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.train.history.run.finetune`.
    """
    if arguments.out is None and not arguments.dry_run:
        raise RecipeError("--out: expected the folder of the new pack, or --dry-run")
    out = arguments.out or Path(find_recipe(arguments.recipe).stem)
    work = arguments.work or out.with_name(f"{out.name}.work")
    checkpoint = checkpoint_of(find_recipe(arguments.recipe))
    if isinstance(checkpoint, ScorerPackRecipe):
        from edge_rerank_export.train.scorer.command import run_finetune_scorer  # noqa: PLC0415 - seconds, for all

        run_finetune_scorer(arguments, work, console)
        return
    if checkpoint is not None:
        from edge_rerank_export.train.text.command import run_finetune_text  # noqa: PLC0415 - the same

        run_finetune_text(arguments, work, console)
        return
    recipe = _recipe(arguments)
    planned = plan(recipe, arguments.data)
    _announce(planned, console)
    steps = on_console(console)
    if arguments.dry_run:
        check(recipe, arguments.data, steps=steps)
        console.print("dry run: pack, recipe and data are in order; nothing was trained")
        return
    result = finetune(
        recipe,
        arguments.data,
        arguments.out,
        work=work,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        threads=arguments.threads,
        steps=steps,
    )
    outcome = result.outcome
    for name, value in outcome.by_domain.items():
        console.print(f"{name}: NDCG@10 {100 * value:.1f} on validation requests")
    console.print(
        f"{arguments.out}: {result.size / _MIB:.1f} MiB after {outcome.steps} steps "
        f"in {outcome.seconds:.0f} s, digest {result.digest}"
    )


def _recipe(arguments: argparse.Namespace) -> FinetuneRecipe:
    recipe = read_finetune_recipe(find_recipe(arguments.recipe))
    if arguments.base is not None:
        recipe = replace(recipe, base=arguments.base)
    if arguments.seed is not None:
        recipe = replace(recipe, training=replace(recipe.training, seed=arguments.seed))
    return recipe


def _announce(planned: Plan, console: Console) -> None:
    console.print(
        f"{planned.folders} folders, up to {planned.requests} training requests, at most "
        f"{planned.steps} steps; the requests take about {planned.request_bytes / _MIB:.0f} MiB"
    )
