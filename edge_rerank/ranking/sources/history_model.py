"""Evidence by the history model: how well each candidate follows from what came before.

A small model attends from every candidate to every item of the history and adds up its
parts, one a kind of evidence, so that each can be missing, explained and weighed apart. One
that takes the strength of interests has a part of its own against what resembles disliked
items; an earlier one is shown liked items alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackUnsupported
from edge_rerank.inference.session import Session, TensorType, finite
from edge_rerank.packs.onnx_sizes import Shape, Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import HistoryEncoderSpec
from edge_rerank.packs.tables import Tables
from edge_rerank.ranking.evidence import Column
from edge_rerank.ranking.grouping import places_by
from edge_rerank.ranking.signals.inputs import (
    BITS,
    BY_NAME,
    EVENTS,
    KNOWN_BITS,
    SIGNALS,
    TABLES,
    Known,
)
from edge_rerank.ranking.signals.strength import Strength
from edge_rerank.ranking.signals.table import Table
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.ranking.sources.history_graphs import SmallGraphs
from edge_rerank.types import ReasonCode

CHUNK = 1_000
"""Candidates in one run, which bounds the memory; they do not depend on one another."""

PARTS = (
    Column("learned-content", 1.0, ReasonCode.SIMILAR, adapts=True),
    Column("learned-category", 1.0, ReasonCode.CATEGORY, adapts=True),
    Column("learned-together", 1.0, ReasonCode.TOGETHER, adapts=True),
    Column("learned-popularity", 0.7, ReasonCode.POPULAR, adapts=True),
    Column("learned-against", 0.5, ReasonCode.DISLIKED),
)
"""The model's outputs in their order: log-odds from texts beside texts, from categories, from
what people of this catalogue chose together or one after the other, from popularity against
the popularity of what the person chose before, and, at most 0 and only of a model that takes
the strength of interests, from likeness to what the person disliked.

Popularity counts 0.7: whole, after a like of a kind one chosen 2.5 times as often led over one of
the kind in more than a tenth of the lists of two for 7 of 23 kinds, now for none.
NDCG@10 of 11 sets' validation requests is 0.5228 with 1, 0.5240 with 0.8, 0.5233 with 0.7,
0.5218 with 0.6. Likeness to dislikes counts half: it was learnt from simulated ones, and whole it
puts a kind at the end at once, so that a second dislike lowered it in 21 of 40 histories of news,
with half in 33."""


class HistoryModel:
    """Runs the ``history_encoder`` part of a pack. Safe from several threads.

    Args:
        pack: a pack whose manifest has a history encoder.
        providers: as for :class:`~edge_rerank.inference.encoders.text.TextEncoder`.
        tables: take the places of the pack's own, see :meth:`take`.

    Raises:
        PackUnsupported: when the pack has no history encoder, or one that takes an input or
            has a table that this version does not know, or none of ``tables``.
        PackInvalid: when its word weights or one of its tables by item cannot be read.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.

    Attributes:
        judges_dislikes: whether it takes the strength of interests, and judges disliked items.
        columns: its outputs, those of :data:`PARTS` that it has.
        tables: what is known of a catalogue's log, by the names of the signals that read it.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        providers: Sequence[str] | None = None,
        tables: Tables | None = None,
    ) -> None:
        spec = pack.manifest.history_encoder
        if spec is None:
            raise PackUnsupported("the pack has no history encoder")
        self.spec = spec
        model = pack.model(spec.model, _feed())
        self.lexicon = Lexicon.from_bytes(pack.read(spec.lexicon))
        self._own_tables = _read_tables(pack.read, spec.tables)
        self.tables: Mapping[str, Table] = self._own_tables
        # Too small to share: a second thread costs more than it brings.
        session = Session(model, providers=providers, threads=1)
        takes = session.inputs
        self.inputs = tuple(takes)
        self._bits = _bits(takes)
        self.judges_dislikes = Strength.name in takes
        self.columns = PARTS if self.judges_dislikes else PARTS[:-1]
        self._session: Session | None = session
        self._small = self._tried(model.graph, session.providers)
        if self._small is not None:
            self._session = None
        if tables is not None:
            self.take(tables)

    def take(self, tables: Tables) -> tuple[str, ...]:
        """Read tables of a catalogue's log in the places of the pack's own, from the next call on.

        Those that the model has no input for are left out, and those of an earlier call that are
        not among them are put back to the pack's own.

        Returns:
            The names of those that it reads.

        Raises:
            PackUnsupported: when it has no input for any of them.
            PackInvalid: when one of them cannot be read; what was read before is kept.
        """
        files = {name: file for name, file in tables.manifest.tables.items() if name in self.inputs}
        if not files:
            takes = ", ".join(signal.name for signal in TABLES if signal.name in self.inputs)
            raise PackUnsupported(
                f"tables: the pack's history encoder reads {takes or 'none'}, got none of these"
            )
        # One assignment: a call that goes on has the old ones, or the new ones.
        self.tables = {**self._own_tables, **_read_tables(tables.read, files)}
        return tuple(files)

    def _tried(self, graph: bytes, providers: tuple[str, ...]) -> SmallGraphs | None:
        """Its parts in graphs of their own, where they give what it gives."""
        if self.inputs != tuple(BY_NAME) or self._bits != len(KNOWN_BITS):
            return None  # of an earlier version
        return SmallGraphs.of(graph, self._run, providers=providers)

    @property
    def needed(self) -> tuple[str, ...]:
        """Inputs that :meth:`parts` reads: small graphs do without tables that are not there."""
        if self._small is None:
            return self.inputs
        absent = {signal.name for signal in TABLES if signal.name not in self.tables}
        return tuple(name for name in self.inputs if name not in absent)

    def parts(
        self,
        arrays: Mapping[str, NDArray[np.float32]],
        kinds: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float64]:
        """Judge the candidates of one request, or of several.

        Args:
            arrays: those of :attr:`needed`, see
                :func:`edge_rerank.ranking.signals.inputs.inputs`; without leading axes, or with one
                of requests that have as many liked and as many disliked items each.
            kinds: a number for each candidate, the same where the categories are, from 0 without
                gaps, of shape (..., candidates); ``None`` where nothing is known of that.

        Returns:
            float64 of shape (..., candidates, parts), by ``columns``; 0 in the column of a kind of
            evidence that is not there. What it says of a request is the same to the last bit,
            whatever others come with it.

        Raises:
            InferenceError: when the model fails or returns something that is no number.
        """
        if arrays[Known.name].ndim == 1:
            one = {name: values[None] for name, values in arrays.items()}
            found: NDArray[np.float64] = self._parts(one, None if kinds is None else kinds[None])[0]
            return found
        return self._parts(arrays, kinds)

    def _parts(
        self, arrays: Mapping[str, NDArray[np.float32]], kinds: NDArray[np.intp] | None
    ) -> NDArray[np.float64]:
        """:meth:`parts` with a leading axis."""
        if self._small is None:
            people = range(len(arrays[Known.name]))
            every = [self._run({name: one[row] for name, one in arrays.items()}) for row in people]
            return np.stack(every)
        known = arrays[Known.name][:, : self._bits]
        parts = np.empty((*arrays["popularity"].shape[:2], len(self.columns)), dtype=np.float32)
        for rows in _alike(known):
            some = {name: values[rows] for name, values in arrays.items()}
            some[Known.name] = known[rows]
            parts[rows] = self._small.parts(some, None if kinds is None else kinds[rows])
        return finite([parts], 0, parts.shape, "the history encoder").astype(np.float64)

    def _run(self, arrays: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        """Judge by the graph as it is in the pack."""
        session = self._session
        assert session is not None  # noqa: S101 - kept where the small graphs are not
        feed = {name: arrays[name][None] for name in self.inputs}
        # Bits are added at the end: a model knows those that there were when it was trained.
        feed[Known.name] = feed[Known.name][:, : self._bits]
        count, length = arrays["popularity"].shape[0], arrays["history"].shape[0]
        known = dict(zip(KNOWN_BITS, arrays["known"].tolist(), strict=False))
        by_candidate: dict[str, int] = {}
        for signal in SIGNALS:
            name, axes = signal.name, signal.axes
            if name not in feed:
                continue
            if not length and axes.of_history is not None:
                # Operators that look for a maximum want something to look at; it is masked.
                shape = axes.shape(count, 1, signal.width)
                feed[name] = np.zeros((1, *shape), dtype=np.float32)
            if axes.of_candidates is None:
                continue
            axis = feed[name].ndim + axes.of_candidates
            if signal.folds and not known[signal.bit]:
                feed[name] = feed[name].take([0], axis=axis)  # its part is 0: compute it once
            else:
                by_candidate[name] = axis
        parts = np.empty((count, len(self.columns)))
        for start in range(0, count, CHUNK):
            chunk = dict(feed)
            for name, axis in by_candidate.items():
                rows = (slice(None),) * axis + (slice(start, start + CHUNK),)
                chunk[name] = feed[name][rows]
            shape = (1, min(CHUNK, count - start), len(self.columns))
            outputs = session.run(chunk)
            parts[start : start + CHUNK] = finite(outputs, 0, shape, "the history encoder")[0]
        return parts

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(clicked) of each candidate of a list, from the scores of all of it.

        Platt's sigmoid (1999) over the distance from the list's mean, fitted on validation
        requests when the pack was made.
        """
        return probabilities_of(self.spec, scores)


def probabilities_of(spec: HistoryEncoderSpec, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """See :meth:`HistoryModel.probabilities`; without the model, of what its pack says of it."""
    logits = spec.slope * (scores - scores.mean()) + spec.intercept
    return np.asarray(1 / (1 + np.exp(-logits.clip(-500, 500))))


def _alike(rows: NDArray[np.float32]) -> list[slice | NDArray[np.intp]]:
    """Which of some rows are the same, a slice where all are: it copies nothing."""
    if (rows == rows[0]).all():
        return [slice(None)]
    return [np.array(one, dtype=np.intp) for one in places_by(map(tuple, rows.tolist()))]


def _bits(takes: Mapping[str, TensorType]) -> int:
    """How many numbers of ``known`` a model takes, whose other inputs these have to go with."""
    bits = takes[Known.name].shape[-1] if Known.name in takes else 0
    if not isinstance(bits, int):
        raise PackUnsupported("history_encoder: expected known to have a fixed width")
    # What every model takes: what is there, and what that is said of.
    needed = {Known.name, *(signal.name for signal in BITS[:bits])}
    if not bits or not needed <= takes.keys() <= BY_NAME.keys():
        raise PackUnsupported(
            f"history_encoder: expected inputs of {', '.join(BY_NAME)}, got another or too few"
        )
    return bits


def _feed() -> dict[str, Shape]:
    """The inputs of a run: one request, a chunk of its candidates, likes and dislikes."""
    events = Size(1, [Symbol("events", 1, 2 * EVENTS)])
    shapes: dict[str, Shape] = {}
    for signal in SIGNALS:
        shape = [Size(1), *map(Size, signal.axes.shape(1, 1, signal.width))]
        # One candidate may stand for all, so each input has its own number of them.
        some = Size(1, [Symbol(signal.name if signal.folds else "candidates", 1, CHUNK)])
        for axis, size in ((signal.axes.of_candidates, some), (signal.axes.of_history, events)):
            if axis is not None:
                shape[axis] = size
        shapes[signal.name] = tuple(shape)
    return shapes


def _read_tables(read: Callable[[str], bytes], files: Mapping[str, str]) -> dict[str, Table]:
    known = {signal.name: signal.table for signal in TABLES}
    tables: dict[str, Table] = {}
    for name, file in files.items():
        if (kind := known.get(name)) is None:
            raise PackUnsupported(
                f"history_encoder: expected tables of {', '.join(sorted(known))}, got another"
            )
        tables[name] = kind.from_bytes(read(file))
    return tables
