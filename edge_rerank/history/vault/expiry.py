"""Expiry: deleting what retention no longer allows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.epochs import PSEUDONYM_BYTES
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.person import Person
from edge_rerank.history.vault.retention import DAY_S, Retention
from edge_rerank.history.vault.root import BUCKETS, Root
from edge_rerank.history.vault.vault import Change, Vault

logger = logging.getLogger(__name__)

STEP_S = DAY_S // BUCKETS
"""Store seconds from one bucket's turn to the next one's; also how many slices a bucket has, so
that ``swept`` can say how far a sweep came in it."""

SWEPT_AT_ONCE = 128
"""People after which a sweep stops for this time."""

_BUCKET_BITS = 26
"""Of the first four bytes of a pseudonym, those that are not the bucket's."""


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
    if vault.root.max_age_days is None:
        return
    root = vault.time()
    moved = abs(root.wall - vault.root.wall) >= DAY_S
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
    return root.clock // STEP_S > root.swept // STEP_S


def _sweep(vault: Vault) -> None:
    """Like :func:`expire_everyone`, for the buckets that are due.

    Ends once it has seen :data:`SWEPT_AT_ONCE` people, within a bucket where that has more, so
    that a call in a file of many thousands is not held up; the next one goes on there.
    """
    removed = damaged = 0
    room = SWEPT_AT_ONCE
    with vault.write() as change:
        root = change.root
        for step, begin in _turns(root):
            found = _expire_slices(vault, change, step % BUCKETS, begin, room)
            root.swept = (step - 1) * STEP_S + found.done
            removed, damaged = removed + found.removed, damaged + found.damaged
            room -= found.people
            if room <= 0:
                break
        else:
            root.swept = max(root.swept, root.clock // STEP_S * STEP_S)
        _note(vault, change, removed, damaged)
    if removed:
        vault.file.empty_log()


def _turns(root: Root) -> Iterator[tuple[int, int]]:
    """The steps that are due, each with how many slices of its bucket are done.

    Of a file that nobody used for days each bucket has one turn, beginning where the last sweep
    ended: a file that is used too seldom to keep up must not see the same people every time.
    """
    first, begin = root.swept // STEP_S + 1, root.swept % STEP_S
    round_ = BUCKETS + bool(begin)  # the first bucket's beginning comes last
    now = root.clock // STEP_S
    late = max(now + 1 - first - round_, 0)
    first += late // BUCKETS * BUCKETS
    for step in range(first, min(first + round_, now + 1)):
        yield step, begin
        begin = 0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a look at one bucket came to.

    Attributes:
        people: how many were seen.
        removed: events and states deleted.
        damaged: people whose data are damaged.
        done: slices of the bucket, from its beginning, in which nobody is left to be seen.
    """

    people: int
    removed: int
    damaged: int
    done: int = STEP_S


def _expire_bucket(vault: Vault, change: Change, bucket: int) -> Swept:
    """Delete what has expired in a bucket; what is damaged in it stays, and holds up nobody."""
    people, damaged = vault.people.survivors(change.root, bucket)
    return _expire_people(vault, change, people, damaged)


def _expire_slices(vault: Vault, change: Change, bucket: int, begin: int, room: int) -> Swept:
    """Like :func:`_expire_bucket`, from a slice on and for ``room`` people at most."""
    waiting = vault.people.some_of(bucket, _start(bucket, begin), room + 1)
    if begin == 0 and len(waiting) <= room:
        return _expire_bucket(vault, change, bucket)
    people, damaged = vault.people.survivors_among(change.root, waiting[:room])
    swept = _expire_people(vault, change, people, damaged)
    if len(waiting) <= room:
        return swept
    # Of eleven million people some would have to wait for the next day.
    return replace(swept, done=max(_slice(waiting[room]), begin + 1))


def _start(bucket: int, begin: int) -> bytes:
    """The smallest pseudonym of a slice."""
    offset = -(-(begin << _BUCKET_BITS) // STEP_S)
    return ((bucket << _BUCKET_BITS) + offset).to_bytes(4, "big") + bytes(PSEUDONYM_BYTES - 4)


def _slice(pseudonym: bytes) -> int:
    """Which of the :data:`STEP_S` slices of its bucket a pseudonym is in."""
    offset = int.from_bytes(pseudonym[:4], "big") & ((1 << _BUCKET_BITS) - 1)
    return offset * STEP_S >> _BUCKET_BITS


def _expire_people(vault: Vault, change: Change, people: Sequence[Person], damaged: int) -> Swept:
    """Delete what has expired of people, beside whom ``damaged`` ones were found."""
    removed = 0
    for known in people:
        tally, saved = change.root.tally(), len(change.saved)
        try:
            with typed_errors(), vault.file.part():
                person = known.draft()
                gone = expire_person(vault, person, change.root)
                if gone:
                    change.save(person)
                    removed += gone
        except HistoryCorrupt:
            change.root.restore(tally)
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
