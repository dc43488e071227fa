"""The loaded run: a neighbour burns the cores, is gone afterwards, and costs are a call's own."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from edge_rerank.errors import InferenceError
from edge_rerank.evaluation import neighbour as module
from edge_rerank.evaluation.neighbour import Cost, Costs, cost, costs, neighbour


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_a_neighbour_burns_cores_and_is_gone_afterwards() -> None:
    before = set(children())
    with pytest.raises(ZeroDivisionError), neighbour(2):
        others = set(children()) - before
        assert len(others) == 2
        spent = sum(sum(one.cpu_times()[:2]) for one in others)
        time.sleep(1.0)
        assert sum(sum(one.cpu_times()[:2]) for one in others) - spent > 0.1
        raise ZeroDivisionError
    assert set(children()) == before


def test_an_orphan_burns_nothing() -> None:
    script = (
        "import os, sys\n"
        "from edge_rerank.evaluation.neighbour import neighbour\n"
        "import psutil\n"
        "with neighbour(1):\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    os._exit(0)\n"
    )
    # Its error goes nowhere: the orphan would hold our pipe.
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True
    )
    orphan = int(done.stdout)
    until = time.monotonic() + 20.0
    while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_one_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BURN", "raise SystemExit")
    with pytest.raises(InferenceError, match="neighbour"), neighbour(1):
        raise AssertionError("is there")


def test_sleeping_takes_time_and_no_processor() -> None:
    asleep = cost(lambda _: time.sleep(0.02), 3)
    assert asleep.wall_ms >= 20.0
    assert asleep.cpu_ms < 5.0


def test_each_turn_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    found = costs(turns.append, calls=2, rounds=2)
    assert turns == list(range(8))
    assert found.quiet.wall_ms > 0
    assert Costs(Cost(2.0, 1.0), Cost(5.0, 1.0)).wall_times == 2.5
