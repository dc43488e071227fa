"""The command ``results``: the table of packs and baselines on data set folders."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_pack_option,
    add_split,
    add_threads,
)
from edge_rerank_export.commands._output import say
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.studies.results.columns import Column


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "results",
        run,
        "the table of results: packs and baselines on data set folders",
        "For each folder judge the shipped pack, a pack trained on the other folders, "
        "one trained on the folder itself, and the baselines. Finished parts are kept in --out, "
        "so that a run that was broken off goes on. Writes results.json and results.md there.",
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="data set folders")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="what was made, and the table"
    )
    parser.add_argument(
        "--columns",
        type=_columns,
        default=frozenset(Column),
        metavar="NAMES",
        help=f"what to train, of {','.join(Column)} (default: all; SASRec takes longest)",
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only the folder of this name; repeatable"
    )
    add_pack_option(parser)
    parser.add_argument(
        "--zero-shot-recipe",
        default="open",
        metavar="RECIPE",
        help="of the packs that never saw their folder (default: open)",
    )
    parser.add_argument(
        "--tuned-recipe",
        default="finetune-domain",
        metavar="RECIPE",
        help="of the packs made for one folder (default: finetune-domain)",
    )
    parser.add_argument(
        "--base",
        type=_named_pack,
        action="append",
        default=[],
        metavar="NAME=PACK",
        help="tune the pack for this folder from another base; repeatable",
    )
    add_split(parser)
    add_threads(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Make what is missing, then the table.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.studies.results.run.make_results`.
    """
    from edge_rerank_export.studies.results.parts import Wanted
    from edge_rerank_export.studies.results.run import make_results
    from edge_rerank_export.studies.results.table import as_json, as_markdown
    from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe

    names = {folder.resolve().name for folder in arguments.folders}
    for name in arguments.only or ():
        if name not in names:
            raise RecipeError(f"--only: expected the name of one of the folders, got {name!r}")
    wanted = Wanted(
        folders=tuple(arguments.folders),
        out=arguments.out,
        columns=arguments.columns,
        pack=arguments.pack,
        zero_shot=HistoryFinetuneRecipe.read(find_recipe(arguments.zero_shot_recipe)),
        tuned=HistoryFinetuneRecipe.read(find_recipe(arguments.tuned_recipe)),
        bases=dict(arguments.base),
        split=arguments.split,
        threads=arguments.threads,
    )
    rows = make_results(
        wanted,
        only=arguments.only,
        steps=on_console(console),
        announce=lambda text: console.print(text, highlight=False, soft_wrap=True),
    )
    console.print(as_markdown(rows, wanted.split), markup=False, highlight=False, soft_wrap=True)
    if arguments.json:
        say(as_json(rows, wanted.split))


def _columns(text: str) -> frozenset[Column]:
    try:
        return frozenset(Column(name.strip()) for name in text.split(",") if name.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _named_pack(text: str) -> tuple[str, str]:
    name, equals, pack = text.partition("=")
    if not (name and equals and pack):
        raise argparse.ArgumentTypeError(f"expected NAME=PACK, got {text!r}")
    return name, pack
