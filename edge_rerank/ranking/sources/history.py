"""The history model as a source: lays out what it judges, of one person or of several at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edge_rerank.inference.encoders.cache import VectorCache
from edge_rerank.ranking.candidates import MAX_CANDIDATES, Candidates
from edge_rerank.ranking.evidence import Call, Column, Evidence, Source
from edge_rerank.ranking.grouping import places_by
from edge_rerank.ranking.interests import Interest, Interests
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.signals.inputs import EVENTS, inputs
from edge_rerank.ranking.signals.situation import Offer, Past, Side, Situation, places
from edge_rerank.ranking.signals.table import Table, item_keys
from edge_rerank.ranking.signals.words import SparseRows
from edge_rerank.ranking.sources.history_graphs import BLOCK
from edge_rerank.ranking.sources.history_model import HistoryModel
from edge_rerank.types import ReasonCode


class HistorySource(Source):
    """The history model as a source.

    Args:
        model: judges.
        cache_items: word vectors of items kept in memory.
    """

    def __init__(self, model: HistoryModel, *, cache_items: int) -> None:
        self.columns: tuple[Column, ...] = model.columns
        self._model = model
        self._words = VectorCache(model.lexicon, capacity=cache_items, sparse=True)

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Judge the candidates before the history."""
        self.fill_each([(request, evidence)])

    def fill_each(self, calls: Sequence[Call]) -> None:
        """Judge the candidates of several people, those of one shape in one go."""
        tables = self._model.tables  # once: they may be replaced meanwhile
        every = [self._situation(request, tables) for request, _ in calls]
        for group in _of_one_shape(every):
            some = [every[place] for place in group]
            self._fill_together([calls[place] for place in group], some)

    def forget(self, user: str | None = None) -> None:
        """Nothing personal is kept."""

    def _fill_together(self, calls: Sequence[Call], situations: Sequence[Situation]) -> None:
        """Judge the candidates of people whose situations have one shape."""
        situation = Situation.together(situations)
        arrays = inputs(situation, self._model.needed)
        kinds = np.stack([request.candidates.categories.of_item for request, _ in calls])
        if len(calls) == 1:
            parts = self._model.parts(arrays, kinds[0])[None]
        else:
            parts = self._model.parts(arrays, kinds)
        certainty = np.reshape(situation.past.certainty, -1)
        for (_, evidence), one, certain in zip(calls, parts, certainty, strict=True):
            for column, values in zip(self.columns, one.T, strict=True):
                popular = column.reason is ReasonCode.POPULAR  # it is so for everybody
                evidence[column.name] = values if popular else values * certain

    def _situation(self, request: Request, tables: Mapping[str, Table]) -> Situation:
        """Lay out one request; the history is what the model can read of the person's."""
        compared, own = request.comparisons, request.candidates
        read = request.interests.derived(self, lambda: self._read(request))
        numbers, before = request.numbers
        sorts, past = request.sorts
        popularity, present = _single(own.popularity), np.ones(len(own), dtype=np.bool_)
        return Situation(
            candidates=Side(
                items=numbers,
                words=own.derived(self._words, self._words_of),
                categories=sorts.rows,
                leaves=sorts.leaves,
                popularity=popularity,
                rows={
                    name: own.derived(table, partial(_rows_in, table))
                    for name, table in tables.items()
                },
            ),
            history=Side(
                items=before[read.order],
                words=read.words,
                categories=past.rows[read.order],
                leaves=past.leaves[read.order],
                popularity=read.past.popularity,
                rows={
                    name: _past_rows(request.interests, table, read.names)
                    for name, table in tables.items()
                },
            ),
            # Row by row in memory, as numpy then adds up those of one and of several people alike.
            cosine=np.ascontiguousarray(compared.cosines[:, read.order]),
            likeness=read.past.likeness,
            strength=read.past.strength,
            place=read.past.place,
            age_s=ages_of(read.when, request.now),
            present=present,
            now=np.array(request.now or np.nan),
            tables=tables,
            weighted=read.past.weighted,
            whole=bool(read.past.touched.all()),
            known_past=read.past,
            offer_of=lambda: own.together(self, lambda _: Offer.of(popularity, present)),
        )

    def _read(self, request: Request) -> _Read:
        """What the model reads of a history, whatever it is asked to judge."""
        compared, weighted = request.comparisons, self._model.judges_dislikes
        touched, order = looked_at(request.interests, dislikes=weighted)
        items = [one.item for one in touched]
        keys = list(map(request.interests.text_keys.__getitem__, order.tolist()))
        strength = np.array([one.strength for one in touched])
        liked = np.flatnonzero(order < len(request.interests.liked))
        likeness = np.zeros((len(touched), len(touched)))
        likeness[np.ix_(liked, liked)] = compared.likeness[np.ix_(order[liked], order[liked])]
        return _Read(
            order=_as_it_comes(order, len(request.interests.touched)),
            past=Past(
                strength=strength,
                place=places(strength),
                likeness=likeness,
                popularity=_single(np.array([item.popularity for item in items], np.float64)),
                weighted=weighted,
            ),
            words=self._words.get([item.text for item in items], keys=keys),
            names=[item.id for item in items],
            when=times_of(touched),
        )

    def _words_of(self, candidates: Candidates) -> NDArray[np.float32]:
        if len(candidates) > MAX_CANDIDATES:
            rows = SparseRows.of(self._model.lexicon.encode, candidates.texts)
            return cast("NDArray[np.float32]", rows)  # gives those of the rows that are ranked
        texts, keys = candidates.texts, candidates.text_keys
        return self._words.get(texts, keys=keys, keep=not candidates.kept)


@dataclass(frozen=True, slots=True, repr=False)
class _Read:
    """What a history model reads of a history: h liked and disliked items, oldest first.

    Attributes:
        order: where each stands in the liked ones followed by the disliked ones, int64 of shape
            (h,); or a slice, where they stand there as they do here.
        past: their strengths, and what follows from them.
        words: their word vectors, float32 of shape (h, dim).
        names: their ids.
        when: each was last touched, UTC seconds, float64 of shape (h,); NaN where unknown.
    """

    order: NDArray[np.int64] | slice
    past: Past
    words: NDArray[np.float32]
    names: list[str]
    when: NDArray[np.float64]


def _of_one_shape(situations: Sequence[Situation]) -> Iterator[list[int]]:
    """Places of situations that can be judged in one go, no more than are worth it."""
    for group in places_by(map(_shape, situations)):
        size = max(BLOCK // max(len(situations[group[0]].present), 1), 1)
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _shape(situation: Situation) -> Hashable:
    """What has to be the same of situations that are judged in one go."""
    liked = np.count_nonzero(situation.past.liked)
    return situation.cosine.shape, situation.candidates.categories.shape, liked, situation.whole


def _as_it_comes(order: NDArray[np.int64], count: int) -> NDArray[np.int64] | slice:
    """A slice in place of an order of all of ``count`` that changes nothing: it copies nothing."""
    same = len(order) == count and (order == np.arange(count)).all()
    return slice(None) if same else order


def _past_rows(interests: Interests, table: Table, names: list[str]) -> NDArray[np.int64]:
    """Rows of what was read of the history, kept with it."""

    def rows() -> NDArray[np.int64]:
        return table.rows(interests.derived(item_keys, lambda: item_keys(names)))

    return interests.derived(type(table), rows, beside=table)


def _rows_in(table: Table, candidates: Candidates) -> NDArray[np.int64]:
    return table.rows(candidates.keys)


def looked_at(
    interests: Interests, *, dislikes: bool
) -> tuple[tuple[Interest, ...], NDArray[np.int64]]:
    """What a history model reads of a person's interests, oldest first.

    How liked items fade is the model's to say; a dislike is as strong as it is recent.

    Args:
        interests: with no more liked items than are looked at.
        dislikes: whether it reads disliked items as well; as many of the newest as of liked ones.

    Returns:
        The interests, and where each stands in the liked ones followed by the disliked ones.
    """
    liked, disliked = interests.liked, interests.disliked
    rows = list(range(len(liked)))
    if dislikes and disliked:
        rows += range(len(liked) + max(len(disliked) - EVENTS, 0), len(liked) + len(disliked))
    every = (*liked, *(replace(one, strength=one.strength * one.recency) for one in disliked))
    rows.sort(key=lambda row: -every[row].later)
    return tuple(every[row] for row in rows), np.array(rows, dtype=np.int64)


def times_of(touched: Sequence[Interest]) -> NDArray[np.float64]:
    """UTC seconds at which each was last touched, of shape (touched,); NaN where unknown."""
    return np.array([one.when for one in touched], dtype=np.float64)  # None becomes NaN


def ages_of(times: NDArray[np.float64], now: float) -> NDArray[np.float32]:
    """Seconds since each, float32, see :func:`times_of`."""
    return (now - times).astype(np.float32)


def _single(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Counts as float32, NaN for what is unknown; more than it holds is the most it holds."""
    return np.minimum(counts, np.finfo(np.float32).max).astype(np.float32)
