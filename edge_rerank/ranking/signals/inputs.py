"""What the history encoder sees: one definition for training and run time.

A :class:`Situation` holds raw comparisons of candidates and history; :func:`signals` turns
them into the model's inputs. Both take any number of leading axes, so that the toolchain
hands in batches and the runtime a single request, through the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.signals.counts import SIGNALS as RECORD_SIGNALS
from edge_rerank.ranking.signals.pairs import SIGNALS as TOGETHER_SIGNALS

Array = NDArray[np.floating[Any]]

CONTENT_SIGNALS = 2
CATEGORY_SIGNALS = 2
EVENT_SIGNALS = 4
POPULARITY_SIGNALS = 4
CONTEXT_SIGNALS = 13
KNOWN_SIGNALS = 6

EVENTS = 20
"""Most recent items of the history that are looked at; more took time and brought nothing."""

_DAY_S = 86_400.0
_PLACES = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class Situation:
    """Candidates (C) before a history of items and searches (H), with leading axes (...).

    Attributes:
        cosine: of text vectors, shape (..., C, H); 0 for an item with itself.
        lexical: of word vectors, see :mod:`~.words`, shape (..., C, H), likewise.
        category: of the sets of categories, shape (..., C, H).
        leaf: 1 where the most specific categories agree, shape (..., C, H).
        together: see :meth:`~.pairs.Together.signals`, shape (..., 4, C, H); ``None``
            without a table.
        record: see :meth:`~.counts.Record.signals`, shape (..., C, 7); ``None`` without one.
        succession: see :meth:`~.sequence.Succession.signals`, shape (..., C); NaN where
            unknown; ``None`` without a table.
        likeness: cosines within the history, shape (..., H, H).
        strength: how much each item of the history is liked, shape (..., H); 0 is no item.
        place: 0 for the newest, 1 for the one before, ..., shape (..., H).
        age_s: seconds since, shape (..., H); NaN where unknown.
        popularity: of the candidates, shape (..., C); NaN where unknown.
        liked_popularity: of the history, shape (..., H); NaN where unknown.
        present: False where a place is no candidate, bool of shape (..., C).
    """

    cosine: Array
    lexical: Array
    category: Array
    leaf: Array
    together: Array | None
    record: Array | None
    succession: Array | None
    likeness: Array
    strength: Array
    place: Array
    age_s: Array
    popularity: Array
    liked_popularity: Array
    present: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, repr=False)
class Signals:
    """Inputs of the history encoder, float32, with leading axes (...).

    Attributes:
        content: cosine and lexical, shape (..., 2, C, H).
        category: cosine of the sets, same leaf, shape (..., 2, C, H).
        together: shape (..., 4, C, H).
        events: recency by place, log age, same day as the newest, log strength,
            shape (..., H, 4).
        history: 1 for an item, 0 for padding, shape (..., H).
        popularity: log, standardised log, log against the history's, rank; (..., C, 4).
        record: see :meth:`~.counts.Record.signals`, shape (..., C, 7).
        context: what is common to all candidates, shape (..., 13); the last five come
            from popularity.
        known: 1 for each signal that is there: history, categories, together, popularity,
            time, record; shape (..., 6).
        succession: against the mean of the candidates, shape (..., C); 0 where unknown.
    """

    content: Array
    category: Array
    together: Array
    events: Array
    history: Array
    popularity: Array
    record: Array
    context: Array
    known: Array
    succession: Array

    def inputs(self) -> Mapping[str, Array]:
        """The arrays by name, as the model takes them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def signals(situation: Situation) -> Signals:
    """Turn raw comparisons into the history encoder's inputs."""
    history = situation.strength > 0
    present = situation.present
    pairs = (present[..., :, None] & history[..., None, :]).astype(np.float32)
    dated = history & ~np.isnan(situation.age_s)
    events, newest = _events(situation, history, dated)
    popularity, crowd, counted = _popularity(situation, history)
    each = pairs[..., None, :, :]
    categories = np.stack([situation.category, situation.leaf], axis=-3) * each
    together = (
        np.zeros((*pairs.shape[:-2], TOGETHER_SIGNALS, *pairs.shape[-2:]), dtype=np.float32)
        if situation.together is None
        else situation.together * each
    )
    record = (
        np.zeros((*present.shape, RECORD_SIGNALS))
        if situation.record is None
        else situation.record * present[..., None]
    )
    succession = (
        np.zeros(present.shape)
        if situation.succession is None
        else _centred(situation.succession, present)
    )
    known = np.stack(
        [
            history.any(axis=-1),
            categories.any(axis=(-3, -2, -1)),
            together.any(axis=(-3, -2, -1)),
            counted,
            dated.any(axis=-1),
            record.any(axis=(-2, -1)),
        ],
        axis=-1,
    )
    context = np.concatenate([_context(situation, history, pairs, newest), crowd], axis=-1)
    content = np.stack([situation.cosine, situation.lexical], axis=-3) * each
    return Signals(
        *(
            np.ascontiguousarray(one, dtype=np.float32)
            for one in (
                content,
                categories,
                together,
                events,
                history,
                popularity,
                record,
                context,
                known,
                succession,
            )
        )
    )


def _events(
    situation: Situation, history: NDArray[np.bool_], dated: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Event signals, and the log age of the newest event, shape (...,)."""
    age = np.where(dated, situation.age_s, 0.0).clip(min=0) / _DAY_S
    youngest = np.where(dated, age, np.inf).min(axis=-1, initial=np.inf, keepdims=True)
    youngest = np.where(np.isfinite(youngest), youngest, 0.0)
    strength = np.where(history, situation.strength, 1.0)
    events = np.stack(
        [
            np.exp2(-situation.place / _PLACES),
            # Whole days, so that two calls in a row see the same.
            np.log1p(np.floor(age)) / 8,
            dated & (age - youngest <= 1.0),
            np.log(strength),
        ],
        axis=-1,
    )
    return events * history[..., None], np.asarray(np.log1p(np.floor(youngest[..., 0])) / 8)


def _popularity(
    situation: Situation, history: NDArray[np.bool_]
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Signals of the candidates, of the context, and whether any candidate's is known."""
    present = situation.present
    log = np.log1p(situation.popularity)
    known = present & ~np.isnan(log)
    counted = np.asarray(known.any(axis=-1))
    centre = _mean(log, known)[..., None]
    log = np.where(known, log, centre) * present
    spread = np.sqrt(_mean((log - centre) ** 2, present))[..., None]
    liked = np.log1p(situation.liked_popularity)
    liked_known = history & ~np.isnan(liked)
    usual = np.where(liked_known.any(axis=-1), _mean(liked, liked_known), centre[..., 0])[..., None]
    liked_spread = np.sqrt(_mean((liked - usual) ** 2, liked_known))
    popularity = np.stack(
        [
            (log / 5).clip(max=1.5),
            (log - centre) / (spread + 0.3),
            ((log - usual) / 3).clip(-2, 2),
            _rank(log, present),
        ],
        axis=-1,
    )
    crowd = np.stack(
        [
            (usual[..., 0] / 5).clip(max=1.5),
            (centre[..., 0] / 5).clip(max=1.5),
            ((usual - centre)[..., 0] / 3).clip(-2, 2),
            spread[..., 0],
            liked_spread,
        ],
        axis=-1,
    )
    there = (present & counted[..., None])[..., None]
    return popularity * there, crowd * counted[..., None], counted


def _context(
    situation: Situation, history: NDArray[np.bool_], pairs: Array, newest: Array
) -> Array:
    """How alike the history is in itself, and how alike the candidates are to it."""
    count = history.sum(axis=-1)
    length = history.shape[-1]
    within = (history[..., :, None] & history[..., None, :]) & ~np.eye(length, dtype=bool)
    nearest = np.where(within, situation.likeness, -1.0).max(axis=-1, initial=-1.0)
    self_max = _mean(nearest.clip(min=0), history)
    self_mean = _mean(situation.likeness, within, axis=(-2, -1))
    mean = _mean(situation.cosine, pairs > 0, axis=(-2, -1))
    best = np.where(pairs > 0, situation.cosine, 0.0).max(axis=-1, initial=0.0)
    best_mean = _mean(best, situation.present)
    return np.stack(
        [
            np.log1p(count) / 4,
            self_max,
            self_mean,
            mean,
            best_mean,
            self_max - best_mean,
            self_mean - mean,
            newest,
        ],
        axis=-1,
    )


def _centred(values: Array, present: NDArray[np.bool_]) -> Array:
    """Distance from the mean of the known ones; an unknown one is as good as the mean."""
    known = present & ~np.isnan(values)
    return np.where(known, values - _mean(values, known)[..., None], 0.0)


def _mean(values: Array, where: NDArray[np.bool_], axis: int | tuple[int, ...] = -1) -> Array:
    """Mean over the places that count; 0 where none does."""
    total = np.where(where, values, 0.0).sum(axis=axis)
    return np.asarray(total / where.sum(axis=axis).clip(min=1))


def _rank(values: Array, present: NDArray[np.bool_]) -> Array:
    """Share of the candidates that stand below, ties counted half; shape as ``values``."""
    ranks = np.zeros(values.shape)
    for at in np.ndindex(values.shape[:-1]):
        own = values[at][present[at]]
        order = np.sort(own)
        below = np.searchsorted(order, own, side="left")
        not_above = np.searchsorted(order, own, side="right")
        ranks[at][present[at]] = (below + not_above) / (2 * max(len(own), 1))
    return ranks
