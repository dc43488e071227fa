"""Loss of the succession model, its gradients written out, and Adam over them.

The model is what :class:`~edge_rerank.ranking.signals.sequence.SequenceTable` computes, for every
place of a person's choices at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.sequence import NORM_EPSILON

NONE = -1
"""An item's row where a batch has none."""

_BETAS = (0.9, 0.98)
_EPSILON = 1e-8
_ROWS = 4096
"""Rows of items that Adam changes at once: what fits into a core's cache."""

Floats = NDArray[np.floating[Any]]
"""float32; the gradients are tested in float64."""


@dataclass(frozen=True, slots=True, repr=False)
class Parameters:
    """What is learnt, changed in place, or a gradient of it.

    Attributes:
        own: of shape (items, width), each item's correction.
        shared: of shape (width, dim), the projection of texts.
        places: of shape (most, width), by which the last choice, the one before, ... counts.
        inner: of shape (hidden, width), and ``inner_bias`` of shape (hidden,).
        outer: of shape (width, hidden), and ``outer_bias`` of shape (width,).
    """

    own: Floats
    shared: Floats
    places: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats


@dataclass(frozen=True, slots=True, repr=False)
class Gradients:
    """Of the loss.

    Attributes:
        items: rows of the items that took part, int64 of shape (n,), each once.
        of: the gradient; ``own`` of shape (n, width), of these items alone.
    """

    items: NDArray[np.int64]
    of: Parameters


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """What dropout leaves, 0 or 1 / (1 - share); of n choices in b rows of a batch.

    Attributes:
        history: of shape (b, length - 1, width), of the items before.
        state: of shape (n, width), of what goes into the layer.
        right: of shape (n, width), of the items that were chosen.
    """

    history: Floats
    state: Floats
    right: Floats

    @classmethod
    def lots(
        cls, batch: NDArray[np.int64], width: int, share: float, rng: np.random.Generator
    ) -> Self:
        """Drawn evenly.

        Args:
            batch: see :func:`learn`.
            width: of an item's vector.
            share: of the numbers that are left out.
            rng: draws.
        """
        before = batch[:, :-1]
        count = int((before != NONE).sum())

        def kept(*shape: int) -> Floats:
            lots = rng.random(shape, dtype=np.float32) >= share
            return lots.astype(np.float32) * np.float32(1 / (1 - share))

        return cls(kept(*before.shape, width), kept(count, width), kept(count, width))


def vectors_of(model: Parameters, texts: Floats, rows: NDArray[np.int64]) -> Floats:
    """Vectors of items, of shape (n, width)."""
    vectors: Floats = model.own[rows] + texts[rows] @ model.shared.T
    return vectors


def learn(
    model: Parameters,
    texts: Floats,
    batch: NDArray[np.int64],
    drawn: NDArray[np.int64],
    kept: Kept,
) -> tuple[float, Gradients]:
    """The loss of a batch: cross entropy of each choice among the drawn items, and its gradient.

    Args:
        model: what is learnt.
        texts: vectors of all items' texts, float32 of shape (items, dim).
        batch: rows of items, newest last, int64 of shape (b, length); ``NONE`` before the first.
        drawn: rows of items, int64 of shape (d,).
        kept: see there.

    Returns:
        The mean over the choices, and the gradient.
    """
    there = (batch != NONE)[:, :-1]
    wanted = batch[:, 1:][there]
    items, place = np.unique(np.concatenate([batch[:, :-1][there], wanted, drawn]), False, True)
    before, chosen, lots = np.split(place, [len(wanted), 2 * len(wanted)])
    vectors = vectors_of(model, texts, items)

    history = np.zeros((*there.shape, vectors.shape[1]), dtype=vectors.dtype)
    history[there] = vectors[before]
    history *= kept.history
    summed = _summed(history, model.places)[there]
    centred = summed - summed.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(NORM_EPSILON))
    normal = centred * scale
    let_in = normal * kept.state
    hidden = (let_in @ model.inner.T + model.inner_bias).clip(min=0)
    state = normal + hidden @ model.outer.T + model.outer_bias
    right = vectors[chosen] * kept.right
    odds = np.empty((len(wanted), 1 + len(drawn)), dtype=vectors.dtype)
    odds[:, 0] = np.einsum("nw,nw->n", state, right)
    np.matmul(state, vectors[lots].T, out=odds[:, 1:])
    # A drawn item that happens to be the right one is no counterexample.
    odds[:, 1:][wanted[:, None] == drawn] = -np.inf
    odds -= odds.max(axis=1, keepdims=True)
    first = odds[:, 0].copy()
    chances = np.exp(odds, out=odds)
    total = chances.sum(axis=1, keepdims=True)
    loss = float((np.log(total[:, 0]) - first).mean())

    chances /= total * len(wanted)
    wrong, missed = chances[:, 1:], chances[:, :1] - np.float32(1 / len(wanted))
    to_state = missed * right + wrong @ vectors[lots]
    to_hidden = (to_state @ model.outer) * (hidden > 0)
    to_normal = to_state + (to_hidden @ model.inner) * kept.state
    level = to_normal.mean(axis=1, keepdims=True)
    slope = (to_normal * normal).mean(axis=1, keepdims=True)
    to_summed = np.zeros_like(history)
    to_summed[there] = scale * (to_normal - level - normal * slope)
    to_history, to_places = _unsummed(to_summed, history, model.places)
    to_vectors = _gathered(
        np.concatenate(
            [(to_history * kept.history)[there], missed * state * kept.right, wrong.T @ state]
        ),
        place,
        len(items),
    )
    return loss, Gradients(
        items,
        Parameters(
            own=to_vectors,
            shared=to_vectors.T @ texts[items],
            places=to_places,
            inner=to_hidden.T @ let_in,
            inner_bias=to_hidden.sum(axis=0),
            outer=to_state.T @ hidden,
            outer_bias=to_state.sum(axis=0),
        ),
    )


def _summed(history: Floats, places: Floats) -> Floats:
    """What each place and those before it add up to, both of shape (b, n, width)."""
    summed: Floats = history * places[0]
    length = history.shape[1]
    for back in range(1, min(len(places), length)):
        summed[:, back:] += history[:, : length - back] * places[back]
    return summed


def _unsummed(to_summed: Floats, history: Floats, places: Floats) -> tuple[Floats, Floats]:
    """Gradients of :func:`_summed` by both of its arguments."""
    to_history, to_places = to_summed * places[0], np.zeros_like(places)
    length = history.shape[1]
    for back in range(min(len(places), length)):
        after, before = to_summed[:, back:], history[:, : length - back]
        to_places[back] = np.einsum("bnw,bnw->w", after, before)
        if back:
            to_history[:, : length - back] += after * places[back]
    return to_history, to_places


def _gathered(values: Floats, place: NDArray[np.int64], count: int) -> Floats:
    """Rows added up by where they belong; each of the ``count`` places has at least one."""
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(count))
    sums: Floats = np.add.reduceat(values[order], starts, axis=0)
    return sums


class Adam:
    """Kingma and Ba (ICLR 2015), with moments of every item at every step.

    Args:
        model: gives the shapes.
    """

    def __init__(self, model: Parameters) -> None:
        self._moments = {
            one.name: (np.zeros_like(values), np.zeros_like(values))
            for one in fields(model)
            for values in [getattr(model, one.name)]
        }
        self._steps = 0

    def step(self, model: Parameters, gradients: Gradients, rate: float) -> None:
        """Change the model in place.

        Args:
            model: what is learnt.
            gradients: of the loss.
            rate: of learning.
        """
        self._steps += 1
        rate /= 1 - _BETAS[0] ** self._steps
        spread = (1 - _BETAS[1] ** self._steps) ** -0.5
        for name, (first, second) in self._moments.items():
            values, gradient = getattr(model, name), getattr(gradients.of, name)
            rows = gradients.items if name == "own" else slice(None)
            for start in range(0, len(values), _ROWS):
                part = slice(start, start + _ROWS)
                first[part] *= _BETAS[0]
                second[part] *= _BETAS[1]
            first[rows] += (1 - _BETAS[0]) * gradient
            second[rows] += (1 - _BETAS[1]) * gradient**2
            for start in range(0, len(values), _ROWS):
                part = slice(start, start + _ROWS)
                by = np.sqrt(second[part])
                by *= spread
                by += _EPSILON
                np.divide(first[part], by, out=by)
                by *= rate
                values[part] -= by
