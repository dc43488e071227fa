"""``batch --engine ray``: many parts of one file, and each row once after a driver was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edge_rerank.evaluation.invented import invented_items
from edge_rerank_export.cli import main

pytest.importorskip("ray.data")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.slow

ITEMS = invented_items(12)
PEOPLE, ROWS, NOW = 60, 4, 1_700_000_000.0


@pytest.fixture
def people(tmp_path: Path) -> list[str]:
    """The command without its engine; people are one file of one row group."""
    lines = [json.dumps({"id": item.id, "text": item.text}) + "\n" for item in ITEMS]
    (tmp_path / "items.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = [
        {
            "person": f"p{number}",
            "history": [ITEMS[number % 12].id],
            "types": ["click"],
            "timestamps": [NOW - 60.0],
            "candidates": [item.id for item in ITEMS],
        }
        for number in range(PEOPLE)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "people.parquet")
    return [
        *("batch", "--in", str(tmp_path / "people.parquet")),
        *("--items", str(tmp_path / "items.jsonl"), "--vectors", str(tmp_path / "vectors")),
        *("--now", str(NOW), "--rows", str(ROWS), "--workers", "2"),
    ]


def parts(out: Path) -> list[Path]:
    return sorted(out.glob("[!_.]*.parquet"))


def lists(out: Path) -> dict[str, Any]:
    rows = [row for part in parts(out) for row in pq.read_table(part).to_pylist()]
    found = {row["person"]: (row["ids"], row["scores"]) for row in rows}
    assert len(found) == len(rows), "each person once"
    return found


def test_a_killed_driver_leaves_parts_and_a_later_run_does_the_rest(
    people: list[str], tmp_path: Path
) -> None:
    assert main([*people, "--out", str(tmp_path / "here")]) == 0
    out = tmp_path / "ray"
    asked = [*people, "--out", str(out), "--engine", "ray"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "edge_rerank.export", *asked],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while driver.poll() is None and not parts(out) and time.monotonic() < deadline:
        time.sleep(0.05)
    if driver.poll() is None:
        os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert main([*asked, "--resume"]) == 0
    assert len(parts(out)) >= PEOPLE // ROWS, "a file is not one block"
    assert lists(out) == lists(tmp_path / "here")
