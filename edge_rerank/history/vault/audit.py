"""The audit log: what was done with whose data, without the data.

Entries are sealed, numbered, and chained by hash; the root holds their number and the last
hash. A person appears as a random word whose meaning lies in the sealed head alone, so that
after an erasure the entries point at nobody.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import SealingKey, Unsealable, derive
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.root import Root


class AuditAction(StrEnum):
    """What an entry is about."""

    CREATED = "created"
    CONSENT_GRANTED = "consent-granted"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    PAUSED = "paused"
    RESUMED = "resumed"
    ACCESSED = "accessed"
    RESTORED = "restored"
    EVENT_REMOVED = "event-removed"
    ERASED = "erased"
    EXPIRED = "expired"
    OUTER_KEY_ROTATED = "outer-key-rotated"
    PERSON_KEY_ROTATED = "person-key-rotated"
    ANCHORED = "anchored"
    RELEASED = "released"


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
        count: number of events concerned.
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

    def __init__(self, file: HistoryFile, binding: Binding, secret: bytes) -> None:
        self._file = file
        self._binding = binding
        self._key = SealingKey(derive(secret, "audit"))

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
        sealed = self._key.seal(payload, self._context(entry.seq))
        self._file.execute("INSERT INTO audit (seq, sealed) VALUES (?, ?)", (entry.seq, sealed))
        root.audited = entry.seq
        root.audit_tip = _link(sealed)
        return entry

    def entries(self, root: Root) -> tuple[AuditEntry, ...]:
        """The whole log, oldest first.

        Raises:
            HistoryCorrupt: when an entry was added, changed, moved or removed.
        """
        entries: list[AuditEntry] = []
        previous = ""
        for seq, sealed in self._file.execute("SELECT seq, sealed FROM audit ORDER BY seq"):
            try:
                fields = json.loads(self._key.open(sealed, self._context(seq)))
                chained = fields.pop("previous")
                fields["action"] = AuditAction(fields["action"])
                entries.append(AuditEntry(**fields))
            except (Unsealable, ValueError, TypeError, KeyError):
                raise HistoryCorrupt("an audit entry cannot be opened") from None
            if chained != previous or seq != len(entries):
                raise HistoryCorrupt("an audit entry was added, moved or removed")
            previous = _link(sealed)
        if len(entries) != root.audited or previous != root.audit_tip:
            raise HistoryCorrupt("an audit entry was added, moved or removed")
        return tuple(entries)

    def _context(self, seq: int) -> bytes:
        return self._binding("audit", 1, b"", seq)


def _link(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()
