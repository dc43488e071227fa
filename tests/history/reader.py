"""A second reader of history files, written from FORMAT.md alone.

It needs cryptography, hashlib and sqlite3, and nothing of the package.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MODULUS = 1 << 128


def derive(key: bytes, *parts: bytes) -> bytes:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256")


@lru_cache(maxsize=1024)
def blocks_of(key: bytes) -> tuple[Callable[[bytes], bytes], int]:
    """A key's block cipher, and what masks a whole block in its CMAC."""
    block = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update
    first = int.from_bytes(block(bytes(16)), "big") << 1
    return block, (first ^ (0x87 if first >> 128 else 0)) & ((1 << 128) - 1)


def xaes(key: bytes, nonce: bytes) -> AESGCM:
    block, mask = blocks_of(key)
    derived = block(
        b"".join(
            (int.from_bytes(bytes([0, number]) + b"X\0" + nonce[:12], "big") ^ mask).to_bytes(
                16, "big"
            )
            for number in (1, 2)
        )
    )
    return AESGCM(derived)


def keyed_hash(key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(message, key=key, digest_size=16).digest(), "big")


def imprint(sealed: bytes) -> bytes:
    return sealed[:30] + sealed[-16:]


def number_of(sealed: bytes) -> int:
    """The key id in the header."""
    return int.from_bytes(sealed[2:6], "big")


def bound_to(store: bytes, table: bytes, number: int, subject: bytes, seq: int) -> bytes:
    """The associated data."""
    place = (table, b"\1", number.to_bytes(4, "big"), subject, seq.to_bytes(8, "big"))
    return b"".join(len(one).to_bytes(4, "big") + one for one in (b"edge-rerank", store, *place))


def open_sealed(
    key: bytes, sealed: bytes, store: bytes, table: bytes, subject: bytes, seq: int = 0
) -> bytes:
    assert sealed[:2] == b"\1\1"
    context = bound_to(store, table, number_of(sealed), subject, seq)
    padded = xaes(key, sealed[6:30]).decrypt(sealed[18:30], sealed[30:], context)
    return padded.rstrip(b"\0")[:-1]


def seal(
    key: bytes, number: int, content: bytes, store: bytes, table: bytes, subject: bytes, seq: int
) -> bytes:
    size = next(bucket for bucket in (256, 512, 1024, 2048, 4096) if len(content) < bucket)
    padded = content + b"\x80" + bytes(size - len(content) - 1)
    nonce = os.urandom(24)
    context = bound_to(store, table, number, subject, seq)
    body = xaes(key, nonce).encrypt(nonce[12:], padded, context)
    return b"\1\1" + number.to_bytes(4, "big") + nonce + body


class Ring:
    """The keys of one epoch."""

    def __init__(self, number: int, content: bytes) -> None:
        self.number = number
        self.secret, self.names, *self.buckets = (
            content[at : at + 32] for at in range(0, len(content), 32)
        )
        assert len(self.buckets) == 64

    def key(self, purpose: bytes) -> bytes:
        return derive(self.secret, purpose)

    def name(self, user: str) -> bytes:
        return derive(self.names, b"user", user.encode())[:16]

    def pseudonym(self, user: str) -> bytes:
        if self.number == 1:
            return self.name(user)
        return derive(self.key(b"pseudonyms"), b"name", self.name(user))[:16]


class Reader:
    """Opens a history file; raises where the key is not the file's."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.db = sqlite3.connect(path)
        self.meta = dict(self.db.execute("SELECT name, value FROM meta"))
        self.store = self.meta["store"]
        commitment = derive(key, b"commitment", self.store)
        (outer,) = self.db.execute(
            "SELECT id FROM outer_keys WHERE commitment = ?", [commitment]
        ).fetchone()
        ((number, wrapped),) = self.db.execute(
            "SELECT id, wrapped FROM rings WHERE outer_id = ?", [outer]
        ).fetchall()
        self.newest = Ring(number, open_sealed(key, wrapped, self.store, b"rings", b"", number))
        self.rings = {number: self.newest}
        for number, wrapped in self.db.execute("SELECT id, wrapped FROM rings WHERE outer_id = 0"):
            under = self.newest.key(b"ring")
            content = open_sealed(under, wrapped, self.store, b"rings", b"", number)
            self.rings[number] = Ring(number, content)
        self.root = json.loads(self.open("root", self.meta["root"], b"meta", b"root"))
        assert self.root["since"] == min(self.rings)

    def open(
        self, key: str | bytes, sealed: bytes, table: bytes, subject: bytes, seq: int = 0
    ) -> bytes:
        if isinstance(key, str):
            key = self.rings[number_of(sealed)].key(key.encode())
        return open_sealed(key, sealed, self.store, table, subject, seq)

    def unwrap(self, owner: bytes) -> dict[int, bytes]:
        rows = self.db.execute("SELECT id, wrapped FROM wrapped_keys WHERE owner = ?", [owner])
        return {
            number: self.open(
                self.rings[number_of(wrapped)].buckets[owner[0] // 4],
                wrapped,
                b"wrapped_keys",
                owner,
                number,
            )
            for number, wrapped in rows
        }

    def person(self, user: str) -> tuple[dict[str, Any], list[Any]]:
        pseudonym, head, number = next(
            row
            for ring in self.rings.values()
            for row in self.db.execute(
                "SELECT pseudonym, head, number FROM people WHERE pseudonym = ? AND epoch = ?",
                [ring.pseudonym(user), ring.number],
            )
        )
        keys = self.unwrap(pseudonym)
        fields = json.loads(self.open(keys[number_of(head)], head, b"people", pseudonym))
        assert fields.get("name", pseudonym.hex()) == self.newest.name(user).hex()
        row_key = derive(bytes.fromhex(fields["tag_key"]), b"rows")
        total, events = 0, []
        hints = set()
        for seq, tag, id_tag, sealed in self.events(number):
            hints |= {(one[:4], seq) for one in (tag, id_tag) if one}
            place = seq.to_bytes(8, "big") + tag + (id_tag or bytes(16))
            total += keyed_hash(row_key, place + imprint(sealed))
            key = keys[number_of(sealed)]
            events.append(json.loads(self.open(key, sealed, b"events", pseudonym, seq)))
        found = self.db.execute("SELECT hint, seq FROM hints WHERE person = ?", [number])
        assert set(found) == hints
        states = fields.get("states", {}).values()
        known = [seq for first, parts, _ in states for seq in range(first, first + parts)]
        found = self.db.execute("SELECT seq FROM states WHERE person = ?", [pseudonym])
        assert sorted(known) == sorted(seq for (seq,) in found)
        assert max(known, default=0) <= fields.get("last_state", 0)
        assert int(fields["sum"], 16) == total % MODULUS
        assert fields["count"] == len(events)
        return fields, events

    def events(self, number: int) -> list[tuple[int, bytes, bytes | None, bytes]]:
        """Sequence number, tags and sealed event of each row of a person."""
        rows, first = [], number << 34
        for key, tag, id_tag, start in self.db.execute(
            "SELECT key, content_tag, id_tag, sealed FROM events WHERE key BETWEEN ? AND ?"
            " ORDER BY key",
            [first, first + (1 << 34) - 1],
        ):
            parts = self.db.execute(
                "SELECT part FROM parts WHERE key BETWEEN ? AND ? ORDER BY key", [key, key + 3]
            )
            sealed = start + b"".join(part for (part,) in parts)
            assert len(start) == len(sealed) % 1005
            rows.append(((key - first) // 4, tag, id_tag, sealed))
        return rows

    def state(self, user: str, name: str) -> bytes:
        fields, _ = self.person(user)
        first, parts, _ = fields["states"][name]
        content = b""
        for seq in range(first, first + parts):
            pseudonym, sealed = next(
                row
                for ring in self.rings.values()
                for row in self.db.execute(
                    "SELECT person, sealed FROM states WHERE person = ? AND seq = ?",
                    [ring.pseudonym(user), seq],
                )
            )
            key = self.unwrap(pseudonym)[number_of(sealed)]
            content += self.open(key, sealed, b"states", pseudonym, seq)
        return content

    def leaves(self) -> list[int]:
        """What the heads of each of the 4,096 leaves add up to."""
        found = [0] * 4096
        for pseudonym, head, epoch in self.db.execute("SELECT pseudonym, head, epoch FROM people"):
            addend = keyed_hash(self.rings[epoch].key(b"heads"), pseudonym + imprint(head))
            leaf = int.from_bytes(pseudonym[:2], "big") // 16
            found[leaf] = (found[leaf] + addend) % MODULUS
        return found

    def fine_sums(self) -> int:
        """How many buckets have sums of their leaves, all of which are right."""
        rows = self.db.execute("SELECT bucket, sealed FROM sums").fetchall()
        leaves = self.leaves()
        for bucket, sealed in rows:
            assert number_of(sealed) == self.newest.number
            content = self.open("sums", sealed, b"sums", b"", bucket)
            found = leaves[64 * bucket : 64 * bucket + 64]
            assert content[4:] == b"".join(one.to_bytes(16, "big") for one in found)
            (people,) = self.db.execute(
                "SELECT count(*) FROM people WHERE substr(pseudonym, 1, 1) BETWEEN ? AND ?",
                [bytes([4 * bucket]), bytes([4 * bucket + 3])],
            ).fetchone()
            assert int.from_bytes(content[:4], "big") == people
        return len(rows)

    def root_holds(self) -> bool:
        leaves = self.leaves()
        found = [sum(leaves[at : at + 64]) % MODULUS for at in range(0, 4096, 64)]
        packed = b"".join(one.to_bytes(16, "big") for one in found)
        notes = sum(
            keyed_hash(self.newest.key(b"notes sum"), name.encode() + imprint(sealed))
            for name, sealed in self.db.execute("SELECT name, sealed FROM notes")
        )
        return (
            base64.b64decode(self.root["sums"]) == packed
            and int(self.root["notes"], 16) == notes % MODULUS
        )

    def note(self, name: str) -> bytes:
        (sealed,) = self.db.execute("SELECT sealed FROM notes WHERE name = ?", [name]).fetchone()
        return self.open("notes", sealed, b"notes", name.encode())

    def audit(self) -> list[dict[str, Any]]:
        entries, previous = [], ""
        for seq, sealed in self.db.execute("SELECT seq, sealed FROM audit ORDER BY seq"):
            content = self.open("audit", sealed, b"audit", b"", seq)
            entry = json.loads(content)
            assert (entry["seq"], entry["previous"]) == (len(entries) + 1, previous)
            previous = hashlib.sha256(content).hexdigest()
            entries.append(entry)
        assert (self.root["audited"], self.root["audit_tip"]) == (len(entries), previous)
        return entries
