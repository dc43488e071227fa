"""What the store hands back: plain records of what it did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edge_rerank.types import Event


@dataclass(frozen=True, slots=True)
class Appended:
    """What :meth:`HistoryStore.append` did.

    Attributes:
        stored: the new events, as they will be read back.
        duplicates: how many were there already.
        expired: how many older ones retention deleted.
    """

    stored: tuple[Event, ...]
    duplicates: int
    expired: int = 0


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """Proof for the person that the data are gone.

    Attributes:
        events: rows erased.
        key_rotated: whether the key-encryption key was replaced, which closes every old
            copy of the file. ``False`` when the host holds the key itself: then the host
            must call ``rotate_key`` and destroy the old key; or when nothing was stored.
        at: UTC seconds.
        subject: what stood for the person in the audit log; ``None`` if nothing was stored.
        audit_seq: number of the audit entry of the erasure, ``None`` if nothing was stored.
    """

    events: int
    key_rotated: bool
    at: int = 0
    subject: str | None = None
    audit_seq: int | None = None

    def to_json(self) -> str:
        """All attributes as one JSON object."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at every byte of the file found.

    Attributes:
        people: how many are in it.
        events: how many of theirs could be opened.
        audit_entries: length of the audit log.
        generation: number of transactions since the file was made.
        anchored: whether an anchor outside the file was compared.
        findings: what is wrong, empty when nothing is.
    """

    people: int
    events: int
    audit_entries: int
    generation: int
    anchored: bool
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self, *, indent: int | None = None) -> str:
        """All attributes and ``ok`` as one JSON object."""
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=indent)
