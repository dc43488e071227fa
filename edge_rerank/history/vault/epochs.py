"""Epochs: all keys that hang on one secret of the store, and their ring in the file.

A store begins in epoch 1; ``rekey()`` begins the next, moves everything into it, and drops the
ring of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from edge_rerank.history.crypto import KEY_BYTES, SealingKey, derive, fresh_key
from edge_rerank.history.vault.root import BUCKETS, Hasher, bucket_of

PSEUDONYM_BYTES = 16
RING_BYTES = (2 + BUCKETS) * KEY_BYTES


@dataclass(slots=True, repr=False, eq=False)
class Epoch:
    """The keys of one epoch. Never changed: :meth:`renewed` makes another.

    Attributes:
        id: 1, 2, 3, ...; the key id in the header of whatever is sealed under a key of it.
        secret: what the keys below are derived from.
        names: hashes the host's identifiers; the same in every epoch, because nobody but the
            host could hash them again.
        buckets: wrap the data keys of the people of a bucket, one each; an erasure replaces
            one of them.
        root, audit, notes, sums: seal what they are called after.
        ring: seals the rings of the epochs before, while there are any.
        heads, noted: hash heads and notes for the sums in the root.
        anchor: for the anchor.
    """

    id: int
    secret: bytes
    names: bytes
    buckets: tuple[bytes, ...]
    root: SealingKey = field(init=False)
    audit: SealingKey = field(init=False)
    notes: SealingKey = field(init=False)
    sums: SealingKey = field(init=False)
    ring: SealingKey = field(init=False)
    heads: Hasher = field(init=False)
    noted: Hasher = field(init=False)
    anchor: bytes = field(init=False)
    _pseudonyms: bytes = field(init=False)
    _wrapping: dict[int, SealingKey] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for purpose in ("root", "audit", "notes", "sums", "ring"):
            setattr(self, purpose, SealingKey(derive(self.secret, purpose), self.id))
        self.heads = Hasher(self.secret, "heads")
        self.noted = Hasher(self.secret, "notes sum")
        self.anchor = derive(self.secret, "anchor")
        self._pseudonyms = derive(self.secret, "pseudonyms")

    @classmethod
    def fresh(cls, epoch_id: int, *, names: bytes | None = None) -> Self:
        """An epoch of random keys; ``names`` are those of the epoch before."""
        buckets = tuple(fresh_key() for _ in range(BUCKETS))
        return cls(epoch_id, fresh_key(), names or fresh_key(), buckets)

    @classmethod
    def parse(cls, epoch_id: int, ring: bytes) -> Self:
        """Undo :meth:`dump`.

        Raises:
            ValueError: when it is something else.
        """
        if len(ring) != RING_BYTES:
            raise ValueError("ring")
        secret, names, *buckets = (
            ring[at : at + KEY_BYTES] for at in range(0, RING_BYTES, KEY_BYTES)
        )
        return cls(epoch_id, secret, names, tuple(buckets))

    def dump(self) -> bytes:
        """The ring: secret, names and buckets, 32 bytes each."""
        return b"".join((self.secret, self.names, *self.buckets))

    def renewed(self, bucket: int) -> Self:
        """The same with another key for ``bucket``."""
        buckets = list(self.buckets)
        buckets[bucket] = fresh_key()
        return replace(self, buckets=tuple(buckets))

    def wrapping(self, pseudonym: bytes) -> SealingKey:
        """The key that wraps a person's data keys."""
        bucket = bucket_of(pseudonym)
        key = self._wrapping.get(bucket)
        if key is None:
            key = self._wrapping[bucket] = SealingKey(self.buckets[bucket], self.id)
        return key

    def name(self, user: str) -> bytes:
        """The keyed hash of the host's identifier, the same in every epoch."""
        return derive(self.names, "user", user.encode())[:PSEUDONYM_BYTES]

    def pseudonym(self, name: bytes) -> bytes:
        """The keyed hash under which the person called ``name`` is stored in this epoch."""
        if self.id == 1:
            return name
        return derive(self._pseudonyms, "name", name)[:PSEUDONYM_BYTES]
