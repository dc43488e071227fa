"""The scorer of pairs: a cross-encoder reads what was asked for or chosen with each candidate.

Nothing of a pair can be kept for the next one, so every candidate costs a whole reading: that of
the query or the history, and its own. A history that a language model reads once is read here as
often as there are candidates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid, PackUnsupported
from edge_rerank.inference.pace import LEAST_TOKENS, Pace
from edge_rerank.inference.pair_prompt import PairPrompt
from edge_rerank.inference.prefix_cache import chain
from edge_rerank.inference.prompt import Tokens
from edge_rerank.inference.score_cache import ScoreCache
from edge_rerank.inference.session import Session, finite
from edge_rerank.packs.onnx_sizes import Shape, Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import PairScorerSpec

BATCH_TOKENS = 256
"""Padded tokens in one run of the model. A token of a MiniLM's shape (6 layers of 384, int8) takes
0.29 to 0.37 ms of one busy core in runs of 128, 256 and 512, as in a text encoder of that shape."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a model may take; the last where its family has types of tokens."""


class PairScorer:
    """Runs the ``pair_scorer`` part of a pack. Safe from several threads.

    A score is what the cross-encoder says of a pair before any activation function: in log-odds
    where it was trained with cross-entropy. It is the same number in any company. ``weight`` times
    a score after a history is in log-odds, like the rest of what is blended, and ``query_weight``
    times one after a query.

    Args:
        pack: a pack whose manifest has a scorer of pairs.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: batches that are read at once, each on one thread.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Raises:
        PackUnsupported: when the pack has no scorer of pairs.
        PackInvalid: when its tokeniser or model is not what the manifest says.
        InvalidRequest: when an argument is out of range.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

    by_likelihood = False
    """Its scores are a trained head's."""

    def __init__(
        self,
        pack: Pack,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        last: bool = False,
    ) -> None:
        spec = pack.manifest.pair_scorer
        if spec is None:
            raise PackUnsupported("the pack has no scorer of pairs")
        self._spec = spec
        self.weight = spec.weight
        self.query_weight = spec.query_weight
        pack.check_runs(spec.model, _feed(spec))
        self.prompt = PairPrompt(spec, pack.read(spec.tokenizer))
        self._session = Session(
            lambda: pack.model(spec.model, last=last),
            providers=providers,
            threads=threads,
        )
        self._inputs = set(self._session.inputs)
        if self._inputs not in (set(INPUTS), set(INPUTS[:2])):
            raise PackInvalid(f"pair_scorer: expected a model with the inputs {', '.join(INPUTS)}")
        self.providers = self._session.providers
        self.threads = self._session.threads
        self._scores = ScoreCache()
        self._pace = Pace(self._session.at_once)

    @property
    def cached_scores(self) -> int:
        """Scores kept in memory, by digests of what they were read from."""
        return len(self._scores)

    def score(
        self,
        candidates: Sequence[str],
        history: Sequence[str],
        *,
        query: str | None = None,
        stop_at: float | None = None,
    ) -> NDArray[np.float64]:
        """Score candidates for a query, or without one after a history.

        Args:
            candidates: texts, the most promising first.
            history: one text an event, oldest first; not read where there is a query.
            query: what the person asked for just now.
            stop_at: time by ``time.perf_counter()`` at which to be done.

        Returns:
            float64 of shape (len(candidates),), higher is better; NaN for those that there
            was no time for. Zeros where nothing was asked for or chosen.

        Raises:
            InferenceError: when the model fails.
        """
        before = self.prompt.read(history) if query is None else self.prompt.asked(query)
        if not before:
            return np.zeros(len(candidates))
        version = chain(b"", before)
        items = [self.prompt.item(text) for text in candidates]
        keys = {item: chain(version, item) for item in items}
        found = dict(zip(keys, self._scores.get(list(keys.values())), strict=True))
        missing = [item for item, score in found.items() if math.isnan(score)]
        lengths = [self.prompt.pair_tokens(before, item) for item in missing]
        at_once = self._session.at_once
        batches = _batches(lengths, at_once)
        for some in (batches[start : start + at_once] for start in range(0, len(batches), at_once)):
            widths = [max(lengths[place] for place in batch) for batch in some]
            padded = sum(len(batch) * width for batch, width in zip(some, widths, strict=True))
            needed = self._pace.seconds(padded, alone=len(some) == 1)
            if stop_at is None or time.perf_counter() + needed <= stop_at:
                read = [[missing[place] for place in batch] for batch in some]
                for lines, scores in zip(read, self._run(before, read, widths), strict=True):
                    found.update(zip(lines, scores, strict=True))
                    self._scores.put([keys[item] for item in lines], scores)
        return np.array([found[item] for item in items], dtype=np.float64)

    def forget(self) -> None:
        """Drop every score: they were derived from people's words and histories."""
        self._scores.clear()

    def _run(
        self, before: Tokens, batches: Sequence[Sequence[Tokens]], widths: Sequence[int]
    ) -> list[list[float]]:
        """Scores of each batch of pairs, of at most so many tokens a pair; all run at once."""
        feeds = [
            self._padded(before, items, width) for items, width in zip(batches, widths, strict=True)
        ]
        started = time.perf_counter()
        found = self._session.run_each(feeds)
        tokens = sum(feed["input_ids"].size for feed in feeds)
        self._pace.note(tokens, time.perf_counter() - started, parts=len(feeds))
        return [
            finite(outputs, 0, (len(items), 1), "the scorer of pairs")[:, 0].tolist()
            for items, outputs in zip(batches, found, strict=True)
        ]

    def _padded(
        self, before: Tokens, items: Sequence[Tokens], width: int
    ) -> dict[str, NDArray[np.int64]]:
        """What the model takes for a batch of pairs of at most ``width`` tokens."""
        shape = (len(items), width)
        ids = np.full(shape, self._spec.pad_id, dtype=np.int64)
        mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for place, item in enumerate(items):
            tokens, kinds = self.prompt.pair(before, item)
            ids[place, : len(tokens)] = tokens
            mask[place, : len(tokens)] = 1
            types[place, : len(tokens)] = kinds
        feeds = dict(zip(INPUTS, (ids, mask, types), strict=True))
        return {name: feeds[name] for name in self._inputs}


def _batches(lengths: Sequence[int], at_once: int = 1) -> list[list[int]]:
    """Group places of like length within :data:`BATCH_TOKENS`; those with the first places first.

    Time may end before all are read, and the first are the most promising. A few make as many
    batches as run at once, unless these would be too small.
    """
    most = max(LEAST_TOKENS, min(BATCH_TOKENS, -(-sum(lengths) // at_once)))
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[place] <= most:
            batches[-1].append(place)
        else:
            batches.append([place])
    return sorted(batches, key=min)


def _feed(spec: PairScorerSpec) -> dict[str, Shape]:
    """The inputs of a run: one pair of any length, or several within a batch."""
    whole = max(BATCH_TOKENS, spec.max_tokens)
    shape = (
        Size(1, [Symbol("batch", 1, BATCH_TOKENS, "tokens", whole)]),
        Size(1, [Symbol("tokens", 1, spec.max_tokens)]),
    )
    return dict.fromkeys(INPUTS, shape)
