"""A batch on this machine: a process for each worker, and a part for each batch of rows."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

import pyarrow as pa

from edge_rerank.batch import BatchRanker
from edge_rerank_export.errors import WorkerLost
from edge_rerank_export.fleet.batch.job import MOST_LOST, Job
from edge_rerank_export.fleet.batch.parts import Counts, write_part
from edge_rerank_export.progress import Update

_AHEAD = 2
"""Batches that wait for each worker."""


def rank_locally(job: Job, *, workers: int, update: Update) -> Counts:
    """Rank what is not done yet.

    A worker that dies is replaced, and its part begun anew; what an earlier run wrote is kept.

    Args:
        job: what is asked.
        workers: processes.
        update: called with (rows done, rows to do).

    Returns:
        What is in all parts.

    Raises:
        WorkerLost: when workers die again and again.
        EdgeRerankError: when a worker cannot rank; what is done stays.
    """
    total, lost = Counts(), 0
    begun: dict[int, pa.RecordBatch] = {}
    batches = enumerate(job.source.batches(job.rows))
    while True:
        try:
            for counts in _ranked(batches, begun, job, workers):
                total, lost = total + counts, 0
                update(total.rows, job.source.rows)
        except BrokenProcessPool:
            lost += 1
            if lost < MOST_LOST:
                continue
            raise WorkerLost(
                f"workers died {lost} times over the parts {', '.join(map(str, sorted(begun)))}: "
                "expected enough memory for each (fewer --workers, fewer --rows)"
            ) from None
        return total


def _ranked(
    batches: Iterator[tuple[int, pa.RecordBatch]],
    begun: dict[int, pa.RecordBatch],
    job: Job,
    workers: int,
) -> Iterator[Counts]:
    """What is in each part, as they are done.

    Args:
        batches: those that were not begun yet, by the numbers of their parts.
        begun: those that were, and are not done: what an earlier pool left over, and this one.
        job: what is asked.
        workers: processes.
    """
    parts = job.parts
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job.ranker,))
    ahead = chain(list(begun.items()), batches)
    running: dict[Future[Counts], int] = {}
    try:
        while True:
            while len(running) < workers * _AHEAD and (task := next(ahead, None)) is not None:
                number, batch = task
                if (known := parts.done(number)) is not None:
                    begun.pop(number, None)
                    yield known
                else:
                    begun[number] = batch
                    running[pool.submit(_rank, parts.path(number), parts.job, batch)] = number
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                counts = future.result()
                del begun[running.pop(future)]
                yield counts
    finally:
        pool.shutdown(cancel_futures=True)


_worker: BatchRanker | None = None


def _begin(ranker: BatchRanker) -> None:
    """Begin a worker: it goes when its parent is gone, which may not get to say so."""
    global _worker  # noqa: PLW0603 - what a pool's worker keeps has no other place
    _worker = ranker
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _rank(path: Path, job: str, batch: pa.RecordBatch) -> Counts:
    assert _worker is not None  # noqa: S101 - begun by _begin()
    return write_part(path, job, batch, _worker)
