"""The bounds of an import: 50,000 events of 100 people, in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

EVENTS, PEOPLE = 50_000, 100
WORDS = ("quiet", "river", "garden", "night", "paper", "copper", "winter", "engine", "orange")

SECONDS, MIB = 10.0, 300.0
SLOWEST = 2.0
"""As in test_bounds: a shared machine is at times half as fast as in a quiet hour."""

SCRIPT = """
import sys, time
from edge_rerank import History
from tests.peak import peak_mib
with History.open(sys.argv[2], bytes(range(32))) as history:
    for number in range(int(sys.argv[3])):
        history.consent(f"u{number}", True)
    began = time.process_time()
    stored = history.import_log(sys.argv[1]).stored
    print(stored, time.process_time() - began)
print(peak_mib())
"""


def test_an_import_of_50000_events(tmp_path: Path, report: Callable[[str], None]) -> None:
    log, rng = tmp_path / "log.jsonl", random.Random(0)
    with log.open("w", encoding="utf-8") as stream:
        for number in range(EVENTS):
            item = {"id": str(rng.randrange(5_000)), "text": " ".join(rng.choices(WORDS, k=12))}
            event = {"user": f"u{rng.randrange(PEOPLE)}", "type": "view", "item": item}
            stream.write(f"{json.dumps({**event, 'timestamp': 1.7e9 + number})}\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(log), str(tmp_path / "me.db"), str(PEOPLE)],
        capture_output=True,
        text=True,
        check=True,
    )
    stored, seconds, peak = map(float, done.stdout.split())
    report(f"{stored:.0f} events: {seconds:.1f} s of processor time, peak {peak:.0f} MiB")
    assert stored == EVENTS
    assert seconds <= SLOWEST * SECONDS
    assert peak <= MIB
