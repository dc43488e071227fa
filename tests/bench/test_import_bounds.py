"""The bounds of an import: 50,000 events of 100 people, in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

EVENTS, PEOPLE = 50_000, 100
WORDS = ("quiet", "river", "garden", "night", "paper", "copper", "winter", "engine", "orange")

SECONDS, MIB = 10.0, 300.0

SCRIPT = """
import json, sys, time
from pathlib import Path
from edge_rerank import FileLayout, History
from edge_rerank.formats.items import read_items
from tests.peak import peak_mib
with History.open(sys.argv[2], bytes(range(32))) as history:
    began = time.process_time()
    told, layout, items = [], None, ()
    if sys.argv[3:]:
        layout = FileLayout(json.loads(sys.argv[3]), type="view")
        items = read_items(Path(sys.argv[4]), FileLayout(json.loads(sys.argv[5])))
    summary = history.import_log(
        sys.argv[1],
        layout=layout,
        items=items,
        consent_all=True,
        progress=lambda done, total: told.append((done, total)),
    )
    print(summary.stored, summary.without_text, time.process_time() - began)
print(len(told), *told[-1], peak_mib())
"""


def imported(log: Path, *arguments: str) -> tuple[float, ...]:
    """What the script says: events, those without a text, seconds, reports, end, MiB."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(log), str(log.with_name("me.db")), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(map(float, done.stdout.split()))


def judge(
    figures: tuple[float, ...], lines: int, report: Callable[[str], None], times: float
) -> None:
    stored, without_text, seconds, reports, done, total, peak = figures
    report(f"{stored:.0f} events: {seconds:.1f} s of processor time, peak {peak:.0f} MiB")
    assert (stored, without_text) == (EVENTS, 0)
    assert done == total == lines
    assert reports >= 100
    assert seconds <= times * SECONDS
    assert peak <= MIB


def test_an_import_of_50000_events(
    tmp_path: Path, report: Callable[[str], None], slowest: Callable[[], float]
) -> None:
    log, rng = tmp_path / "log.jsonl", random.Random(0)
    with log.open("w", encoding="utf-8") as stream:
        for number in range(EVENTS):
            item = {"id": str(rng.randrange(5_000)), "text": " ".join(rng.choices(WORDS, k=12))}
            event = {"user": f"u{rng.randrange(PEOPLE)}", "type": "view", "item": item}
            stream.write(f"{json.dumps({**event, 'timestamp': 1.7e9 + number})}\n")
    judge(imported(log), EVENTS, report, slowest())


def test_an_import_of_50000_rows_of_another_program(
    tmp_path: Path, report: Callable[[str], None], slowest: Callable[[], float]
) -> None:
    """Columns and times by other names and in other forms, the items in a table of their own."""
    log, items, rng = tmp_path / "log.csv", tmp_path / "items.csv", random.Random(0)
    rows = [f"{n};{' '.join(rng.choices(WORDS, k=12))};Home > Lamps\n" for n in range(5_000)]
    items.write_text("sku;name;department\n" + "".join(rows), encoding="utf-8")
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    with log.open("w", encoding="utf-8") as stream:
        stream.write("Kunde;Artikel;When;Verweildauer\n")
        for number in range(EVENTS):
            when = begin + timedelta(seconds=number)
            whose, what = f"u{rng.randrange(PEOPLE)}", rng.randrange(5_000)
            stream.write(f"{whose};{what};{when:%d.%m.%Y %H:%M:%S};{rng.randrange(300)},5\n")
    columns = {"user": "Kunde", "item": "Artikel", "time": "When", "dwell_s": "Verweildauer"}
    named = {"id": "sku", "text": "name", "categories": "department"}
    figures = imported(log, json.dumps(columns), str(items), json.dumps(named))
    judge(figures, EVENTS + 1, report, slowest())
