"""The README's code runs, and the commands it names exist."""

from __future__ import annotations

import json
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
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir(mode=0o700)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(home), "USERPROFILE": str(home)}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    for _ in range(2):  # the second time the history is there already
        done = python("-c", "\n".join(SNIPPETS))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0].startswith("1 3 ")  # croissants after bread
        assert [path.name for path in here.iterdir()] == ["me.db"]
    history = ("--history", "me.db", "--key-file", str(home / ".shop" / "key"))
    report = json.loads(python("-m", "edge_rerank", "audit", "report", *history, "--json").stdout)
    findings = [one for section in report["sections"] for one in section["findings"]]
    assert {one["verdict"] for one in findings if one["check"] == "key"} == {"passed"}


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
