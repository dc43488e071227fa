"""Expiry: deleting what retention no longer allows."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.file import typed_errors
from edge_rerank.history.vault.people import Person
from edge_rerank.history.vault.retention import DAY_S, Retention
from edge_rerank.history.vault.root import BUCKETS, Root
from edge_rerank.history.vault.vault import Change, Vault

logger = logging.getLogger(__name__)

STEP_S = DAY_S // BUCKETS
"""Store seconds from one bucket's turn to the next one's."""

SWEPT_AT_ONCE = 128
"""People after which a sweep stops for this time."""


def retention_of(root: Root) -> Retention:
    """The retention that was set last."""
    return Retention(root.max_age_days, root.max_events)


def expire_person(vault: Vault, person: Person, root: Root) -> int:
    """Delete what is too old or too many, inside a transaction; how many events and states."""
    retention = retention_of(root)
    oldest = retention.oldest_kept(root.clock)
    states = vault.states.drop_older(person, oldest)
    first = vault.rows.first_kept(person, recorded_after=oldest, at_most=retention.max_events)
    return states + (vault.rows.remove(person, 0, first - 1) if first else 0)


def expire_everyone(vault: Vault) -> int:
    """Delete what is too old or too many of everyone; how many events and states."""
    with vault.write() as change:
        change.root.swept = change.root.clock
        found = [_expire_bucket(vault, change, bucket) for bucket in range(BUCKETS)]
        removed = sum(one.removed for one in found)
        _note(vault, change, removed, sum(one.damaged for one in found))
    if removed:
        vault.file.empty_log()
    return removed


def tend(vault: Vault) -> None:
    """Delete what has expired of those whose daily turn it is, a few people at a time.

    A move of the wall clock is noted in the file as well, or the store's clock would stand
    still.

    Raises:
        HistoryUnavailable: when that cannot be written and is a day late.
    """
    root = vault.now()
    moved = root.max_age_days is not None and abs(root.wall - vault.root.wall) >= DAY_S
    if not moved and not _sweep_due(root):
        return
    try:
        with typed_errors():
            _sweep(vault)
    except HistoryUnavailable:
        if moved or root.clock - root.swept >= DAY_S:
            raise


def _sweep_due(root: Root) -> bool:
    """Whether a bucket of people is to be looked at: the turn of each comes once a day."""
    return root.max_age_days is not None and root.clock // STEP_S > root.swept // STEP_S


def _sweep(vault: Vault) -> None:
    """Like :func:`expire_everyone`, for the buckets that are due.

    Ends early once it has seen :data:`SWEPT_AT_ONCE` people, so that a call in a file of
    thousands is not held up; the next one goes on.
    """
    removed = seen = damaged = 0
    with vault.write() as change:
        root = change.root
        now = root.clock // STEP_S
        for step in range(max(root.swept // STEP_S, now - BUCKETS) + 1, now + 1):
            found = _expire_bucket(vault, change, step % BUCKETS)
            root.swept = step * STEP_S
            seen, removed = seen + found.people, removed + found.removed
            damaged += found.damaged
            if seen >= SWEPT_AT_ONCE:
                break
        _note(vault, change, removed, damaged)
    if removed:
        vault.file.empty_log()


@dataclass(frozen=True, slots=True)
class Swept:
    """What a look at one bucket came to: people, events and states deleted, people damaged."""

    people: int
    removed: int
    damaged: int


def _expire_bucket(vault: Vault, change: Change, bucket: int) -> Swept:
    """Delete what has expired in a bucket; what is damaged in it stays, and holds up nobody."""
    people, damaged = vault.people.survivors(change.root, bucket)
    removed = 0
    for known in people:
        sums, saved = list(change.root.sums), len(change.saved)
        try:
            with typed_errors(), vault.file.part():
                person = known.draft()
                gone = expire_person(vault, person, change.root)
                if gone:
                    change.save(person)
                    removed += gone
        except HistoryCorrupt:
            change.root.sums[:] = sums
            del change.saved[saved:]
            damaged += 1
    return Swept(len(people) + damaged, removed, damaged)


def _note(vault: Vault, change: Change, removed: int, damaged: int) -> None:
    if removed:
        change.audit(AuditAction.EXPIRED, count=removed)
    if damaged > vault.damaged:
        logger.warning("retention passed over damaged people: %d", damaged)
        vault.damaged = damaged
        change.audit(AuditAction.DAMAGE_FOUND, count=damaged)


def overdue(vault: Vault) -> int:
    """How many people have events or states that retention no longer allows."""
    root = vault.now()
    retention = retention_of(root)
    oldest, most = retention.oldest_kept(root.clock), retention.max_events
    return sum(
        bool(person.count and person.oldest < oldest)
        or (most is not None and person.count > most)
        or any(state.recorded < oldest for state in person.states.values())
        for bucket in range(BUCKETS)
        for person in vault.people.survivors(vault.root, bucket)[0]
    )
