"""What several commands print: figures for people, results for programs."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from edge_rerank_export.verify.figures import Verification


def for_people(arguments: argparse.Namespace, console: Console) -> Console:
    """Where a command's table goes: standard output, unless ``--json`` has that for programs."""
    return console if arguments.json else Console(file=sys.stdout)


def show_figures(verification: Verification, console: Console) -> None:
    """Print each figure with its bound and whether it holds."""
    table = Table("figure", "measured", "bound", "ok")
    for figure in verification.figures:
        side = "≥" if figure.at_least else "≤"
        table.add_row(
            figure.name,
            f"{figure.value:.4g}",
            f"{side} {figure.bound:g}",
            "yes" if figure.ok else "NO",
        )
    console.print(table)


def say_figures(verification: Verification, arguments: argparse.Namespace) -> None:
    """Write the figures to standard output where ``--json`` asks for them."""
    if arguments.json:
        say_json(verification.for_manifest())


def say_json(value: Any) -> None:
    """Write one JSON object to standard output."""
    say(json.dumps(value, ensure_ascii=False))


def say(text: str) -> None:
    """Write a result to standard output."""
    sys.stdout.write(f"{text}\n")
