"""The example in Go, where Go is: nothing else here needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GO = shutil.which("go")


def test_it_is_short() -> None:
    lines = (ROOT / "examples" / "go" / "main.go").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 60


if GO is not None:

    def test_it_ranks(tmp_path: Path) -> None:
        serve = [sys.executable, "-m", "edge_rerank", "serve"]
        done = subprocess.run(
            [GO, "run", str(ROOT / "examples" / "go" / "main.go"), *serve],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "GOCACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.stdout == "bread\n", done.stderr
