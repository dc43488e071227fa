"""The command ``verify``: a pack compared with the model of its recipe."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from edge_rerank.packs.installed import SHIPPED
from edge_rerank.packs.pack import Pack
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_memory,
    add_texts,
    add_threads,
    pack_folder,
    pack_recipe,
    texts_asked_for,
    use_threads,
)
from edge_rerank_export.commands._output import say_figures, say_json, show_figures
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipes.pack import RECIPE_NAME, LanguagePackRecipe

if TYPE_CHECKING:
    from edge_rerank_export.verify.report import Report


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "verify", run, "compare a pack with the model of its recipe")
    parser.add_argument(
        "pack",
        type=pack_folder,
        metavar="PACK",
        help=f'a model pack, or "{SHIPPED}" for the shipped one',
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        help="a TOML file, or the name of a recipe that comes along (default: the pack's own)",
    )
    add_texts(parser)
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE",
        help="write an HTML page: differences by layer, orders, size, time and memory beside the "
        "original",
    )
    add_json(parser)
    add_threads(parser)
    add_memory(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure and print.

    Raises:
        VerificationFailed: when the pack falls short of the model.
        EdgeRerankError: when pack, recipe or texts cannot be used.
    """
    if arguments.page is not None and not arguments.page.parent.is_dir():
        raise RecipeError("--page: expected a file in a folder that exists")
    if arguments.recipe is None:
        arguments.recipe = _own_recipe(arguments.pack)
    recipe, pack, steps = pack_recipe(arguments), Pack.open(arguments.pack), on_console(console)
    if arguments.page is not None and not isinstance(recipe, LanguagePackRecipe):
        raise RecipeError("--page: expected only with a language model")
    texts = texts_asked_for(arguments)
    use_threads(arguments)
    from edge_rerank_export.packing.build import builder_of

    with tempfile.TemporaryDirectory() as work:
        builder = builder_of(recipe, Path(work), steps=steps, ignore_memory=arguments.ignore_memory)
        material = builder.material(texts)
        verification = builder.verify(pack, material, steps=steps)
        show_figures(verification, console)
        if isinstance(recipe, LanguagePackRecipe) and (
            arguments.json or arguments.page is not None
        ):
            from edge_rerank_export.verify.report import report_on

            exact = builder.exact(steps) / builder.model_name
            report = report_on(verification, recipe, pack, exact, material, steps=steps)
            _hand_out(report, arguments)
            advice = report.advice
        else:
            say_figures(verification, arguments)
            advice = builder.advice(verification, pack, material, steps=steps)
    verification.require(advice)


def _hand_out(report: Report, arguments: argparse.Namespace) -> None:
    if arguments.page is not None:
        from edge_rerank_export.verify.report_html import as_html

        write_whole(arguments.page, as_html(report))
    if arguments.json:
        say_json(report.to_dict())


def _own_recipe(folder: Path) -> str:
    if not (folder / RECIPE_NAME).is_file():
        raise RecipeError(f"{folder.name}: expected a pack with a {RECIPE_NAME}: name the recipe")
    return str(folder / RECIPE_NAME)
