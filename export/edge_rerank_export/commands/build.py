"""The command ``build``: a pack from a recipe, in one go."""

from __future__ import annotations

import argparse

from rich.console import Console

from edge_rerank_export.commands._arguments import (
    Commands,
    add_command,
    add_json,
    add_output,
    add_recipe,
    add_texts,
    pack_recipe,
    texts_asked_for,
)
from edge_rerank_export.commands._output import say_figures, show_figures
from edge_rerank_export.progress import on_console


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "build", run, "fetch, convert, quantise, verify and pack, as a recipe says"
    )
    add_recipe(parser)
    add_output(parser)
    add_texts(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Build the pack.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.build.build`.
    """
    recipe, texts = pack_recipe(arguments), texts_asked_for(arguments)
    from edge_rerank_export.packing.build import build

    verification = build(
        recipe,
        arguments.out,
        texts=texts,
        overwrite=arguments.overwrite,
        steps=on_console(console),
        report=lambda figures: show_figures(figures, console),
    )
    console.print(f"packed {arguments.out.name}, verified on {verification.texts} texts")
    say_figures(verification, arguments)
