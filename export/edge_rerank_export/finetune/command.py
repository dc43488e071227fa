"""The ``finetune`` command."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from edge_rerank_export.finetune.recipe import read_finetune_recipe
from edge_rerank_export.finetune.run import Plan, check, finetune
from edge_rerank_export.progress import on_console
from edge_rerank_export.recipe import find_recipe

_MIB = 1 << 20


def add_finetune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "finetune", help="train a pack's history encoder on data set folders"
    )
    parser.add_argument("recipe", help="a .toml file, or the name of a recipe that comes with this")
    parser.add_argument(
        "--data", type=Path, action="append", required=True, metavar="FOLDER",
        help="a data set folder; may be given several times",
    )
    parser.add_argument("--out", type=Path, metavar="PACK", help="folder of the new pack")
    parser.add_argument("--base", metavar="PACK", help="base pack, in place of the recipe's")
    parser.add_argument("--seed", type=int, help="in place of the recipe's")
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER",
        help="checkpoints and item vectors; PACK.work if left out",
    )
    parser.add_argument("--threads", type=int, help="threads inside one operator")
    parser.add_argument("--dry-run", action="store_true", help="read everything, train nothing")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace the pack that is there")
    parser.set_defaults(run=run_finetune)
