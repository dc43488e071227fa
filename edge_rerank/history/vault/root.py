"""The sealed root: what the whole file must look like.

People's heads are spread over :data:`BUCKETS` by the first byte of their pseudonym. The root
holds, for each bucket, the sum of a keyed hash of every head in it, so that a head taken
away, put back or replaced is noticed before anything of its bucket is believed, and opening
a file with many people stays fast. What a bucket of many people adds up to is known leaf by
leaf, see :mod:`edge_rerank.history.vault.sums`, so that a look at one of them stays fast, too.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from typing import Self

from edge_rerank.history.crypto import derive, hash_of_sealed
from edge_rerank.history.vault.drafts import draft_of

BUCKETS = 64
LEAVES = 64
"""Of one bucket."""

SUM_BYTES = 16
MODULUS = 1 << (8 * SUM_BYTES)

FINE_FROM = 64
"""With more people than this in a bucket the sums of its leaves are kept in the file. Up to here
adding up the whole bucket takes little, and a row would take a page of every write."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """What the heads of a bucket add up to, leaf by leaf.

    Attributes:
        sums: one sum a leaf.
        people: how many heads there are in the bucket.
    """

    sums: tuple[int, ...]
    people: int

    @property
    def total(self) -> int:
        """What the root must say of the bucket."""
        return sum(self.sums) % MODULUS

    @property
    def fine(self) -> bool:
        """Whether they are to be kept in the file."""
        return self.people > FINE_FROM

    def shifted(self, leaf: int, change: int, people: int) -> Leaves:
        """With another sum in one leaf, and so many people more."""
        sums = list(self.sums)
        sums[leaf] = (sums[leaf] + change) % MODULUS
        return Leaves(tuple(sums), self.people + people)


Tally = tuple[list[int], dict[int, Leaves], set[int]]
"""Sums, leaves, and the buckets whose leaves changed."""


@dataclass(slots=True)
class Root:
    """What is sealed as ``meta.root``; rewritten with every transaction.

    Attributes:
        generation: number of transactions so far; an anchor compares it.
        clock: the store's own clock, seconds, see :mod:`edge_rerank.history.vault.clock`.
        wall: the wall clock when last seen, UTC seconds.
        doubted: seconds of a leap forward that is not believed yet.
        doubted_at: the wall clock right after that leap.
        swept: store clock up to which everyone's turn to be looked at for expired events has
            come, see :mod:`edge_rerank.history.vault.expiry`.
        audited: number of audit entries.
        audit_tip: hash of the last one.
        notes: sum over the notes.
        anchored: whether an anchor outside the file has been set.
        rotation_due: whether something was erased and the outer key not yet replaced.
        max_age_days, max_events: the retention that was set last.
        resealing: number of people whose data key is being rotated.
        since: the oldest epoch whose keys still count.
        rekeying: UTC seconds when the rekey in progress began, 0 for none.
        sums: one sum a bucket.
        leaves: those of the buckets that were looked at, by bucket; not in what is sealed.
        changed: buckets whose leaves are not in the file as they are here; likewise.
    """

    generation: int = 0
    clock: int = 0
    wall: int = 0
    doubted: int = 0
    doubted_at: int = 0
    swept: int = 0
    audited: int = 0
    audit_tip: str = ""
    notes: int = 0
    anchored: bool = False
    rotation_due: bool = False
    max_age_days: float | None = None
    max_events: int | None = None
    resealing: int = 0
    since: int = 1
    rekeying: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    leaves: dict[int, Leaves] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)

    def copy(self) -> Root:
        """An independent copy."""
        other = draft_of(self, _PARTS)
        other.restore(self.tally())
        return other

    def tally(self) -> Tally:
        """The sums as they are, for :meth:`restore`."""
        return list(self.sums), dict(self.leaves), set(self.changed)

    def restore(self, tally: Tally) -> None:
        """Undo what was shifted since."""
        self.sums, self.leaves, self.changed = tally

    def shift(self, pseudonym: bytes, change: int, *, people: int = 0) -> None:
        """Add to the sums that a person's head is in.

        Args:
            pseudonym: whose head it is.
            change: the difference.
            people: 1 for a head that is new, -1 for one that goes.
        """
        bucket = bucket_of(pseudonym)
        self.sums[bucket] = (self.sums[bucket] + change) % MODULUS
        before = self.leaves.get(bucket)
        if before is None:
            self.changed.add(bucket)
            return
        after = before.shifted(leaf_of(pseudonym) % LEAVES, change, people)
        self.leaves[bucket] = after
        if before.fine or after.fine:
            self.changed.add(bucket)

    def settle(self, bucket: int, total: int) -> None:
        """Take another sum for a bucket, whose leaves are not known then."""
        self.sums[bucket] = total
        self.leaves.pop(bucket, None)
        self.changed.add(bucket)

    def dump(self) -> bytes:
        """As JSON, the sums in base64 of 16 bytes each, big endian."""
        values = {name: getattr(self, name) for name in _SEALED}
        packed = b"".join([one.to_bytes(SUM_BYTES, "big") for one in self.sums])
        values["sums"] = base64.b64encode(packed).decode()
        values["notes"] = f"{self.notes:x}"
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Undo :meth:`dump`.

        Raises:
            ValueError, TypeError, KeyError: when it is something else.
        """
        values = json.loads(payload)
        packed = base64.b64decode(values["sums"])
        if len(packed) != BUCKETS * SUM_BYTES:
            raise ValueError("sums")
        values["notes"] = int(values["notes"], 16)
        values["sums"] = [
            int.from_bytes(packed[at : at + SUM_BYTES], "big")
            for at in range(0, len(packed), SUM_BYTES)
        ]
        return cls(**values)


_PARTS = tuple(one.name for one in fields(Root))
_SEALED = tuple(name for name in _PARTS if name not in {"leaves", "changed"})


class Hasher:
    """The keyed hashes that the root and the heads add up."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = derive(key, purpose)

    def __call__(self, place: bytes, sealed: bytes) -> int:
        """The hash of a sealed value in its place, below :data:`MODULUS`."""
        return int.from_bytes(hash_of_sealed(self._key, place, sealed, SUM_BYTES), "big")


def bucket_of(pseudonym: bytes) -> int:
    """Which bucket a person's head belongs to."""
    return pseudonym[0] >> 2


def leaf_of(pseudonym: bytes) -> int:
    """Which leaf a person's head belongs to, counted through all buckets."""
    return int.from_bytes(pseudonym[:2], "big") >> 4


def leaf_range(leaf: int) -> tuple[bytes, bytes]:
    """The smallest and the largest pseudonym of a leaf."""
    start = leaf << 4
    return start.to_bytes(2, "big") + bytes(14), (start | 15).to_bytes(2, "big") + b"\xff" * 14


def bucket_range(bucket: int) -> tuple[bytes, bytes]:
    """The smallest and the largest pseudonym of a bucket."""
    return bytes([bucket << 2]) + bytes(15), bytes([(bucket << 2) | 3]) + b"\xff" * 15
