"""The registry of signals, and a history model's inputs made from them.

Whoever adds a signal writes its class in a module of its own and puts it into
:data:`SIGNALS`; the inputs' order, their axes in ONNX, the numbers of ``known``, the names of
dropout, the keys of tables in the manifest and the files to write follow from that.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.categories import Categories
from edge_rerank.ranking.signals.content import Content
from edge_rerank.ranking.signals.counts import Counts
from edge_rerank.ranking.signals.pairs import Pairs
from edge_rerank.ranking.signals.popularity import Popularity
from edge_rerank.ranking.signals.sequence import Successions
from edge_rerank.ranking.signals.signal import Axes, Signal
from edge_rerank.ranking.signals.situation import Array, Situation, mean, weighted_mean
from edge_rerank.ranking.signals.strength import Strength

EVENTS = 20
"""Most recent items of the history that are looked at; more took time and brought nothing."""

KNOWN_BITS = ("history", "category", "together", "popularity", "time", "record", "succession")
"""The numbers of ``known``, in the order that models were trained with; new ones come last."""


class Events(Signal):
    """Recency by place, log age, same day as the newest, log strength."""

    name = "events"
    axes = Axes.EVENTS
    width = 4
    bit = "time"
    dropout = 0.2

    def raw(self, situation: Situation) -> Array:
        """Shape (..., H, 4)."""
        past, age = situation.past, situation.age_days
        events = np.empty((*age.shape, self.width))
        events[..., 0], events[..., 3] = past.faded, past.weighed
        # Whole days, so that two calls in a row see the same.
        events[..., 1] = np.log1p(np.floor(age)) / 8
        events[..., 2] = situation.dated & (age - situation.youngest_days <= 1.0)
        events *= past.touched[..., None]
        return events

    def known(self, situation: Situation, values: Array) -> NDArray[np.bool_]:
        """Whether any time is known."""
        del values
        return np.asarray(situation.dated.any(axis=-1))


class History(Signal):
    """1 for a liked item, 0 for padding."""

    name = "history"
    axes = Axes.EVENT
    bit = "history"
    dropout = 0.02

    def raw(self, situation: Situation) -> Array:
        """Shape (..., H)."""
        return situation.past.liked.astype(np.float32)


class Context(Signal):
    """How alike the history is in itself, and the candidates to it; then what others chose."""

    name = "context"
    axes = Axes.REQUEST
    width = 13

    def raw(self, situation: Situation) -> Array:
        """Shape (..., 13); the last five come from popularity."""
        past, present = situation.past, situation.present
        weight, sink, within = past.weight, past.sink, past.within
        cosine = situation.cosine
        if situation.whole:
            means = np.add.reduce(cosine, axis=-2) / cosine.shape[-2]
        else:
            means = mean(cosine, present[..., None], axis=-2)
        all_mean = weighted_mean(means, weight, sink)
        best = (cosine * weight[..., None, :]).max(axis=-1, initial=0.0)
        best_mean = mean(best, present)
        youngest = situation.youngest_days[..., 0]
        context = np.empty((*present.shape[:-1], self.width))
        context[..., :3] = within
        context[..., 3], context[..., 4] = all_mean, best_mean
        context[..., 5] = within[..., 1] - best_mean
        context[..., 6] = within[..., 2] - all_mean
        context[..., 7] = np.log1p(np.floor(youngest)) / 8
        context[..., 8:] = situation.crowd.context()
        return context


class Known(Signal):
    """1 for each kind of evidence that is there; :func:`inputs` fills it in."""

    name = "known"
    axes = Axes.REQUEST
    width = len(KNOWN_BITS)

    def raw(self, situation: Situation) -> Array:
        """Zeros of shape (..., 7)."""
        return np.zeros((*situation.present.shape[:-1], self.width))


SIGNALS: tuple[Signal, ...] = (
    Content(),
    Categories(),
    Pairs(),
    Events(),
    History(),
    Popularity(),
    Counts(),
    Context(),
    Known(),
    Successions(),
    Strength(),
)
"""All of them, in the order of a model's inputs."""

BY_NAME: Mapping[str, Signal] = {signal.name: signal for signal in SIGNALS}

BITS: tuple[Signal, ...] = tuple(
    next(signal for signal in SIGNALS if signal.bit == bit) for bit in KNOWN_BITS
)
"""The signals that the numbers of ``known`` stand for, in their order."""

TABLES: tuple[Signal, ...] = tuple(signal for signal in SIGNALS if signal.table is not None)
"""Those that read a table which a pack may have."""


def inputs(
    situation: Situation, names: Container[str] = frozenset(BY_NAME)
) -> dict[str, NDArray[np.float32]]:
    """A history model's inputs.

    Args:
        situation: of a request, or of many with leading axes.
        names: the inputs that the model takes. One that takes the strength was trained on
            histories in which an item counts as much as it is liked.

    Returns:
        Arrays by name in the order of :data:`SIGNALS`, float32, of the shapes that
        :class:`~.signal.Axes` names.
    """
    weighted = Strength.name in names
    if situation.weighted != weighted:
        situation = replace(situation, weighted=weighted)
    made: dict[str, NDArray[np.float32]] = {}
    there: dict[str, NDArray[np.bool_]] = {}
    for signal in SIGNALS:
        if signal.name in names:
            values = signal.raw(situation)
            if signal.table is not None and signal.name not in situation.tables:
                there[signal.bit] = np.zeros(situation.now.shape, dtype=np.bool_)
            elif signal.bit:
                there[signal.bit] = signal.known(situation, values)
            made[signal.name] = np.ascontiguousarray(values, dtype=np.float32)
    for place, bit in enumerate(KNOWN_BITS):
        if bit in there:
            made[Known.name][..., place] = there[bit]
    return made
