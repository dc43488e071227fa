"""Data set folders as arrays: a catalogue, what its people chose, and requests.

What a request looks like to the model is decided by :mod:`edge_rerank.ranking.signals.inputs`,
which the runtime uses as well; :mod:`~.requests` makes requests to train on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import TRAIN_REQUESTS, VALID, DataSet, Request
from edge_rerank.ranking.interest_reader import read_interests
from edge_rerank.ranking.signals.categories import category_rows, numbered
from edge_rerank.ranking.signals.counts import CountTable
from edge_rerank.ranking.signals.inputs import EVENTS
from edge_rerank.ranking.sources.history import ages_of, looked_at, times_of
from edge_rerank.tables.counts import count_items
from edge_rerank.tables.pairs import CountedPairs, count_pairs
from edge_rerank.types import EventType, Item
from edge_rerank_export.errors import RecipeError

MAX_CANDIDATES = 200
"""Candidates of a real request that are looked at; the clicked ones are among them."""

MIN_REQUESTS = 20

HELD_OUT = 10
"""Without a validation split, every tenth request or person's last choice stands in."""

_BATCH = 250

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit vectors of texts, float32 of shape (n, dim)."""


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """Requests as row numbers of a domain's items, newest item of a history last.

    Attributes:
        candidates: int64 of shape (b, c); -1 for none.
        clicked: bool of shape (b, c).
        history: int64 of shape (b, h); -1 for none.
        strength: float32 of shape (b, h); 0 for none, below 0 for what was disliked.
        age_s: float32 of shape (b, h); NaN where unknown.
        now: UTC seconds, float64 of shape (b,); NaN where unknown.
        counted: whether what was clicked is part of the domain's own counts of choices.
        shown: whether it is part of the counts of what was shown, too.
        hidden: where in the domain's choices the clicked ones stand, int64 of shape (b,);
            ``None`` for requests that were not made from them.
        sampled: whether the candidates that were not clicked were drawn by us.
        invented: bool of shape (b, h), where a simulation put what the person did not choose;
            ``None`` for nowhere.
        unread: bool of shape (b, c + h), which candidates and which items of the history the
            encoder is not to know; ``None`` for none.
    """

    candidates: NDArray[np.int64]
    clicked: NDArray[np.bool_]
    history: NDArray[np.int64]
    strength: NDArray[np.float32]
    age_s: NDArray[np.float32]
    now: NDArray[np.float64]
    counted: bool
    shown: bool = False
    hidden: NDArray[np.int64] | None = None
    sampled: bool = False
    invented: NDArray[np.bool_] | None = None
    unread: NDArray[np.bool_] | None = None

    def rows(self, some: slice) -> Batch:
        """Some of the requests."""
        return replace(
            self,
            candidates=self.candidates[some],
            clicked=self.clicked[some],
            history=self.history[some],
            strength=self.strength[some],
            age_s=self.age_s[some],
            now=self.now[some],
            hidden=None if self.hidden is None else self.hidden[some],
            invented=None if self.invented is None else self.invented[some],
            unread=None if self.unread is None else self.unread[some],
        )


@dataclass(frozen=True, slots=True, repr=False)
class Rated:
    """What people rated before they were asked for something, one person after the other.

    Attributes:
        choices: item rows, oldest first.
        strength: how much each was liked, float32 of shape (choices,); below 0 for disliked.
        times: UTC seconds; NaN where unknown.
        starts: where each person begins, int64 of shape (people + 1,).
    """

    choices: NDArray[np.int64]
    strength: NDArray[np.float32]
    times: NDArray[np.float64]
    starts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, repr=False)
class Domain:
    """One data set folder in memory. The last row of every item array is an empty item.

    Attributes:
        name: of the folder.
        ids: of the items.
        items: as the runtime reads them, without the empty one.
        texts: of the items.
        vectors: float32 of shape (items, dim).
        categories: a unit row an item, float32 of shape (items, categories).
        leaves: number of the most specific category, int64 of shape (items,); -1 for none.
        popularity: float32 of shape (items,); NaN where unknown.
        choices: item rows of all training sequences one after the other, each item once
            a person.
        times: UTC seconds of the choices; NaN where unknown.
        starts: where each person begins in ``choices``, int64 of shape (people + 1,).
        real: training requests that were really shown, if there are any.
        valid: requests to stop by.
        pairs: of items chosen together in the training part.
        counts: of single items there, by the rows of ``pairs.order``.
        pictures: vectors of the items' pictures, float32 of shape (items, p), 0 where there is
            none; ``None`` where nobody looked.
        rated: from the histories of the validation requests that hold ratings; ``None`` where
            none does, or where nobody asked for what was disliked.
    """

    name: str
    ids: tuple[str, ...]
    items: tuple[Item, ...]
    texts: tuple[str, ...]
    vectors: NDArray[np.float32]
    categories: NDArray[np.float32]
    leaves: NDArray[np.int64]
    popularity: NDArray[np.float32]
    choices: NDArray[np.int64]
    times: NDArray[np.float64]
    starts: NDArray[np.int64]
    real: Batch | None
    valid: Batch
    pairs: CountedPairs
    counts: CountTable
    rated: Rated | None = None
    pictures: NDArray[np.float32] | None = None

    def people(self, hidden: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Item rows that each person chose, oldest first, int64 of shape (their choices,).

        Args:
            hidden: places in ``choices`` that are left out, int64 of shape (n,).
        """
        kept = np.ones(len(self.choices), dtype=np.bool_)
        kept[hidden] = False
        return [
            self.choices[begin:end][kept[begin:end]]
            for begin, end in zip(self.starts[:-1], self.starts[1:], strict=True)
        ]


def unread(texts: Sequence[str]) -> NDArray[np.float32]:
    """No vectors, for trainings that read the texts themselves: zeros of shape (n, 1)."""
    return np.zeros((len(texts), 1), dtype=np.float32)


def check_folders(folders: Sequence[Path]) -> None:
    """Refuse no folders at all, and two of one name.

    Raises:
        RecipeError: see above.
    """
    names = [folder.resolve().name for folder in folders]
    if not folders or len(set(names)) != len(names):
        raise RecipeError("data: expected at least one folder, each name once")


def read_domain(folder: Path, encode: Encode, *, signed: bool = False) -> Domain:
    """Read a folder; its test split is not opened.

    Without a validation split, every tenth request that was really shown stands in; without
    these, nothing does.

    Args:
        folder: see :mod:`edge_rerank.formats.dataset`.
        encode: makes the vectors of the items' texts.
        signed: whether histories hold what was disliked, too.

    Raises:
        DataError: at the first malformed line, or when there is too little to learn from.
    """
    data = DataSet.open(folder)
    names = list(data.items)
    rows = {name: row for row, name in enumerate(names)}
    items = list(data.items.values())
    real = list(data.requests(TRAIN_REQUESTS)) if data.has(TRAIN_REQUESTS) else []
    valid = list(data.requests(VALID)) if data.has(VALID) else []
    choices, times, starts = _sequences(data, rows)
    told = sum(map(_tells, real))
    if len(choices) - len(starts) + 1 < MIN_REQUESTS and told < MIN_REQUESTS:
        raise DataError(folder, f"expected at least {MIN_REQUESTS} choices to learn from")
    texts = (*(item.text for item in items), "")
    vectors = encode(texts)
    popularity = [np.nan if item.popularity is None else item.popularity for item in items]
    every = [*(item.categories for item in items), ()]
    categories, leaves = category_rows(every, numbered(every))
    domain = Domain(
        name=folder.name,
        ids=tuple(names),
        items=tuple(items),
        texts=texts,
        vectors=vectors,
        categories=categories,
        leaves=leaves,
        popularity=np.array([*popularity, np.nan], dtype=np.float32),
        choices=choices,
        times=times,
        starts=starts,
        real=_from_requests(real, rows, counted=True, signed=signed) if told else None,
        valid=_from_requests(valid, rows, counted=False, signed=signed),
        pairs=count_pairs(names, _paths(data, rows)),
        counts=count_items(names, choices, times, real),
        rated=_rated(valid, rows) if signed else None,
    )
    if len(domain.valid.candidates) or not told:
        return domain
    held_out, kept = real[::HELD_OUT], [one for n, one in enumerate(real) if n % HELD_OUT]
    return replace(
        domain,
        real=_from_requests(kept, rows, counted=True, signed=signed)
        if any(map(_tells, kept))
        else None,
        valid=_from_requests(held_out, rows, counted=True, signed=signed),
    )


def chunks(batch: Batch, size: int = _BATCH) -> Iterable[Batch]:
    """The batch in pieces of at most ``size`` requests."""
    for start in range(0, len(batch.candidates), size):
        yield batch.rows(slice(start, start + size))


def _sequences(
    data: DataSet, rows: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    choices: list[int] = []
    times: list[float] = []
    starts = [0]
    for sequence in data.sequences():
        dated = sequence.timestamps or (np.nan,) * len(sequence.items)
        seen: dict[int, float] = {}
        for name, time in zip(sequence.items, dated, strict=True):
            if name in rows:
                seen.setdefault(rows[name], time)
        if len(seen) > 1:
            choices.extend(seen)
            times.extend(seen.values())
            starts.append(len(choices))
    return (
        np.array(choices, dtype=np.int64),
        np.array(times, dtype=np.float64),
        np.array(starts, dtype=np.int64),
    )


def _paths(data: DataSet, rows: dict[str, int]) -> Iterable[NDArray[np.int64]]:
    for path in data.paths():
        yield np.array(
            list(dict.fromkeys(rows[name] for name in path if name in rows)), dtype=np.int64
        )


def _rated(requests: Sequence[Request], rows: dict[str, int]) -> Rated | None:
    """What the histories that hold ratings say, as the runtime would read it."""
    choices: list[int] = []
    strength: list[float] = []
    times: list[float] = []
    starts = [0]
    for request in requests:
        values = [event.value for event in request.history if event.type is EventType.RATING]
        if all(value is None for value in values):
            continue
        interests = read_interests(request.history, now=request.now)
        known = [one for one in looked_at(interests, dislikes=True)[0] if one.item.id in rows]
        choices.extend(rows[one.item.id] for one in known)
        strength.extend(one.strength for one in known)
        times.extend(np.nan if one.when is None else one.when for one in known)
        starts.append(len(choices))
    if not choices:
        return None
    return Rated(
        np.array(choices, dtype=np.int64),
        np.array(strength, dtype=np.float32),
        np.array(times, dtype=np.float64),
        np.array(starts, dtype=np.int64),
    )


def _tells(request: Request) -> bool:
    """Whether a request has a candidate that was clicked and one that was not."""
    return bool(request.clicked) and len(request.candidates) > len(request.clicked)


def _from_requests(
    requests: Sequence[Request], rows: dict[str, int], *, counted: bool, signed: bool
) -> Batch:
    """Requests as the runtime would read them; what was disliked only where ``signed``."""
    empty = len(rows)
    useful = list(filter(_tells, requests))
    # The time of a call is never before the last event, at run time neither.
    now = [max([one.now, *(event.timestamp or 0.0 for event in one.history)]) for one in useful]
    interests = [
        looked_at(read_interests(one.history, now=moment).newest(EVENTS), dislikes=signed)[0]
        for one, moment in zip(useful, now, strict=True)
    ]
    width = min(max((len(one.candidates) for one in useful), default=1), MAX_CANDIDATES)
    length = max((len(touched) for touched in interests), default=0) or 1
    shape, before = (len(useful), width), (len(useful), length)
    batch = Batch(
        candidates=np.full(shape, -1, dtype=np.int64),
        clicked=np.zeros(shape, dtype=np.bool_),
        history=np.full(before, -1, dtype=np.int64),
        strength=np.zeros(before, dtype=np.float32),
        age_s=np.full(before, np.nan, dtype=np.float32),
        # Data sets without times give 0, see read_interests().
        now=np.array([moment or np.nan for moment in now], dtype=np.float64),
        counted=counted,
        shown=counted,
    )
    for row, (request, moment, touched) in enumerate(zip(useful, now, interests, strict=True)):
        # Clicked ones first, should there be more than can be looked at.
        shown = sorted(request.candidates, key=lambda item: item.id not in request.clicked)[:width]
        batch.candidates[row, : len(shown)] = [rows.get(item.id, empty) for item in shown]
        batch.clicked[row, : len(shown)] = [item.id in request.clicked for item in shown]
        if touched:
            last = slice(length - len(touched), length)
            batch.history[row, last] = [rows.get(one.item.id, empty) for one in touched]
            batch.strength[row, last] = [one.strength for one in touched]
            batch.age_s[row, last] = ages_of(times_of(touched), moment)
    return batch
