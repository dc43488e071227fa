"""Training the table of successions: a vector an item, from the order of people's choices.

An item's vector is a projection of its text's, which items share what they learn through,
and a correction of its own. Every choice is to be told from items that were drawn, half of
them evenly and half by popularity, by what the same person chose before it. Whoever uses the
table in training must leave out what is to be predicted there: a table that has seen a choice
knows it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edge_rerank.ranking.itemtable import item_key
from edge_rerank.ranking.signals import EVENTS
from edge_rerank.ranking.succession import NORM_EPSILON, Succession
from edge_rerank_export.errors import RecipeError

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
        epochs: times that every choice is looked at.
        batch: people in a step; the choices of one are cut into pieces of 50.
        drawn: items against which each choice of a batch is held.
        dropout: share of the numbers that are left out while training.
        learning_rate: of Adam, at its peak.
    """

    width: int = 64
    epochs: int = 4
    batch: int = 128
    drawn: int = 512
    dropout: float = 0.5
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if min(self.width, self.epochs, self.batch, self.drawn) < 1:
            raise RecipeError("succession: width, epochs, batch, drawn: expected an integer ≥ 1")
        if not 0 <= self.dropout < 1 or not 0 < self.learning_rate < 1:
            raise RecipeError("succession: dropout, learning_rate: expected a number below 1")


class Sequences(nn.Module):
    """What :class:`~edge_rerank.ranking.succession.Succession` computes, for every place.

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
        """Vectors of items, shape (...) to (..., width)."""
        own: Tensor = self.own(items) + self.shared(self._texts[items])
        return own

    def forward(self, history: Tensor) -> Tensor:
        """States after each place, int64 of shape (b, n), -1 for none, to (b, n, width)."""
        there = (history != _NONE)[..., None]
        before = self.dropout(self.vectors(history.clip(min=0)) * there).transpose(1, 2)
        width, most = before.shape[1], len(self.places)
        summed = functional.conv1d(
            functional.pad(before, (most - 1, 0)), self.places.flip(0).T[:, None], groups=width
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
    progress: Callable[[int, int], None],
) -> Succession:
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
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98))
    chosen = np.bincount(np.concatenate(people), minlength=len(names)).astype(np.float64)
    popular = np.cumsum(chosen**0.75)
    batches = _Batches(people, settings.batch)
    steps = settings.epochs * len(batches)
    model.train()
    for step, batch in enumerate(batches.draw(settings.epochs, rng), start=1):
        rise = min(1.0, step / _WARM_UP)
        fall = 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01
        optimizer.param_groups[0]["lr"] = settings.learning_rate * rise * fall
        even = rng.integers(0, len(names), settings.drawn // 2)
        lots = rng.random(settings.drawn - len(even)) * popular[-1]
        drawn = np.concatenate([even, np.searchsorted(popular, lots, side="right")])
        loss = _loss(model, batch, torch.from_numpy(drawn))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step, steps)
    return table_of(model, names)


def table_of(model: Sequences, names: Sequence[str]) -> Succession:
    """What the runtime needs of a trained model, for items of these ids, in its order."""
    keys = np.array([item_key(name) for name in names], dtype=np.uint64)
    by_key = np.argsort(keys, kind="stable")
    with torch.no_grad():
        vectors = model.vectors(torch.from_numpy(by_key)).numpy()

    def numbers(parameter: Tensor) -> NDArray[np.float32]:
        return parameter.detach().numpy().copy()

    return Succession(
        ids=keys[by_key],
        vectors=vectors.astype(np.float16),
        places=numbers(model.places),
        inner=numbers(model.inner.weight),
        inner_bias=numbers(model.inner.bias),
        outer=numbers(model.outer.weight),
        outer_bias=numbers(model.outer.bias),
    )


class _Batches:
    """Pieces of people's choices, those of like length together."""

    def __init__(self, people: Sequence[NDArray[np.int64]], size: int) -> None:
        self._pieces = [piece for path in people for piece in _pieces(path)]
        self._lengths = np.array([len(piece) for piece in self._pieces])
        self._count = -(-len(self._pieces) // size)

    def __len__(self) -> int:
        return self._count

    def draw(self, epochs: int, rng: np.random.Generator) -> Iterator[Tensor]:
        for _ in range(epochs if self._count else 0):
            order = np.lexsort((rng.random(len(self._pieces)), self._lengths))
            parts = np.array_split(order, self._count)
            for number in rng.permutation(self._count):
                yield _padded([self._pieces[row] for row in parts[number]])


def _pieces(path: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """A path cut so that each of its items but the first is predicted once."""
    return [path[max(end - _PIECE - 1, 0) : end] for end in range(len(path), 1, -_PIECE)]


def _padded(paths: Sequence[NDArray[np.int64]]) -> Tensor:
    rows = np.full((len(paths), max(len(path) for path in paths)), _NONE, dtype=np.int64)
    for row, path in zip(rows, paths, strict=True):
        row[-len(path) :] = path
    return torch.from_numpy(rows)


def _loss(model: Sequences, batch: Tensor, drawn: Tensor) -> Tensor:
    history, after = batch[:, :-1], batch[:, 1:]
    there = history != _NONE
    state, wanted = model(history)[there], after[there]
    right = (state * model.dropout(model.vectors(wanted))).sum(1, keepdim=True)
    wrong = state @ model.vectors(drawn).T
    # A drawn item that happens to be the right one is no counterexample.
    wrong = wrong.masked_fill(wanted[:, None] == drawn[None, :], -torch.inf)
    first = torch.zeros(len(wanted), dtype=torch.int64)
    return functional.cross_entropy(torch.cat([right, wrong], 1), first)
