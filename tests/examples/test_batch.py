"""The nightly batch: each person's list, and the row that cannot be ranked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_nightly_batch_tells_lists_and_what_is_wrong() -> None:
    script = ROOT / "examples" / "batch" / "nightly.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    told = done.stdout.splitlines()
    assert [line.split(",")[0] for line in told[::2]] == ["anna", "bert", "carla"]
    anna, bert, carla = told[1::2]
    assert anna.count(";") == bert.count(";") == 2
    assert anna != bert, "each has a list of their own"
    assert "expected those of the catalogue, got 1" in carla
    assert "sold-out" not in done.stdout
