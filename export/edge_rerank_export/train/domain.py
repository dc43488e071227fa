"""Data set folders as arrays, and training requests made from them.

What a request looks like to the model is not decided here but in
:mod:`edge_rerank.ranking.signals.inputs`, which the runtime uses as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import DataError
from edge_rerank.formats.dataset import TRAIN_REQUESTS, VALID, DataSet, Request
from edge_rerank.ranking.interests import read_interests
from edge_rerank.ranking.signals.counts import OwnShown, Record
from edge_rerank.ranking.signals.inputs import EVENTS, Signals, Situation, signals
from edge_rerank.ranking.signals.pairs import OwnShare
from edge_rerank.ranking.signals.sequence import Succession
from edge_rerank.ranking.signals.situation import newest
from edge_rerank.types import Item
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.counts import make_record
from edge_rerank_export.train.pairs import NEAR, Pairs, count_pairs

MAX_CANDIDATES = 200
"""Candidates of a real request that are looked at; the clicked ones are among them."""

MIN_REQUESTS = 20
_UNIFORM_SHARE = 10 / 19
"""Of the sampled negatives; the rest is drawn by popularity to the power of 3/4."""

_HELD_OUT = 10
"""Without a validation split, every tenth request or person's last choice stands in."""

_STAND_INS = 1_000
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
        strength: float32 of shape (b, h); 0 for none.
        age_s: float32 of shape (b, h); NaN where unknown.
        now: UTC seconds, float64 of shape (b,); NaN where unknown.
        counted: whether what was clicked is part of the domain's own counts of choices.
        shown: whether it is part of the counts of what was shown, too.
        hidden: where in the domain's choices the clicked ones stand, int64 of shape (b,);
            ``None`` for requests that were not made from them.
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
        record: of single items there, by the rows of ``pairs.order``.
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
    pairs: Pairs
    record: Record

    def people(self, hidden: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Item rows each person chose, oldest first, without the choices at ``hidden``."""
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


def load_domain(folder: Path, encode: Encode, *, rng: np.random.Generator) -> Domain:
    """Read a folder; its test split is not opened.

    Raises:
        DataError: at the first malformed line, or when there is nothing to learn from.
    """
    data = DataSet.open(folder)
    names = list(data.items)
    rows = {name: row for row, name in enumerate(names)}
    items = list(data.items.values())
    real = list(data.requests(TRAIN_REQUESTS)) if data.has(TRAIN_REQUESTS) else []
    valid = list(data.requests(VALID)) if data.has(VALID) else []
    choices, times, starts = _sequences(data, rows)
    if len(choices) - len(starts) + 1 < MIN_REQUESTS and len(real) < MIN_REQUESTS:
        raise DataError(folder, f"expected at least {MIN_REQUESTS} choices to learn from")
    texts = (*(item.text for item in items), "")
    vectors = encode(texts)
    popularity = [np.nan if item.popularity is None else item.popularity for item in items]
    categories, leaves = _categories([item.categories for item in items])
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
        real=_from_requests(real, rows, counted=True) if real else None,
        valid=_from_requests(valid, rows, counted=False),
        pairs=count_pairs(names, _paths(data, rows)),
        record=make_record(names, choices, times, real),
    )
    if len(domain.valid.candidates):
        return domain
    if real:
        held_out, kept = real[::_HELD_OUT], [one for n, one in enumerate(real) if n % _HELD_OUT]
        return replace(
            domain,
            real=_from_requests(kept, rows, counted=True),
            valid=_from_requests(held_out, rows, counted=True),
        )
    people = np.arange(0, len(starts) - 1, _HELD_OUT)[:_STAND_INS]
    stand_in = sample(domain, people, rng=rng, candidates=20, history=EVENTS, last=1.0)
    return replace(domain, valid=stand_in)


def make_requests(
    domain: Domain, count: int, *, rng: np.random.Generator, candidates: int, history: int
) -> list[Batch]:
    """Training requests: real ones, and others made up from what people chose one by one."""
    made = []
    people = len(domain.starts) - 1
    if people:
        drawn = rng.integers(0, people, count)
        made.append(
            sample(domain, drawn, rng=rng, candidates=candidates, history=history, last=0.5)
        )
    if domain.real is not None:
        rows = rng.permutation(len(domain.real.candidates))[:count]
        made.append(_shorten(domain.real, rows, rng, 2 * candidates, history))
    return made


def sample(
    domain: Domain,
    people: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    candidates: int,
    history: int,
    last: float,
) -> Batch:
    """Hide one choice of each of ``people`` among items they never chose.

    Args:
        domain: gives choices and items.
        people: whose choices.
        rng: all chance there is.
        candidates: the hidden one included.
        history: items before it at most.
        last: share of people whose last choice is taken; any other of theirs otherwise.
    """
    count = len(people)
    begin, end = domain.starts[people], domain.starts[people + 1]
    inner = begin + 1 + (rng.random(count) * (end - begin - 1)).astype(np.int64)
    target = np.where(rng.random(count) < last, end - 1, inner.clip(max=end - 1))
    places = target[:, None] - np.arange(history, 0, -1)
    there = places >= begin[:, None]
    places = places.clip(min=0)
    items = len(domain.texts) - 1
    uniform = _uniform(candidates)
    weights = np.cumsum(_popularity_weights(domain))
    by_popularity = (
        np.searchsorted(weights, rng.random((count, candidates - 1 - uniform)) * weights[-1])
        if weights[-1] > 0
        else rng.integers(0, items, (count, candidates - 1 - uniform))
    )
    drawn = np.concatenate(
        [domain.choices[target][:, None], rng.integers(0, items, (count, uniform)), by_popularity],
        axis=1,
    )
    for row in range(count):
        seen = set(domain.choices[begin[row] : end[row]].tolist())
        for column in range(1, candidates):
            while drawn[row, column] in seen and len(seen) < items:
                drawn[row, column] = rng.integers(0, items)
            seen.add(int(drawn[row, column]))
    clicked = np.zeros((count, candidates), dtype=np.bool_)
    clicked[:, 0] = True
    ages = (domain.times[target][:, None] - domain.times[places]).clip(min=0)
    return Batch(
        candidates=drawn,
        clicked=clicked,
        history=np.where(there, domain.choices[places], -1),
        strength=there.astype(np.float32),
        age_s=np.where(there, ages, np.nan).astype(np.float32),
        now=domain.times[target],
        counted=True,
        hidden=target,
    )


def log_chances(domain: Domain, candidates: int) -> NDArray[np.float32]:
    """Logarithm of an item's chance to be one of :func:`sample`'s negatives, per draw.

    Args:
        domain: gives the items.
        candidates: of a request.

    Returns:
        float32 of shape (items + 1,); 0 for the empty item.
    """
    items = len(domain.texts) - 1
    weights = _popularity_weights(domain).astype(np.float64)
    total = weights.sum()
    share = _uniform(candidates) / (candidates - 1) if total > 0 else 1.0
    chances = share / items + (1 - share) * weights / (total or 1.0)
    return np.append(np.log(chances), 0.0).astype(np.float32)


def describe_batch(
    domain: Domain,
    words: NDArray[np.float32],
    batch: Batch,
    *,
    pairs: bool,
    succession: Succession | None = None,
) -> Signals:
    """The model's inputs for a batch.

    Args:
        domain: gives the items.
        words: their word vectors, float32 of shape (items, lexicon's dim).
        batch: any number of requests.
        pairs: whether what the domain's own log says of pairs and items takes part.
        succession: a table by the rows of ``domain.pairs.order`` that has not seen what was
            clicked; ``None`` for none.
    """
    own, before = batch.candidates, batch.history
    there = (own >= 0)[:, :, None] & (before >= 0)[:, None, :]
    other = there & (own[:, :, None] != before[:, None, :])

    def compare(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.matmul(rows[own], rows[before].transpose(0, 2, 1)) * there)

    leaves = domain.leaves[before][:, None, :]
    same = there & (domain.leaves[own][:, :, None] == leaves) & (leaves >= 0)
    mine = domain.vectors[before]
    popularity = domain.popularity[own]
    if batch.counted:
        popularity = (popularity - batch.clicked).clip(min=0)
    newest_first = np.arange(before.shape[1])[::-1].astype(np.float32)
    return signals(
        Situation(
            cosine=compare(domain.vectors) * other,
            lexical=compare(words) * other,
            category=compare(domain.categories),
            leaf=same.astype(np.float32),
            together=_together(domain, batch, there) if pairs else None,
            record=_record(domain, batch) if pairs else None,
            succession=None if succession is None else _succession(domain, batch, succession),
            likeness=np.matmul(mine, mine.transpose(0, 2, 1)),
            strength=batch.strength,
            place=np.broadcast_to(newest_first, before.shape),
            age_s=batch.age_s,
            popularity=popularity,
            liked_popularity=domain.popularity[before],
            present=own >= 0,
        )
    )


def chunks(batch: Batch, size: int = _BATCH) -> Iterable[Batch]:
    """The batch in pieces of at most ``size`` requests."""
    for start in range(0, len(batch.candidates), size):
        rows = slice(start, start + size)
        yield Batch(
            batch.candidates[rows],
            batch.clicked[rows],
            batch.history[rows],
            batch.strength[rows],
            batch.age_s[rows],
            batch.now[rows],
            batch.counted,
            batch.shown,
            None if batch.hidden is None else batch.hidden[rows],
        )


def _uniform(candidates: int) -> int:
    """How many of a request's negatives are drawn with equal chances."""
    return round((candidates - 1) * _UNIFORM_SHARE)


def _popularity_weights(domain: Domain) -> NDArray[np.float32]:
    # In float32, as the shipped pack was trained: sums in float64 would draw other negatives.
    weights: NDArray[np.float32] = np.nan_to_num(domain.popularity[:-1]) ** 0.75
    return weights


def _together(domain: Domain, batch: Batch, there: NDArray[np.bool_]) -> NDArray[np.float32]:
    # Padding is -1 already; the empty item has no row in the table.
    order = np.append(domain.pairs.order, [-1, -1])
    before, candidates = order[batch.history], order[batch.candidates]
    own = None
    if batch.counted:
        pairs = (there & batch.clicked[:, :, None]).astype(np.float32)
        distance = np.arange(batch.history.shape[1], 0, -1, dtype=np.float32)
        own = OwnShare(
            pairs,
            pairs * np.where(distance <= NEAR, 1 / distance, 0),
            domain.pairs.least[before],
        )
    return domain.pairs.table.signals(candidates, before, own=own)


def _record(domain: Domain, batch: Batch) -> NDArray[np.float32]:
    order = np.append(domain.pairs.order, [-1, -1])
    own = None
    if batch.shown:
        own = OwnShown((batch.candidates >= 0).astype(np.float32), batch.clicked.astype(np.float32))
    return domain.record.signals(order[batch.candidates], batch.now, own=own)


def _succession(domain: Domain, batch: Batch, table: Succession) -> NDArray[np.float32]:
    order = np.append(domain.pairs.order, [-1, -1])
    return table.signals(order[batch.candidates], order[batch.history], batch.strength)


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


def _categories(
    every: Sequence[Sequence[str]],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    numbers: dict[str, int] = {}
    for names in every:
        for name in names:
            numbers.setdefault(name, len(numbers))
    rows = np.zeros((len(every) + 1, max(len(numbers), 1)), dtype=np.float32)
    leaves = np.full(len(every) + 1, -1, dtype=np.int64)
    for row, names in enumerate(every):
        for name in set(names):
            rows[row, numbers[name]] = len(set(names)) ** -0.5
        if names:
            leaves[row] = numbers[names[-1]]
    return rows, leaves


def _from_requests(requests: Sequence[Request], rows: dict[str, int], *, counted: bool) -> Batch:
    """Requests as the runtime would read them."""
    empty = len(rows)
    useful = [one for one in requests if one.clicked and len(one.candidates) > len(one.clicked)]
    # The time of a call is never before the last event, at run time neither.
    now = [max([one.now, *(event.timestamp or 0.0 for event in one.history)]) for one in useful]
    interests = [
        newest(read_interests(one.history, now=moment)).liked
        for one, moment in zip(useful, now, strict=True)
    ]
    width = min(max((len(one.candidates) for one in useful), default=1), MAX_CANDIDATES)
    length = max((len(liked) for liked in interests), default=0) or 1
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
    for row, (request, liked) in enumerate(zip(useful, interests, strict=True)):
        # Clicked ones first, should there be more than can be looked at.
        shown = sorted(request.candidates, key=lambda item: item.id not in request.clicked)[:width]
        batch.candidates[row, : len(shown)] = [rows.get(item.id, empty) for item in shown]
        batch.clicked[row, : len(shown)] = [item.id in request.clicked for item in shown]
        if liked:
            last = slice(length - len(liked), length)
            batch.history[row, last] = [rows.get(one.item.id, empty) for one in liked]
            batch.strength[row, last] = [one.strength for one in liked]
            batch.age_s[row, last] = [np.nan if one.age_s is None else one.age_s for one in liked]
    return batch


def _shorten(
    batch: Batch, rows: NDArray[np.int64], rng: np.random.Generator, candidates: int, history: int
) -> Batch:
    """Some of the requests, with fewer candidates (all clicked ones kept) and less history."""
    # Clicked ones stay at the front, the rest in a random order, padding behind.
    lot = rng.random(batch.candidates.shape)
    lot = lot - 2 * batch.clicked + 2 * (batch.candidates < 0)
    order = np.argsort(lot[rows], axis=1, kind="stable")[:, :candidates]
    return Batch(
        candidates=np.take_along_axis(batch.candidates[rows], order, axis=1),
        clicked=np.take_along_axis(batch.clicked[rows], order, axis=1),
        history=batch.history[rows, -history:],
        strength=batch.strength[rows, -history:],
        age_s=batch.age_s[rows, -history:],
        now=batch.now[rows],
        counted=batch.counted,
        shown=batch.shown,
    )
