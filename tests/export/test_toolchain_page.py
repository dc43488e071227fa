"""The toolchain's page and docstrings name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import edge_rerank_export
from edge_rerank_export.cli import build_parser
from tests.references import unresolved

PAGE = Path(__file__).parents[2] / "export" / "README.md"


def test_the_commands_are_those_of_the_program() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("## Commands")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+) ", table, re.MULTILINE))
    commands = [one.choices for one in build_parser()._actions if isinstance(one.choices, dict)]
    assert named == set(commands[0])


def test_docstrings_refer_to_names_that_exist() -> None:
    package = Path(edge_rerank_export.__file__).parent
    assert sorted(unresolved("edge_rerank_export", package)) == []
