"""The ranking engine: items and a history in, an order out, without storage.

:class:`edge_rerank.Reranker` adds the encrypted history, consent and users to
this; evaluation and batch jobs use it directly.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_kind, check_path
from edge_rerank._process import OwnProcess
from edge_rerank._progress import Progress
from edge_rerank.errors import ClosedError, InvalidInput, InvalidRequest
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.inference.numpy_threads import ONE_THREAD
from edge_rerank.inference.runtime import DEFAULT_RUNTIME, Runtime
from edge_rerank.inference.trim import TRIMMER
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.ranking.answer import Answer, Answers, HeadOf, PlainCall, PlainList
from edge_rerank.ranking.candidates import Candidates, Catalogue, LastList, items_of
from edge_rerank.ranking.comparisons import TextComparer
from edge_rerank.ranking.evidence import Evidence
from edge_rerank.ranking.host_order import TrialOf
from edge_rerank.ranking.interest_reader import InterestReader
from edge_rerank.ranking.list_policy import ListPolicy, policy_of
from edge_rerank.ranking.opening import Models, Packs, refresh_tables
from edge_rerank.ranking.options import RankOptions, Repeats, completed, repeats_of
from edge_rerank.ranking.policies.block import Blocking
from edge_rerank.ranking.registry import (
    columns_of,
    evidence_of,
    evidence_of_each,
    media_of,
    sources_of,
)
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.signals.inputs import EVENTS
from edge_rerank.ranking.sources.personal import PersonalSource
from edge_rerank.ranking.traces import Traces
from edge_rerank.result import Ranking
from edge_rerank.types import Event, Item


class RankingEngine:
    """Ranks with loaded packs, without storage. Safe from several threads.

    Each source of evidence adds columns of log-odds to the scores, policies rearrange the sorted
    list, and reasons are read off the columns. Make one with :meth:`open`; close it, or use it as
    a context manager.

    Attributes:
        pack: the one with the encoder.
        signed: releases by name of the packs that a trusted key signed.
        axes: internal, along which heads read vectors, float32 of shape (dim, ``layout.axes``).
        scorer, pair_scorer: where one of the packs has one.
        ratings: the host's scale, ``None`` where it is guessed.
        repeats: how things had before are treated, where a call does not say.
        policy: rules for the list, where a call does not say.
    """

    def __init__(
        self,
        models: Models,
        *,
        cache_items: int,
        ratings: RatingScale | None = None,
        repeats: Repeats = Repeats.LEARN,
        policy: ListPolicy | None = None,
        trust: Trust = ANY_PACK,
    ) -> None:
        self.pack, self.signed = models.pack.without_files(), models.signed
        self._trust = trust
        self.scorer, self.pair_scorer = models.scorer, models.pair_scorer
        self.ratings, self.repeats = ratings, repeats
        self.policy = policy_of(policy)
        encoder = self._encoder = models.encoder
        self.providers, self.threads = encoder.providers, encoder.threads
        self._history = models.history
        self._liked = None if models.history is None else EVENTS
        self._blocking, self._last_list = Blocking(), LastList()
        self._interests = InterestReader(liked=self._liked)
        self._media = media_of(models, cache_items)
        self._comparer = TextComparer(
            encoder,
            cache_items=cache_items,
            queries=encoder.queries,
            looks=self._media.looks,
            alignment=models.alignment,
        )
        self._sources = sources_of(models, cache_items)
        columns = columns_of(self._sources)
        self._personal = PersonalSource(models.pack, columns, prior=models.prior)
        self.axes = self._personal.axes
        self._sources.append(self._personal)
        spec = None if self._history is None else self._history.spec
        self._answers = Answers(self.pack.manifest.name, spec, self._personal)
        memories = self._comparer, self._blocking, self._interests, self._last_list
        self._traces = Traces(*memories, *self._sources)
        self._process = OwnProcess("the engine")
        self._closed = False

    @classmethod
    def open(
        cls,
        pack: Packs | None = None,
        *,
        runtime: Runtime = DEFAULT_RUNTIME,
        trust: Trust = ANY_PACK,
        ratings: RatingScale | None = None,
        repeats: Repeats | str = Repeats.LEARN,
        policy: ListPolicy | None = None,
        seen_releases: Mapping[str, int] | None = None,
        tables: str | Path | Tables | None = None,
    ) -> Self:
        """Load a pack, or several that complete each other.

        Args:
            pack: a pack folder or an installed pack's name, or several, each part in one of
                them; what they lack of an encoder comes from the pack shipped with this package,
                as does everything if ``None``.
            runtime: how the models run.
            trust: whose packs are accepted.
            ratings: the scale of the host's ratings; if ``None``, the smallest of 1 to 5, 0 to 10
                and 0 to 100 that holds what a person gave.
            repeats: how items are treated that a person has chosen before, where a call does not
                say: "never", "fresh" or "learn", see :class:`edge_rerank.Repeats`.
            policy: rules for the list, where a call does not say.
            seen_releases: the newest release seen so far of each signed pack, by name; an older
                one is refused.
            tables: of the host's own log, see :meth:`refresh_tables`.

        Raises:
            PackError: when the pack or the tables are missing, malformed, not trusted or not
                supported.
            ProviderUnavailable: when a provider cannot be used.
            InvalidRequest: when an argument is malformed.
        """
        check_kind(runtime, "runtime", Runtime, example="Runtime(threads=4)")
        check_kind(trust, "trust", Trust, example="Trust(keys=[...])")
        if ratings is not None:
            check_kind(ratings, "ratings", RatingScale, example="RatingScale(1, 5)")
        repeats, policy = repeats_of(repeats), policy_of(policy)
        models = Models.open(
            pack, runtime=runtime, trust=trust, seen_releases=seen_releases, tables=tables
        )
        return cls(
            models,
            cache_items=runtime.cache_items,
            ratings=ratings,
            repeats=repeats,
            policy=policy,
            trust=trust,
        )

    def refresh_tables(self, tables: str | Path | Tables) -> tuple[str, ...]:
        """Rank with newer tables of the host's log, from the next call on.

        They take the places of the pack's own tables of the same names. Those that the pack's
        history model has no input for are left out.

        Args:
            tables: a folder that ``python -m edge_rerank tables`` wrote, or one that is open.

        Returns:
            The names of those that take part.

        Raises:
            PackError: when they are missing, malformed, not trusted, or none of them is one that
                the history model reads; those before are then kept.
            InvalidRequest: when the argument is malformed.
            ClosedError: after :meth:`close`.
        """
        self._check_open()
        return refresh_tables(self._history, tables, self._trust)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that take part, the pack's own among them."""
        return () if self._history is None else tuple(self._history.tables)

    @property
    def layout(self) -> Layout:
        """Internal: of the personal heads."""
        return self._personal.layout

    def rank(
        self,
        items: Iterable[Item],
        *,
        history: Iterable[Event] = (),
        **options: Unpack[RankOptions],
    ) -> Ranking:
        """Order ``items`` for the person with this history.

        Args:
            items: candidates, at most 10,000, each id once; neither they nor an item is changed.
                Equal scores keep the order in which they came.
            history: the person's events with timestamps, oldest first.
            options: see :class:`edge_rerank.RankOptions`.

        Raises:
            InvalidRequest: when an argument has the wrong type or is out of range.
            InferenceError: when the model fails.
            ClosedError: after :meth:`close`.
        """
        return self.answer(items, history=history, **options).ranking

    def answer(
        self,
        items: Iterable[Item],
        *,
        history: Iterable[Event] = (),
        head_of: HeadOf | None = None,
        trial_of: TrialOf | None = None,
        **options: Unpack[RankOptions],
    ) -> Answer:
        """Internal: :meth:`rank`, with what a learner has to know of the list.

        Args:
            items: see :meth:`rank`.
            history: likewise.
            head_of: gives the personal head of the person; ``None`` for nobody.
            trial_of: says whose order the list is to be in; ``None`` for always ours.
            options: see :meth:`rank`.

        Returns:
            The ranking, and what a head learns from, of a list that is shown to somebody with one.

        Raises:
            InvalidRequest, InferenceError, ClosedError: see :meth:`rank`.
        """
        with TRIMMER.call(self._encoder.rest), self.in_flight(), ONE_THREAD:
            return self._answer(items, history, head_of, trial_of, options)

    def _answer(
        self,
        items: Iterable[Item],
        history: Iterable[Event],
        head_of: HeadOf | None,
        trial_of: TrialOf | None,
        options: RankOptions,
    ) -> Answer:
        started = time.perf_counter()
        self._check_open()
        head = None if head_of is None else head_of(self._personal.layout)
        request, blocked = self._blocking.without(self._request(items, history, head, options))
        evidence = evidence_of(request, self._sources, self._media)
        return self._answers.of(request, evidence, blocked, trial_of=trial_of, started=started)

    def rank_each(self, calls: Sequence[PlainCall]) -> list[PlainList | InvalidInput]:
        """Internal: :meth:`rank` for several people at once, each to the last bit as if alone.

        The history model and policies run once for all lists and histories of one shape.

        Args:
            calls: candidates, history and options of each.

        Returns:
            Of each the ids and scores, or why it cannot be ranked.

        Raises:
            InferenceError: when the model fails.
            ClosedError: after :meth:`close`.
        """
        with TRIMMER.call(self._encoder.rest), self.in_flight(), ONE_THREAD:
            self._check_open()
            asked = [self._asked(*call) for call in calls]
            some = [one for one in asked if isinstance(one, Request)]
            evidence = evidence_of_each(some, self._sources, self._media)
            lists = iter(self._answers.plain(list(zip(some, evidence, strict=True))))
            return [one if isinstance(one, InvalidInput) else next(lists) for one in asked]

    def _asked(
        self, items: Candidates, history: Sequence[Event], options: RankOptions
    ) -> Request | InvalidInput:
        """A call of nobody who is learnt of, less what is blocked; or what is wrong with it."""
        try:
            return self._blocking.without(self._request(items, history, None, options))[0]
        except InvalidInput as error:
            return error.with_traceback(None)

    def evidence(
        self, items: Iterable[Item], history: Iterable[Event], options: RankOptions
    ) -> Evidence:
        """Internal: what every source says of ``items``, in their order; see :meth:`rank`."""
        self._check_open()
        with TRIMMER.call(self._encoder.rest), self.in_flight(), ONE_THREAD:
            request = self._request(items, history, None, options)
            return evidence_of(request, self._sources, self._media)

    def _request(
        self,
        items: Iterable[Item],
        history: Iterable[Event],
        head: Head | None,
        options: RankOptions,
    ) -> Request:
        """A call, checked, and completed by what the engine was opened with."""
        return Request.of(
            self.candidates(items),
            history=history,
            comparer=self._comparer,
            reader=self._interests,
            liked=self._liked,
            ratings=self.ratings,
            head=head,
            **completed(options, repeats=self.repeats, policy=self.policy),
        )

    def candidates(self, items: Iterable[Item]) -> Candidates:
        """Internal: items to be ranked, checked; the last call's, where they are the same."""
        return self._last_list.of(items)

    def warmup(
        self,
        items: Iterable[Item] = (),
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
        items = items_of(items)
        if vectors is not None:
            self._comparer.put([item.text for item in items], vectors)
        texts = [item.text for item in items if item.vector is None]
        self._comparer.vectors(texts or ["warm up"], progress=progress)
        self._media.warm(items, progress=progress)
        self._comparer.prepare()
        if self.scorer is not None:
            self.scorer.prepare(texts)
        TRIMMER.now()

    def prepare(
        self,
        items: Iterable[Item],
        *,
        vectors: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Catalogue:
        """Compute vectors and columns of the host's items once, for many rankings.

        Args:
            items: the catalogue, any number, each id once; what is said of an item later is
                another item, and another catalogue.
            vectors: a file that keeps the vectors of their texts between processes, made if
                missing, readable by its owner alone: 1.5 KiB an item and no text. Those of texts
                that it has are not made again, and are read from the disk as they are needed.
                Those of pictures and sounds lie beside it, in ``.image`` and ``.audio``.
            progress: called with (items done, items to do) after each batch of pictures, of
                sounds, and of texts, which each begin from 0.

        Returns:
            The items, for :meth:`rank`: as they are, or some of them by
            :meth:`~edge_rerank.Catalogue.select`.

        Raises:
            InvalidRequest: when they are no sequence of items, or an id comes twice.
            DataError: when the file is another one, or cannot be read or written.
            InferenceError: when a model fails.
            ClosedError: after :meth:`close`.
        """
        self._check_open()
        file = vectors and check_path(vectors, "vectors", InvalidRequest, wanted="a path or None")
        catalogue = Catalogue(items_of(items))
        self._media.read(catalogue, file=file or None, progress=progress)
        name = self.pack.digest
        self._comparer.read(catalogue, file=file or None, name=name, progress=progress)
        self._comparer.prepare()
        if self.scorer is not None:
            self.scorer.prepare(catalogue.texts)
        if len(catalogue):
            # Whatever part is ranked first makes the columns of the whole.
            self.rank(catalogue.part(np.zeros(1, dtype=np.intp)))
        TRIMMER.now()
        return catalogue

    def vectors(self, items: Iterable[Item]) -> NDArray[np.float32]:
        """Text vectors of ``items``, float32 of shape (n, dim); zero rows for empty texts."""
        self._check_open()
        return self._comparer.vectors([item.text for item in items_of(items)])

    def pack_for(self, items: Iterable[Item]) -> Pack:
        """Internal: the pack that ranks these items."""
        del items
        return self.pack

    def unread(self, texts: Sequence[str]) -> float:
        """Share of the texts that the pack cannot read, 0 to 1; blank ones do not count.

        No model runs, and nothing of the texts is kept.
        """
        self._check_open()
        told = [text for text in texts if text.strip()]
        return float(self._encoder.unreadable(told).mean()) if told else 0.0

    def forget(self, user: str | None = None) -> None:
        """Drop what was derived from a person's words and history from memory.

        Args:
            user: whose; everybody's if ``None``.
        """
        self._traces.forget(user)

    def in_flight(self) -> AbstractContextManager[None]:
        """Internal: around a history's reading and ranking, see ``Traces.in_flight()``."""
        return self._traces.in_flight()

    def close(self) -> None:
        """Free the model and the vectors; every later call raises ClosedError."""
        if not self._process.here:
            return
        self._closed = True
        self._comparer.clear()
        self._media.clear()
        self.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        self._process.check()
        if self._closed:
            raise ClosedError("the engine is closed")
