"""The command ``convert``: a recipe's model as float32 ONNX."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_memory,
    add_model_output,
    add_recipe,
    add_threads,
    pack_recipe,
    use_threads,
)
from edge_rerank_export.progress import on_console


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "convert", run, "write a recipe's model as float32 ONNX")
    add_recipe(parser)
    add_model_output(parser)
    add_threads(parser)
    add_memory(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Fetch and convert.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.build.builder_of`.
    """
    recipe, steps = pack_recipe(arguments), on_console(console)
    use_threads(arguments)
    from edge_rerank_export.models.onnx_file import new_model

    with tempfile.TemporaryDirectory() as work, new_model(arguments.out) as target:
        from edge_rerank_export.packing.build import builder_of

        builder_of(recipe, Path(work), steps=steps, ignore_memory=arguments.ignore_memory).convert(
            target, steps=steps
        )
