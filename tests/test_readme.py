"""The README's code runs, and the commands it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank.cli.main import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_snippets_run_one_after_the_other(tmp_path: Path) -> None:
    assert len(SNIPPETS) == 2
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(SNIPPETS)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("1 3 ")  # croissants after bread
    assert [path.name for path in tmp_path.iterdir()] == ["me.db"]


def test_the_commands_are_those_of_the_program() -> None:
    named = set(re.findall(r"\| `edge-rerank (\w+)", README))
    known = set(re.findall(r"^    (\w+) ", build_parser().format_help(), re.MULTILINE))
    assert named == known


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_set_up_commands_are_marked_for_the_checks(name: str) -> None:
    assert re.search(rf"<!-- ci:{name} -->\n```sh\n[^\n]+\n```", README)


def test_files_that_the_documents_link_to_exist() -> None:
    for document in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        path = ROOT / document
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document} links to {target}"
