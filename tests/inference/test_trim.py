"""Freed memory goes back to the system: what models take after each run, the rest now and then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_rerank.inference.trim import EVERY_CALLED_S, EVERY_S, TRIMMER, WORTH_S, Trimmer
from edge_rerank.inference.workers import QUIET_S
from tests.peak import STATUS

pytestmark = pytest.mark.slow


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


def test_calls_that_run_no_model_count_half_as_much() -> None:
    trims: list[int] = []
    trimmer = Trimmer(lambda: trims.append(1))
    for _ in range(3):
        trimmer._called_s = EVERY_CALLED_S
        with trimmer.call(lambda: pytest.fail("it was done already")):
            pass
    assert len(trims) == 3


def test_an_idle_moment_is_used_if_there_was_enough_to_do() -> None:
    trims: list[int] = []
    trimmer, rests = Trimmer(lambda: trims.append(1)), []
    with trimmer.call(lambda: rests.append(1)):
        trimmer.ran(WORTH_S / 2)
    trimmer._last -= QUIET_S
    assert trimmer.idle() is None
    assert (trims, rests) == ([], [])
    with pytest.raises(KeyError), trimmer.call(lambda: rests.append(1)):
        trimmer.ran(WORTH_S)
        raise KeyError
    left = trimmer.idle()  # another call may come at once
    assert (trims, rests) == ([], [1])
    assert left is not None
    assert 0 < left <= QUIET_S
    trimmer._last -= QUIET_S
    assert trimmer.idle() is None
    assert trimmer.idle() is None
    assert len(trims) == 1


def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    trims: list[int] = []
    trimmer = Trimmer(lambda: trims.append(1))
    trimmer.ran(EVERY_S)
    trimmer._lock.acquire()  # by a thread of the parent, which trims just now
    trimmer.settle()
    assert trims == []
    trimmer.leave_to_parent()
    trimmer.settle()
    assert trims == [1]


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


_IDLE = """
import json, sys, time
sys.modules["pandas"] = None
from edge_rerank import Item, Reranker, Runtime
from edge_rerank.inference.trim import TRIMMER
from edge_rerank.inference.workers import QUIET_S
trims, trim = [], TRIMMER._trim
TRIMMER._trim = lambda: (trims.append(time.process_time()), trim and trim())
def ranked(turn):
    reranker.rank([Item(f"{turn}-{n}", f"a title, number {n} of {turn}") for n in range(30)])
with Reranker.open(runtime=Runtime(threads=int(sys.argv[1]))) as reranker:
    ranked(0)
    time.sleep(3 * QUIET_S)
    done = len(trims)
    TRIMMER.ran(0.1)
    ranked(1)
    right_after = len(trims) - done
    time.sleep(3 * QUIET_S)
    later = len(trims) - done
    spent = time.process_time()
    time.sleep(3 * QUIET_S)
print(json.dumps([right_after, later, len(trims) - done, time.process_time() - spent]))
"""


@pytest.mark.parametrize(("threads", "trims"), [(2, 1), (1, 0)])
def test_memory_goes_back_when_no_call_has_come_for_a_moment(threads: int, trims: int) -> None:
    """With one thread there is nobody who could, and nothing begins."""
    done = subprocess.run(
        [sys.executable, "-c", _IDLE, str(threads)], capture_output=True, text=True, check=True
    )
    right_after, later, at_last, spent = json.loads(done.stdout)
    assert right_after <= later - trims  # one that was due by its half second may come before
    assert at_last == later
    assert spent < 0.05
