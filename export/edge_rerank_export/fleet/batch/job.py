"""A batch job: what is asked, begun or gone on with, before an engine spreads its rows."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import edge_rerank
from edge_rerank._files import reason_of
from edge_rerank.batch import BatchRanker
from edge_rerank.errors import DataError
from edge_rerank_export.errors import WorkerLost
from edge_rerank_export.fleet.batch.parts import JOB, Parts, Source, check_free
from edge_rerank_export.progress import Steps

MOST_LOST = 5
"""Times that workers may die with nothing done between: of what kills each of them, or of too
little memory, no sixth will be better off."""

VECTORS = "_vectors"
"""The file that keeps the vectors of the items, in the folder of the result."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a batch is asked for.

    Attributes:
        source: Parquet, a file or a folder of files.
        out: folder of the result.
        items: a file with the catalogue.
        pack: folder of the pack.
        vectors: file that keeps the vectors of the items; in the folder of the result if ``None``.
        rows: of a part.
        top_k: items of each list, all if ``None``.
        now: the time of the lists, UTC seconds; that of the first run if ``None``.
        engine: what spreads the rows, which is not changed on the way.
    """

    source: Path
    out: Path
    items: Path
    pack: Path
    vectors: Path | None
    rows: int
    top_k: int | None
    now: float | None
    engine: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job that may be worked on.

    Attributes:
        source: the input.
        parts: of the result.
        ranker: to be copied into each worker.
        rows: of a part.
    """

    source: Source
    parts: Parts
    ranker: BatchRanker
    rows: int


def begin(question: Question, *, resume: bool, steps: Steps) -> Job:
    """Look at the input, make the vectors of the items, and note what is asked.

    Args:
        question: what is asked.
        resume: whether to go on where the same question was asked before.
        steps: announces what takes long.

    Raises:
        DataError: when a file cannot be used, or what lies in the folder is of another question.
        PackError: when the pack cannot be used.
    """
    if not resume:
        check_free(question.out)  # before what takes long
    source = Source.open(question.source)
    now = question.now
    if now is None:
        now = (_noted_now(question.out) if resume else None) or time.time()
    vectors = question.vectors or question.out / VECTORS
    ranker = BatchRanker(
        question.items,
        bad_rows="mark",
        pack=question.pack,
        vectors=vectors,
        top_k=question.top_k,
        now=now,
    )
    vectors.parent.mkdir(parents=True, exist_ok=True)
    with steps("read the items"):
        pack = _prepared(ranker)
    asked = {
        "edge-rerank": edge_rerank.__version__,
        "input": source.described(),
        "items": _hash(question.items),
        "pack": pack,
        "rows": question.rows,
        "top_k": question.top_k,
        "now": now,
        "engine": question.engine,
    }
    parts = Parts(question.out, asked)
    parts.begin(resume=resume)
    return Job(source, parts, ranker, question.rows)


def _prepared(ranker: BatchRanker) -> str:
    """The digest of the pack; the vectors of the items then lie in their file.

    In a process of its own, whose memory goes with it.

    Raises:
        WorkerLost: when that dies again and again.
    """
    for _ in range(MOST_LOST):
        with suppress(BrokenProcessPool), ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(ranker.prepare).result()
    raise WorkerLost(f"what reads the items died {MOST_LOST} times: expected enough memory for it")


def _noted_now(folder: Path) -> float | None:
    """The time of the lists that an earlier run noted, if there was one."""
    try:
        noted = json.loads((folder / JOB).read_text(encoding="utf-8"))["now"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return noted if isinstance(noted, float) else None


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(path, f"cannot be read: {reason_of(error)}") from error
