"""Deleting what retention no longer allows."""

from __future__ import annotations

from edge_rerank.history.audit import AuditAction
from edge_rerank.history.people import Person
from edge_rerank.history.retention import Retention
from edge_rerank.history.root import Root
from edge_rerank.history.vault import Vault


def retention_of(root: Root) -> Retention:
    """The retention that was set last."""
    return Retention(root.max_age_days, root.max_events)


def expire_person(vault: Vault, person: Person, root: Root) -> int:
    """Delete what is too old or too many, inside a transaction; returns how many."""
    retention = retention_of(root)
    first = vault.rows.first_kept(
        person,
        recorded_after=retention.oldest_kept(root.clock),
        at_most=retention.max_events,
    )
    return vault.rows.remove(person, 0, first - 1) if first else 0


def expire_everyone(vault: Vault) -> int:
    """Delete what is too old or too many of everyone; returns how many events."""
    removed = 0
    with vault.write() as change:
        change.root.swept = change.root.clock
        for known in list(vault.people.everyone(change.root)):
            person = known.draft()
            gone = expire_person(vault, person, change.root)
            if gone:
                change.save(person)
                removed += gone
        if removed:
            change.audit(AuditAction.EXPIRED, count=removed)
    if removed:
        vault.file.empty_log()
    return removed


def overdue(vault: Vault) -> int:
    """How many people have events that retention no longer allows."""
    root = vault.now()
    retention = retention_of(root)
    oldest, most = retention.oldest_kept(root.clock), retention.max_events
    return sum(
        bool(person.count and person.oldest < oldest) or (most is not None and person.count > most)
        for person in vault.people.everyone(vault.root)
    )
