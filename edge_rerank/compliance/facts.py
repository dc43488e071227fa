"""Facts that a history says of itself, read from a snapshot of it, for the compliance report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from edge_rerank.compliance.snapshot import SnapshotFile
from edge_rerank.errors import HistoryCorrupt, HistoryRolledBack
from edge_rerank.history.aggregates import epsilon_left
from edge_rerank.history.description import ATTRIBUTES
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault import schema
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.audit import AuditAction, AuditEntry
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.retention import DAY_S
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.history.vault.vault import Vault
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.scrub import KEPT_NOTE

SWEEP_DAYS = 2.0
"""Days for which an event may outlast its retention: each person's turn comes once a day."""

_REPLACED = (AuditAction.CREATED, AuditAction.OUTER_KEY_ROTATED)
_REMOVED = (AuditAction.EVENT_REMOVED, AuditAction.EXPIRED)


class AnchorState(StrEnum):
    """What an anchor outside the file says of it.

    ``NONE``: there has never been one. ``UNUSED``: one is given that holds nothing yet.
    ``DROPPED``: the history has had one, and is inspected without. ``GONE``: it has had one, and
    the one given holds nothing. ``DISAGREES``: it knows a newer state, or another history.
    ``UNREAD``: the history could not be opened to be compared with it.
    """

    NONE = "none"
    UNUSED = "unused"
    AGREES = "agrees"
    DROPPED = "dropped"
    GONE = "gone"
    DISAGREES = "disagrees"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the opened history says of itself.

    Attributes:
        people: how many it knows.
        events: how many it holds about them.
        described: people of whom it holds attributes.
        learnt: people of whom it holds another small state, such as what was learnt.
        without_consent: people with any of that who never agreed to personalisation.
        withdrawn: people with any of that who have withdrawn their consent.
        retention_days: how long events are kept; ``None`` for ever.
        retention_events: how many are kept a person; ``None`` for any number.
        expired: people with events or states that are past their time and still there.
        damage: what verifying every row, head and audit entry found; empty for nothing.
        audit_entries: how many the audit log has.
        key_replaceable: whether erasure can replace the key by itself.
        rotation_due: whether the history itself waits for its key to be replaced.
        erasures: how many people have been erased.
        unrotated_days: days since the oldest erasure after which the key was never replaced;
            ``None`` where there is none.
        removals: how often single events were removed, or expired, since everything was rekeyed.
        key_age_days: days since the key was last replaced, or first set.
        kept_kinds: kinds of personal data that the host has left in; ``None`` if not noted.
        epsilon_left: of the lifetime budget of aggregates.
    """

    people: int
    events: int
    described: int
    learnt: int
    without_consent: int
    withdrawn: int
    retention_days: float | None
    retention_events: int | None
    expired: int
    damage: str
    audit_entries: int
    key_replaceable: bool
    rotation_due: bool
    erasures: int
    unrotated_days: float | None
    removals: int
    key_age_days: float
    kept_kinds: frozenset[Kind] | None
    epsilon_left: float


def open_snapshot(content: bytes, key: bytes, noted: bytes = b"") -> Vault:
    """Unlock a snapshot in memory.

    Args:
        content: of :func:`edge_rerank.compliance.snapshot.read_snapshot`.
        key: the key-encryption key.
        noted: what the lock file says was acknowledged.

    Raises:
        HistoryKeyError: when the key is not this file's.
        HistoryCorrupt: when it is empty, damaged, or its schema is not this package's.
        HistoryVersionError: when a newer version wrote it.
    """
    return _unlock(content, key, None, noted)


def compare_anchor(content: bytes, key: bytes, state: bytes | None, anchored: bool) -> AnchorState:
    """What an anchor says of a snapshot; neither is changed.

    Args:
        content: the snapshot.
        key: the key-encryption key.
        state: what the anchor holds.
        anchored: whether the history says that it has had an anchor.
    """
    if state is None:
        return AnchorState.GONE if anchored else AnchorState.UNUSED
    try:
        _unlock(content, key, _ReadAnchor(state), b"").close()
    except HistoryRolledBack:
        return AnchorState.DISAGREES
    return AnchorState.AGREES


def gather(vault: Vault, source: KeySource, now: float) -> Facts:
    """Open everything in the snapshot once and count.

    Args:
        vault: of :func:`open_snapshot`.
        source: where its key comes from.
        now: UTC seconds.

    Raises:
        HistoryError: when it cannot be read at all; what is damaged in it is a fact.
    """
    store = HistoryStore(vault, source)
    counts = _Counts()
    expired = 0
    damage = ""
    left = 0.0
    kept: frozenset[Kind] | None = None
    log: tuple[AuditEntry, ...] = ()
    try:
        counts.take(store, vault)
        damage = "; ".join(store.verify().findings)
        left = epsilon_left(store)
        note = store.read_note(KEPT_NOTE)
        kept = None if note is None else frozenset(map(Kind, json.loads(note)))
        log = store.audit_log()
        expired = _expired(vault, now)
    except HistoryCorrupt as error:
        damage = damage or str(error)
    return Facts(
        **asdict(counts),
        **asdict(_Logged.of(log, now)),
        retention_days=store.retention.max_age_days,
        retention_events=store.retention.max_events,
        expired=expired,
        damage=damage,
        key_replaceable=source.replaceable,
        rotation_due=store.rotation_due,
        kept_kinds=kept,
        epsilon_left=left,
    )


@dataclass(slots=True)
class _Counts:
    """People and what is there of them, as far as it could be read; see :class:`Facts`."""

    people: int = 0
    events: int = 0
    described: int = 0
    learnt: int = 0
    without_consent: int = 0
    withdrawn: int = 0

    def take(self, store: HistoryStore, vault: Vault) -> None:
        """Count everybody.

        Raises:
            HistoryCorrupt: at what cannot be read; what was counted before stays.
        """
        for consents, history in store.everyone():
            self.people += 1
            self.events += len(history)
            if history and not consents.get(PERSONALISATION, False):
                self.withdrawn += PERSONALISATION in consents
                self.without_consent += PERSONALISATION not in consents
        for person in vault.people.everyone(vault.root):
            self.described += ATTRIBUTES in person.states
            self.learnt += bool(person.states.keys() - {ATTRIBUTES})
            if person.states and not person.count:
                decision = person.consents.get(PERSONALISATION)
                self.without_consent += decision is None
                self.withdrawn += decision is not None and not decision.granted


@dataclass(frozen=True, slots=True)
class _Logged:
    """What the audit log tells; see :class:`Facts`."""

    audit_entries: int
    erasures: int
    unrotated_days: float | None
    removals: int
    key_age_days: float

    @classmethod
    def of(cls, log: Sequence[AuditEntry], now: float) -> Self:
        last, rekeyed = _newest(log, *_REPLACED), _newest(log, AuditAction.REKEYED)
        erased = [entry for entry in log if entry.action is AuditAction.ERASED]
        since = [entry.at for entry in erased if entry.seq > last]
        return cls(
            audit_entries=len(log),
            erasures=len(erased),
            unrotated_days=(now - min(since)) / DAY_S if since else None,
            removals=sum(entry.seq > rekeyed and entry.action in _REMOVED for entry in log),
            key_age_days=(now - log[last - 1].at) / DAY_S if last else 0.0,
        )


def _newest(log: Sequence[AuditEntry], *actions: AuditAction) -> int:
    """Number of the newest entry of these actions, 0 where there is none."""
    return max((entry.seq for entry in log if entry.action in actions), default=0)


def _expired(vault: Vault, now: float) -> int:
    """People with anything past its time by the wall clock, whatever the store's clock doubts."""
    root = vault.root
    # A clock that is behind tells how much has passed since it was seen last, no more.
    today = now if now > root.clock else root.clock + max(0.0, now - root.wall)
    age = root.max_age_days
    oldest = 0.0 if age is None else today - (age + SWEEP_DAYS) * DAY_S
    return sum(
        (person.count > 0 and person.oldest < oldest)
        or (root.max_events is not None and person.count > root.max_events)
        or any(state.recorded < oldest for state in person.states.values())
        for person in vault.people.everyone(root)
    )


def _unlock(content: bytes, key: bytes, anchor: Anchor | None, noted: bytes) -> Vault:
    if not content:
        raise HistoryCorrupt("the file is empty")
    with typed_errors():
        file = SnapshotFile(content, noted)
        try:
            schema.check_version(file.schema_version())
            schema.check_objects(file.db, file.schema_version())
            return Vault(file, key, anchor, time.time)
        except BaseException:
            file.close()
            raise


class _ReadAnchor:
    """What an anchor held when it was read."""

    def __init__(self, state: bytes) -> None:
        self._state = state

    def load(self) -> bytes | None:
        return self._state

    def save(self, state: bytes) -> None:
        """Nothing: the report changes no anchor."""
