"""The audit log: what was done with whose data, without the data.

Entries are sealed, numbered, and chained by a hash of their content; the root holds their
number and the last hash. A person appears as a random word whose meaning lies in the sealed
head alone, so that after an erasure the entries point at nobody.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import Unsealable, key_id_of
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.epochs import Epoch
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.root import Root


class AuditAction(StrEnum):
    """What an entry is about."""

    CREATED = "created"
    CONSENT_GRANTED = "consent-granted"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    PAUSED = "paused"
    RESUMED = "resumed"
    ACCESSED = "accessed"
    READ = "read"
    RESTORED = "restored"
    DESCRIBED = "described"
    EVENT_REMOVED = "event-removed"
    ERASED = "erased"
    EXPIRED = "expired"
    OUTER_KEY_ROTATED = "outer-key-rotated"
    PERSON_KEY_ROTATED = "person-key-rotated"
    REKEYED = "rekeyed"
    ANCHORED = "anchored"
    RELEASED = "released"
    DAMAGE_FOUND = "damage-found"
    REPAIRED = "repaired"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log.

    Attributes:
        seq: 1, 2, 3, ... without gaps.
        at: UTC seconds.
        action: what was done.
        subject: 16 hexadecimal digits that stand for a person, as in the person's own
            access file; ``None`` where it concerns the whole store.
        purpose: of a consent, or of what was released about everyone together.
        count: number of events concerned; of attributes, where a person was described; of
            people, where it is about damage.
    """

    seq: int
    at: int
    action: AuditAction
    subject: str | None = None
    purpose: str | None = None
    count: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "seq": self.seq,
            "at": self.at,
            "action": self.action.value,
            "subject": self.subject,
            "purpose": self.purpose,
            "count": self.count,
        }


class AuditLog:
    """The table ``audit``."""

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook

    def add(
        self,
        root: Root,
        action: AuditAction,
        *,
        subject: str | None = None,
        purpose: str | None = None,
        count: int | None = None,
    ) -> AuditEntry:
        """Append an entry, inside a transaction."""
        entry = AuditEntry(root.audited + 1, root.wall, action, subject, purpose, count)
        payload = json.dumps({**entry.to_dict(), "previous": root.audit_tip}).encode()
        sealed = self._seal(payload, entry.seq)
        self._file.execute("INSERT INTO audit (seq, sealed) VALUES (?, ?)", (entry.seq, sealed))
        root.audited = entry.seq
        root.audit_tip = link(payload)
        return entry

    def entries(self, root: Root) -> tuple[AuditEntry, ...]:
        """The whole log, oldest first.

        Raises:
            HistoryCorrupt: when an entry was added, changed, moved or removed.
        """
        entries: list[AuditEntry] = []
        previous = ""
        for seq, sealed in self._file.execute("SELECT seq, sealed FROM audit ORDER BY seq"):
            payload = self.open(seq, sealed)
            try:
                fields = json.loads(payload)
                chained = fields.pop("previous")
                fields["action"] = AuditAction(fields["action"])
                entries.append(AuditEntry(**fields))
            except (ValueError, TypeError, KeyError):
                raise HistoryCorrupt("an audit entry cannot be opened") from None
            if chained != previous or seq != len(entries):
                raise HistoryCorrupt("an audit entry was added, moved or removed")
            previous = link(payload)
        if len(entries) != root.audited or previous != root.audit_tip:
            raise HistoryCorrupt("an audit entry was added, moved or removed")
        return tuple(entries)

    def reseal(self, after: int, limit: int) -> tuple[int, int]:
        """Seal up to ``limit`` entries behind ``after`` under the newest epoch's key.

        Returns:
            The last sequence number looked at, 0 when there are no more; and how many entries
            were not under that key yet.

        Raises:
            HistoryCorrupt: when one cannot be opened.
        """
        rows = self._file.execute(
            "SELECT seq, sealed FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        ).fetchall()
        newest = self._keybook.newest.id
        stale = [
            (seq, self.open(seq, sealed)) for seq, sealed in rows if key_id_of(sealed) != newest
        ]
        self.rewrite(stale)
        return (rows[-1][0] if rows else 0), len(stale)

    def open(self, seq: int, sealed: bytes) -> bytes:
        """What is sealed in an entry.

        Raises:
            HistoryCorrupt: when it cannot be opened.
        """
        epoch = self._keybook.epochs.get(key_id_of(sealed))
        if epoch is None:
            raise HistoryCorrupt("an audit entry cannot be opened")
        try:
            return epoch.audit.open(sealed, self._context(epoch, seq))
        except Unsealable:
            raise HistoryCorrupt("an audit entry cannot be opened") from None

    def rewrite(self, entries: list[tuple[int, bytes]]) -> None:
        """Seal entries, by sequence number, in the place of those that are there."""
        self._file.execute_many(
            "UPDATE audit SET sealed = ? WHERE seq = ?",
            [(self._seal(payload, seq), seq) for seq, payload in entries],
        )

    def _seal(self, payload: bytes, seq: int) -> bytes:
        epoch = self._keybook.newest
        return epoch.audit.seal(payload, self._context(epoch, seq))

    def _context(self, epoch: Epoch, seq: int) -> bytes:
        return self._binding("audit", epoch.id, b"", seq)


def link(payload: bytes) -> str:
    """What the next entry, or the root, says of an entry."""
    return hashlib.sha256(payload).hexdigest()
