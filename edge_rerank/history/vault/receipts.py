"""Records that the store hands back: what it did, and what it holds about a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from edge_rerank.history.vault.audit import AuditEntry
from edge_rerank.history.vault.consents import Decision
from edge_rerank.types import Event


@dataclass(frozen=True, slots=True)
class Appended:
    """What appending events did.

    Attributes:
        stored: the new events, as they will be read back.
        duplicates: how many were there already.
        expired: how many older ones retention deleted.
    """

    stored: tuple[Event, ...]
    duplicates: int
    expired: int = 0


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One stored event.

    Attributes:
        record: its number, for ``remove_event``.
        recorded_at: the store's clock when it was recorded, seconds.
        event: the event.
    """

    record: int
    recorded_at: int
    event: Event


@dataclass(frozen=True, slots=True)
class StoredState:
    """A small state of a person, such as what was learnt of somebody's clicks.

    Attributes:
        name: what it is.
        size: bytes.
        recorded_at: the store's clock when it was sealed, seconds.
        content: what it holds.
    """

    name: str
    size: int
    recorded_at: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Holdings:
    """All that is stored about one person.

    Attributes:
        exported_at: when it was read, UTC seconds.
        pseudonym: hexadecimal keyed hash of the host's identifier, ``None`` if unknown.
        subject: stands for the person in the audit log, ``None`` if unknown.
        recording_paused: whether recording is paused.
        consents: decisions by purpose.
        events: in the order of recording.
        states: what is kept beside, by name.
        audit: the audit entries about the person.
    """

    exported_at: int
    pseudonym: str | None = None
    subject: str | None = None
    recording_paused: bool = False
    consents: Mapping[str, Decision] = field(default_factory=dict)
    events: tuple[StoredEvent, ...] = ()
    states: tuple[StoredState, ...] = ()
    audit: tuple[AuditEntry, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(events={len(self.events)})"


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """Proof for the person that the data are gone.

    It speaks of the file and of copies made before, opened with the key of today. Whoever took
    file *and* key earlier keeps what was in the file then, and can still open what has been
    recorded about others since: ``rekey`` ends that.

    Attributes:
        events: rows erased.
        key_rotated: whether the key-encryption key was replaced: old copies of the file then
            no longer open with the present key, and nothing in the present file opens what
            they hold of the person. ``False`` when the host holds the key itself: then the host
            must call ``rotate_key`` and destroy the old one; or when nothing was stored.
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
class RekeyReceipt:
    """What a rekey did, and since when.

    Attributes:
        people: whose records, events and keys were sealed anew by this call.
        events: how many events those were.
        audit_entries: how many entries of the audit log.
        begun_at: UTC seconds. Nothing in the file opens with a key, or a copy of the file, that
            was taken before.
        at: when it was done, UTC seconds.
        resumed: whether it had been begun by an earlier call that was cut short; ``begun_at``
            then is that call's.
    """

    people: int
    events: int
    audit_entries: int
    begun_at: int
    at: int
    resumed: bool

    def to_json(self) -> str:
        """All attributes as one JSON object."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class RepairReceipt:
    """What a repair or a quarantine of damaged data came to.

    Attributes:
        people: whose data it concerned.
        events: how many of their events: put right, or taken out.
    """

    people: int
    events: int

    def to_json(self) -> str:
        """All attributes as one JSON object."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of :meth:`edge_rerank.History.verify`, which reads every byte of the file.

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
