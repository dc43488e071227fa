"""Batches: a picklable callable that ranks for many people at once, row by row of some columns.

Engines that spread rows over processes and machines (Ray Data, Dask, Spark) hand a batch of rows
to a callable and take columns back; none of them is imported here. In each process that a callable
is sent to, the pack is opened and the catalogue prepared when the first batch comes, with the
vectors of the items mapped from one file where one is named, so that a machine reads them once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_date, check_kind, check_path, check_sequence
from edge_rerank.errors import InvalidInput, InvalidRequest
from edge_rerank.formats.items import read_items
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.history.clean import check_not_ahead
from edge_rerank.history.recent import MAX_EVENTS
from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.ranking.answer import PlainCall, PlainList
from edge_rerank.ranking.candidates import Catalogue, items_of
from edge_rerank.ranking.choice import open_engine
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.opening import Packs
from edge_rerank.ranking.options import RankOptions, Repeats
from edge_rerank.types import Event, EventType, Item

BadRows = Literal["raise", "mark"]

PERSON, HISTORY, TYPES, TIMESTAMPS, CANDIDATES = REQUIRED = (
    *("person", "history", "types", "timestamps"),
    "candidates",
)
"""Columns that a batch must have."""

OF_EVENTS = ("dwell_s", "values", "queries")
"""Columns that it may have: of each event of the history."""

OF_CALLS = ("query", "context", "now")
"""Likewise: of each list."""

RESULT = ("person", "ids", "scores", "error")
"""Columns that come back."""

ONE_THREAD = Runtime(threads=1)
"""Of a batch the rows are spread, not the operators of one row."""


TOGETHER = 30_000
"""Candidates that are ranked in one go, of as many rows as that are: 5 KiB each while they are."""


class Columns(Protocol):
    """Columns by name: a mapping of sequences or arrays, a data frame, a table of Arrow."""

    def __getitem__(self, name: str, /) -> Any:
        """A column."""
        ...


class BatchOptions(TypedDict, total=False):
    """How a batch is ranked.

    Attributes:
        pack: see :meth:`edge_rerank.Reranker.open`.
        runtime: how the models run in each process; on one thread if left out.
        trust: whose packs are accepted.
        ratings: the scale of the host's ratings.
        repeats: what is wanted of things that a person had before.
        policy: what makes a good list.
        tables: a folder with tables of the host's own log.
        vectors: the file that keeps the vectors of the items, see
            :meth:`edge_rerank.Reranker.prepare`; without one each process reads the texts.
        top_k: how many to return of each row, all if left out.
        now: UTC seconds, for rows that do not say; the clock of each process if left out.
    """

    pack: Packs | None
    runtime: Runtime
    trust: Trust
    ratings: RatingScale | None
    repeats: Repeats | str
    policy: ListPolicy | None
    tables: str | Path | None
    vectors: str | Path | None
    top_k: int | None
    now: float | None


class BatchRanker:
    """Ranks for many people at once. Picklable; from several threads of a process one at a time.

    A batch has the columns

    - ``person``: anything; it comes back as it is;
    - ``history``: ids of what the person did something to, a list a row, in any order;
    - ``types``: what they did, names of :class:`~edge_rerank.EventType`, as long as ``history``;
    - ``timestamps``: when, UTC seconds up to now, likewise;
    - ``candidates``: ids of items of the catalogue, at most 10,000, each once, a list a row;

    and may have ``dwell_s`` and ``values``, a number or ``None`` an event, and ``queries``, the
    words of an event that is a search, whose id does not matter; and ``query``, ``context`` and
    ``now`` of the list, see :class:`~edge_rerank.RankOptions`. The newest 500 events of a person
    count, as for :meth:`edge_rerank.Reranker.rank`, which gives the same list of a catalogue that
    was prepared with the same vectors, to the last bit of its scores, where nothing was learnt on
    the device. What is in a history and not in the catalogue is known by its id alone.

    Args:
        items: the catalogue, or a file of items as ``python -m edge_rerank rank`` reads them, which
            each process reads by itself.
        bad_rows: "raise" for an error that says which row of the batch cannot be ranked and why;
            "mark" to leave ``ids`` and ``scores`` of such a row ``None`` and say it in ``error``.
        options: see :class:`BatchOptions`.

    Raises:
        InvalidRequest: when an argument is malformed; the first batch opens packs and files.
    """

    def __init__(
        self,
        items: str | Path | Iterable[Item],
        *,
        bad_rows: BadRows = "raise",
        **options: Unpack[BatchOptions],
    ) -> None:
        if bad_rows not in get_args(BadRows):
            raise InvalidRequest('bad_rows: expected "raise" or "mark", got something else')
        if unknown := {*options} - {*BatchOptions.__annotations__}:
            raise TypeError(f"BatchRanker() got an unexpected keyword argument {min(unknown)!r}")
        runtime = options.get("runtime", ONE_THREAD)
        check_kind(runtime, "runtime", Runtime, example="Runtime(threads=1)")
        check_date(options.get("now"), "now", InvalidRequest)
        self._items = Path(items) if isinstance(items, str | Path) else tuple(items_of(items))
        self._bad_rows = bad_rows
        self._options = options
        self._open: _Open | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of: what it opened stays in its process."""
        return {**self.__dict__, "_open": None}

    def __repr__(self) -> str:
        """Nothing of its items: a repr ends up in logs."""
        return f"<BatchRanker, {'open' if self._open else 'not open'}>"

    def prepare(self) -> str:
        """Open the pack and prepare the catalogue now; with ``vectors``, their file is then there.

        Returns:
            The digest of the pack that ranks.

        Raises:
            PackError, DataError, InvalidRequest: see :meth:`edge_rerank.Reranker.open`.
        """
        return self._opened().engine.pack.digest

    def __call__(self, batch: Columns) -> dict[str, NDArray[np.object_]]:
        """Rank the candidates of each row.

        Args:
            batch: n rows, see above.

        Returns:
            Object arrays of shape (n,): ``person`` as given; ``ids``, lists of strings, best first;
            ``scores``, lists of floats; and with ``bad_rows="mark"`` ``error``, ``None`` or a
            string that repeats nothing of the row.

        Raises:
            InvalidRequest: when a column is missing or of another length, or, with
                ``bad_rows="raise"``, at the first row that cannot be ranked.
            PackError, DataError: when the pack, the items or the vectors cannot be opened.
            InferenceError: when the model fails.
        """
        columns = _columns(batch)
        opened = self._opened()
        count = len(columns[PERSON])
        result = {name: np.empty(count, dtype=np.object_) for name in RESULT}
        result[PERSON][:] = columns[PERSON]
        rows = ({name: column[place] for name, column in columns.items()} for place in range(count))
        for place, found in enumerate(opened.rank_each(rows)):
            if isinstance(found, InvalidInput):
                if self._bad_rows == "raise":
                    raise InvalidRequest(f"row {place} of the batch: {found}")
                result["error"][place] = str(found)
                continue
            result["ids"][place], result["scores"][place] = found
        if self._bad_rows == "raise":
            del result["error"]
        return result

    def close(self) -> None:
        """Let go of the models; the next batch opens them again."""
        if self._open is not None:
            self._open.engine.close()
            self._open = None

    def _opened(self) -> _Open:
        if self._open is None:
            self._open = _Open(self._items, self._options)
        return self._open


class _Open:
    """An engine and a catalogue, in one process."""

    def __init__(self, items: Path | Sequence[Item], options: BatchOptions) -> None:
        vectors = options.get("vectors")
        if vectors is not None:
            vectors = check_path(vectors, "vectors", InvalidRequest)
        known = read_items(items) if isinstance(items, Path) else items
        self.engine: RankingEngine = open_engine(
            options.get("pack"),
            runtime=options.get("runtime", ONE_THREAD),
            trust=options.get("trust", ANY_PACK),
            ratings=options.get("ratings"),
            repeats=options.get("repeats", Repeats.LEARN),
            policy=options.get("policy"),
            tables=options.get("tables"),
        )
        self._catalogue: Catalogue = self.engine.prepare(known, vectors=vectors)
        self._top_k, self._now = options.get("top_k"), options.get("now")

    def rank_each(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[PlainList | InvalidInput]:
        """Of each row the ids and scores of its candidates, best first, or what is wrong with it.

        As many rows are ranked at once as are worth it.
        """
        waiting: list[PlainCall | InvalidInput] = []
        together = 0
        for row in rows:
            waiting.append(call := self._call(row))
            together += len(call[0]) if isinstance(call, tuple) else 1
            if together >= TOGETHER:
                yield from self._ranked(waiting)
                waiting, together = [], 0
        yield from self._ranked(waiting)

    def _ranked(
        self, waiting: Sequence[PlainCall | InvalidInput]
    ) -> Iterator[PlainList | InvalidInput]:
        calls = [call for call in waiting if isinstance(call, tuple)]
        found = iter(self.engine.rank_each(calls))
        return (next(found) if isinstance(call, tuple) else call for call in waiting)

    def _call(self, row: Mapping[str, Any]) -> PlainCall | InvalidInput:
        """What a row asks for; or what is wrong with it."""
        try:
            now = row.get("now")
            asked: RankOptions = {"top_k": self._top_k, "shown": False}
            asked["now"] = now = self._now if now is None else now
            events = self._events(row, check_date(now, "now", InvalidRequest))
            asked["query"], asked["context"] = row.get("query"), row.get("context")
            return self._catalogue.select(_listed(row, CANDIDATES)), events, asked
        except InvalidInput as error:
            return error.with_traceback(None)

    def _events(self, row: Mapping[str, Any], now: float | None) -> list[Event]:
        """The newest events of a row, oldest first; none more than a day ahead of clock and now."""
        ids = _listed(row, HISTORY)
        told = zip(
            ids,
            *(_listed(row, name, like=ids) for name in (TYPES, TIMESTAMPS, *OF_EVENTS)),
            strict=True,
        )
        events = [
            Event(
                kind,
                None if kind == EventType.SEARCH else self._item(name),
                timestamp=when,
                dwell_s=dwell_s,
                value=value,
                query=words,
            )
            for name, kind, when, dwell_s, value, words in told
        ]
        if any(event.timestamp is None for event in events):
            raise InvalidRequest(f"{TIMESTAMPS}: expected UTC seconds of each event, got None")
        events.sort(key=lambda event: event.timestamp or 0.0)
        if events:
            check_not_ahead(events[-1].timestamp or 0.0, max(time.time(), now or 0.0))
        return events[-MAX_EVENTS:]

    def _item(self, name: object) -> Item:
        row = self._catalogue.find.row(str(name))
        return Item(name) if row < 0 else self._catalogue[row]  # type: ignore[arg-type]  # checked


def _columns(batch: Columns) -> dict[str, Sequence[Any]]:
    """The columns of a batch that are read, as lists of one length.

    Raises:
        InvalidRequest: when one is missing, or of another length than the others.
    """
    columns = {}
    for name in (*REQUIRED, *OF_EVENTS, *OF_CALLS):
        try:
            column = batch[name]
        except (KeyError, IndexError, TypeError) as error:
            if name in REQUIRED:
                wanted = f"expected the columns {', '.join(REQUIRED)}"
                raise InvalidRequest(f"batch: {wanted}; there is no {name}") from error
            continue
        columns[name] = _plain(column)
    lengths = {name: len(column) for name, column in columns.items()}
    if len({*lengths.values()}) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidRequest(f"batch: expected columns of one length, got {told}")
    return columns


def _plain(column: Any) -> Sequence[Any]:
    """A column as a list: of Arrow, numpy and pandas what they make of themselves."""
    for convert in ("to_pylist", "tolist"):
        if (method := getattr(column, convert, None)) is not None:
            found: list[Any] = method()
            return found
    return check_sequence(column, "batch", InvalidRequest, wanted="columns that are sequences")


def _listed(row: Mapping[str, Any], name: str, like: Sequence[Any] = ()) -> Sequence[Any]:
    """A list of a row; ``None`` for each member of ``like`` where the batch has no such column.

    Raises:
        InvalidRequest: when it is no list, or of another length than ``like``, where that is given.
    """
    if name not in row:
        return [None] * len(like)
    value = row[name]
    if value is None:
        value = [None] * len(like) if name in OF_EVENTS else []
    if isinstance(value, np.ndarray):
        value = value.tolist()
    value = check_sequence(value, name, InvalidRequest, wanted="a list in each row")
    if name in (TYPES, TIMESTAMPS, *OF_EVENTS) and len(value) != len(like):
        raise InvalidRequest(
            f"{name}: expected one for each of {len(like)} events of {HISTORY}, got {len(value)}"
        )
    return value
