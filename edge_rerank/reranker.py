"""The one door: record what a person does, rank what they are shown, forget on demand."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypedDict, Unpack

from edge_rerank.errors import (
    ClosedError,
    HistoryError,
    HistoryKeyError,
    InvalidRequest,
)
from edge_rerank.history.ingest import ImportSummary, ingest
from edge_rerank.history.keys import KeySource
from edge_rerank.history.recent import PERSONALISATION, RecentHistory
from edge_rerank.history.store import ErasureReceipt, HistoryStore
from edge_rerank.inference.encoder import Progress
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.profile import Profile, summarise
from edge_rerank.ranking.engine import DEFAULT_CACHE_ITEMS, RankingEngine
from edge_rerank.types import Degradation, Event, Item, Ranking, check_id

logger = logging.getLogger(__name__)

REMEMBERED_RANKINGS = 256
_GUEST = "guest"


class RankOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`Reranker.rank`."""

    query: str | None
    top_k: int | None
    diversity: float
    host_order: bool
    now: float | None


class Reranker:
    """Reorders an application's items for one person, on this machine.

    Make one with :meth:`open`, share it between threads, close it at the end; it is a
    context manager.
    """

    def __init__(self, engine: RankingEngine, history: RecentHistory) -> None:
        self._engine = engine
        self._history = history
        self._shown = _ShownRankings()
        self._closed = False

    @classmethod
    def open(
        cls,
        pack: str | Path | None = None,
        *,
        history: str | Path | None = None,
        key: bytes | KeySource | None = None,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        cache_items: int = DEFAULT_CACHE_ITEMS,
        trusted_keys: Sequence[bytes] = (),
        scrubber: Scrubber | None = None,
    ) -> Self:
        """Load a pack and open the history.

        Args:
            pack: a pack folder; ``None`` for the one shipped with this package.
            history: the encrypted history file, made if missing; ``None`` keeps everything
                in memory, gone with the process.
            key: 32 random bytes, or a key source of :mod:`edge_rerank.history.keys`.
                Required for a history file.
            providers: execution providers by preference, "cuda" or
                "CUDAExecutionProvider"; CPU if ``None``. No silent fallback.
            threads: threads inside one operator; ``None`` for up to four.
            cache_items: item vectors kept in memory, 1.5 KB each in the shipped pack.
            trusted_keys: Ed25519 public keys, one of which must have signed the pack.
            scrubber: takes personal data out of what is recorded; every kind if ``None``.

        Raises:
            PackError: when the pack is missing, malformed, untrusted or unsupported.
            ProviderUnavailable: when a provider cannot be used.
            HistoryError: when the file cannot be opened: wrong key, locked, damaged, ...
            InvalidRequest: when an argument is malformed.
        """
        if history is not None and not isinstance(history, str | Path):
            raise InvalidRequest(f"history: expected a path or None, got {type(history).__name__}")
        if history is not None and key is None:
            raise HistoryKeyError("key: a history file needs 32 bytes or a key source, got None")
        engine = RankingEngine.open(
            pack,
            providers=providers,
            threads=threads,
            cache_items=cache_items,
            trusted_keys=trusted_keys,
        )
        path = None if history is None else Path(history)
        store = HistoryStore.open(path, key if path else None)
        return cls(engine, RecentHistory(store, scrubber))

    @property
    def engine(self) -> RankingEngine:
        """The pack at work, for what needs no history."""
        return self._engine

    def rank(
        self,
        items: Sequence[Item],
        user: str | None = None,
        query: str | None = None,
        top_k: int | None = None,
        *,
        diversity: float = 0.0,
        host_order: bool = False,
        now: float | None = None,
    ) -> Ranking:
        """Order ``items`` for ``user``.

        Args:
            items: candidates, at most 10,000, not changed.
            user: whose history counts; ``None``, an unknown person or one without consent
                is ranked without history.
            query: what the person asked for just now; not recorded.
            top_k: how many to return, all if ``None``.
            diversity: 0 to 1, how much near-copies are pushed down.
            host_order: whether the order of ``items`` is the host's own ranking and is to
                be blended in; an item's ``score`` always is.
            now: UTC seconds; the clock if ``None``.

        Returns:
            The ranking; ``degraded`` says so if the history could not be read.

        Raises:
            InvalidRequest: when an argument has the wrong type or is out of range.
            InferenceError: when the model fails.
            ClosedError: after :meth:`close`.
        """
        self._check_open()
        events, degraded = self._read_history(user)
        ranking = self._engine.rank(
            items,
            history=events,
            query=query,
            top_k=top_k,
            diversity=diversity,
            host_order=host_order,
            now=now,
        )
        self._shown.remember(ranking)
        return replace(ranking, degraded=degraded) if degraded else ranking

    async def rank_async(
        self, items: Sequence[Item], user: str | None = None, **options: Unpack[RankOptions]
    ) -> Ranking:
        """:meth:`rank` in a worker thread, for event loops."""
        import asyncio  # noqa: PLC0415 - a tenth of the package's import time

        return await asyncio.to_thread(self.rank, items, user, **options)

    def record(self, event: Event | Sequence[Event], *, user: str) -> int:
        """Remember what ``user`` did; the next ``rank()`` knows it.

        The events are cleaned (see :mod:`edge_rerank.history.clean`), sealed, and on disk
        when this returns.

        Args:
            event: one event or several; all are recorded or, on an error, none.
            user: the host's identifier of the person; only a keyed hash of it is stored.

        Returns:
            How many were new; duplicates are dropped.

        Raises:
            ConsentRequired: when the person has not agreed to personalisation.
            InvalidEvent, InvalidRequest: when something is malformed.
            HistoryError: when the history cannot be written.
            ClosedError: after :meth:`close`.
        """
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        events = [self._shown.place(one) for one in _events(event)]
        return self._history.record(person, events, now=time.time())

    def consent(self, user: str, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether ``user`` agrees to ``purpose``.

        Without consent to "personalisation" :meth:`record` raises and :meth:`rank` answers
        without history; a withdrawal holds from the next call on. It erases nothing: that
        is :meth:`forget`.

        Raises:
            InvalidRequest: when an argument is malformed.
            HistoryError: when the decision cannot be stored.
        """
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        wanted = check_id(purpose, "purpose", InvalidRequest)
        if not isinstance(granted, bool):
            raise InvalidRequest(f"granted: expected a bool, got {type(granted).__name__}")
        self._history.set_consent(person, wanted, granted=granted)

    def profile(self, user: str) -> Profile:
        """What is stored about ``user``, condensed."""
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        return summarise(
            self._history.all_events(person),
            consents=self._history.consents(person),
            now=time.time(),
        )

    def forget(self, user: str) -> ErasureReceipt:
        """Erase everything about ``user``: rows, keys, consent, memory."""
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        receipt = self._history.forget(person)
        self._shown.clear()
        self._engine.forget_queries()
        return receipt

    def guest_session(self) -> GuestSession:
        """A visitor who leaves no trace: memory only, wiped at exit.

        Opening one is the host's statement that the visitor knows; the session holds its
        own consent, which ``GuestSession.consent(False)`` withdraws.
        """
        self._check_open()
        return GuestSession(self._engine)

    def import_log(
        self, path: str | Path, *, user: str | None = None, progress: Progress | None = None
    ) -> ImportSummary:
        """Read a log of events into the history, see :mod:`edge_rerank.history.importers`.

        Args:
            path: JSON lines or CSV, plain or gzipped.
            user: whose events they are where a line does not say.
            progress: called with (events read, 0) now and then; the total is not known.

        Raises:
            DataError: when the file cannot be read at all; a bad line is only counted.
            HistoryError: when the history cannot be written; batches before it are kept.
        """
        self._check_open()
        if not isinstance(path, str | Path):
            raise InvalidRequest(f"path: expected a path, got {type(path).__name__}")
        owner = None if user is None else check_id(user, "user", InvalidRequest)
        return ingest(Path(path), self._history, owner=owner, progress=progress)

    def warmup(self, items: Sequence[Item] = (), *, progress: Progress | None = None) -> None:
        """Run the model once and compute the vectors of ``items`` ahead of time."""
        self._check_open()
        self._engine.warmup(items, progress=progress)

    def close(self) -> None:
        """Close the history file and free the model. May be called twice."""
        if not self._closed:
            self._closed = True
            self._history.close()
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the reranker is closed")

    def _read_history(self, user: str | None) -> tuple[tuple[Event, ...], tuple[Degradation, ...]]:
        if user is None:
            return (), ()
        person = check_id(user, "user", InvalidRequest)
        try:
            return self._history.events(person), ()
        except HistoryError as error:
            logger.warning("history not read, ranking without it: %s", type(error).__name__)
            return (), (Degradation.HISTORY_UNAVAILABLE,)


class GuestSession:
    """One visitor, in memory only. Made by :meth:`Reranker.guest_session`."""

    def __init__(self, engine: RankingEngine) -> None:
        self._engine = engine
        self._history = RecentHistory(HistoryStore.open(None, None))
        self._history.set_consent(_GUEST, PERSONALISATION, granted=True)
        self._shown = _ShownRankings()

    def rank(self, items: Sequence[Item], **options: Unpack[RankOptions]) -> Ranking:
        """Order ``items`` for the visitor, see :meth:`Reranker.rank`."""
        ranking = self._engine.rank(items, history=self._history.events(_GUEST), **options)
        self._shown.remember(ranking)
        return ranking

    async def rank_async(self, items: Sequence[Item], **options: Unpack[RankOptions]) -> Ranking:
        """:meth:`rank` in a worker thread."""
        import asyncio  # noqa: PLC0415 - see Reranker.rank_async

        def call() -> Ranking:
            return self.rank(items, **options)

        return await asyncio.to_thread(call)

    def record(self, event: Event | Sequence[Event]) -> int:
        """Remember what the visitor did until the session ends, see :meth:`Reranker.record`."""
        events = [self._shown.place(one) for one in _events(event)]
        return self._history.record(_GUEST, events, now=time.time())

    def consent(self, granted: bool, purpose: str = PERSONALISATION) -> None:
        """Note whether the visitor agrees; a session begins with consent."""
        self._history.set_consent(_GUEST, purpose, granted=granted)

    def profile(self) -> Profile:
        """What the session knows of the visitor."""
        return summarise(
            self._history.all_events(_GUEST),
            consents=self._history.consents(_GUEST),
            now=time.time(),
        )

    def close(self) -> None:
        """Forget the visitor. May be called twice; other calls then raise ClosedError."""
        self._history.close()
        self._shown.clear()
        self._engine.forget_queries()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ShownRankings:
    """Where items stood in the last rankings, to fill in ``Event.position``."""

    def __init__(self) -> None:
        self._rankings: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, ranking: Ranking) -> None:
        places = {ranked.item.id: ranked.rank for ranked in ranking}
        with self._lock:
            self._rankings[ranking.id] = places
            if len(self._rankings) > REMEMBERED_RANKINGS:
                self._rankings.popitem(last=False)

    def place(self, event: Event) -> Event:
        if event.ranking is None or event.position is not None or event.item is None:
            return event
        with self._lock:
            position = self._rankings.get(event.ranking, {}).get(event.item.id)
        return event if position is None else replace(event, position=position)

    def clear(self) -> None:
        with self._lock:
            self._rankings.clear()


def _events(event: object) -> list[Event]:
    several = [event] if isinstance(event, Event) else event
    if isinstance(several, str | bytes) or not isinstance(several, Sequence):
        raise InvalidRequest(f"event: expected an Event or several, got {type(event).__name__}")
    for one in several:
        if not isinstance(one, Event):
            raise InvalidRequest(f"event: expected only Event, got {type(one).__name__}")
    return list(several)
