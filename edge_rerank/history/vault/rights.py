"""A person's rights on an open history file: consent, pause, access, deletion, erasure."""

from __future__ import annotations

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.consents import Decision, check_purpose, decide
from edge_rerank.history.vault.damage import remove_damaged
from edge_rerank.history.vault.receipts import (
    ErasureReceipt,
    Holdings,
    StoredEvent,
    StoredState,
)
from edge_rerank.history.vault.root import bucket_of
from edge_rerank.history.vault.rotation import rotate_outer
from edge_rerank.history.vault.vault import Vault
from edge_rerank.types import Event


def note_decision(vault: Vault, user: str, purpose: str, granted: bool) -> None:
    """Note what the person decided; refusing where nothing is stored stores nothing.

    Raises:
        InvalidRequest: when the purpose is malformed or one too many.
    """
    check_purpose(purpose)
    person = vault.find(user)
    known = None if person is None else person.consents.get(purpose)
    if (person is None and not granted) or (known is not None and known.granted == granted):
        return
    with vault.write() as change:
        person = change.person(user, create=True)
        decision = Decision(granted, change.root.wall)
        person.consents = decide(person.consents, purpose, decision)
        change.save(person)
        action = AuditAction.CONSENT_GRANTED if granted else AuditAction.CONSENT_WITHDRAWN
        change.audit(action, person, purpose=purpose)


def note_pause(vault: Vault, user: str, paused: bool) -> None:
    """Pause or resume recording; without effect for an unknown person."""
    known = vault.find(user)
    if known is None or known.paused == paused:
        return
    with vault.write() as change:
        person = change.person(user)
        person.paused = paused
        change.save(person)
        change.audit(AuditAction.PAUSED if paused else AuditAction.RESUMED, person)


def put_state(vault: Vault, user: str, name: str, content: bytes) -> None:
    """Seal a small state of the person in the place of the last one of that name.

    Raises:
        ValueError: when something is beyond its bound.
    """
    with vault.write() as change:
        person = change.person(user, create=True)
        vault.states.put(person, name, content, recorded=change.root.clock)
        change.save(person)


def drop_state(vault: Vault, user: str, name: str) -> bool:
    """Delete a small state and empty the write-ahead log; whether there was one."""
    known = vault.find(user)
    if known is None or name not in known.states:
        return False
    with vault.write() as change:
        person = change.person(user)
        vault.states.drop(person, name)
        change.save(person)
    vault.file.empty_log()
    return True


def read_holdings(vault: Vault, user: str) -> Holdings:
    """Everything that is stored about the person; the access itself is audited."""
    if vault.find(user) is None:
        return Holdings(int(vault.now().wall))
    with vault.write() as change:
        person = change.person(user)
        events = tuple(
            StoredEvent(seq, recorded, event) for seq, event, recorded in vault.rows.load(person)
        )
        contents = vault.states.contents(person)
        states = tuple(
            StoredState(name, len(contents[name]), state.recorded)
            for name, state in person.states.items()
        )
        change.audit(AuditAction.ACCESSED, person, count=len(events))
        entries = vault.audit.entries(change.root)
    return Holdings(
        exported_at=vault.root.wall,
        pseudonym=person.pseudonym.hex(),
        subject=person.subject,
        recording_paused=person.paused,
        consents=dict(person.consents),
        events=events,
        states=states,
        audit=tuple(entry for entry in entries if entry.subject == person.subject),
    )


def read_all(vault: Vault, user: str) -> tuple[Event, ...]:
    """All events of the person in time order, oldest first; the reading itself is audited."""
    if vault.find(user) is None:
        return ()
    with vault.write() as change:
        person = change.person(user)
        events = sorted((event for _, event, _ in vault.rows.load(person)), key=_when)
        change.audit(AuditAction.READ, person, count=len(events))
    return tuple(events)


def delete_event(vault: Vault, user: str, record: int) -> bool:
    """Delete one event and empty the write-ahead log; whether there was such an event."""
    if vault.find(user) is None:
        return False
    with vault.write() as change:
        person = change.person(user)
        removed = vault.rows.remove(person, record, record)
        if removed:
            change.save(person)
            change.audit(AuditAction.EVENT_REMOVED, person, count=removed)
    if removed:
        vault.file.empty_log()
    return bool(removed)


def erase_person(vault: Vault, source: KeySource, user: str) -> ErasureReceipt:
    """Delete the person's rows, head and wrapped key, then rotate the outer key.

    Args:
        vault: the open file.
        source: gives its key, and takes another one if it can.
        user: the host's identifier.

    Raises:
        HistoryError: when the file cannot be written; if the rows are gone and only the
            rotation failed, calling again, or opening the file, completes it.
    """
    try:
        known = vault.find(user)
    except HistoryCorrupt:
        return _erase_damaged(vault, source, user)
    if known is None:
        rotated = vault.root.rotation_due and source.replaceable
        if rotated:
            rotate_outer(vault, source)
        return ErasureReceipt(0, rotated, vault.now().wall)
    with vault.write() as change:
        person = change.person(user)
        events = vault.rows.delete_all(person)
        vault.states.delete_under(person.pseudonym)
        change.delete(person)
        vault.keybook.renew_bucket(person.epoch, bucket_of(person.pseudonym))
        change.root.rotation_due = True
        entry = change.audit(AuditAction.ERASED, person, count=events)
    vault.file.empty_log()
    if source.replaceable:
        rotate_outer(vault, source)
    return ErasureReceipt(events, source.replaceable, entry.at, person.subject, entry.seq)


def _erase_damaged(vault: Vault, source: KeySource, user: str) -> ErasureReceipt:
    """The same for somebody whose record cannot be opened, or of whom it cannot be told."""
    name = vault.people.name(user)
    with vault.write() as change:
        events = sum(
            remove_damaged(vault, change, epoch.pseudonym(name))
            for epoch in list(vault.keybook.epochs.values())
        )
        change.root.rotation_due = True
        entry = change.audit(AuditAction.ERASED, count=events)
    vault.file.empty_log()
    if source.replaceable:
        rotate_outer(vault, source)
    return ErasureReceipt(events, source.replaceable, entry.at, None, entry.seq)


def _when(event: Event) -> float:
    return event.timestamp or 0.0
