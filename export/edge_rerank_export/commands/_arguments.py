"""Arguments that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console

from edge_rerank.cli.options import positive
from edge_rerank.packs.installed import SHIPPED, find_pack
from edge_rerank_export.recipes.file import find_recipe
from edge_rerank_export.sources.fetch import local_folder
from edge_rerank_export.verify.texts import REQUESTS, Texts, texts_of

if TYPE_CHECKING:
    from edge_rerank_export.recipes.pack import PackRecipe

EXIT_USAGE = 2
EXIT_SHORT = 3

EXIT_CODES = (
    f"Exit codes: 0 done, {EXIT_USAGE} wrong usage, recipe, source or data, "
    f"{EXIT_SHORT} the result falls short of the original."
)

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""argparse has no public name for it."""

Run = Callable[[argparse.Namespace, Console], None]
"""What a command does; progress and remarks go to the console, results to standard output."""


def add_command(
    commands: Commands, name: str, run: Run, summary: str, description: str = ""
) -> argparse.ArgumentParser:
    """Add the parser of one command.

    Args:
        commands: where to.
        name: of the command.
        run: does it.
        summary: for the list of commands.
        description: for its own help; the summary where it is empty.
    """
    parser = commands.add_parser(
        name, help=summary, description=description or summary, epilog=EXIT_CODES
    )
    parser.set_defaults(run=run)
    return parser


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """``RECIPE``."""
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a TOML file, or the name of a recipe that comes along"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """``--out`` and ``--overwrite`` of a new pack."""
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the pack to be")
    add_overwrite(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a pack that is there already"
    )


def add_model_output(parser: argparse.ArgumentParser) -> None:
    """``--out`` of a new ONNX file."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX file")


def add_texts(parser: argparse.ArgumentParser) -> None:
    """``--texts``, ``--requests`` and ``--split``, see :func:`texts_asked_for`."""
    parser.add_argument(
        "--texts",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="verify on this: a file with a text or a JSON object a line, or the requests of a "
        "data set folder; repeatable (default: texts of our own)",
    )
    parser.add_argument(
        "--requests",
        type=positive,
        default=REQUESTS,
        metavar="N",
        help=f"with --texts: at most so many requests of each of them (default: {REQUESTS})",
    )
    add_split(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data``."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="FOLDER",
        help="a data set folder; repeatable",
    )


def add_base(parser: argparse.ArgumentParser) -> None:
    """``--base``."""
    parser.add_argument(
        "--base",
        type=pack_folder,
        metavar="PACK",
        help=f'base pack, in place of the recipe\'s, "{SHIPPED}" for the shipped one',
    )


def add_pack_option(parser: argparse.ArgumentParser) -> None:
    """``--pack``, the shipped one where it is left out."""
    parser.add_argument(
        "--pack",
        type=pack_folder,
        default=SHIPPED,
        metavar="PACK",
        help="the model pack (default: the shipped one)",
    )


def add_split(parser: argparse.ArgumentParser) -> None:
    """``--split``."""
    parser.add_argument(
        "--split", default="test", metavar="S", help="which requests (default: test)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """``--threads``, 1 where it is left out: two on a busy machine took four times as long."""
    parser.add_argument(
        "--threads",
        type=positive,
        default=1,
        metavar="N",
        help="threads that compute at once (default: 1; more only pay on an idle machine)",
    )


def add_counts(parser: argparse.ArgumentParser, *counts: tuple[str, int, str]) -> None:
    """Whole numbers from 1, each with its name, its default and what it counts."""
    for name, default, what in counts:
        parser.add_argument(
            f"--{name}",
            type=positive,
            default=default,
            metavar="N",
            help=f"{what} (default: {default})",
        )


def add_seed(parser: argparse.ArgumentParser, of: str = "of all chance") -> None:
    """``--seed``, 0 where it is left out."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=f"{of} (default: 0)")


def add_work(parser: argparse.ArgumentParser) -> None:
    """``--work`` of a study that keeps what it made in ``--out``."""
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="where item vectors are kept (default: --out)"
    )


def use_threads(arguments: argparse.Namespace) -> None:
    """Let PyTorch compute with so many threads as ``--threads`` says."""
    import torch

    torch.set_num_threads(arguments.threads)


def add_memory(parser: argparse.ArgumentParser) -> None:
    """``--ignore-memory``."""
    parser.add_argument(
        "--ignore-memory",
        action="store_true",
        help="try it where less memory is free than it may take",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print the result as one JSON object as well"
    )


def pack_folder(text: str) -> Path:
    """A pack's folder, for ``type=``; an installed one by name, "shipped" for the shipped one."""
    return find_pack(text)


def pack_recipe(arguments: argparse.Namespace) -> PackRecipe:
    """The recipe of a pack that ``RECIPE`` or ``--recipe`` names.

    Raises:
        RecipeError: when there is none, or it cannot be used.
        SourceError: when its model is to lie in a folder that is not there.
    """
    from edge_rerank_export.recipes.read import read_recipe

    recipe = read_recipe(find_recipe(arguments.recipe))
    for uri, subfolder in ((recipe.source.uri, recipe.source.subfolder), (recipe.source.base, "")):
        if uri.startswith("path:"):
            local_folder(uri, subfolder)
    return recipe


def texts_asked_for(arguments: argparse.Namespace) -> Texts | None:
    """The texts to verify with; ``None`` for those that come along.

    Raises:
        DataError, RecipeError: when one of them cannot be used.
    """
    if not arguments.texts:
        return None
    return texts_of(*arguments.texts, split=arguments.split, limit=arguments.requests)
