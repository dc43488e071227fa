"""Ranking without storage: items and a history in, an order out.

:class:`~edge_rerank.reranker.Reranker` adds the encrypted history, consent and users to
this; evaluation and batch jobs use it directly.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_number
from edge_rerank.errors import ClosedError, InvalidRequest
from edge_rerank.inference.encoders.cache import VectorCache
from edge_rerank.inference.encoders.text import Progress, TextEncoder
from edge_rerank.inference.runtime import DEFAULT_RUNTIME, Runtime
from edge_rerank.inference.scorer import Scorer
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.ranking.evidence import LEARNED, UNTRAINED
from edge_rerank.ranking.explain import explain
from edge_rerank.ranking.interests import Interest, Interests, read_interests
from edge_rerank.ranking.policies.diversity import diversify
from edge_rerank.ranking.signals.inputs import Situation, signals
from edge_rerank.ranking.signals.situation import describe, newest
from edge_rerank.ranking.sources.history_model import HistoryEncoder
from edge_rerank.ranking.sources.rules import Feature, Similarities, compute_features
from edge_rerank.ranking.sources.transcript import transcript
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Event, Item, RankedItem

MAX_CANDIDATES = 10_000
REFINED = 50
"""How many of the encoder's best the scorer looks at."""

BESIDE_LEARNED = 0.25
"""How much of its weight a likelihood keeps beside a trained history encoder. On 160 validation
requests of shops, films and games it added nothing there: NDCG@10 0.490 without, 0.485 with a
quarter, 0.480 with all of it."""

_AFTER_SCORING_S = 0.002
"""Kept back from a time budget for what comes after the scorer."""

Packs = str | Path | Sequence[str | Path]
CACHED_QUERIES = 256

_LEARNED = [
    Feature.LEARNED_CONTENT,
    Feature.LEARNED_CATEGORY,
    Feature.LEARNED_TOGETHER,
    Feature.LEARNED_POPULARITY,
]
"""Columns of the history encoder's parts, in its order."""


class RankingEngine:
    """Loaded packs that rank. Safe from several threads.

    The encoder orders all candidates; where there is a scorer, it refines the best of them.
    Make one with :meth:`open`; close it, or use it as a context manager.

    Attributes:
        pack: the one with the encoder.
        signed: releases by name of the packs that a trusted key signed.
    """

    def __init__(
        self,
        pack: Pack,
        encoder: TextEncoder,
        history_encoder: HistoryEncoder | None = None,
        *,
        cache_items: int,
        scorer: Scorer | None = None,
        signed: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.pack = pack.without_files()
        self.signed = signed
        self.scorer = scorer
        self.providers = encoder.providers
        self.threads = encoder.threads
        self._vectors = VectorCache(encoder, capacity=cache_items)
        # Apart from the items', because these words are personal: see forget_queries().
        self._query_vectors = VectorCache(encoder, capacity=CACHED_QUERIES)
        self._history_encoder = history_encoder
        if history_encoder is not None:
            self._words = VectorCache(history_encoder.lexicon, capacity=cache_items)
        self._closed = False

    @classmethod
    def open(
        cls,
        pack: Packs | None = None,
        *,
        runtime: Runtime = DEFAULT_RUNTIME,
        trust: Trust = ANY_PACK,
        seen_releases: Mapping[str, int] | None = None,
    ) -> Self:
        """Load a pack, or several that complete each other.

        Args:
            pack: a pack folder, or several, each part in one of them; what they lack of an
                encoder comes from the pack shipped with this package, as does everything
                if ``None``.
            runtime: how the models run.
            trust: whose packs are accepted.
            seen_releases: see :meth:`edge_rerank.packs.pack.Pack.open`.

        Raises:
            PackError: when the pack is missing, malformed, not trusted or not supported.
            ProviderUnavailable: when a provider cannot be used.
            InvalidRequest: when an argument is malformed.
        """
        packs = [
            Pack.open(folder, trust=trust, seen_releases=seen_releases) for folder in _folders(pack)
        ]
        with_scorer = _the_one([pack for pack in packs if pack.manifest.scorer], "scorer")
        with_encoder = _the_one([pack for pack in packs if pack.manifest.encoder], "encoder")
        if with_encoder is None:
            with_encoder = Pack.open(shipped_pack())
        providers, threads = runtime.providers, runtime.threads
        encoder = TextEncoder(with_encoder, providers=providers, threads=threads)
        scorer = None
        if with_scorer is not None:
            scorer = Scorer(
                with_scorer, providers=providers, threads=threads, prefix_bytes=runtime.prefix_bytes
            )
        history_encoder = None
        if with_encoder.manifest.history_encoder is not None:
            history_encoder = HistoryEncoder(with_encoder, providers=providers)
        return cls(
            with_encoder,
            encoder,
            history_encoder,
            cache_items=runtime.cache_items,
            scorer=scorer,
            signed={one.manifest.name: one.manifest.release for one in packs if one.signed},
        )

    def rank(
        self,
        items: Sequence[Item],
        *,
        history: Sequence[Event] = (),
        query: str | None = None,
        top_k: int | None = None,
        diversity: float = 0.0,
        host_order: bool = False,
        budget_ms: float | None = None,
        now: float | None = None,
    ) -> Ranking:
        """Order ``items`` for the person with this history.

        Args:
            items: candidates, at most 10,000; neither the sequence nor an item is changed.
                Equal scores keep the order in which they came.
            history: the person's events with timestamps, oldest first.
            query: what the person asked for just now.
            top_k: how many to return, all if ``None``.
            diversity: 0 to 1, how much near-copies are pushed down.
            host_order: whether the order of ``items`` is the host's own ranking and is to
                be blended in; an item's ``score`` says more and is always blended in.
            budget_ms: milliseconds after which the scorer is to stop refining; the result
                is then marked as degraded. No limit if ``None``; the encoder always runs.
            now: UTC seconds; the clock if ``None``.

        Raises:
            InvalidRequest: when an argument has the wrong type or is out of range.
            InferenceError: when the model fails.
            ClosedError: after :meth:`close`.
        """
        started = time.perf_counter()
        self._check_open()
        candidates = _candidates(items)
        query = _query(query)
        keep = _top_k(top_k, len(candidates))
        diversity = _unit(diversity, "diversity")
        budget_s = _budget(budget_ms)
        if not isinstance(host_order, bool):
            raise InvalidRequest(f"host_order: expected a bool, got {type(host_order).__name__}")
        if not candidates:
            return Ranking((), id=_ranking_id())
        moment = _moment(now, history)
        interests = read_interests(history, now=moment)
        vectors, likeness, similarities = self._similarities(candidates, interests, query)
        evidence = compute_features(candidates, interests, similarities, host_order=host_order)
        blend = UNTRAINED
        if self._history_encoder is not None:
            blend = LEARNED
            situation = self._situation(candidates, interests, similarities, likeness, moment)
            evidence.values[:, _LEARNED] = self._history_encoder.parts(signals(situation))
        contributions = blend.contributions(evidence.values)
        scores = contributions.sum(axis=1)
        degraded: tuple[Degradation, ...] = ()
        if self.scorer is not None:
            best = np.argsort(-scores, kind="stable")[:REFINED]
            stop_at = None if budget_s is None else started + budget_s - _AFTER_SCORING_S
            refined = _refine(self.scorer, candidates, best, history, query, stop_at)
            if self.scorer.by_likelihood and self._history_encoder is not None:
                refined *= BESIDE_LEARNED
            if np.isnan(refined).any():
                degraded = (Degradation.TIME_BUDGET,)
            evidence.values[best, Feature.SCORER] = np.where(np.isnan(refined), 0.0, refined)
            contributions = blend.contributions(evidence.values)
            scores = contributions.sum(axis=1)
        order = diversify(scores, vectors, strength=diversity, top_k=keep)[:keep]
        reasons = explain(contributions, evidence.nearest, order)
        if self._history_encoder is not None:
            scores = self._history_encoder.probabilities(scores)
        ranked = tuple(
            RankedItem(candidates[row], rank, score, why)
            for rank, (row, score, why) in enumerate(
                zip(order, scores[order].tolist(), reasons, strict=True), start=1
            )
        )
        return Ranking(
            ranked,
            id=_ranking_id(),
            took_ms=(time.perf_counter() - started) * 1e3,
            personalised=bool(interests),
            degraded=degraded,
        )

    def warmup(
        self,
        items: Sequence[Item] = (),
        *,
        vectors: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Run the model once and compute the vectors of ``items`` ahead of time.

        Args:
            items: the host's catalogue, or the part of it that is shown most.
            vectors: what :meth:`vectors` gave for them before, in this process or an earlier
                one, by the same text encoder; float32 of shape (n, dim). Then no text is read.
            progress: called with (items done, items to do) after each batch.

        Raises:
            InvalidRequest: when ``vectors`` have another shape.
        """
        self._check_open()
        items = _sequence_of_items(items)
        if vectors is not None:
            self._vectors.put([item.text for item in items], vectors)
        texts = [item.text for item in items if item.vector is None]
        self._vectors.get(texts or ["warm up"], progress=progress)
        if self.scorer is not None:
            self.scorer.prepare(texts)

    def vectors(self, items: Sequence[Item]) -> NDArray[np.float32]:
        """Text vectors of ``items``, float32 of shape (n, dim); zero rows for empty texts."""
        self._check_open()
        return self._text_vectors([item.text for item in items])

    def forget_queries(self) -> None:
        """Drop what was derived from people's words and histories from memory."""
        self._query_vectors.clear()
        if self.scorer is not None:
            self.scorer.forget()

    def close(self) -> None:
        """Free the model and the vectors; every later call raises ClosedError."""
        self._closed = True
        self._vectors.clear()
        self.forget_queries()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the engine is closed")

    def _text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._vectors.get(texts)
        blank = [row for row, text in enumerate(texts) if not text.strip()]
        vectors[blank] = 0.0
        return vectors

    def _similarities(
        self, candidates: Sequence[Item], interests: Interests, query: str | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], Similarities]:
        """Compare what takes part in a call.

        Returns:
            Vectors of the candidates, cosines among liked items and searches, and those of
            the candidates with history and query.
        """
        texts = {item.id: item.text for item in candidates}
        touched = [*interests.liked, *interests.disliked]
        words = [search for search, _ in interests.searches]
        vectors = self._text_vectors(
            [
                *(item.text for item in candidates),
                # Imported logs may name an item by its id alone.
                *(one.item.text or texts.get(one.item.id, "") for one in touched),
            ]
        )
        own, others = vectors[: len(candidates)], vectors[len(candidates) :]
        cosines = (own @ others.T).astype(np.float64)
        _compare_host_vectors(cosines, candidates, touched)
        _ignore_self(cosines, candidates, touched)
        asked = self._query_vectors.get([*words, query] if query else words)
        to_words = (own @ asked.T).astype(np.float64)
        likes = len(interests.liked)
        mine = np.concatenate([others[:likes], asked[: len(words)]]).astype(np.float64)
        return (
            own,
            mine @ mine.T,
            Similarities(
                liked=cosines[:, :likes],
                disliked=cosines[:, likes:],
                searches=to_words[:, : len(words)],
                query=to_words[:, -1] if query else None,
            ),
        )

    def _situation(
        self,
        candidates: Sequence[Item],
        interests: Interests,
        similarities: Similarities,
        likeness: NDArray[np.float64],
        now: float,
    ) -> Situation:
        assert self._history_encoder is not None  # noqa: S101 - the only caller has checked
        older = len(interests.liked)
        interests = newest(interests)
        older -= len(interests.liked)
        texts = {item.id: item.text for item in candidates}
        words = self._words.get(
            [
                *(item.text for item in candidates),
                *(one.item.text or texts.get(one.item.id, "") for one in interests.liked),
            ]
        )
        # Not through the cache: these words are personal, see forget_queries().
        asked = self._history_encoder.lexicon.encode([search for search, _ in interests.searches])
        own, others = words[: len(candidates)], np.concatenate([words[len(candidates) :], asked])
        lexical = own @ others.T
        _ignore_self(lexical, candidates, interests.liked)
        return describe(
            candidates,
            interests,
            cosine=np.concatenate([similarities.liked[:, older:], similarities.searches], axis=1),
            lexical=lexical,
            likeness=likeness[older:, older:],
            together=self._history_encoder.together,
            record=self._history_encoder.record,
            succession=self._history_encoder.succession,
            now=now,
        )


def _refine(  # noqa: PLR0917
    scorer: Scorer,
    candidates: Sequence[Item],
    best: NDArray[np.intp],
    history: Sequence[Event],
    query: str | None,
    stop_at: float | None,
) -> NDArray[np.float64]:
    """The scorer's log-odds of ``best`` against their mean; NaN where time ran out."""
    texts = {item.id: item.text for item in candidates}
    refined: NDArray[np.float64] = scorer.score(
        [candidates[row].text for row in best.tolist()],
        transcript(history, texts),
        query=query,
        stop_at=stop_at,
    )
    refined *= scorer.weight
    reached = ~np.isnan(refined)
    return refined - refined[reached].mean() if reached.any() else refined


def _compare_host_vectors(
    cosines: NDArray[np.float64], candidates: Sequence[Item], touched: Sequence[Interest]
) -> None:
    """Where both items carry a vector of the host's of one length, let it replace the text."""
    rows = {row: item.vector for row, item in enumerate(candidates) if item.vector is not None}
    columns = {
        column: one.item.vector for column, one in enumerate(touched) if one.item.vector is not None
    }
    for dim in {vector.size for vector in rows.values()}:
        row_ids = [row for row, vector in rows.items() if vector.size == dim]
        column_ids = [column for column, vector in columns.items() if vector.size == dim]
        if column_ids:
            left = _unit_rows([rows[row] for row in row_ids])
            right = _unit_rows([columns[column] for column in column_ids])
            cosines[np.ix_(row_ids, column_ids)] = left @ right.T


def _unit_rows(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    matrix = np.stack(vectors).astype(np.float64)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    return unit


def _ignore_self(
    cosines: NDArray[Any], candidates: Sequence[Item], touched: Sequence[Interest]
) -> None:
    """An item resembles itself; that says nothing about its place."""
    columns = {one.item.id: column for column, one in enumerate(touched)}
    for row, item in enumerate(candidates):
        column = columns.get(item.id)
        if column is not None:
            cosines[row, column] = 0.0


def _ranking_id() -> str:
    return secrets.token_hex(8)


def _folders(pack: object) -> list[Path]:
    if pack is None:
        return [shipped_pack()]
    folders = [pack] if isinstance(pack, str | Path) else pack
    if not isinstance(folders, Sequence) or not folders:
        raise InvalidRequest(f"pack: expected a path, several, or None, got {type(pack).__name__}")
    for folder in folders:
        if not isinstance(folder, str | Path):
            raise InvalidRequest(f"pack: expected only paths, got {type(folder).__name__}")
    return [Path(folder) for folder in folders]


def _the_one(packs: Sequence[Pack], part: str) -> Pack | None:
    if len(packs) > 1:
        raise InvalidRequest(f"pack: expected at most one with a part {part}, got {len(packs)}")
    return packs[0] if packs else None


def _budget(budget_ms: object) -> float | None:
    """Milliseconds as the caller gave them, in seconds."""
    budget = check_number(budget_ms, "budget_ms", InvalidRequest, minimum=0.0)
    return None if budget is None else budget / 1e3


def _sequence_of_items(items: object) -> list[Item]:
    if isinstance(items, str | bytes) or not isinstance(items, Sequence):
        raise InvalidRequest(f"items: expected a sequence of Item, got {type(items).__name__}")
    for place, item in enumerate(items):
        if not isinstance(item, Item):
            raise InvalidRequest(
                f"items: expected only Item, got {type(item).__name__} at index {place}"
            )
    return list(items)


def _candidates(items: object) -> list[Item]:
    candidates = _sequence_of_items(items)
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidRequest(
            f"items: expected at most {MAX_CANDIDATES} candidates, got {len(candidates)}"
        )
    return candidates


def _query(query: object) -> str | None:
    if query is None:
        return None
    if not isinstance(query, str):
        raise InvalidRequest(f"query: expected a string or None, got {type(query).__name__}")
    return query if query.strip() else None


def _top_k(top_k: object, count: int) -> int:
    if top_k is None:
        return count
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1:
        raise InvalidRequest("top_k: expected an integer ≥ 1 or None")
    return min(int(top_k), count)


def _unit(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidRequest(f"{name}: expected a number from 0 to 1")
    return float(value)


def _moment(now: object, history: Sequence[Event]) -> float:
    """The time of the call, never before the last event."""
    moment = check_number(now, "now", InvalidRequest)
    newest = history[-1].timestamp if history else None
    return max(time.time() if moment is None else moment, newest or 0.0)
