"""The toolchain's page and docstrings name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import edge_rerank_export
from edge_rerank.formats.dataset import DataSet
from edge_rerank_export.cli import build_parser
from edge_rerank_export.datasets.check import check
from tests.pages import run_command
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


def section(title: str) -> str:
    """A section's text, the sections below it included."""
    return PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_way_from_a_log_to_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    way = section("Data sets").partition("### The format")[0]
    for name, text in re.findall(r"as `([\w.]+)`:\n\n```csv\n(.*?)```", way, re.DOTALL):
        Path(name).write_text(text, encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(.*?)```", way, re.DOTALL)
    lines = commands.replace("\\\n", "").splitlines()
    assert len(lines) == 3
    for line in lines:
        run_command(line)
    said = capsys.readouterr()
    assert "films: 2 requests of test" in said.out
    assert "times as ISO 8601" in said.err
    assert "in order: 4 in items.jsonl.gz" in said.err


def test_the_format_is_as_its_examples_are(tmp_path: Path) -> None:
    text = section("Data sets").partition("### The format")[2]
    examples = dict(re.findall(r"^`(\w+)\.jsonl`.*?```json\n(.*?)```", text, re.DOTALL | re.M))
    assert set(examples) == {"items", "train", "test", "users"}
    for name, lines in examples.items():
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    assert check(tmp_path).violations == ()
    (request,) = DataSet.open(tmp_path).requests("test")
    assert [item.popularity for item in request.candidates] == [7, 31]
    assert request.dwell_s == {"12": 40}
    assert DataSet.open(tmp_path).attributes()["1"] == {"age": "30-39", "region": "Tyrol"}
    named = set(re.findall(r"`(\w+)`", text.partition("| file |")[2]))
    members = {name for one in examples.values() for name in json.loads(one)}
    assert members | {"item", "type", "scroll"} <= named
