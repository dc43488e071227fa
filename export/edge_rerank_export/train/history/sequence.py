"""Training the table of successions: a vector an item, from the order of people's choices.

An item's vector is a projection of its text's, which items share what they learn through,
and a correction of its own. Every choice is to be told from items that were drawn, half of
them evenly and half by popularity, by what the same person chose before it. Whoever uses the
table in training must leave out what is to be predicted there: a table that has seen a choice
knows it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edge_rerank.ranking.signals.inputs import EVENTS
from edge_rerank.ranking.signals.sequence import NORM_EPSILON, SequenceTable
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Update

_PIECE = 50
_DECAY = 0.8
_TRACE = 0.02
_WARM_UP = 100
_NONE = -1


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
    """

    width: int = 64
    steps: int = 800
    batch: int = 1024
    drawn: int = 512
    dropout: float = 0.4
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if min(self.width, self.steps, self.batch, self.drawn) < 1:
            raise RecipeError("succession: width, steps, batch, drawn: expected an integer ≥ 1")
        if not 0 <= self.dropout < 1 or not 0 < self.learning_rate < 1:
            raise RecipeError("succession: dropout, learning_rate: expected a number below 1")


class Sequences(nn.Module):
    """What :class:`~edge_rerank.ranking.signals.sequence.SequenceTable` computes, for every place.

    Args:
        texts: vectors of the items' texts, float32 of shape (items, dim).
        settings: see there.
    """

    def __init__(self, texts: Tensor, settings: SuccessionTraining) -> None:
        super().__init__()
        width = settings.width
        self._texts = texts
        self.own = nn.Embedding(len(texts), width)
        nn.init.normal_(self.own.weight, std=_TRACE)
        self.shared = nn.Linear(texts.shape[1], width, bias=False)
        decay = _DECAY ** torch.arange(EVENTS, dtype=torch.float32)
        self.places = nn.Parameter(decay[:, None].repeat(1, width))
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(settings.dropout)

    def vectors(self, items: Tensor) -> Tensor:
        """Vectors of items, shape (...) to (..., width); zeros for -1."""
        rows = items.clip(min=0)
        own: Tensor = self.own(rows) + self.shared(self._texts[rows])
        return own * (items != _NONE)[..., None]

    def forward(self, history: Tensor) -> Tensor:
        """States after each place, from the vectors of the items, both (b, n, width)."""
        before = self.dropout(history).transpose(1, 2)
        width, length = before.shape[1:]
        places = self.places[:length].flip(0)
        summed = functional.conv1d(
            functional.pad(before, (len(places) - 1, 0)), places.T[:, None], groups=width
        ).transpose(1, 2)
        state = functional.layer_norm(summed, (width,), eps=NORM_EPSILON)
        hidden = torch.relu(self.inner(self.dropout(state)))
        out: Tensor = state + self.outer(hidden)
        return out


def train_succession(
    names: Sequence[str],
    texts: NDArray[np.float32],
    people: Sequence[NDArray[np.int64]],
    settings: SuccessionTraining,
    *,
    seed: Sequence[int],
    progress: Update,
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
    torch.manual_seed(int(rng.integers(2**31)))
    model = Sequences(torch.from_numpy(texts), settings)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), fused=True
    )
    chosen = np.bincount(np.concatenate(people), minlength=len(names)).astype(np.float64)
    popular = np.cumsum(chosen**0.75)
    model.train()
    batches = islice(_batches(people, settings.batch, rng), settings.steps)
    for step, batch in enumerate(batches, start=1):
        rise = min(1.0, step / _WARM_UP)
        fall = 0.5 * (1 + math.cos(math.pi * step / settings.steps)) + 0.01
        optimizer.param_groups[0]["lr"] = settings.learning_rate * rise * fall
        even = rng.integers(0, len(names), settings.drawn // 2)
        lots = rng.random(settings.drawn - len(even)) * popular[-1]
        drawn = np.concatenate([even, np.searchsorted(popular, lots, side="right")])
        loss = _loss(model, batch, torch.from_numpy(drawn))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step, settings.steps)
    return table_of(model, names)


def table_of(model: Sequences, names: Sequence[str]) -> SequenceTable:
    """What the runtime needs of a trained model, for items of these ids, in its order."""
    keys = item_keys(names)
    by_key = np.argsort(keys, kind="stable")
    with torch.no_grad():
        vectors = model.vectors(torch.from_numpy(by_key)).numpy()

    def numbers(parameter: Tensor) -> NDArray[np.float32]:
        return parameter.detach().numpy().copy()

    return SequenceTable(
        ids=keys[by_key],
        vectors=vectors.astype(np.float16),
        places=numbers(model.places),
        inner=numbers(model.inner.weight),
        inner_bias=numbers(model.inner.bias),
        outer=numbers(model.outer.weight),
        outer_bias=numbers(model.outer.bias),
    )


def _batches(
    people: Sequence[NDArray[np.int64]], size: int, rng: np.random.Generator
) -> Iterator[Tensor]:
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


def _padded(paths: Sequence[NDArray[np.int64]]) -> Tensor:
    rows = np.full((len(paths), max(len(path) for path in paths)), _NONE, dtype=np.int64)
    for row, path in zip(rows, paths, strict=True):
        row[-len(path) :] = path
    return torch.from_numpy(rows)


def _loss(model: Sequences, batch: Tensor, drawn: Tensor) -> Tensor:
    there = (batch != _NONE)[:, :-1]
    vectors, wanted = model.vectors(batch), batch[:, 1:][there]
    state = model(vectors[:, :-1])[there]
    right = (state * model.dropout(vectors[:, 1:][there])).sum(1, keepdim=True)
    wrong = state @ model.vectors(drawn).T
    # A drawn item that happens to be the right one is no counterexample.
    wrong = wrong.masked_fill(wanted[:, None] == drawn[None, :], -torch.inf)
    first = torch.zeros(len(wanted), dtype=torch.int64)
    return functional.cross_entropy(torch.cat([right, wrong], 1), first)
