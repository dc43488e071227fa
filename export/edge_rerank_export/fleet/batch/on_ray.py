"""A batch on Ray Data: actors on one machine or many, whose work a later run does not do again.

A cluster is used where ``RAY_ADDRESS`` names one; the files then have to lie where all of it sees
them. Which people are done is noted by Ray's checkpoints, by the column ``person``, in which each
person may stand once. Ray reports nothing of its use.
"""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edge_rerank.batch import PERSON, BatchRanker
from edge_rerank.errors import DataError, MissingExtra
from edge_rerank_export.errors import WorkerLost
from edge_rerank_export.fleet.batch.job import Job
from edge_rerank_export.fleet.batch.parts import Counts, ranked_table
from edge_rerank_export.progress import Update

CHECKPOINTS = "_checkpoints"

_BESIDE = 3
"""Tasks that read, leave out what is done, and write: Ray gives each a core of its own, and waits
for ever where actors have all of them. They are idle most of the time."""

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


class Ranks:
    """What an actor does, on batches of Arrow."""

    def __init__(self, ranker: BatchRanker) -> None:
        self._ranker = ranker

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Rank a batch."""
        return ranked_table(batch.column(PERSON).combine_chunks(), self._ranker(batch))


def rank_on_ray(job: Job, *, workers: int, update: Update) -> Counts:
    """Rank what is not done yet.

    Args:
        job: what is asked.
        workers: actors.
        update: called with (rows done, rows to do), at the end: Ray shows its own progress.

    Returns:
        What is in the result.

    Raises:
        MissingExtra: without Ray.
        WorkerLost: when Ray does not start, or cannot go on, as without its agent; what it wrote
            stays.
        DataError: when the result has not each row once, because a person stands in the input
            more than once.
    """
    ray = _ray()
    here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers + _BESIDE}
    try:
        ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, **here)
    except Exception as error:  # Ray has no class for it
        wanted = "expected a cluster where RAY_ADDRESS says, or a machine that is not overloaded"
        raise WorkerLost(f"Ray did not start ({type(error).__name__}): {wanted}") from error
    data = ray.data
    context = data.DataContext.get_current()
    checkpoints = job.parts.folder / CHECKPOINTS
    context.checkpoint_config = data.checkpoint.CheckpointConfig(
        id_column=PERSON,
        checkpoint_path=str(checkpoints.absolute()),
        delete_checkpoint_on_success=False,
    )
    try:
        files = [str(file.absolute()) for file in job.source.files]
        rows = data.read_parquet(files).select_columns(list(job.source.columns))
        # A file is one block else: one actor's work alone, and lost as a whole.
        rows.repartition(target_num_rows_per_block=job.rows).map_batches(
            Ranks,
            batch_size=job.rows,
            batch_format="pyarrow",
            fn_constructor_kwargs={"ranker": job.ranker},
            compute=data.ActorPoolStrategy(size=workers),
        ).write_parquet(str(job.parts.folder.absolute()))
    except ray.exceptions.RayError as error:
        kept = "what was written stays, and --resume goes on"
        raise WorkerLost(f"Ray could not go on ({type(error).__name__}): {kept}") from error
    finally:
        ray.shutdown()
    counts = _counted(job)
    update(counts.rows, job.source.rows)
    return counts


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - an extra
        import ray.data.checkpoint  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra('pip install "edge-rerank-export[ray]"') from error
    return ray


def _counted(job: Job) -> Counts:
    """Rows of the result, each person of which is there once.

    Raises:
        DataError: otherwise.
    """
    files = sorted(job.parts.folder.glob("[!_.]*.parquet"))
    table = pa.concat_tables([pq.read_table(file, columns=[PERSON, "error"]) for file in files])
    people = pc.count_distinct(table.column(PERSON)).as_py()
    if not people == table.num_rows == job.source.rows:
        told = f"{table.num_rows} rows of {people} people for {job.source.rows} rows"
        raise DataError(job.parts.folder, f"expected each person once, got {told}")
    return Counts(table.num_rows, table.num_rows - table.column("error").null_count)
