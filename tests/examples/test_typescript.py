"""The TypeScript client: its types, its tests in Node, and Cohere's own client beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "typescript"

pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_compiles_and_its_tests_pass(tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node and npm, "Node 20 is needed: this example is a client in TypeScript"
    work = tmp_path / "typescript"
    shutil.copytree(EXAMPLE, work, ignore=shutil.ignore_patterns("node_modules", "dist"))
    example = re.findall(r"```ts\n(.*?)```", (work / "README.md").read_text(), re.DOTALL)
    assert len(example) == 1
    (work / "src" / "example.ts").write_text(example[0])  # what the page says has to compile
    run(npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", cwd=work)
    run(npm, "run", "build", cwd=work)

    serve = [sys.executable, "-m", "edge_rerank", "serve"]
    variables = {"PYTHONPATH": str(ROOT), "EDGE_RERANK_COMMAND": json.dumps(serve)}
    token = tmp_path / "token"
    http = subprocess.Popen(
        [*serve, "--http", "--token-file", str(token)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert http.stdout is not None
        variables["EDGE_RERANK_URL"] = json.loads(http.stdout.readline())["url"]
        variables["EDGE_RERANK_TOKEN"] = token.read_text().strip()
        out = run(node, "--test", "dist/test/", cwd=work, **variables)
    finally:
        http.terminate()
        http.communicate(timeout=20)
    assert "# fail 0" in out
    assert "# pass 7" in out
    assert http.returncode == 0


def test_it_needs_nothing_at_run_time_and_its_lock_names_no_registry() -> None:
    package = json.loads((EXAMPLE / "package.json").read_text())
    assert "dependencies" not in package
    lock = json.loads((EXAMPLE / "package-lock.json").read_text())
    entries = [entry for name, entry in lock["packages"].items() if name]
    assert all(entry.get("integrity") for entry in entries)
    assert not [entry for entry in entries if "resolved" in entry]
