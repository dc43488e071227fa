"""Situations: candidates before a history of items.

The runtime and the toolchain fill in the same :class:`Situation`, with any number of leading
axes (...), so that a signal is computed by the same lines in training, in batches, and at run
time, for a single request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._lazy import cached_property

Array = NDArray[np.floating[Any]]

SINK = 0.5
"""Strength of nothing: what a weighted mean over a history is drawn to 0, or to what is usual,
by. Half a click, so that six seconds (0.1) move a mean by a sixth of what they were."""

_PLACES = 5.0
"""Clicks after which a place is half as recent."""

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

    @classmethod
    def together(cls, every: Sequence[Side]) -> Side:
        """Sides of one shape as one, with a leading axis."""
        return cls(
            items=np.stack([one.items for one in every]),
            words=np.stack([one.words for one in every]),
            categories=np.stack([one.categories for one in every]),
            leaves=np.stack([one.leaves for one in every]),
            popularity=np.stack([one.popularity for one in every]),
            rows={name: np.stack([one.rows[name] for one in every]) for name in every[0].rows},
        )


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
        whole: whether every place is a candidate, and every one of the history has something: so
            it is at run time, and there is nothing to mask.
        known_past: what follows from the history alone, where that was found before.
        offer_of: gives what follows from the candidates alone, where that is kept.
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
    whole: bool = False
    known_past: Past | None = None
    offer_of: Callable[[], Offer] | None = None

    @classmethod
    def together(cls, every: Sequence[Situation]) -> Situation:
        """Situations of one shape as one, with a leading axis; of a single one itself.

        Args:
            every: without leading axes, of the same tables, nothing their own to be taken off.
        """
        first = every[0]
        if len(every) == 1:
            return first
        return cls(
            candidates=Side.together([one.candidates for one in every]),
            history=Side.together([one.history for one in every]),
            cosine=np.stack([one.cosine for one in every]),
            likeness=np.stack([one.likeness for one in every]),
            strength=np.stack([one.strength for one in every]),
            place=np.stack([one.place for one in every]),
            age_s=np.stack([one.age_s for one in every]),
            present=np.stack([one.present for one in every]),
            now=np.stack([one.now for one in every]),
            tables=first.tables,
            weighted=first.weighted,
            whole=first.whole,
        )

    @cached_property
    def past(self) -> Past:
        """What follows from the history alone."""
        known = self.known_past
        if known is not None and known.weighted == self.weighted:
            return known
        return Past(
            strength=self.strength,
            place=self.place,
            likeness=self.likeness,
            popularity=self.history.popularity,
            weighted=self.weighted,
        )

    @cached_property
    def offer(self) -> Offer:
        """What follows from the candidates alone."""
        if self.offer_of is not None:
            return self.offer_of()
        return Offer.of(self.candidates.popularity, self.present)

    @cached_property
    def pairs(self) -> NDArray[np.float32]:
        """1 where a candidate stands beside something, shape (..., C, H)."""
        there = self.present[..., :, None] & self.past.touched[..., None, :]
        return there.astype(np.float32)

    @cached_property
    def dated(self) -> NDArray[np.bool_]:
        """Where the history has something of a known time, shape (..., H)."""
        return self.past.touched & ~np.isnan(self.age_s)

    @cached_property
    def age_days(self) -> Array:
        """Days since, shape (..., H); 0 where unknown."""
        return np.asarray(np.where(self.dated, self.age_s, 0.0).clip(min=0) / 86_400.0)

    @cached_property
    def youngest_days(self) -> Array:
        """Days since the newest that counts, shape (..., 1); 0 where unknown."""
        marks = self.dated & (self.past.weight >= MARKED)
        youngest = np.where(marks, self.age_days, np.inf).min(
            axis=-1, initial=np.inf, keepdims=True
        )
        return np.where(np.isfinite(youngest), youngest, 0.0)

    @cached_property
    def crowd(self) -> Crowd:
        """What others chose of both sides."""
        return Crowd.of(self)


@dataclass(frozen=True, repr=False)
class Past:
    """What of a situation follows from its history alone: the same while nobody does anything.

    Attributes:
        strength, place, likeness, weighted: see :class:`Situation`.
        popularity: float32 of shape (..., H); NaN where unknown.
    """

    strength: Array
    place: Array
    likeness: Array
    popularity: NDArray[np.float32]
    weighted: bool

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

    @cached_property
    def certainty(self) -> Array:
        """How far a history is believed that says less than one click does, 0 to 1, shape (...).

        Attention goes to what there is, however little it says: to six seconds alone as to a
        purchase. By the weight of nothing beside all of it, see :data:`SINK`, and 1 from a click
        or a dislike on.
        """
        said = np.abs(self.strength).clip(max=1.0).sum(axis=-1)
        return np.asarray((said * (1 + SINK) / (said + SINK)).clip(max=1.0))

    @property
    def sink(self) -> float:
        """What the weights of a mean are added to, see :data:`SINK`."""
        return SINK if self.weighted else 0.0

    @cached_property
    def within(self) -> Array:
        """How much there is, how like its nearest, and how like all others each is, (..., 3)."""
        weight, sink = self.weight, self.sink
        others = weight[..., None, :] * ~np.eye(weight.shape[-1], dtype=bool)
        nearest = (self.likeness * others).max(axis=-1, initial=0.0)
        beside = _flat(weight[..., :, None] * others)
        numbers = (
            np.log1p(weight.sum(axis=-1)) / 4,
            weighted_mean(nearest, weight, sink),
            weighted_mean(_flat(self.likeness), beside, sink),
        )
        return np.stack(numbers, axis=-1)

    @cached_property
    def faded(self) -> Array:
        """How recent each place is by what came after it, 0 to 1, shape (..., H)."""
        return np.asarray(np.exp2(-self.place / _PLACES))

    @cached_property
    def weighed(self) -> Array:
        """Log of how much each place is liked, shape (..., H); 0 where it is not."""
        return np.asarray(np.log(np.where(self.liked, self.strength, 1.0)))

    @cached_property
    def counted(self) -> tuple[Array, Array]:
        """Log(1 + popularity), 0 where it does not count, and how much it counts, (..., H) each."""
        log = np.log1p(self.popularity)
        weight = self.weight * ~np.isnan(log)
        return np.where(weight > 0, log, 0.0), weight


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """What of a situation follows from its candidates alone: the same for everybody.

    Attributes:
        log: log(1 + popularity), shape (..., C); the mean of the known ones where it is unknown, 0
            where a place is no candidate.
        centre: mean of the known ones, shape (..., 1).
        spread: standard deviation of ``log``, shape (..., 1).
        counts: where a place is a candidate, and any candidate's is known, shape (..., C).
        own: log / 5, at most 1.5; standardised; the share of the candidates that stand below, ties
            counted half; shape (..., C) each, not masked.
    """

    log: Array
    centre: Array
    spread: Array
    counts: NDArray[np.bool_]
    own: tuple[Array, Array, Array]

    @classmethod
    def of(cls, popularity: NDArray[np.float32], present: NDArray[np.bool_]) -> Self:
        """Look at candidates, see :class:`Side` and :class:`Situation`."""
        log = np.log1p(popularity)
        known = present & ~np.isnan(log)
        centre = mean(log, known)[..., None]
        log = np.where(known, log, centre) * present
        away = log - centre
        spread = np.sqrt(mean(away**2, present))[..., None]
        counts = present & known.any(axis=-1, keepdims=True)
        own = np.minimum(log / 5, 1.5), away / (spread + 0.3), _ranks(log, present)
        return cls(log, centre, spread, counts, own)


@dataclass(frozen=True, slots=True, repr=False)
class Crowd:
    """What the candidates and the history have in common with what others chose.

    Attributes:
        offer: of the candidates alone.
        usual: mean log of what is liked, shape (..., 1); that of the candidates where unknown.
        usual_spread: its standard deviation, shape (...,).
    """

    offer: Offer
    usual: Array
    usual_spread: Array

    @classmethod
    def of(cls, situation: Situation) -> Self:
        """Look at a situation."""
        offer, past = situation.offer, situation.past
        liked, weight = past.counted
        # Away from the candidates' own as far as the history weighs.
        usual = offer.centre + weighted_mean(liked - offer.centre, weight, past.sink)[..., None]
        spread = np.sqrt(weighted_mean((liked - usual) ** 2, weight, past.sink))
        return cls(offer, usual, spread)

    def context(self) -> Array:
        """What is common to all candidates, shape (..., 5); 0 where nothing is known."""
        offer = self.offer
        numbers = np.stack(
            [
                (self.usual[..., 0] / 5).clip(max=1.5),
                (offer.centre[..., 0] / 5).clip(max=1.5),
                ((self.usual - offer.centre)[..., 0] / 3).clip(-2, 2),
                offer.spread[..., 0],
                self.usual_spread,
            ],
            axis=-1,
        )
        return np.asarray(numbers * offer.counts.any(axis=-1, keepdims=True))


def _ranks(values: Array, present: NDArray[np.bool_]) -> Array:
    """Share of the candidates that stand below, ties counted half; shape as ``values``."""
    ranks = np.zeros(values.shape)
    for at in np.ndindex(values.shape[:-1]):
        own = values[at][present[at]]
        order = own.argsort()
        # What is looked for in its order is found near the one before.
        own = own[order]
        below = np.searchsorted(own, own, side="left")
        not_above = np.searchsorted(own, own, side="right")
        ranks[at][np.flatnonzero(present[at])[order]] = (below + not_above) / (2 * max(len(own), 1))
    return ranks


def _flat(values: Array) -> Array:
    """The last two axes as one."""
    return values.reshape(*values.shape[:-2], -1)


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Products of every row with every row, (..., C, dim) and (..., H, dim) to (..., C, H)."""
    return np.asarray(np.matmul(left, right.swapaxes(-1, -2)))


def mean(values: Array, where: NDArray[np.bool_], axis: int | tuple[int, ...] = -1) -> Array:
    """Mean over the places that count; 0 where none does."""
    total = np.add.reduce(np.where(where, values, 0.0), axis=axis)
    counts = np.add.reduce(where, axis=axis, dtype=np.intp)
    return np.asarray(total / np.maximum(counts, 1))


def weighted_mean(values: Array, weight: Array, sink: float) -> Array:
    """Mean over the last axis, drawn to 0 by ``sink``; 0 where nothing weighs anything."""
    total = np.add.reduce(weight, axis=-1) + sink
    return np.asarray(np.add.reduce(values * weight, axis=-1) / np.where(total > 0, total, 1.0))


def places(strength: Array) -> Array:
    """How much came after each item of a history, in clicks.

    A bounce pushes nothing back, and what was turned down does not, either.

    Args:
        strength: oldest first, shape (..., H); see :class:`Situation`.
    """
    sizes = strength.clip(0.0, 1.0)
    return np.asarray(sizes[..., ::-1].cumsum(axis=-1)[..., ::-1] - sizes)
