"""The toolchain's page names its commands."""

from __future__ import annotations

import re
from pathlib import Path

from edge_rerank_export.cli import build_parser

PAGE = Path(__file__).parents[2] / "export" / "README.md"


def test_the_commands_are_those_of_the_program() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("## Commands")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+) ", table, re.MULTILINE))
    commands = [one.choices for one in build_parser()._actions if isinstance(one.choices, dict)]
    assert named == set(commands[0])
