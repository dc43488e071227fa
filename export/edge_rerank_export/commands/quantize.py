"""The command ``quantize``: a float32 ONNX model with smaller weights."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from edge_rerank.cli.choices import one_of
from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_memory,
    add_model_output,
    add_threads,
    pack_recipe,
    use_threads,
)
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import existing_model
from edge_rerank_export.progress import on_console
from edge_rerank_export.quantize.scheme import Scheme
from edge_rerank_export.verify.texts import own_texts

_NAMED = 5
"""Products that are named, where some are left."""


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "quantize", run, "quantise a float32 ONNX model")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a float32 ONNX file")
    parser.add_argument(
        "--recipe",
        metavar="RECIPE",
        help="how, as build does; without one, --scheme and --tokenizer say it",
    )
    add_model_output(parser)
    parser.add_argument(
        "--scheme",
        type=one_of(Scheme),
        choices=list(Scheme),
        metavar="Q",
        help=f"without a recipe: one of {', '.join(Scheme)} (default: {Scheme.INT8})",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="without a recipe: a text encoder's tokenizer.json, to smooth large channels",
    )
    add_threads(parser)
    add_memory(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Quantise by a recipe, or as the options say.

    Raises:
        EdgeRerankError: when recipe or model cannot be used.
    """
    steps, model = on_console(console), existing_model(arguments.model)
    scheme, tokenizer = arguments.scheme, arguments.tokenizer
    if arguments.recipe is not None and (scheme is not None or tokenizer is not None):
        raise RecipeError("quantize: expected a recipe, or --scheme and --tokenizer, got both")
    recipe = None if arguments.recipe is None else pack_recipe(arguments)
    use_threads(arguments)
    from edge_rerank_export.models.onnx_file import new_model

    with new_model(arguments.out) as target, tempfile.TemporaryDirectory() as work:
        if recipe is not None:
            from edge_rerank_export.packing.build import builder_of

            builder_of(
                recipe, Path(work), steps=steps, ignore_memory=arguments.ignore_memory
            ).quantize(model, target, steps=steps)
            return
        from edge_rerank_export.models.text_tokenizer import read_tokenizer
        from edge_rerank_export.packing.encoder import quantize_encoder

        count = quantize_encoder(
            model,
            target,
            scheme or Scheme.INT8,
            tokenizer=None if tokenizer is None else read_tokenizer(tokenizer),
            texts=own_texts().texts,
            steps=steps,
        )
    if count.left:
        console.print(
            f"{count.products} products quantised, {len(count.left)} left in floating point: "
            f"{', '.join(count.left[:_NAMED])}",
            highlight=False,
        )
