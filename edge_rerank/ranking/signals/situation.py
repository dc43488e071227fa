"""Situations: candidates before a history of items.

The runtime and the toolchain fill in the same :class:`Situation`, with any number of leading
axes (...), so that a signal is computed by the same lines in training, in batches, and at run
time, for a single request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

SINK = 0.5
"""Strength of nothing: what a weighted mean over a history is drawn to 0, or to what is usual,
by. Half a click, so that one bounce (0.02 to 0.1) moves a mean by a sixth of itself at most."""

MARKED = 0.25
"""From this strength on an event says when the person was last here; a bounce does not."""


@dataclass(frozen=True, slots=True, repr=False)
class Side:
    """The n candidates, or the n places of the history.

    Attributes:
        items: the same number for the same item on both sides, int64 of shape (..., n);
            negative where there is none.
        words: vectors of the words, see :mod:`~.words`, float32 of shape (..., n, dim).
        categories: a unit row an item over all categories that count, or zeros, float32 of
            shape (..., n, categories).
        leaves: number of the most specific category, int64 of shape (..., n); -1 for none.
        popularity: float32 of shape (..., n); NaN where unknown.
        rows: rows in the tables, by the tables' names, int64 of shape (..., n).
    """

    items: NDArray[np.int64]
    words: NDArray[np.float32]
    categories: NDArray[np.float32]
    leaves: NDArray[np.int64]
    popularity: NDArray[np.float32]
    rows: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Situation:
    """Candidates before a history of items.

    Attributes:
        candidates: C items.
        history: H places, oldest first.
        cosine: of the vectors of both, shape (..., C, H); 0 for an item with itself.
        likeness: cosines within the history, shape (..., H, H).
        strength: how much each place of the history is liked, shape (..., H); 0 is no item,
            and below 0 is disliked, which models that take no strength cannot read.
        place: how much came after each place, in clicks: 0 for the newest item, 1 for the one
            before, ...; shape (..., H).
        age_s: seconds since, shape (..., H); NaN where unknown.
        present: False where a place is no candidate, bool of shape (..., C).
        now: UTC seconds, float64 of shape (...,); NaN where unknown.
        tables: those the pack has, by name.
        own: in training, what a request added itself to the counts of a table and must not
            see, by the table's name.
        weighted: whether an item of the history counts as much as it is liked. Otherwise each
            liked one counts 1, as models that take no strength were trained with.
    """

    candidates: Side
    history: Side
    cosine: Array
    likeness: Array
    strength: Array
    place: Array
    age_s: Array
    present: NDArray[np.bool_]
    now: NDArray[np.float64]
    tables: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    weighted: bool = False

    @cached_property
    def liked(self) -> NDArray[np.bool_]:
        """Where the history has something liked, shape (..., H)."""
        return self.strength > 0

    @cached_property
    def touched(self) -> NDArray[np.bool_]:
        """Where the history has something, liked or not, shape (..., H)."""
        return np.asarray(self.strength != 0)

    @cached_property
    def weight(self) -> Array:
        """How much each place counts in what the history is like, 0 to 1, shape (..., H)."""
        return np.asarray(self.strength.clip(0.0, 1.0) if self.weighted else self.liked * 1.0)

    @property
    def sink(self) -> float:
        """What the weights of a mean are added to, see :data:`SINK`."""
        return SINK if self.weighted else 0.0

    @cached_property
    def pairs(self) -> NDArray[np.float32]:
        """1 where a candidate stands beside something, shape (..., C, H)."""
        return (self.present[..., :, None] & self.touched[..., None, :]).astype(np.float32)

    @cached_property
    def dated(self) -> NDArray[np.bool_]:
        """Where the history has something of a known time, shape (..., H)."""
        return self.touched & ~np.isnan(self.age_s)

    @cached_property
    def age_days(self) -> Array:
        """Days since, shape (..., H); 0 where unknown."""
        return np.asarray(np.where(self.dated, self.age_s, 0.0).clip(min=0) / 86_400.0)

    @cached_property
    def youngest_days(self) -> Array:
        """Days since the newest that counts, shape (..., 1); 0 where unknown."""
        marks = self.dated & (self.weight >= MARKED)
        youngest = np.where(marks, self.age_days, np.inf).min(
            axis=-1, initial=np.inf, keepdims=True
        )
        return np.where(np.isfinite(youngest), youngest, 0.0)

    @cached_property
    def crowd(self) -> Crowd:
        """What others chose of both sides."""
        return Crowd.of(self)


@dataclass(frozen=True, slots=True, repr=False)
class Crowd:
    """What the candidates and the history have in common with what others chose.

    Attributes:
        log: log(1 + popularity) of the candidates, shape (..., C); the mean of the known ones
            where it is unknown, 0 where a place is no candidate.
        centre: mean of the known ones, shape (..., 1).
        spread: standard deviation of ``log``, shape (..., 1).
        usual: mean log of what is liked, shape (..., 1); ``centre`` where it is unknown.
        usual_spread: its standard deviation, shape (...,).
        counted: whether any candidate's is known, shape (...,).
    """

    log: Array
    centre: Array
    spread: Array
    usual: Array
    usual_spread: Array
    counted: NDArray[np.bool_]

    @classmethod
    def of(cls, situation: Situation) -> Crowd:
        """Look at a situation."""
        present = situation.present
        log = np.log1p(situation.candidates.popularity)
        known = present & ~np.isnan(log)
        centre = mean(log, known)[..., None]
        log = np.where(known, log, centre) * present
        liked = np.log1p(situation.history.popularity)
        weight, sink = situation.weight * ~np.isnan(liked), situation.sink
        liked = np.where(weight > 0, liked, 0.0)
        # Away from the candidates' own as far as the history weighs.
        usual = centre + weighted_mean(liked - centre, weight, sink)[..., None]
        return cls(
            log=log,
            centre=centre,
            spread=np.sqrt(mean((log - centre) ** 2, present))[..., None],
            usual=usual,
            usual_spread=np.sqrt(weighted_mean((liked - usual) ** 2, weight, sink)),
            counted=np.asarray(known.any(axis=-1)),
        )

    def context(self) -> Array:
        """What is common to all candidates, shape (..., 5); 0 where nothing is known."""
        numbers = np.stack(
            [
                (self.usual[..., 0] / 5).clip(max=1.5),
                (self.centre[..., 0] / 5).clip(max=1.5),
                ((self.usual - self.centre)[..., 0] / 3).clip(-2, 2),
                self.spread[..., 0],
                self.usual_spread,
            ],
            axis=-1,
        )
        return np.asarray(numbers * self.counted[..., None])


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Products of every row with every row, (..., C, dim) and (..., H, dim) to (..., C, H)."""
    return np.asarray(np.matmul(left, right.swapaxes(-1, -2)))


def mean(values: Array, where: NDArray[np.bool_], axis: int | tuple[int, ...] = -1) -> Array:
    """Mean over the places that count; 0 where none does."""
    total = np.where(where, values, 0.0).sum(axis=axis)
    return np.asarray(total / where.sum(axis=axis).clip(min=1))


def weighted_mean(values: Array, weight: Array, sink: float) -> Array:
    """Mean over the last axis, drawn to 0 by ``sink``; 0 where nothing weighs anything."""
    total = weight.sum(axis=-1) + sink
    return np.asarray((values * weight).sum(axis=-1) / np.where(total > 0, total, 1.0))


def places(strength: Array) -> Array:
    """How much came after each item of a history, in clicks.

    A bounce pushes nothing back, and what was turned down does not, either.

    Args:
        strength: oldest first, shape (..., H); see :class:`Situation`.
    """
    sizes = strength.clip(0.0, 1.0)
    return np.asarray(sizes[..., ::-1].cumsum(axis=-1)[..., ::-1] - sizes)
