"""The command ``pack``: a converted model, verified against its recipe's original, as a pack."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_memory,
    add_output,
    add_recipe,
    add_texts,
    add_threads,
    pack_recipe,
    texts_asked_for,
    use_threads,
)
from edge_rerank_export.commands._output import say_figures, show_figures
from edge_rerank_export.files import existing_model
from edge_rerank_export.progress import on_console


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "pack", run, "verify a converted model against its recipe's original and pack it"
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="an ONNX file of convert or quantize"
    )
    add_recipe(parser)
    add_output(parser)
    add_texts(parser)
    add_json(parser)
    add_threads(parser)
    add_memory(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Verify and pack.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.steps.write_pack`.
    """
    recipe, steps, model = (
        pack_recipe(arguments),
        on_console(console),
        existing_model(arguments.model),
    )
    use_threads(arguments)
    from edge_rerank_export.packing.build import builder_of
    from edge_rerank_export.packing.folder import staged
    from edge_rerank_export.packing.steps import write_pack

    with (
        staged(arguments.out, overwrite=arguments.overwrite) as stage,
        tempfile.TemporaryDirectory() as work,
    ):
        verification = write_pack(
            builder_of(recipe, Path(work), steps=steps, ignore_memory=arguments.ignore_memory),
            model,
            stage,
            texts=texts_asked_for(arguments),
            steps=steps,
            report=lambda figures: show_figures(figures, console),
            recipe=recipe,
        )
    say_figures(verification, arguments)
