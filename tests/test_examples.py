from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(name: str, folder: Path) -> str:
    """Run an example as a stranger would, in a folder of its own; nothing may be left there."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not list(folder.iterdir())
    return done.stdout


def test_quickstart(tmp_path: Path) -> None:
    out = run("quickstart.py", tmp_path)
    assert "A day on the ridge" in out
    assert '"events": 3' in out
    assert "ErasureReceipt(events=3, key_rotated=True, " in out


def test_kiosk(tmp_path: Path) -> None:
    sky, bread = run("kiosk/ten_lines.py", tmp_path).splitlines()
    assert {"moon-map", "planets-tonight"} & set(sky.split())
    assert {"sourdough-week", "no-knead"} & set(bread.split())
    assert not {"moon-map", "planets-tonight"} & set(bread.split())
