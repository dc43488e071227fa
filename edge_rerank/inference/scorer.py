"""The scorer: a language model reads the history once, and then each candidate after it."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from itertools import chain as concatenate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid, PackUnsupported
from edge_rerank.inference.pace import Pace
from edge_rerank.inference.prefix_cache import Prefix, PrefixCache, chain
from edge_rerank.inference.prompt import Prompt, Tokens
from edge_rerank.inference.runtime import DEFAULT_PREFIX_BYTES
from edge_rerank.inference.score_cache import ScoreCache
from edge_rerank.inference.scoring import Head, Likelihood, Reading, ScoreKind
from edge_rerank.inference.session import Session, finite
from edge_rerank.packs.onnx_sizes import Shape, Size, Symbol
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import ScorerSpec, Scoring

RUN_TOKENS = 320
"""Candidate tokens in one run of the model. By measurement, 50 candidates of 12 tokens with 16
layers: 139 ms in runs of 256, 117 of 320, 172 of 640."""

RUN_PLACES = 4 * RUN_TOKENS
"""Places in one run, of which a line takes as many as the longest. Without a bound, one long line
beside 295 short ones would take 7,400, and what a run may cost is counted by the worst."""

_MIN_WIDTH = 2
"""Products of a single column are summed in another order, and the last bit would differ."""


INPUTS = frozenset(
    {
        *("input_ids", "position_ids", "layout", "places", "mask"),
        *("past_keys", "past_values", "extend"),
        *("start", "scored", "predictors", "targets"),
    }
)


@dataclass(frozen=True, slots=True)
class _Past:
    """What candidates are read after.

    Attributes:
        version: stands for every token of it.
        prefix: the model's memory of it.
    """

    version: bytes
    prefix: Prefix


class Scorer:
    """Runs the ``scorer`` part of a pack. Safe from several threads.

    A score says how well a candidate goes with the history: the trained head's output, or,
    in a pack that scores by likelihood, log P(candidate | history) - 0.7 log P(candidate). It is
    the same number in any company, in any order, and however the history came to be read.
    ``weight`` times a score is in log-odds, like the rest of what is blended, and
    ``by_likelihood`` says that no head was trained.

    Args:
        pack: a pack whose manifest has a scorer.
        providers: execution providers by preference, see
            :func:`edge_rerank.inference.session.resolve_providers`.
        threads: runs at once; candidates are split among them, a history is read by one.
        prefix_bytes: memory for histories that were read, about 46 KB a token for a model of
            135 million weights.
        last: see :meth:`edge_rerank.packs.pack.Pack.model`.

    Raises:
        PackUnsupported: when the pack has no scorer.
        PackInvalid: when its tokeniser or model is not what the manifest says.
        InvalidRequest: when an argument is out of range.
        ProviderUnavailable, InferenceError: see :class:`~edge_rerank.inference.session.Session`.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        prefix_bytes: int = DEFAULT_PREFIX_BYTES,
        last: bool = False,
    ) -> None:
        spec = pack.manifest.scorer
        if spec is None:
            raise PackUnsupported("the pack has no scorer")
        pack.check_runs(spec.model, *_feeds(spec))
        self.weight = spec.weight
        self._causal = spec.causal
        self.by_likelihood = spec.scoring is Scoring.LIKELIHOOD
        self._kind: ScoreKind = Likelihood() if self.by_likelihood else Head()
        self._prefixes = PrefixCache(prefix_bytes)
        self._scores = ScoreCache()
        # Apart from the others, because nothing in it is personal.
        self._priors = ScoreCache()
        # The model before the tokeniser, for what is held while it is loaded adds to the peak.
        self._session = Session(
            lambda: pack.model(spec.model, last=last),
            providers=providers,
            threads=threads,
        )
        self.prompt = Prompt(spec, pack.read(spec.tokenizer))
        self.providers = self._session.providers
        self.threads = self._session.threads
        self._nothing = _nothing_read(self._session)
        self._pace = Pace(self._session.at_once)
        self._unread = _Past(b"", self._nothing)
        self._bare = self._read(self._unread, spec.prefix, chain(b"", spec.prefix))

    @property
    def cached_bytes(self) -> int:
        """Bytes of the histories kept in memory."""
        return self._prefixes.nbytes

    def score(
        self,
        candidates: Sequence[str],
        history: Sequence[str],
        *,
        query: str | None = None,
        stop_at: float | None = None,
    ) -> NDArray[np.float64]:
        """Score candidates after a history.

        Args:
            candidates: texts, the most promising first.
            history: one text an event, oldest first.
            query: what the person asked for just now; read after the history.
            stop_at: time by ``time.perf_counter()`` at which to be done.

        Returns:
            float64 of shape (len(candidates),), higher is better; NaN for those that there
            was no time for.

        Raises:
            InferenceError: when the model fails.
        """
        past = self._past(history, query, stop_at)
        if past is None:
            return np.full(len(candidates), np.nan)
        share = self._kind.prior_share
        if past is self._bare and share:
            return np.zeros(len(candidates))
        lines = [self._kind.line(self.prompt, text) for text in candidates]
        scores = _Wanted(past, self._scores, lines)
        parts = [scores, _Wanted(self._bare, self._priors, lines)] if share else [scores]
        for run in _runs(line for line in scores.found if any(part.lacks(line) for part in parts)):
            for part in parts:
                missing = [line for line in run if part.lacks(line)]
                if missing and self._in_time(sum(map(len, missing)), stop_at):
                    part.add(missing, self._run(part.past, missing))
        values = [part.values(lines) for part in parts]
        return values[0] - share * values[1] if share else values[0]

    def prepare(self, candidates: Sequence[str]) -> None:
        """Compute ahead what needs no history: the likelihood of each text by itself."""
        if not self._kind.prior_share:
            return
        lines = [self._kind.line(self.prompt, one) for one in candidates]
        priors = _Wanted(self._bare, self._priors, lines)
        for run in _runs(line for line in priors.found if priors.lacks(line)):
            priors.add(run, self._run(self._bare, run))

    def forget(self) -> None:
        """Drop everything that was derived from anyone's history."""
        self._prefixes.clear()
        self._scores.clear()

    def _past(
        self, history: Sequence[str], query: str | None, stop_at: float | None
    ) -> _Past | None:
        """What the candidates follow; ``None`` when there is no time to read it."""
        lines = list(self.prompt.window([self.prompt.line(text) for text in history]))
        asked = [] if query is None else [self.prompt.line(query)]
        if not self._causal:
            if not lines and not asked:
                return self._bare
            return self._continue(self._unread, [self.prompt.prefix, *lines, *asked], stop_at)
        past = self._continue(self._bare, lines, stop_at)
        if past is not None:
            # The history without the query will be needed again.
            past = self._continue(past, asked, stop_at, keep_shorter=True)
        return past

    def _continue(
        self,
        start: _Past,
        lines: Sequence[Tokens],
        stop_at: float | None,
        *,
        keep_shorter: bool = False,
    ) -> _Past | None:
        """``start`` followed by ``lines``, from memory as far as that goes."""
        if not lines:
            return start
        versions = list(accumulate(lines, chain, initial=start.version))[1:]
        known = self._prefixes.longest(versions if self._causal else versions[-1:])
        replaces = None
        if known is not None:
            version, prefix = known
            place = versions.index(version)
            start = _Past(version, prefix)
            lines = lines[place + 1 :]
            replaces = None if keep_shorter else version
        if not lines:
            return start
        tokens = tuple(concatenate.from_iterable(lines))
        if not self._in_time(len(tokens), stop_at, alone=True):
            return None
        past = self._read(start, tokens, versions[-1])
        self._prefixes.put(past.version, past.prefix, replaces=replaces)
        return past

    def _read(self, start: _Past, tokens: Tokens, version: bytes) -> _Past:
        """``start`` followed by ``tokens``, read by the model."""
        last = [len(tokens) - 1]
        reading = Reading(extend=True, scored=last)
        started = time.perf_counter()
        (outputs,) = self._session.run_each([self._feed(start.prefix, [tokens], reading)])
        self._pace.note(len(tokens), time.perf_counter() - started, parts=1)
        _, end, keys, values = self._checked(outputs, len(tokens), reading)
        return _Past(version, start.prefix.extended(keys, values, end))

    def _run(self, past: _Past, lines: Sequence[Tokens]) -> list[float]:
        """One score a line, read by the model after ``past``."""
        tokens = sum(map(len, lines))
        parts = _shares(lines, self._pace.parts(tokens))
        read = [self._kind.reading(part) for part in parts]
        started = time.perf_counter()
        found = self._session.run_each([self._feed(past.prefix, *one) for one in read])
        self._pace.note(tokens, time.perf_counter() - started, parts=len(parts))
        scores: list[float] = []
        for part, (rows, reading), outputs in zip(parts, read, found, strict=True):
            checked = self._checked(outputs, sum(map(len, rows)), reading)
            scores += self._kind.scores(checked[0], part)
        return scores

    def _feed(
        self, past: Prefix, rows: Sequence[Tokens], reading: Reading
    ) -> dict[str, NDArray[Any]]:
        """What the model takes, see :class:`~edge_rerank.packs.specs.ScorerSpec`."""
        lengths = np.array([len(row) for row in rows])
        width = max(_MIN_WIDTH, int(lengths.max()))
        offsets = np.arange(width)
        real = offsets < lengths[:, None]
        starts = np.cumsum(lengths) - lengths
        count = int(lengths.sum())
        return {
            "input_ids": np.fromiter(concatenate.from_iterable(rows), np.int64, count),
            "position_ids": past.tokens + np.nonzero(real)[1],
            "layout": np.where(real, starts[:, None] + offsets, starts[:, None]),
            "places": np.flatnonzero(real),
            "mask": self._mask(real),
            "past_keys": past.keys,
            "past_values": past.values,
            "extend": np.array(int(reading.extend)),
            "start": past.end,
            "scored": np.array(reading.scored, dtype=np.int64),
            "predictors": np.array(reading.predictors, dtype=np.int64),
            "targets": np.array(reading.targets or [0] * len(reading.predictors), dtype=np.int64),
        }

    def _checked(
        self, outputs: list[NDArray[Any]], count: int, reading: Reading
    ) -> list[NDArray[Any]]:
        """Score, end, keys and values of a run of ``count`` tokens, in their shapes."""
        scores, kept = len(reading.predictors), count if reading.extend else 0
        keys, values = self._nothing.keys.shape, self._nothing.values.shape
        ends = (min(len(reading.scored), 1), *self._nothing.end.shape[1:])
        width = max(outputs[0].shape[1:2] if outputs else (), default=1)
        return [
            finite(outputs, 0, (scores, max(width, 1)), "the scorer"),
            finite(outputs, 1, ends, "the scorer"),
            finite(outputs, 2, (*keys[:3], kept), "the scorer"),
            finite(outputs, 3, (*values[:2], kept, *values[3:]), "the scorer"),
        ]

    def _mask(self, real: NDArray[np.bool_]) -> NDArray[Any]:
        """Which places each place sees, (sequences, width, width): 0 or minus infinity."""
        width = real.shape[1]
        if self._causal:
            seen = np.broadcast_to(np.tri(width, dtype=bool), (*real.shape, width))
        else:
            seen = np.broadcast_to(real[:, None, :], (*real.shape, width))
        return np.where(seen, 0.0, -np.inf).astype(self._nothing.keys.dtype)

    def _in_time(self, tokens: int, stop_at: float | None, *, alone: bool = False) -> bool:
        needed = self._pace.seconds(tokens, alone=alone)
        return stop_at is None or time.perf_counter() + needed <= stop_at


class _Wanted:
    """What one call wants to know of its candidates after one past."""

    def __init__(self, past: _Past, cache: ScoreCache, lines: Sequence[Tokens]) -> None:
        self.past = past
        self._cache = cache
        distinct = list(dict.fromkeys(lines))
        self.found = dict(zip(distinct, cache.get(self._keys(distinct)), strict=True))
        if () in self.found:
            # No text: nothing speaks for it, nothing against it.
            self.found[()] = 0.0

    def lacks(self, line: Tokens) -> bool:
        return math.isnan(self.found[line])

    def add(self, lines: Sequence[Tokens], scores: Sequence[float]) -> None:
        self.found.update(zip(lines, scores, strict=True))
        self._cache.put(self._keys(lines), scores)

    def values(self, lines: Sequence[Tokens]) -> NDArray[np.float64]:
        return np.array([self.found[line] for line in lines], dtype=np.float64)

    def _keys(self, lines: Sequence[Tokens]) -> list[bytes]:
        return [chain(self.past.version, line) for line in lines]


def _runs(lines: Iterable[Tokens]) -> Iterator[list[Tokens]]:
    """Cut into runs of at most ``RUN_TOKENS`` tokens and ``RUN_PLACES``, or one longer line."""
    run: list[Tokens] = []
    used, width = 0, _MIN_WIDTH
    for line in lines:
        width = max(width, len(line))
        if run and (used + len(line) > RUN_TOKENS or (len(run) + 1) * width > RUN_PLACES):
            yield run
            run, used, width = [], 0, max(_MIN_WIDTH, len(line))
        run.append(line)
        used += len(line)
    if run:
        yield run


def _shares(lines: Sequence[Tokens], count: int) -> list[Sequence[Tokens]]:
    """Cut into at most ``count`` runs of like many tokens, none of them empty."""
    ends = list(accumulate(map(len, lines)))
    cuts = [bisect_left(ends, ends[-1] * part / count) + 1 for part in range(1, count)]
    places = sorted({0, *cuts, len(lines)})
    return [lines[start:end] for start, end in pairwise(places)]


def _feeds(spec: ScorerSpec) -> list[dict[str, Shape]]:
    """The inputs of a run that reads a history, and of one that scores lines after it."""
    line = spec.line_tokens + len(spec.separator)
    history = max(spec.history_tokens, len(spec.prefix)) + line
    if spec.template is not None:
        around = len(spec.template.before) + len(spec.template.after)
        line = max(line, spec.line_tokens + around)
    # The longest of several lines sets the width of all.
    longest = min(line, RUN_TOKENS // 2)
    padded = max(longest * (RUN_TOKENS + 1 - longest), RUN_TOKENS * _MIN_WIDTH)
    padded = max(line, min(padded, RUN_PLACES))
    reading = _feed(
        history, history, Size(1), Symbol("width", _MIN_WIDTH, max(history, _MIN_WIDTH))
    )
    sequences = Symbol("sequences", 1, RUN_TOKENS, "width", padded)
    width = Symbol("width", _MIN_WIDTH, max(line, _MIN_WIDTH))
    return [reading, _feed(max(RUN_TOKENS, line), history, Size(1, [sequences]), width)]


def _feed(tokens: int, past: int, sequences: Size, width: Symbol) -> dict[str, Shape]:
    row, before = Size(1, [Symbol("tokens", 1, tokens)]), Size(1, [Symbol("past", 0, past)])
    wide = Size(1, [width])
    asked = Size(1, [Symbol("wanted", 0, 2 * tokens)])
    one = Size(1)  # sizes that the model itself says, see _nothing_read
    return {
        **dict.fromkeys(("input_ids", "position_ids", "places"), (row,)),
        "layout": (sequences, wide),
        "mask": (sequences, wide, wide),
        "past_keys": (one, one, one, before),
        "past_values": (one, one, before, one),
        "extend": (),
        "start": (one, one),
        "scored": (Size(1, [Symbol("scored", 0, tokens)]),),
        **dict.fromkeys(("predictors", "targets"), (asked,)),
    }


def _nothing_read(session: Session) -> Prefix:
    """A past of no tokens, shaped as the model wants it."""
    inputs = session.inputs
    if set(inputs) != INPUTS:
        raise PackInvalid(f"scorer: expected a model with the inputs {', '.join(sorted(INPUTS))}")
    keys = inputs["past_keys"]
    sizes = (*keys.shape[:3], *inputs["start"].shape[1:])
    if len(sizes) != 4 or not all(isinstance(size, int) for size in sizes):
        raise PackInvalid("scorer: expected past_keys of shape (layers, heads, dim, past)")
    layers, heads, dim, hidden = (int(size or 0) for size in sizes)
    return Prefix(
        np.zeros((layers, heads, dim, 0), keys.dtype),
        np.zeros((layers, heads, 0, dim), keys.dtype),
        np.zeros((1, hidden), keys.dtype),
    )
