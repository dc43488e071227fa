"""Rekeying: every key of the store replaced, while it stays in use.

Whoever copied file and key once has the store's secret and everybody's data keys, and another
outer key takes none of that away. A rekey begins a new epoch, under an outer key that the thief
does not have, and moves everybody into it, a bounded step at a time: other pseudonyms, data
keys, tags, seals. What a step has moved is on disk; a rekey that was cut short goes on from
there. When nothing is left behind, the ring of the former epoch goes, and with it whatever
the thief could open or forge.
"""

from __future__ import annotations

from edge_rerank._progress import Progress
from edge_rerank.errors import HistoryCorrupt, HistoryUnavailable
from edge_rerank.history.crypto import fresh_key
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.receipts import RekeyReceipt
from edge_rerank.history.vault.rotation import Use, rotate_outer
from edge_rerank.history.vault.vault import Change, Vault

STEP = 100
"""Records and events that one transaction moves, but for somebody with more: never split.

What was recorded meanwhile waited 0.2 s in the median and 0.7 s at most, on two cores shared
with much other work. Somebody with 10,000 events, the most by default, takes 1.5 s of processor
time.
"""


def rekey_store(
    use: Use, source: KeySource, key: bytes | None, progress: Progress | None
) -> RekeyReceipt:
    """Replace every key, or go on with a rekey that was cut short.

    Args:
        use: gives the open file, for one step at a time.
        source: of the outer key.
        key: the next outer key; a fresh one if ``None``, for a source that can replace its key.
        progress: called with (records and entries done, all of them) after each step.

    Raises:
        HistoryError: when the file cannot be written, the source fails, or something is
            damaged and therefore left behind; another call goes on.
    """
    with use() as vault:
        resumed = vault.rekeying
        _expect_anchor(vault)
        _begin(vault, source, key)
        work = Rekey(vault)
        total = vault.people.count() + vault.root.audited
    more = True
    while more:
        with use():
            more = work.step(STEP)
        if progress is not None:
            progress(min(work.people + work.entries, total) if more else total, total)
    with use() as vault:
        return work.finish(source, key, resumed=resumed)


def _begin(vault: Vault, source: KeySource, key: bytes | None) -> None:
    """Have an outer key that nobody can know, and an epoch under it."""
    if vault.rekeying:
        if not source.replaceable and key is not None:
            vault.replace_outer(key)
    elif source.replaceable:
        rotate_outer(vault, source)
        begin_epoch(vault)
    else:
        begin_epoch(vault, key)


def _expect_anchor(vault: Vault) -> None:
    """See that the anchor goes along: made with keys that are gone, it would be a stranger's.

    Raises:
        HistoryUnavailable: when it is not in use, or cannot be written.
    """
    vault.catch_up()
    if vault.root.anchored and not vault.anchored:
        raise HistoryUnavailable("the history has an anchor: open it with anchor= to rekey it")
    if vault.anchor_behind:
        raise HistoryUnavailable("the anchor cannot be written, and a rekey cannot leave it behind")


def begin_epoch(vault: Vault, key: bytes | None = None) -> None:
    """Begin the next epoch; root and notes belong to it from now on.

    Args:
        vault: the open file.
        key: replaces the outer key in the same transaction.
    """
    with vault.write() as change:
        contents = vault.notes.contents(change.root)
        if key is not None:
            vault.keybook.keep_only(vault.keybook.add_outer(key))
            change.root.rotation_due = False
            change.audit(AuditAction.OUTER_KEY_ROTATED)
        vault.keybook.begin_epoch()
        vault.notes.rewrite(change.root, contents)
        vault.people.sums.begin_epoch(change.root)
        change.root.rekeying = change.root.wall
    vault.file.empty_log()


class Rekey:
    """The work of a rekey that has begun, from wherever it stands.

    Args:
        vault: the open file.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._after = b""
        self._audited: int | None = 0
        self._damage: list[str] = []
        self.people = self.events = self.entries = 0

    @property
    def stuck(self) -> bool:
        """Whether something damaged was left behind."""
        return bool(self._damage)

    def step(self, limit: int) -> bool:
        """Move what comes next, in a transaction of its own; whether there was something.

        Somebody whose record is damaged is left behind, and the others are moved.

        Args:
            limit: records, events or audit entries after which the step ends.
        """
        if self._audited is not None:
            self._audited = self._move_entries(self._audited, limit)
            return True
        waiting = self._vault.people.left_behind(self._after, limit)
        if not waiting:
            return False
        people = events = 0
        with self._vault.write() as change:
            for pseudonym in waiting:
                last = pseudonym
                try:
                    events += self._move(change, pseudonym)
                    people += 1
                except HistoryCorrupt as error:
                    self._damage.append(str(error))
                if people + events >= limit:
                    break
        self._after = last
        self.people += people
        self.events += events
        return True

    def finish(self, source: KeySource, key: bytes | None = None, *, resumed: bool) -> RekeyReceipt:
        """Drop the keys of before, and an outer key that ever wrapped them.

        Args:
            source: of the outer key.
            key: the next outer key; a fresh one if ``None``.
            resumed: what the receipt says.

        Raises:
            HistoryCorrupt: when something damaged was left behind.
            HistoryUnavailable: when the anchor is not in use, or cannot be written.
        """
        vault = self._vault
        _expect_anchor(vault)
        if self._damage:
            raise HistoryCorrupt(
                f"the rekey cannot end: {len(self._damage)} damaged records were left behind, "
                f"the first because {self._damage[0]}"
            )
        begun = vault.root.rekeying
        with vault.write() as change:
            if vault.people.left_behind(b"", 1):
                raise HistoryCorrupt("the rekey cannot end: somebody was left behind")
            vault.keybook.end_epochs()
            change.root.since = vault.keybook.newest.id
            change.root.rekeying = 0
            change.root.rotation_due |= source.replaceable
            entry = change.audit(AuditAction.REKEYED, count=vault.people.count())
        vault.file.empty_log()
        if source.replaceable:
            rotate_outer(vault, source, key)
        return RekeyReceipt(self.people, self.events, self.entries, begun, entry.at, resumed)

    def _move_entries(self, after: int, limit: int) -> int | None:
        """Where the audit log was left, ``None`` at its end."""
        try:
            with self._vault.write():
                last, moved = self._vault.audit.reseal(after, limit)
        except HistoryCorrupt as error:
            self._damage.append(str(error))
            return None
        self.entries += moved
        return last or None

    def _move(self, change: Change, pseudonym: bytes) -> int:
        """Move one person; how many events. Nothing is written of somebody damaged."""
        vault = self._vault
        person = change.known(pseudonym)
        key = fresh_key()
        fresh = vault.people.found(change.root, person.name, key, subject=person.subject)
        fresh.last_seq, fresh.oldest = person.last_seq, person.oldest
        fresh.consents, fresh.paused = person.consents, person.paused
        rows = vault.rows.move(person, fresh)
        states = vault.states.move(person, fresh)
        vault.keybook.wrap(fresh.epoch, fresh.pseudonym, 1, key)
        change.save(fresh)
        vault.rows.replace(person, fresh, rows)
        vault.states.replace(person, fresh, states)
        change.delete(person)
        return len(rows)
