"""The history encoder: how well each candidate follows from what the person did before.

A small model attends from every candidate to every item of the history and adds up four
parts, one a kind of evidence, so that each can be missing, explained and weighed apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InferenceError, PackUnsupported
from edge_rerank.inference.session import Session
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.signals.counts import Record
from edge_rerank.ranking.signals.inputs import Signals
from edge_rerank.ranking.signals.pairs import Together
from edge_rerank.ranking.signals.sequence import Succession
from edge_rerank.ranking.signals.words import Lexicon

CHUNK = 1_000
"""Candidates in one run, which bounds the memory; they do not depend on one another."""

_CANDIDATE_AXIS = {
    "content": 2,
    "category": 2,
    "together": 2,
    "popularity": 1,
    "record": 1,
    "succession": 1,
}
_TABLES = {"together", "record", "succession"}
_EVENT_AXIS = {"content": 3, "category": 3, "together": 3, "events": 1, "history": 1}


class Part(IntEnum):
    """Columns of the model's output: log-odds from one kind of evidence."""

    CONTENT = 0
    CATEGORY = 1
    TOGETHER = 2
    POPULARITY = 3


class HistoryEncoder:
    """Runs the ``history_encoder`` part of a pack. Safe from several threads.

    Args:
        pack: a pack whose manifest has a history encoder.
        providers: as for :class:`~edge_rerank.inference.encoders.text.TextEncoder`.

    Raises:
        PackUnsupported: when the pack has no history encoder, or one with a table not known.
        PackInvalid: when its word weights or one of its tables by item cannot be read.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

    def __init__(self, pack: Pack, *, providers: Sequence[str] | None = None) -> None:
        spec = pack.manifest.history_encoder
        if spec is None:
            raise PackUnsupported("the pack has no history encoder")
        self.spec = spec
        self.lexicon = Lexicon.from_bytes(pack.read(spec.lexicon))
        if not spec.tables.keys() <= _TABLES:
            raise PackUnsupported(
                f"history_encoder: expected tables of {', '.join(sorted(_TABLES))}, got another"
            )
        tables = {name: pack.read(file) for name, file in spec.tables.items()}
        together, record, succession = map(tables.get, ("together", "record", "succession"))
        self.together = None if together is None else Together.from_bytes(together)
        self.record = None if record is None else Record.from_bytes(record)
        self.succession = None if succession is None else Succession.from_bytes(succession)
        # Too small to share: a second thread costs more than it brings.
        self._session = Session(pack.read(spec.model), providers=providers, threads=1)

    def parts(self, signals: Signals) -> NDArray[np.float64]:
        """Judge the candidates of one request.

        Args:
            signals: without leading axes, see :func:`edge_rerank.ranking.signals.inputs.signals`.

        Returns:
            float64 of shape (candidates, 4), columns by :class:`Part`; 0 in the column of a
            kind of evidence that is not there.

        Raises:
            InferenceError: when the model fails or returns something that is no number.
        """
        inputs = {name: value[None] for name, value in signals.inputs().items()}
        if self.succession is None:
            del inputs["succession"]  # models without one do not take it
        if not len(signals.history):
            # Operators that look for a maximum want something to look at; it is masked.
            for name, axis in _EVENT_AXIS.items():
                shape = [1 if at == axis else n for at, n in enumerate(inputs[name].shape)]
                inputs[name] = np.zeros(shape, dtype=np.float32)
        for name, there in (("category", signals.known[1]), ("together", signals.known[2])):
            if not there:
                inputs[name] = inputs[name][:, :, :1]  # its column is 0: compute it once
        count = signals.popularity.shape[0]
        parts = np.empty((count, len(Part)))
        for start in range(0, count, CHUNK):
            chunk = dict(inputs)
            for name, axis in _CANDIDATE_AXIS.items():
                if name in inputs and inputs[name].shape[axis] == count:
                    rows = (slice(None),) * axis + (slice(start, start + CHUNK),)
                    chunk[name] = inputs[name][rows]
            parts[start : start + CHUNK] = self._session.run(chunk)[0][0]
        if not np.isfinite(parts).all():
            raise InferenceError("the history encoder returned something that is no number")
        return parts

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(clicked) of each candidate of a list, from the scores of all of it.

        Platt's sigmoid (1999) over the distance from the list's mean, fitted on validation
        requests when the pack was made.
        """
        logits = self.spec.slope * (scores - scores.mean()) + self.spec.intercept
        return np.asarray(1 / (1 + np.exp(-logits.clip(-500, 500))))
