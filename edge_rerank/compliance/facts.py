"""Facts that a history says of itself, read from a snapshot of it, for the compliance report."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from enum import StrEnum

from edge_rerank.compliance.snapshot import open_in_memory
from edge_rerank.errors import HistoryCorrupt, HistoryRolledBack
from edge_rerank.history.aggregates import epsilon_left
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault import schema
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.audit import AuditAction, AuditEntry
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.file import HistoryFile, typed_errors
from edge_rerank.history.vault.retention import DAY_S
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.history.vault.vault import Vault
from edge_rerank.privacy.kinds import Kind
from edge_rerank.privacy.scrub import KEPT_NOTE

SWEEP_DAYS = 2.0
"""Days for which an event may outlast its retention: each person's turn comes once a day."""

OLDEST_SQLITE = (3, 39, 2)
"""The first without CVE-2022-35737 (memory corruption by long arguments)."""

SAFE_SQLITE = (3, 50, 2)
"""The first without CVE-2025-6965 (memory corruption by aggregates in a hostile schema or query).

A distribution may have mended an older one without changing its number. What this package lets
SQLite run is its own statements, on a schema that it compares first.
"""

GOOD_SQLITE = (3, 51, 3)
"""The first without the WAL-reset bug, which one exclusive connection does not meet."""

_REPLACED = (AuditAction.CREATED, AuditAction.OUTER_KEY_ROTATED)


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
        without_consent: people with events who never agreed to personalisation.
        withdrawn: people with events who have withdrawn their consent.
        retention_days: how long events are kept; ``None`` for ever.
        retention_events: how many are kept a person; ``None`` for any number.
        expired: people with events that are past their time and still there.
        damage: what verifying every row, head and audit entry found; empty for nothing.
        audit_entries: how many the audit log has.
        key_replaceable: whether erasure can replace the key by itself.
        rotation_due: whether the history itself waits for its key to be replaced.
        erasures: how many people have been erased.
        unrotated_days: days since the oldest erasure after which the key was never replaced;
            ``None`` where there is none.
        removals: how often single events were removed, or expired, and the key not replaced since.
        key_age_days: days since the key was last replaced, or first set.
        kept_kinds: kinds of personal data that the host has left in; ``None`` if not noted.
        epsilon_left: of the lifetime budget of aggregates.
    """

    people: int
    events: int
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


@dataclass(frozen=True, slots=True)
class SqliteFact:
    """Which SQLite this process has loaded.

    Attributes:
        version: "3.50.4".
        flaws: what is known of that version, the worst first; empty for nothing.
        unsafe: whether it is older than :data:`OLDEST_SQLITE`.
    """

    version: str
    flaws: tuple[str, ...]
    unsafe: bool


def sqlite_version_fact() -> SqliteFact:
    """Which SQLite is loaded, and what is known of it."""
    version = sqlite3.sqlite_version_info
    flaws = tuple(
        f"{flaw}, mended in {'.'.join(map(str, mended))}"
        for mended, flaw in (
            (OLDEST_SQLITE, "CVE-2022-35737 (long arguments)"),
            (SAFE_SQLITE, "CVE-2025-6965 (aggregates)"),
            (GOOD_SQLITE, "the WAL-reset bug (several connections)"),
        )
        if version < mended
    )
    return SqliteFact(sqlite3.sqlite_version, flaws, unsafe=version < OLDEST_SQLITE)


def open_snapshot(content: bytes, key: bytes) -> Vault:
    """Unlock a snapshot in memory.

    Args:
        content: of :func:`edge_rerank.compliance.snapshot.read_snapshot`.
        key: the key-encryption key.

    Raises:
        HistoryKeyError: when the key is not this file's.
        HistoryCorrupt: when it is empty, damaged, or its schema is not this package's.
        HistoryVersionError: when a newer version wrote it.
    """
    return _unlock(content, key, None)


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
        _unlock(content, key, _ReadAnchor(state)).close()
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
    people = events = without_consent = withdrawn = expired = 0
    damage = ""
    left = 0.0
    kept: frozenset[Kind] | None = None
    log: tuple[AuditEntry, ...] = ()
    try:
        for consents, history in store.everyone():
            people += 1
            events += len(history)
            if history and not consents.get(PERSONALISATION, False):
                withdrawn += PERSONALISATION in consents
                without_consent += PERSONALISATION not in consents
        damage = "; ".join(store.verify().findings)
        left = epsilon_left(store)
        note = store.read_note(KEPT_NOTE)
        kept = None if note is None else frozenset(map(Kind, json.loads(note)))
        log = store.audit_log()
        expired = _expired(vault, now)
    except HistoryCorrupt as error:
        damage = damage or str(error)
    last = max((entry.seq for entry in log if entry.action in _REPLACED), default=0)
    since = [entry for entry in log if entry.seq > last]
    erased = [entry.at for entry in since if entry.action is AuditAction.ERASED]
    return Facts(
        people=people,
        events=events,
        without_consent=without_consent,
        withdrawn=withdrawn,
        retention_days=store.retention.max_age_days,
        retention_events=store.retention.max_events,
        expired=expired,
        damage=damage,
        audit_entries=len(log),
        key_replaceable=source.replaceable,
        rotation_due=store.rotation_due,
        erasures=sum(entry.action is AuditAction.ERASED for entry in log),
        unrotated_days=(now - min(erased)) / DAY_S if erased else None,
        removals=sum(
            entry.action in {AuditAction.EVENT_REMOVED, AuditAction.EXPIRED} for entry in since
        ),
        key_age_days=(now - log[last - 1].at) / DAY_S if last else 0.0,
        kept_kinds=kept,
        epsilon_left=left,
    )


def _expired(vault: Vault, now: float) -> int:
    """People with events past their time by the wall clock, whatever the store's clock doubts."""
    root = vault.root
    passed = max(0.0, now - root.wall) + root.doubted
    age = root.max_age_days
    oldest = 0.0 if age is None else root.clock + passed - (age + SWEEP_DAYS) * DAY_S
    return sum(
        (person.count > 0 and person.oldest < oldest)
        or (root.max_events is not None and person.count > root.max_events)
        for person in vault.people.everyone(root)
    )


def _unlock(content: bytes, key: bytes, anchor: Anchor | None) -> Vault:
    if not content:
        raise HistoryCorrupt("the file is empty")
    with typed_errors():
        file = open_in_memory(content)
        try:
            _refuse_foreign(file)
            return Vault(file, key, anchor, time.time)
        except BaseException:
            file.close()
            raise


def _refuse_foreign(file: HistoryFile) -> None:
    """See that the file has the tables of its version and nothing else that SQLite would run."""
    expected = sqlite3.connect(":memory:")
    for script in schema.MIGRATIONS[: file.schema_version()]:
        expected.executescript(script)
    every = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    same = file.execute(every).fetchall() == expected.execute(every).fetchall()
    expected.close()
    if not same:
        raise HistoryCorrupt("the file's schema has been changed: a table, trigger, view or index")


class _ReadAnchor:
    """What an anchor held when it was read."""

    def __init__(self, state: bytes) -> None:
        self._state = state

    def load(self) -> bytes | None:
        return self._state

    def save(self, state: bytes) -> None:
        """Nothing: the report changes no anchor."""
