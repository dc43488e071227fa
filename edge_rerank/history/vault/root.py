"""The sealed root: what the whole file must look like.

People's heads are spread over :data:`BUCKETS` by the first byte of their pseudonym. The root
holds, for each bucket, the sum of a keyed hash of every head in it, so that a head taken
away, put back or replaced is noticed before anything of its bucket is believed, and opening
a file with many people stays fast.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields, replace
from typing import Self

from edge_rerank.history.crypto import derive, imprint, keyed_hash

BUCKETS = 64
SUM_BYTES = 16
MODULUS = 1 << (8 * SUM_BYTES)


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

    def copy(self) -> Root:
        """An independent copy."""
        return replace(self, sums=list(self.sums))

    def dump(self) -> bytes:
        """As JSON, the sums in base64 of 16 bytes each, big endian."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        packed = b"".join(one.to_bytes(SUM_BYTES, "big") for one in self.sums)
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


class Hasher:
    """The keyed hashes that the root and the heads add up."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = derive(key, purpose)

    def __call__(self, place: bytes, sealed: bytes) -> int:
        """The hash of a sealed value in its place, below :data:`MODULUS`."""
        return int.from_bytes(keyed_hash(self._key, place + imprint(sealed), SUM_BYTES), "big")


def bucket_of(pseudonym: bytes) -> int:
    """Which bucket a person's head belongs to."""
    return pseudonym[0] >> 2


def bucket_range(bucket: int) -> tuple[bytes, bytes]:
    """The smallest and the largest pseudonym of a bucket."""
    return bytes([bucket << 2]) + bytes(15), bytes([(bucket << 2) | 3]) + b"\xff" * 15
