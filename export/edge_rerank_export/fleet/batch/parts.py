"""Parts of a batch's result: a folder of Parquet files, each of some rows of the input.

A part is written beside its name and renamed, so that a process may be killed at any time; the rows
of a part are a function of the input and of how many rows a part has, so that a later run finds
those that are done. What was asked is written beside them: a run that asks for something else is
refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edge_rerank._files import open_new, reason_of, replace_file
from edge_rerank.batch import OF_CALLS, OF_EVENTS, PERSON, REQUIRED, BatchRanker
from edge_rerank.errors import DataError

JOB = "_job.json"
"""What was asked, in the folder of the result; engines skip names that begin so."""

_DIGEST, _MARKED = b"edge-rerank.job", b"edge-rerank.marked"
_FOOTER = 64 << 10
"""Bytes at the end of a Parquet file that say what is in it, or most of it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a part, or of all.

    Attributes:
        rows: how many there are.
        marked: how many of them could not be ranked, and say why.
    """

    rows: int = 0
    marked: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.rows + other.rows, self.marked + other.marked)


@dataclass(frozen=True, slots=True)
class Source:
    """The input: Parquet files whose rows are people, in the order of their names.

    Attributes:
        files: of it.
        rows: of all of them.
        columns: that are read.
    """

    files: tuple[Path, ...]
    rows: int
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> Source:
        """A file, or a folder with files that end in ``.parquet``.

        Raises:
            DataError: when there is none, one cannot be read, or a column is missing.
        """
        files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
        files = tuple(file for file in files if file.name[0] not in "_.")
        if not files:
            raise DataError(path, "expected files that end in .parquet, found none")
        rows, columns = 0, set[str]()
        for file in files:
            try:
                head = pq.ParquetFile(file)
            except pa.ArrowInvalid:
                raise DataError(
                    file, "expected Parquet, got something else or a part of it"
                ) from None
            except (OSError, pa.ArrowException) as error:
                raise DataError(file, f"cannot be read: {reason_of(error)}") from error
            with head:
                names = {*head.schema_arrow.names}
                rows += head.metadata.num_rows
            if missing := [name for name in REQUIRED if name not in names]:
                raise DataError(file, f"expected a column {missing[0]}, found none")
            columns |= names & {*REQUIRED, *OF_EVENTS, *OF_CALLS}
        return cls(files, rows, tuple(sorted(columns)))

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """All rows in their order, ``rows`` together; a batch is of one file.

        Raises:
            DataError: when a file cannot be read to its end.
        """
        for file in self.files:
            try:
                with pq.ParquetFile(file) as stream:
                    names = [name for name in self.columns if name in stream.schema_arrow.names]
                    yield from stream.iter_batches(batch_size=rows, columns=names)
            except (OSError, pa.ArrowException) as error:
                raise DataError(file, f"cannot be read: {reason_of(error)}") from error

    def described(self) -> list[dict[str, Any]]:
        """What tells these files from others: names, sizes and hashes of their ends."""
        return [
            {"name": file.name, "size": file.stat().st_size, "end": _hash_of_end(file)}
            for file in self.files
        ]


def _hash_of_end(file: Path) -> str:
    with file.open("rb") as stream:
        stream.seek(max(file.stat().st_size - _FOOTER, 0))
        return hashlib.sha256(stream.read()).hexdigest()


def check_free(folder: Path) -> None:
    """See that a new result may be made in a folder.

    Raises:
        DataError: when something lies there that it would get mixed up with.
    """
    if _is_taken(folder):
        raise DataError(folder, "expected nothing there yet, or --resume")


def _is_taken(folder: Path) -> bool:
    if not folder.is_dir():
        return folder.exists()
    return any(file.name == JOB or file.name[0] not in "_." for file in folder.iterdir())


class Parts:
    """The folder of a result.

    Args:
        folder: made if missing.
        asked: what is asked for, as JSON has it.

    Attributes:
        job: digest of what is asked.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        self.folder = folder
        self._asked = json.dumps(asked, indent=2, sort_keys=True) + "\n"
        self.job = hashlib.sha256(self._asked.encode()).hexdigest()

    def begin(self, *, resume: bool) -> None:
        """Make the folder, or go on in it; drafts that killed processes left are cleared away.

        Args:
            resume: whether a folder is taken that the same question began.

        Raises:
            DataError: when there is something else, or nothing may be there.
        """
        note = self.folder / JOB
        if not resume:
            check_free(self.folder)
        elif _is_taken(self.folder) and not (
            note.is_file() and note.read_text(encoding="utf-8") == self._asked
        ):
            wanted = "expected what the same input, items, pack and options began"
            raise DataError(self.folder, f"{wanted}, found something else")
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(note, self._asked.encode())
        for draft in self.folder.glob("_part-*"):
            draft.unlink(missing_ok=True)

    def path(self, number: int) -> Path:
        """Where part ``number`` is, or will be."""
        return self.folder / f"part-{number:06d}.parquet"

    def rows(self) -> int:
        """How many rows are there already."""
        total = 0
        for file in self.folder.glob("[!_.]*.parquet"):
            try:
                total += pq.read_metadata(file).num_rows
            except (OSError, pa.ArrowException):  # cut off: it will be made again
                continue
        return total

    def why(self) -> str:
        """Why rows could not be ranked: what most of the first part with such rows say."""
        for file in sorted(self.folder.glob("[!_.]*.parquet")):
            told = pq.read_table(file, columns=["error"]).column("error").drop_null().to_pylist()
            if told:
                return str(Counter(told).most_common(1)[0][0])
        return ""

    def done(self, number: int) -> Counts | None:
        """What is in a part; ``None`` where it is missing, cut off or of another job."""
        try:
            head = pq.read_metadata(self.path(number))
        except (OSError, pa.ArrowException):
            return None
        told = head.metadata or {}
        if told.get(_DIGEST) != self.job.encode():
            return None
        return Counts(head.num_rows, int(told.get(_MARKED, b"0")))


def write_part(path: Path, job: str, batch: pa.RecordBatch, ranker: BatchRanker) -> Counts:
    """Rank a batch and put the result in its place, on disk when this returns.

    Args:
        path: of the part.
        job: digest of what is asked.
        batch: the rows.
        ranker: with ``bad_rows="mark"``.

    Raises:
        EdgeRerankError: see :class:`~edge_rerank.batch.BatchRanker`.
        OSError: when it cannot be written.
    """
    table = ranked_table(batch.column(PERSON), ranker(batch))
    marked = table.num_rows - table.column("error").null_count
    told = {_DIGEST: job.encode(), _MARKED: str(marked).encode()}
    table = table.replace_schema_metadata(told)
    draft = path.with_name(f"_{path.stem}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(open_new(draft), "wb") as stream:
            pq.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Counts(table.num_rows, marked)


def ranked_table(people: pa.Array, ranked: Mapping[str, np.ndarray[Any, Any]]) -> pa.Table:
    """The result as a table: people as they came, ids, scores and errors."""
    return pa.table(
        {
            PERSON: people,
            "ids": pa.array(ranked["ids"].tolist(), pa.list_(pa.string())),
            "scores": pa.array(ranked["scores"].tolist(), pa.list_(pa.float64())),
            "error": pa.array(ranked["error"].tolist(), pa.string()),
        }
    )
