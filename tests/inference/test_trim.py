"""Freed memory goes back to the system: what models take after each run, the rest now and then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank.inference.trim import EVERY_S, TRIMMER, Trimmer
from tests.peak import STATUS


def test_it_trims_when_models_have_run_for_long_enough() -> None:
    trims: list[int] = []
    trimmer = Trimmer(lambda: trims.append(1))
    for _ in range(30):
        trimmer.ran(EVERY_S / 8)
        trimmer.settle()
    assert len(trims) == 3


def test_loading_trims_at_once_and_begins_to_count_anew() -> None:
    trims: list[int] = []
    trimmer = Trimmer(lambda: trims.append(1))
    trimmer.ran(0.9 * EVERY_S)
    trimmer.now()
    trimmer.ran(0.9 * EVERY_S)
    trimmer.settle()
    assert len(trims) == 1


def test_a_system_without_malloc_trim_is_left_alone() -> None:
    trimmer = Trimmer(None)
    trimmer.ran(2 * EVERY_S)
    trimmer.settle()
    assert trimmer._run_s == 0.0


_PIECES = """
import json, random, sys
from edge_rerank.inference.trim import TRIMMER
def resident():
    text = open("/proc/self/status").read()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
pieces = [bytearray(20_000) for _ in range(5_000)]
kept = pieces[::100]
held = resident()
del pieces
freed = resident()
TRIMMER.now()
print(json.dumps([held, freed, resident()]))
"""


@pytest.mark.skipif(TRIMMER._trim is None or not STATUS.exists(), reason="needs glibc and /proc")
def test_memory_between_what_stays_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PIECES], capture_output=True, text=True, check=True
    )
    held, freed, trimmed = json.loads(done.stdout)
    assert freed > held - 20  # MiB: glibc keeps it
    assert trimmed < held - 70


_OPENED = """
import json, sys
sys.modules["pandas"] = None  # which sqlite-utils imports where the host has it: 66 MiB of its own
from edge_rerank import Item, Reranker, Runtime
from edge_rerank.inference.trim import TRIMMER
def status(name):
    text = open("/proc/self/status").read()
    return int(text.partition(name + ":")[2].split()[0]) / 1024
before = status("VmRSS")
with Reranker.open(sys.argv[1], runtime=Runtime(threads=2)) as reranker:
    opened, peak = status("VmRSS"), status("VmHWM")
    for turn in range(20):
        reranker.rank([Item(f"{turn}-{n}", f"a title, number {n} of {turn}") for n in range(100)])
    TRIMMER.now()
    print(json.dumps([before, opened, peak, status("VmRSS")]))
"""


@pytest.mark.skipif(TRIMMER._trim is None or not STATUS.exists(), reason="needs glibc and /proc")
def test_the_shipped_pack_settles_below_150_mib() -> None:
    """After 2,000 texts on two threads; it was 172 MiB without the arena."""
    folder = Path(__file__).parents[2] / "models" / "default"
    done = subprocess.run(
        [sys.executable, "-c", _OPENED, str(folder)], capture_output=True, text=True, check=True
    )
    _, opened, peak, settled = json.loads(done.stdout)
    assert settled <= 150
    assert peak <= 1.3 * max(opened, settled)
