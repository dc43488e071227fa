"""One person's record: the opened head, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from edge_rerank.history.crypto import SealingKey, key_id_of
from edge_rerank.history.vault.consents import Decision
from edge_rerank.history.vault.drafts import draft_of
from edge_rerank.history.vault.root import Hasher


@dataclass(frozen=True, slots=True)
class State:
    """Where a small sealed state of a person lies.

    Attributes:
        first: number of the row of its first part.
        parts: how many rows it has.
        recorded: store clock when it was put there.
    """

    first: int
    parts: int
    recorded: int

    @property
    def last(self) -> int:
        """Number of the row of its last part."""
        return self.first + self.parts - 1


@dataclass(slots=True)
class Person:
    """One person's opened head. Changed only on a copy that a transaction writes.

    Attributes:
        name: keyed hash of the host's identifier, 16 bytes, the same in every epoch.
        epoch: the epoch that the record belongs to.
        pseudonym: keyed hash of ``name`` under which the epoch keeps the record, 16 bytes.
        number: random, under which the record's events lie; means nothing elsewhere.
        subject: random, names the person in the audit log; means nothing once erased.
        keys: data keys by id; two while they are being rotated.
        current: id of the key that seals what is new.
        tag_key: keys the tags that find duplicates, and the sum over the rows.
        head: the sealed head as it lies in the file, empty before the first.
        count: number of events.
        last_seq: highest sequence number ever given.
        oldest: store clock when the oldest event was recorded, 0 without any.
        total: sum of a keyed hash of every row.
        consents: decisions by purpose.
        paused: whether recording is paused.
        states: where the person's small states lie, by name.
        last_state: highest number ever given to a row of theirs.
        verified: whether the rows were compared with ``total`` since the file was opened.
    """

    name: bytes
    epoch: int
    pseudonym: bytes
    number: int
    subject: str
    keys: Mapping[int, SealingKey]
    current: int
    tag_key: bytes = field(repr=False)
    head: bytes = b""
    count: int = 0
    last_seq: int = 0
    oldest: int = 0
    total: int = 0
    consents: Mapping[str, Decision] = field(default_factory=dict)
    paused: bool = False
    states: Mapping[str, State] = field(default_factory=dict)
    last_state: int = 0
    verified: bool = False
    row_hash: Hasher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.row_hash = Hasher(self.tag_key, "rows")

    @property
    def key(self) -> SealingKey:
        """The key that seals what is new."""
        return self.keys[self.current]

    def draft(self) -> Person:
        """A copy to change."""
        return draft_of(self, _PARTS)


_PARTS = tuple(one.name for one in fields(Person))


def parse_head(
    content: bytes,
    head: bytes,
    pseudonym: bytes,
    epoch: int,
    *,
    number: int,
    keys: Mapping[int, SealingKey],
) -> Person:
    """Undo :func:`dump_head`.

    Args:
        content: what is sealed in ``head``.
        head: as it lies in the file.
        pseudonym: under which it lies there.
        epoch: that it belongs to.
        number: under which the events lie.
        keys: the person's data keys by id.

    Raises:
        ValueError, TypeError, KeyError: when it is something else.
    """
    fields = json.loads(content)
    return Person(
        name=bytes.fromhex(fields["name"]) if epoch > 1 else pseudonym,
        epoch=epoch,
        pseudonym=pseudonym,
        number=number,
        subject=str(fields["subject"]),
        keys=keys,
        current=key_id_of(head),
        tag_key=bytes.fromhex(fields["tag_key"]),
        head=head,
        count=int(fields["count"]),
        last_seq=int(fields["last_seq"]),
        oldest=int(fields["oldest"]),
        total=int(fields["sum"], 16),
        consents={
            str(purpose): Decision(bool(granted), int(at))
            for purpose, (granted, at) in fields["consents"].items()
        },
        paused=bool(fields["paused"]),
        states={
            str(name): State(*map(int, where)) for name, where in fields.get("states", {}).items()
        },
        last_state=int(fields.get("last_state", 0)),
    )


def dump_head(person: Person) -> bytes:
    """What is sealed as the person's head, in JSON."""
    fields: dict[str, object] = {
        "subject": person.subject,
        "tag_key": person.tag_key.hex(),
        "count": person.count,
        "last_seq": person.last_seq,
        "oldest": person.oldest,
        "sum": f"{person.total:x}",
        "consents": {
            purpose: [decision.granted, decision.at]
            for purpose, decision in person.consents.items()
        },
        "paused": person.paused,
    }
    if person.last_state:
        fields["last_state"] = person.last_state
        fields["states"] = {
            name: [state.first, state.parts, state.recorded]
            for name, state in person.states.items()
        }
    if person.epoch > 1:
        fields["name"] = person.name.hex()
    return json.dumps(fields, separators=(",", ":")).encode()
