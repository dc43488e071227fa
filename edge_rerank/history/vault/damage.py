"""Damage in one person's data: erased, put right, or taken out, while everybody else stays.

A person's record, data keys and rows are sealed on their own, so what is damaged in them opens
nothing and concerns nobody else. A single flipped bit can be found again, by trying each: only the
right one opens the seal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import key_id_of
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.person import Person
from edge_rerank.history.vault.receipts import RepairReceipt
from edge_rerank.history.vault.root import BUCKETS, bucket_of
from edge_rerank.history.vault.vault import Change, Vault


def repair_vault(vault: Vault) -> RepairReceipt:
    """Put right every flipped bit in wrapped keys, records and events that trying finds."""
    people = events = 0
    with vault.write() as change:
        for bucket in range(BUCKETS):
            for pseudonym, head, epoch in vault.people.rows_of(bucket):
                mended = _mend_person(vault, pseudonym, head, epoch)
                found = vault.people.opened(pseudonym)
                rows = 0 if found is None else _mend_rows(vault, found)
                states = found is not None and _mend_states(vault, found)
                people += bool(mended or rows or states)
                events += rows
        vault.people.mend_sums(change.root)
        if people:
            change.audit(AuditAction.REPAIRED, count=people)
    vault.people.reset()
    return RepairReceipt(people, events)


def quarantine_vault(vault: Vault) -> RepairReceipt:
    """Take out the people and events that cannot be opened, and take the rest as it is."""
    people = events = 0
    with vault.write() as change:
        for bucket in range(BUCKETS):
            for pseudonym, _, _ in vault.people.rows_of(bucket):
                person = vault.people.opened(pseudonym)
                if person is None:
                    events += remove_damaged(vault, change, pseudonym)
                    people += 1
                    continue
                draft = person.draft()
                lost = vault.rows.salvage(draft)
                if vault.states.salvage(draft) or lost is not None:
                    change.save(draft)
                    people, events = people + 1, events + (lost or 0)
            people += vault.people.accept(change.root, bucket)
        vault.people.mend_sums(change.root)
        events += vault.rows.delete_orphans()
        if vault.states.delete_orphans() or people or events:
            change.audit(AuditAction.QUARANTINED, count=people)
    vault.people.reset()
    if people or events:
        vault.file.empty_log()
    return RepairReceipt(people, events)


def remove_damaged(vault: Vault, change: Change, pseudonym: bytes) -> int:
    """Delete whatever is stored under a pseudonym, unopened; how many events."""
    events = vault.rows.delete_under(vault.people.number_of(pseudonym))
    vault.states.delete_under(pseudonym)
    vault.people.delete_damaged(change.root, pseudonym)
    change.root.resealing -= int(change.root.resealing > 0 and vault.keybook.copies(pseudonym) > 1)
    vault.keybook.discard(pseudonym)
    for epoch in vault.keybook.epochs:
        vault.keybook.renew_bucket(epoch, bucket_of(pseudonym))
    return events


def _mend_person(vault: Vault, pseudonym: bytes, head: bytes, epoch: int) -> bool:
    """Put right a person's wrapped keys and head; whether anything was."""
    mended = False
    for key_id, wrapped in vault.keybook.wrapped(pseudonym):
        right = _mend(wrapped, lambda one, key=key_id: vault.keybook.opens(pseudonym, key, one))  # type: ignore[misc]
        if right is not None:
            vault.keybook.rewrite(pseudonym, key_id, right)
            mended = True
    try:
        keys = vault.people.keys_of(pseudonym)
    except HistoryCorrupt:
        return mended
    right = _mend(
        head, lambda one: key_id_of(one) in keys and vault.people.opens(pseudonym, one, epoch)
    )
    if right is not None:
        vault.people.rewrite(pseudonym, right)
        mended = True
    return mended


def _mend_rows(vault: Vault, person: Person) -> int:
    """Put right a person's events; how many were."""
    mended = 0
    for seq, sealed in vault.rows.sealed(person):
        right = _mend(sealed, lambda one, seq=seq: vault.rows.opens(person, seq, one))  # type: ignore[misc]
        if right is not None:
            vault.rows.rewrite(person, seq, right)
            mended += 1
    return mended


def _mend_states(vault: Vault, person: Person) -> bool:
    """Put right a person's small states; whether anything was."""
    mended = False
    for seq, sealed in vault.states.sealed(person):
        right = _mend(sealed, lambda one, seq=seq: vault.states.opens(person, seq, one))  # type: ignore[misc]
        if right is not None:
            vault.states.rewrite(person, seq, right)
            mended = True
    return mended


def _mend(sealed: object, opens: Callable[[bytes], bool]) -> bytes | None:
    """The value with one bit flipped back, ``None`` where it opens as it is or no bit helps."""
    if not isinstance(sealed, bytes) or opens(sealed):
        return None
    return next((one for one in _flips(sealed) if opens(one)), None)


def _flips(sealed: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
