"""The command ``wheel``: a pack as one file that pip installs."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank_export.commands._arguments import Commands, add_command, pack_folder
from edge_rerank_export.commands._output import say
from edge_rerank_export.packing.wheel import write_wheel

_DESCRIPTION = """\
Check a pack and write a wheel of it, signature included: who installs that opens the pack by its
name, as in Reranker.open("NAME"). There is no code in it. Prints the wheel's path.
"""


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "wheel", run, "make a wheel of a pack", _DESCRIPTION)
    parser.add_argument("pack", type=pack_folder, metavar="PACK", help="the pack's folder")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="where the wheel goes (default: the working folder)",
    )


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Write the wheel and print where it is.

    Raises:
        EdgeRerankError: see :func:`edge_rerank_export.packing.wheel.write_wheel`.
    """
    wheel = write_wheel(arguments.pack, arguments.out)
    console.print(f"pip install {wheel.name}", highlight=False)
    say(str(wheel))
