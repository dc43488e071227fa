"""The one door: record what a person does, rank what they are shown, forget on demand."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self, Unpack

from edge_rerank._check import check_id
from edge_rerank._progress import Progress
from edge_rerank.errors import ClosedError, HistoryError, HistoryKeyError, InvalidRequest
from edge_rerank.feedback import ShownRankings, as_events
from edge_rerank.guest import GuestSession
from edge_rerank.history.aggregates import Aggregate
from edge_rerank.history.history import PERSONALISATION, RecentHistory
from edge_rerank.history.import_log import ImportSummary, ingest
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.personal_data import PersonalData
from edge_rerank.history.releases import remember_releases, seen_releases
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.audit import AuditEntry
from edge_rerank.history.vault.receipts import ErasureReceipt, Verification
from edge_rerank.history.vault.retention import Retention
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.inference.runtime import DEFAULT_RUNTIME, Runtime
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.profile import Profile, summarise
from edge_rerank.ranking.engine import Packs, RankingEngine
from edge_rerank.ranking.request import RankOptions
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, Event, EventType, Item

logger = logging.getLogger(__name__)


class Reranker:
    """Reorders an application's items for one person, on this machine.

    Make one with :meth:`open`, share it between threads, close it at the end; it is a
    context manager.
    """

    def __init__(self, engine: RankingEngine, history: RecentHistory) -> None:
        self._engine = engine
        self._history = history
        self._shown = ShownRankings()
        self._closed = False

    @classmethod
    def open(
        cls,
        pack: Packs | None = None,
        *,
        history: str | Path | None = None,
        key: bytes | KeySource | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
        trust: Trust = ANY_PACK,
        scrubber: Scrubber | None = None,
        retention: Retention | None = None,
        anchor: str | Path | Anchor | None = None,
    ) -> Self:
        """Load a pack and open the history.

        Args:
            pack: a pack folder, or several that complete each other, such as one with an
                encoder and one with a scorer; ``None`` for the one shipped with this package.
            history: the encrypted history file, made if missing; ``None`` keeps everything
                in memory, gone with the process.
            key: 32 random bytes, or a key source of :mod:`edge_rerank.history.keys.sources`.
                Required for a history file.
            runtime: execution providers, threads, and memory for caches.
            trust: whose packs are accepted, and how old they may be.
            scrubber: takes personal data out of what is recorded; every kind if ``None``.
            retention: when events are deleted by themselves, noted in the file; ``None``
                for what is noted there, in a new file 13 months and 10,000 events a person.
            anchor: a path, or an :class:`~edge_rerank.history.vault.anchor.Anchor`, outside the
                history's volume: detects that an old copy of the file was put in its place.

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
        path = None if history is None else Path(history)
        store = HistoryStore.open(path, key if path else None, retention=retention, anchor=anchor)
        with ExitStack() as opened:
            opened.callback(store.close)
            engine = RankingEngine.open(
                pack,
                runtime=runtime,
                trust=trust,
                seen_releases=seen_releases(store),
            )
            opened.callback(engine.close)
            remember_releases(store, engine.signed)
            opened.pop_all()
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
        budget_ms: float | None = None,
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
            budget_ms: milliseconds after which a scorer is to stop refining.
            now: UTC seconds; the clock if ``None``.

        Returns:
            The ranking; ``degraded`` says so if the history could not be read, or if time
            ran out.

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
            budget_ms=budget_ms,
            now=now,
        )
        self._shown.remember(ranking)
        return replace(ranking, degraded=degraded + ranking.degraded) if degraded else ranking

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
            ConsentRequired: when the person has not agreed to personalisation, or, as
                RecordingPaused, has paused recording.
            InvalidEvent, InvalidRequest: when something is malformed.
            HistoryError: when the history cannot be written.
            ClosedError: after :meth:`close`.
        """
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        events = [self._shown.place(one) for one in as_events(event)]
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
        self._engine.forget()
        return receipt

    def access(self, user: str) -> PersonalData:
        """Everything that is stored about ``user``, as readable JSON with a schema.

        ``access(user).to_json()`` is also what :meth:`restore` takes back.
        """
        self._check_open()
        return self._history.access(check_id(user, "user", InvalidRequest))

    def export(self, user: str, recipient: bytes, target: str | Path) -> None:
        """Write :meth:`access` to a new file that only ``recipient`` can open.

        The audit log notes it. What :func:`edge_rerank.history.transfer.import_sealed` reads
        from the file, :meth:`restore` takes back.

        Args:
            user: whose history.
            recipient: an X25519 public key, 32 bytes.
            target: must not exist yet.

        Raises:
            InvalidRequest: when an argument is malformed, or no file can be made there.
            HistoryError: when the history cannot be read, or the export not be noted.
        """
        self._check_open()
        person = check_id(user, "user", InvalidRequest)
        if not isinstance(target, str | Path):
            raise InvalidRequest(f"target: expected a path, got {type(target).__name__}")
        self._history.export(person, recipient, Path(target))

    def release_counts(
        self, categories: Sequence[str], *, epsilon: float, event: EventType | None = None
    ) -> Aggregate:
        """How many people turned to each category, so that nobody is told apart.

        Only people who agreed to the purpose "aggregates" take part, see
        :func:`edge_rerank.history.aggregates.release_counts`.

        Args:
            categories: 1 to 16, chosen without looking at the data.
            epsilon: the price, > 0, out of the file's lifetime budget of 8.
            event: only events of this type; any if ``None``.

        Raises:
            InvalidRequest: when an argument is malformed.
            PrivacyBudgetSpent: when less than ``epsilon`` is left; nothing is counted then.
            HistoryError: when the budget cannot be noted; nothing is counted then.
        """
        self._check_open()
        return self._history.release_counts(categories, epsilon=epsilon, event=event)

    def restore(self, data: str, *, user: str) -> int:
        """Record the events of an earlier :meth:`access` again, here or on another device.

        Args:
            data: ``PersonalData.to_json()``.
            user: whose they are; must have agreed to personalisation.

        Returns:
            How many were new.

        Raises:
            InvalidRequest: when ``data`` is not such a text.
            ConsentRequired: when the person has not agreed to personalisation.
            HistoryError: when the history cannot be written.
        """
        self._check_open()
        if not isinstance(data, str):
            raise InvalidRequest(f"data: expected a string, got {type(data).__name__}")
        person = check_id(user, "user", InvalidRequest)
        return self._history.restore(person, data, now=time.time())

    def remove_event(self, user: str, record: int) -> bool:
        """Delete one stored event of ``user``, for instance because it is not true.

        Args:
            user: whose event it is.
            record: its number, ``StoredEvent.record`` in :meth:`access`.

        Returns:
            Whether there was such an event.
        """
        self._check_open()
        if isinstance(record, bool) or not isinstance(record, int) or not 0 < record < 2**63:
            raise InvalidRequest("record: expected a whole number from 1")
        return self._history.remove_event(check_id(user, "user", InvalidRequest), record)

    def pause(self, user: str) -> None:
        """Stop recording ``user`` without erasing anything, until :meth:`resume`."""
        self._check_open()
        self._history.set_paused(check_id(user, "user", InvalidRequest), True)

    def resume(self, user: str) -> None:
        """Record ``user`` again."""
        self._check_open()
        self._history.set_paused(check_id(user, "user", InvalidRequest), False)

    def audit_log(self) -> tuple[AuditEntry, ...]:
        """What was done with whose data, oldest first; no content, no identifiers.

        Raises:
            HistoryCorrupt: when an entry was added, changed, moved or removed.
        """
        self._check_open()
        return self._history.audit_log()

    def verify(self) -> Verification:
        """Look at every byte of the history file and say what is wrong."""
        self._check_open()
        return self._history.verify()

    def rotate_key(self, key: bytes | None = None) -> None:
        """Replace the key-encryption key; old copies of the file then stay closed for ever.

        Args:
            key: 32 bytes that the host has already stored durably; ``None`` for a fresh one
                where ``key=`` of :meth:`open` was a source that can take it.

        Raises:
            HistoryKeyError: when the key is malformed or cannot be stored.
        """
        self._check_open()
        self._history.rotate_key(key)

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
        """Read a log of events into the history, see :mod:`edge_rerank.formats.logs`.

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
