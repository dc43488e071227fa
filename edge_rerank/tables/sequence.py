"""Training the table of successions: a vector an item, from the order of people's choices.

An item's vector is a projection of its text's, which items share what they learn through,
and a correction of its own. Every choice is to be told from items that were drawn, half of
them evenly and half by popularity, by what the same person chose before it. Whoever uses the
table in training must leave out what is to be predicted there: a table that has seen a choice
knows it again.

The gradients are written out, in :mod:`~.gradients`: so small a model needs no framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.signals.inputs import EVENTS
from edge_rerank.ranking.signals.sequence import SequenceTable
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.tables.gradients import NONE, Adam, Kept, Parameters, learn, vectors_of

_PIECE = 50
_DECAY = 0.8
_TRACE = 0.02
_WARM_UP = 100


@dataclass(frozen=True, slots=True)
class SuccessionTraining:
    """How the table of successions is trained.

    Attributes:
        width: of an item's vector.
        steps: batches.
        batch: choices in a step, about; those of one person stay together up to 50.
        drawn: items against which each choice of a batch is held.
        dropout: share of the numbers that are left out while training.
        learning_rate: of Adam, at its peak.

    Raises:
        InvalidRequest: when one of them is out of range.
    """

    width: int = 64
    steps: int = 800
    batch: int = 1024
    drawn: int = 512
    dropout: float = 0.4
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if min(self.width, self.steps, self.batch, self.drawn) < 1:
            raise InvalidRequest("width, steps, batch, drawn: expected an integer ≥ 1")
        if not 0 <= self.dropout < 1 or not 0 < self.learning_rate < 1:
            raise InvalidRequest("dropout, learning_rate: expected a number below 1")


def train_succession(
    names: Sequence[str],
    texts: NDArray[np.float32],
    people: Sequence[NDArray[np.int64]],
    settings: SuccessionTraining,
    *,
    seed: Sequence[int],
    progress: Progress | None = None,
) -> SequenceTable:
    """Train a table.

    Args:
        names: ids of the catalogue's items.
        texts: vectors of their texts, float32 of shape (items, dim).
        people: rows of the items each person chose, oldest first.
        settings: see there.
        seed: the same one gives the same table on the same number of threads.
        progress: called with (steps done, steps to do).
    """
    rng = np.random.default_rng(seed)
    model = begin(texts, settings, rng)
    optimizer = Adam(model)
    chosen = np.bincount(np.concatenate(people), minlength=len(names)).astype(np.float64)
    popular = np.cumsum(chosen**0.75)
    batches = islice(_batches(people, settings.batch, rng), settings.steps)
    for step, batch in enumerate(batches, start=1):
        rise = min(1.0, step / _WARM_UP)
        fall = 0.5 * (1 + math.cos(math.pi * step / settings.steps)) + 0.01
        even = rng.integers(0, len(names), settings.drawn // 2)
        lots = rng.random(settings.drawn - len(even)) * popular[-1]
        drawn = np.concatenate([even, np.searchsorted(popular, lots, side="right")])
        kept = Kept.lots(batch, settings.width, settings.dropout, rng)
        _, gradients = learn(model, texts, batch, drawn, kept)
        optimizer.step(model, gradients, settings.learning_rate * rise * fall)
        if progress is not None:
            progress(step, settings.steps)
    return table_of(model, texts, names)


def begin(
    texts: NDArray[np.float32], settings: SuccessionTraining, rng: np.random.Generator
) -> Parameters:
    """A model that has learnt nothing; layers begin evenly within 1 / √inputs of 0."""
    width = settings.width

    def layer(shape: tuple[int, ...], inputs: int) -> NDArray[np.float32]:
        return rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(math.sqrt(inputs))

    decay = _DECAY ** np.arange(EVENTS, dtype=np.float32)
    return Parameters(
        own=rng.standard_normal((len(texts), width), dtype=np.float32) * np.float32(_TRACE),
        shared=layer((width, texts.shape[1]), texts.shape[1]),
        places=np.repeat(decay[:, None], width, axis=1),
        inner=layer((2 * width, width), width),
        inner_bias=layer((2 * width,), width),
        outer=layer((width, 2 * width), 2 * width),
        outer_bias=layer((width,), 2 * width),
    )


def table_of(model: Parameters, texts: NDArray[np.float32], names: Sequence[str]) -> SequenceTable:
    """What is needed of a trained model when ranking, for items of these ids, in its order."""
    keys = item_keys(names)
    by_key = np.argsort(keys, kind="stable")
    return SequenceTable(
        ids=keys[by_key],
        vectors=vectors_of(model, texts, by_key).astype(np.float16),
        places=model.places,
        inner=model.inner,
        inner_bias=model.inner_bias,
        outer=model.outer,
        outer_bias=model.outer_bias,
    )


def common_steps(
    people: Sequence[NDArray[np.int64]], least: int, count: int
) -> list[NDArray[np.int64]]:
    """The paths cut wherever fewer than ``least`` people went from the one item to the next.

    Args:
        people: rows of the items each person chose, oldest first, each once.
        least: people.
        count: all items.
    """
    if least <= 1:
        return list(people)
    steps = [path[:-1] * count + path[1:] for path in people]
    every = np.concatenate([*steps, np.zeros(0, dtype=np.int64)])
    found, many = np.unique(every, return_counts=True)
    common = found[many >= least]
    return [
        piece
        for path, step in zip(people, steps, strict=True)
        for piece in np.split(path, np.flatnonzero(~np.isin(step, common)) + 1)
        if len(piece)
    ]


def _batches(
    people: Sequence[NDArray[np.int64]], size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Batches of about ``size`` choices without end, of pieces of like length together."""
    pieces = [piece for path in people for piece in _pieces(path)]
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    cuts = np.unique(
        np.searchsorted(np.cumsum(np.sort(lengths)), np.arange(size, lengths.sum(), size))
    )
    while pieces:
        order = np.lexsort((rng.random(len(pieces)), lengths))
        parts = np.split(order, cuts[cuts > 0])
        for number in rng.permutation(len(parts)):
            yield _padded([pieces[row] for row in parts[number]])


def _pieces(path: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """A path cut so that each of its items but the first is predicted once."""
    return [path[max(end - _PIECE - 1, 0) : end] for end in range(len(path), 1, -_PIECE)]


def _padded(paths: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    rows = np.full((len(paths), max(len(path) for path in paths)), NONE, dtype=np.int64)
    for row, path in zip(rows, paths, strict=True):
        row[-len(path) :] = path
    return rows
