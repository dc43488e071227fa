"""What a reranker that lives long holds, with the shipped pack: see memory.py beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

Report = Callable[[str], None]

SETTLED_MIB, VECTORS_MIB = 143, 1.8e-3
"""Without a known item, and for each: its vector, its words and the keys of both."""

ITEMS = 5_000


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc")
def test_the_shipped_pack_after_many_calls_for_eight_people(report: Report) -> None:
    """EDGE_RERANK_FULL=1 makes 10,000 calls, and looks whether it stays flat."""
    full = os.environ.get("EDGE_RERANK_FULL") == "1"
    script = Path(__file__).with_name("memory.py")
    command = [sys.executable, str(script), "--calls", "10000" if full else "300"]
    command += ["--items", str(ITEMS), "--known", str(ITEMS), "--every", "80", "--threads", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    opened, *marks, _ = map(json.loads, done.stdout.splitlines())
    told = ", ".join(f"{one['settled']} after {one['calls']:.0f}" for one in marks)
    report(f"MiB: peak while opening {opened['peak']}; settled {told} calls")
    assert marks[-1]["settled"] <= SETTLED_MIB + ITEMS * VECTORS_MIB
    assert opened["peak"] <= 1.3 * marks[-1]["settled"]
    if full:
        assert marks[-1]["settled"] <= 1.04 * marks[1]["settled"]
