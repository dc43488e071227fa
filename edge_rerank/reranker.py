"""The reranker: record what a person does, rank what they are shown, forget on demand."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from edge_rerank._check import check_bool, check_kind, check_path
from edge_rerank._process import OwnProcess
from edge_rerank._progress import Progress, StepProgress
from edge_rerank.errors import ClosedError, HistoryError, InvalidRequest
from edge_rerank.feedback import Feedback
from edge_rerank.formats.attributes import Value
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.guest import GuestSession
from edge_rerank.history.history import PERSONALISATION, History
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.receipts import ErasureReceipt
from edge_rerank.history.vault.retention import Retention
from edge_rerank.inference.runtime import DEFAULT_RUNTIME, Runtime
from edge_rerank.learning.host_guard import HostGuard
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.profile import Profile, read_profile
from edge_rerank.ranking.candidates import Catalogue, items_of
from edge_rerank.ranking.choice import open_engine
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.opening import Packs
from edge_rerank.ranking.options import ListOptions, RankOptions, Repeats
from edge_rerank.result import Ranking, timed
from edge_rerank.texts import RankedTexts, items_of_texts
from edge_rerank.types import Degradation, Event, Item

if TYPE_CHECKING:
    from edge_rerank.learning.share import FleetRound
    from edge_rerank.learning.stats import Stats

logger = logging.getLogger(__name__)

_GUARDED = HostGuard()


class Reranker:
    """Reorders an application's items for one person, on this machine.

    Make one with :meth:`open`, share it between threads, close it at the end; it is a
    context manager. What is kept about people is at :attr:`history`.
    """

    def __init__(
        self,
        engine: RankingEngine,
        history: History,
        *,
        learning: bool = True,
        guard: HostGuard | None = _GUARDED,
    ) -> None:
        self._engine = engine
        self._history = history
        self._learning = learning
        self._guard = guard
        self._feedback = Feedback(engine, history, learning=learning, guard=guard)
        self._process = OwnProcess("the reranker")
        self._closed = False
        history.on_forget(self._feedback.drop)

    @classmethod
    def open(
        cls,
        pack: Packs | None = None,
        *,
        history: str | Path | None = None,
        key: bytes | KeySource | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        trust: Trust = ANY_PACK,
        ratings: RatingScale | None = None,
        repeats: Repeats | str = Repeats.LEARN,
        policy: ListPolicy | None = None,
        scrubber: Scrubber | None = None,
        retention: Retention | None = None,
        anchor: str | Path | Anchor | None = None,
        new: bool = False,
        tables: str | Path | Tables | None = None,
        learning: bool = True,
        guard: HostGuard | None = _GUARDED,
    ) -> Self:
        """Load a pack and open the history.

        Args:
            pack: a pack folder, the name of a pack that is installed, or several that complete
                each other, such as one with an encoder and one with a scorer; ``None`` for the
                one shipped with this package, in whose place the shipped "multilingual" ranks
                lists whose texts are not in English; ``Ranking.pack`` says which did.
            history: the encrypted history file, made if missing; ``None`` keeps everything
                in memory, gone with the process.
            key: 32 random bytes, or a key source such as :class:`~edge_rerank.KeyFile`.
                Required for a history file, refused without one: nothing would be kept.
            runtime: execution providers, threads, and memory for caches.
            trust: whose packs are accepted, and how old they may be.
            ratings: the scale of your ratings; if ``None``, the smallest of 1 to 5, 0 to 10 and
                0 to 100 that holds what a person gave.
            repeats: how items are treated that a person has chosen before, where a call does not
                say: "never", "fresh" or "learn", see :class:`edge_rerank.Repeats`.
            policy: rules for lists, where a call does not say: pins, caps, diversity and more, see
                :class:`edge_rerank.ListPolicy`.
            scrubber: takes personal data out of what is recorded; every kind if ``None``.
            retention: when events are deleted by themselves; ``None`` for what the file says.
            anchor: outside the history's volume, to notice an old copy of the file; this and
                the two before as for :meth:`edge_rerank.History.open`.
            new: make the history, which must not be there; needed to make one with an anchor.
            tables: what ``python -m edge_rerank tables`` made of your own log, a folder or
                :class:`~edge_rerank.Tables` that are open; they take the places of the pack's.
            learning: whether a personal head learns on this device from what each person chooses
                and passes over in the lists they are shown: after consent to personalisation, and
                as far as events name the ranking. What it learnt is sealed in the history.
            guard: tests the personal order online against an order of yours (``Item.score`` of all
                candidates, or ``host_order=True``), where ``learning`` is on, and returns to yours
                where it is better, see :class:`edge_rerank.HostGuard`; ``None`` for no test.

        Raises:
            PackError: when the pack or the tables are missing, malformed, untrusted or
                unsupported.
            ProviderUnavailable: when a provider cannot be used.
            HistoryError: when the file cannot be opened: wrong key, locked, damaged, ...
            InvalidRequest: when an argument is malformed.
        """
        learns = check_bool(learning, "learning", InvalidRequest)
        if guard is not None:
            check_kind(guard, "guard", HostGuard, example="HostGuard(share=0.05)")
        with ExitStack() as opened:
            kept = History.open(
                history, key, scrubber=scrubber, retention=retention, anchor=anchor, new=new
            )
            opened.callback(kept.close)
            engine = open_engine(
                pack,
                runtime=runtime,
                trust=trust,
                ratings=ratings,
                repeats=repeats,
                policy=policy,
                seen_releases=kept.seen_releases(),
                tables=tables,
            )
            opened.callback(engine.close)
            kept.remember_releases(engine.signed)
            opened.pop_all()
        return cls(engine, kept, learning=learns, guard=guard)

    @property
    def engine(self) -> RankingEngine:
        """The packs at work, for what needs no history."""
        return self._engine

    @property
    def history(self) -> History:
        """What is kept about people: access, export, audit, keys, and more."""
        return self._history

    def rank(
        self, items: Iterable[Item], user: str | None = None, **options: Unpack[RankOptions]
    ) -> Ranking:
        """Order ``items`` for ``user``.

        Args:
            items: candidates, at most 10,000, each id once, not changed.
            user: whose history counts; ``None``, an unknown person or one without consent
                is ranked without history.
            options: query, top_k, diversity, host_order, budget_ms, now, repeats, context,
                surface, policy, exposures, shown: see :class:`edge_rerank.RankOptions`.

        Returns:
            The ranking; ``degraded`` says so if the history could not be read, or if time
            ran out.

        Raises:
            InvalidRequest: when an argument has the wrong type or is out of range.
            InferenceError: when the model fails.
            ClosedError: after :meth:`close`; ForkedError, in a child of ``fork()``, which opens
                its own.
        """
        started = time.perf_counter()
        self._check_open()
        candidates = self._engine.candidates(items)
        with self._feedback.in_flight():
            events, degraded = self._read_history(user, candidates)
            ranking = self._feedback.rank(candidates, events, None if degraded else user, options)
        return timed(ranking, started, degraded)

    async def rank_async(
        self, items: Iterable[Item], user: str | None = None, **options: Unpack[RankOptions]
    ) -> Ranking:
        """:meth:`rank` in a worker thread, for event loops."""
        import asyncio  # noqa: PLC0415 - a tenth of the package's import time

        return await asyncio.to_thread(self.rank, items, user, **options)

    def rank_texts(
        self,
        query: str | None,
        texts: Iterable[str | Mapping[str, object] | Item],
        user: str | None = None,
        **options: Unpack[ListOptions],
    ) -> RankedTexts:
        """Order ``texts`` by how well they fit ``query``, and for ``user``.

        Args:
            query: what the person asked for; ``None`` where nothing was asked.
            texts: strings, dictionaries with a ``text`` and, as far as known, what else an
                :class:`edge_rerank.Item` has (``id``, ``categories``, ``popularity``, ``score``),
                or items; at most 10,000. Other keys are ignored.
            user: whose history counts, as for :meth:`rank`.
            options: as for :meth:`rank`.

        Returns:
            Indices, texts, scores and ids, best first.

        Raises:
            InvalidRequest: as for :meth:`rank`, or when ``texts`` holds something else.
            InvalidItem: when a dictionary has no text, or a malformed member.
            InferenceError, ClosedError: as for :meth:`rank`.
        """
        items = items_of_texts(texts)
        return RankedTexts.of(self.rank(items, user, query=query, **options), items)

    async def rank_texts_async(
        self,
        query: str | None,
        texts: Iterable[str | Mapping[str, object] | Item],
        user: str | None = None,
        **options: Unpack[ListOptions],
    ) -> RankedTexts:
        """:meth:`rank_texts` in a worker thread, for event loops."""
        import asyncio  # noqa: PLC0415 - see rank_async

        return await asyncio.to_thread(self.rank_texts, query, texts, user, **options)

    def record(self, event: Event | Iterable[Event], *, user: str) -> int:
        """Remember what ``user`` did, see :meth:`edge_rerank.History.record`.

        The next :meth:`rank` knows it.
        """
        self._check_open()
        return self._history.record(event, user=user)

    def describe(self, user: str, attributes: Mapping[str, Value | None]) -> None:
        """Keep what you know of ``user``, as an age group: :meth:`edge_rerank.History.describe`.

        It takes the places of what was said before under the same names.
        """
        self._check_open()
        self._history.describe(user, attributes)

    def consent(self, user: str, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether ``user`` agrees to ``purpose``, see :meth:`edge_rerank.History.consent`.

        Without consent to "personalisation" :meth:`record` raises and :meth:`rank` answers
        without history.
        """
        self._check_open()
        self._history.consent(user, granted, purpose)

    def profile(self, user: str) -> Profile:
        """Summary of what is stored about ``user``; the audit log notes the reading."""
        self._check_open()
        return read_profile(
            self._history, user, unread=self._engine.unread, ratings=self._engine.ratings
        )

    def stats(self, user: str) -> Stats:
        """Statistics of the lists that ``user`` was shown; the audit log notes the reading.

        Every ranking for a person who agreed to personalisation counts as a list shown, unless it
        was made with ``shown=False``, and of events only those that name it, see
        ``Event.ranking``. Nothing of an item is in it.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read, or the reading not be noted.
        """
        self._check_open()
        return self._feedback.stats(user)

    def forget(self, user: str) -> ErasureReceipt:
        """Erase everything about ``user``: rows, keys, consent, memory."""
        self._check_open()
        return self._history.forget(user)

    def share(self, user: str, terms: FleetRound) -> bytes:
        """This device's contribution to a fleet's prior: one vector, sealed for the server.

        The only way in which anything of it leaves this device, and only where the person agreed
        to the purpose "fleet" as well. The vector is clipped; the server adds those of at least
        100 devices up and adds noise, as the terms promise. Each round is paid for from the
        file's lifetime budget of ε = 8, and noted in the audit log.

        Args:
            user: whose.
            terms: of the round, which the server hands out.

        Returns:
            For you to send; nobody but the server can open it.

        Raises:
            ConsentRequired: when the person has not agreed.
            NotEnoughRecords: when less than 10 lists were learnt from.
            PrivacyBudgetSpent: when less is left of the budget.
            InvalidRequest: when an argument is malformed.
            HistoryError: when the price cannot be noted; nothing is made then.
        """
        from edge_rerank.learning.share import FleetRound  # noqa: PLC0415 - few hosts ask for it

        self._check_open()
        check_kind(terms, "terms", FleetRound, example="FleetRound.from_json(text)")
        return self._feedback.share(user, terms)

    def guest_session(self) -> GuestSession:
        """A visitor who leaves no trace: memory only, let go of at exit.

        Opening one is the host's statement that the visitor knows; the session holds its
        own consent, which ``GuestSession.consent(False)`` withdraws.
        """
        self._check_open()
        return GuestSession(self._engine, learning=self._learning, guard=self._guard)

    def warmup(self, items: Iterable[Item] = (), *, progress: Progress | None = None) -> None:
        """Run the model once and compute the vectors of ``items`` ahead of time.

        Args:
            items: the host's catalogue, or the part of it that is shown most.
            progress: called with (items done, items to do) after each batch.
        """
        self._check_open()
        self._engine.warmup(items, progress=progress)

    def prepare(
        self,
        items: Iterable[Item],
        *,
        vectors: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Catalogue:
        """Compute vectors and columns of your catalogue once, for many rankings.

        ``rank(catalogue)`` ranks all of it, ``rank(catalogue.select(ids))`` a part, as the same
        items in a list would be ranked.

        Args:
            items: any number, each id once.
            vectors: a file that keeps the vectors of their texts between processes, 1.5 KiB an
                item and no text; made if missing.
            progress: called with (items done, items to do) after each batch of texts.

        Raises:
            InvalidRequest: when they are no sequence of items, or an id comes twice.
            DataError: when the file is another one, or cannot be read or written.
            InferenceError: when a model fails.
        """
        self._check_open()
        return self._engine.prepare(items, vectors=vectors, progress=progress)

    def make_tables(
        self,
        out: str | Path,
        *,
        items: Iterable[Item] = (),
        min_people: int = 20,
        progress: StepProgress | None = None,
    ) -> Tables:
        """Make tables of what the people of this store chose, where several people use it.

        Only people who agreed to the purpose "tables" are counted, and nothing is told that fewer
        than ``min_people`` of them did. :meth:`refresh_tables` ranks with what was made.

        Args:
            out: a folder, made if missing; earlier tables in it are replaced.
            items: the host's catalogue, for its texts.
            min_people: 20 or more.
            progress: called with (what, done, total).

        Raises:
            InvalidRequest: when an argument is malformed.
            DataError: when no item was chosen by so many people, or the folder cannot be written.
            HistoryError: when the history cannot be read, or its audit log not written.
        """
        from edge_rerank.tables.make import make_history_tables  # noqa: PLC0415 - made at night

        self._check_open()
        return make_history_tables(
            self._history,
            check_path(out, "out", InvalidRequest, wanted="a path"),
            items=items_of(items),
            min_people=min_people,
            encode=lambda texts: self._engine.vectors([Item("any", text) for text in texts]),
            progress=progress,
        )

    def refresh_tables(self, tables: str | Path | Tables) -> tuple[str, ...]:
        """Rank with newer tables of the host's log from now on, without opening anew.

        See :meth:`edge_rerank.RankingEngine.refresh_tables`.
        """
        self._check_open()
        return self._engine.refresh_tables(tables)

    def close(self) -> None:
        """Close the history file and free the model. May be called twice.

        Where an interrupt came in between, the second call closes what is left.
        """
        if self._process.here:
            self._closed = True
            with ExitStack() as last:
                last.callback(self._engine.close)
                last.callback(self._history.close)
                last.callback(self._feedback.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        self._process.check()
        if self._closed:
            raise ClosedError("the reranker is closed")

    def _read_history(
        self, user: str | None, items: Sequence[Item]
    ) -> tuple[tuple[Event, ...], tuple[Degradation, ...]]:
        if user is None:
            return (), ()
        try:
            return self._history.events(user, among=items), ()
        except HistoryError as error:
            logger.warning("history not read, ranking without it: %s", type(error).__name__)
            return (), (Degradation.HISTORY_UNAVAILABLE,)
