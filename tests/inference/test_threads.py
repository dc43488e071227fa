"""Threads: none spins, ``threads=1`` is one, and what they share gives the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.numpy_threads import OneThread, Setting, openblas
from edge_rerank.inference.pace import LEAST_TOKENS, UNKNOWN_S, Pace
from edge_rerank.inference.workers import QUIET_S, Workers
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

SHORT_S = 5.0


class Threads:
    """A number of threads, and how often it was set."""

    def __init__(self, number: int) -> None:
        self.number, self.settings = number, 0

    def put(self, number: int) -> None:
        self.number = number
        self.settings += 1

    @property
    def limit(self) -> OneThread:
        return OneThread(Setting(lambda: self.number, self.put))


def test_the_last_to_leave_gives_the_threads_back() -> None:
    threads = Threads(4)
    limit = threads.limit
    with limit:
        with limit:
            assert threads.number == 1
        assert threads.number == 1
    assert (threads.number, threads.settings) == (4, 2)


def test_threads_are_given_back_after_an_error() -> None:
    threads = Threads(4)
    with pytest.raises(ZeroDivisionError), threads.limit:
        raise ZeroDivisionError
    assert threads.number == 4


def test_what_the_host_sets_meanwhile_stays() -> None:
    threads = Threads(4)
    with threads.limit:
        threads.put(3)
    assert threads.number == 3


def test_one_thread_is_left_alone() -> None:
    threads = Threads(1)
    with threads.limit:
        pass
    assert threads.settings == 0


def test_a_child_begins_anew() -> None:
    threads = Threads(4)
    limit = threads.limit
    limit.__enter__()  # by a thread that the child does not have
    limit.leave_to_parent()
    assert threads.number == 4
    with limit:
        assert threads.number == 1
    assert threads.number == 4


def test_numpy_without_openblas_is_left_alone() -> None:
    with OneThread(None):
        pass


def test_overlapping_calls_of_many_threads_give_numpy_its_threads_back() -> None:
    setting = openblas()
    if setting is None:
        pytest.skip("numpy has another BLAS here")
    # Its own: a test that fails inside the process's, on purpose, leaves that one thread.
    limit, before = OneThread(setting), setting.get()
    setting.set(2)
    seen: list[int] = []

    def enter() -> None:
        for _ in range(200):
            with limit:
                seen.append(setting.get())

    try:
        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(seen) == {1}
        assert setting.get() == 2
    finally:
        setting.set(before)


def test_workers_work_at_once_and_keep_the_order() -> None:
    meeting = threading.Barrier(2)

    def meet(value: int) -> int:
        meeting.wait(SHORT_S)
        return value * value

    assert Workers(2).map(meet, [1, 2, 3, 4]) == [1, 4, 9, 16]


def test_one_worker_is_the_caller() -> None:
    before = threading.active_count()
    assert set(Workers(1).map(lambda _: threading.get_ident(), range(9))) == {threading.get_ident()}
    assert threading.active_count() == before


def test_a_caller_does_not_wait_for_workers_that_are_busy() -> None:
    workers, held, done = Workers(2), threading.Event(), threading.Event()

    def hold(_: int) -> None:
        held.set()
        assert done.wait(SHORT_S)

    other = threading.Thread(target=workers.map, args=(hold, [1, 2]))
    other.start()
    assert held.wait(SHORT_S)
    try:
        assert workers.map(lambda value: -value, [1, 2, 3]) == [-1, -2, -3]
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize("place", [0, 3])
def test_an_error_reaches_the_caller_when_nothing_runs_any_more(place: int) -> None:
    running: set[int] = set()

    def fail(value: int) -> int:
        running.add(value)
        try:
            time.sleep(0.01)
            if value == place:
                raise KeyError(value)
            return value
        finally:
            running.discard(value)

    with pytest.raises(KeyError):
        Workers(2).map(fail, range(8))
    assert running == set()


def test_threads_end_with_what_they_work_for() -> None:
    before = set(threading.enumerate())
    workers = Workers(3)
    workers.map(lambda _: time.sleep(0.01), range(6))
    begun = set(threading.enumerate()) - before
    assert 1 <= len(begun) <= 2
    del workers
    for thread in begun:
        thread.join(SHORT_S)
        assert not thread.is_alive()


def test_workers_do_what_is_to_be_done_once_when_no_work_comes() -> None:
    idle, woken = threading.Event(), []

    def when_idle() -> None:
        woken.append(threading.current_thread())
        idle.set()

    workers = Workers(2, when_idle=when_idle)
    began = time.perf_counter()
    workers.map(lambda _: time.sleep(0.01), range(4))
    assert idle.wait(SHORT_S)
    assert time.perf_counter() - began >= QUIET_S
    time.sleep(1.5 * QUIET_S)
    assert len(woken) == 1  # it sleeps, and does not wake for ever
    assert woken[0] is not threading.current_thread()
    idle.clear()
    workers.map(abs, [1, 2])
    assert idle.wait(SHORT_S)


def test_a_rest_after_work_that_was_not_shared_is_noticed_too() -> None:
    idle, woken = threading.Event(), []

    def when_idle() -> None:
        woken.append(1)
        idle.set()

    workers = Workers(2, when_idle=when_idle)
    workers.map(abs, [1])
    for _ in range(5):
        workers.rest()
    assert idle.wait(SHORT_S)
    time.sleep(1.5 * QUIET_S)
    assert len(woken) == 1


def test_a_worker_waits_for_as_long_as_it_is_told_to() -> None:
    idle, told = threading.Event(), [0.1, 0.1, None]

    def when_idle() -> float | None:
        left = told.pop(0)
        if left is None:
            idle.set()
        return left

    workers = Workers(2, when_idle=when_idle)
    began = time.perf_counter()
    workers.rest()
    assert idle.wait(SHORT_S)
    assert time.perf_counter() - began >= QUIET_S + 0.2
    assert told == []


def test_one_worker_begins_no_thread_to_wait_for_a_rest() -> None:
    before = threading.active_count()
    workers = Workers(1, when_idle=lambda: pytest.fail("there is nobody to do it"))
    workers.map(abs, [1, 2])
    workers.rest()
    assert threading.active_count() == before
    time.sleep(1.5 * QUIET_S)


def test_a_worker_that_waits_for_a_rest_ends_with_what_it_works_for() -> None:
    before = set(threading.enumerate())
    workers = Workers(2, when_idle=lambda: None)
    workers.rest()
    (thread,) = set(threading.enumerate()) - before
    del workers
    thread.join(SHORT_S)
    assert not thread.is_alive()


_WAITING = """
from edge_rerank.inference import workers
workers.QUIET_S = 60.0
held = workers.Workers(2, when_idle=print)
held.map(abs, [1, 2])
held.rest()
"""


def test_a_worker_that_waits_holds_no_process() -> None:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WAITING], capture_output=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.perf_counter() - began < 50


def test_the_faster_way_is_taken_and_the_other_tried_now_and_then() -> None:
    pace = Pace(2)
    assert pace.seconds(7) == 7 * UNKNOWN_S
    assert pace.parts(2 * LEAST_TOKENS - 1) == 1
    assert pace.parts(100) == 2
    pace.note(100, 1.0, parts=2)
    assert pace.seconds(100) == pytest.approx(1.0)
    pace.note(100, 0.5, parts=1)
    ways = [pace.parts(100) for _ in range(320)]
    assert (ways.count(1), ways.count(2)) == (310, 10)
    for _ in range(20):
        pace.note(100, 0.4, parts=2)
    assert [pace.parts(100) for _ in range(32)].count(2) == 31
    assert pace.seconds(100) == pytest.approx(0.4, rel=0.01)
    assert pace.seconds(100, alone=True) == pytest.approx(0.5)


def test_two_batches_at_once_give_the_bits_of_one() -> None:
    pack = Pack.open(shipped_pack())
    texts = [f"a title, number {number}, of a few words" for number in range(40)]
    one, two = (TextEncoder(pack, threads=threads).encode(texts) for threads in (1, 2))
    assert np.array_equal(one, two)


_TASKS = """
import json, os, sys, threading, time
import edge_rerank, numpy, onnxruntime
from edge_rerank import Event, Item, Reranker, Runtime
def others():
    # Nanoseconds of processor time of every thread but this one.
    us, tasks = threading.get_native_id(), "/proc/self/task"
    return sum(int(open(f"{tasks}/{one}/schedstat").read().split()[0])
               for one in os.listdir(tasks) if int(one) != us)
before, number = others(), threading.active_count()
items = [Item(f"{n}", f"a title, number {n}, of a few words", [f"kind {n % 7}"])
         for n in range(150)]
with Reranker.open(runtime=Runtime(threads=int(sys.argv[1]))) as reranker:
    reranker.consent("ann", True)
    reranker.record([Event("click", item) for item in items[100:]], user="ann")
    reranker.warmup(items)
    for turn in range(5):
        ranking = reranker.rank(items[:100], user="ann")
        reranker.record(Event("click", ranking[turn].item), user="ann")
    reranker.profile("ann")
    begun = threading.active_count() - number
print(json.dumps({"ms": (others() - before) / 1e6, "begun": begun}))
"""


def _in_other_threads(threads: int) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", _TASKS, str(threads)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_one_thread_is_one_for_all_of_the_work() -> None:
    """Opening, encoding 150 texts, learning and ranking: no other thread does any of it."""
    assert len(os.sched_getaffinity(0)) > 1 or pytest.skip("numpy has one thread here anyway")
    one = _in_other_threads(1)
    assert one["begun"] == 0
    assert one["ms"] < 2.0
    two = _in_other_threads(2)
    assert two["begun"] == 1
    assert two["ms"] > 20.0
