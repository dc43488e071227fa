"""A second reader, written from FORMAT.md alone: cryptography, hashlib and sqlite3."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_rerank import Event, Item
from edge_rerank.history.store import HistoryStore

KEY = bytes(range(32))
MODULUS = 1 << 256


def derive(key: bytes, *parts: bytes) -> bytes:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256")


def xaes_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
    block = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update
    first = int.from_bytes(block(bytes(16)), "big") << 1
    mask = (first ^ (0x87 if first >> 128 else 0)) & ((1 << 128) - 1)
    derived = b"".join(
        block(
            (int.from_bytes(bytes([0, number]) + b"X\0" + nonce[:12], "big") ^ mask).to_bytes(
                16, "big"
            )
        )
        for number in (1, 2)
    )
    return AESGCM(derived).decrypt(nonce[12:], ciphertext, associated_data)


class Reader:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path)
        (self.version,) = self.db.execute("PRAGMA user_version").fetchone()
        self.meta = dict(self.db.execute("SELECT name, value FROM meta"))
        self.secret = self.open(KEY, self.meta["secret"], b"meta", b"secret")

    def open(self, key: bytes, sealed: bytes, place: bytes, subject: bytes) -> bytes:
        assert sealed[:2] == b"\1\1"
        parts = (b"edge-rerank", self.meta["store"], place, bytes([self.version]), subject)
        context = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        padded = xaes_decrypt(key, sealed[2:26], sealed[26:], context)
        return padded.rstrip(b"\0")[:-1]

    def person(self, user: str) -> tuple[dict[str, Any], list[Any]]:
        pseudonym = derive(self.secret, b"pseudonym", user.encode())
        number, wrapped, head = self.db.execute(
            "SELECT id, wrapped_key, head FROM people WHERE pseudonym = ?", [pseudonym]
        ).fetchone()
        key = self.open(KEY, wrapped, b"people.wrapped_key", pseudonym)
        fields = json.loads(self.open(key, head, b"people.head", pseudonym))
        tag_key = derive(key, b"tags")
        total, events = 0, []
        for seq, tag, id_tag, sealed in self.db.execute(
            "SELECT seq, content_tag, id_tag, sealed FROM events WHERE person = ? ORDER BY seq",
            [number],
        ):
            place = seq.to_bytes(8, "big")
            row = place + tag + (id_tag or bytes(16)) + sealed[-16:]
            total += int.from_bytes(
                hashlib.blake2b(row, key=tag_key, digest_size=32).digest(), "big"
            )
            events.append(json.loads(self.open(key, sealed, b"events", pseudonym + place)))
        assert int(fields["sum"], 16) == total % MODULUS
        assert fields["count"] == len(events)
        return fields, events

    def root_holds(self) -> bool:
        people, total = json.loads(
            self.open(derive(self.secret, b"root"), self.meta["root"], b"meta", b"root")
        )
        key, found = derive(self.secret, b"root sum"), 0
        heads = self.db.execute("SELECT pseudonym, head FROM people").fetchall()
        for pseudonym, head in heads:
            message = pseudonym + head[2:26] + head[-16:]
            found += int.from_bytes(
                hashlib.blake2b(message, key=key, digest_size=32).digest(), "big"
            )
        return bool(people == len(heads) and int(total, 16) == found % MODULUS)


def test_a_second_reader_reads_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY) as store:
        store.set_consent("alice", "personalisation", True)
        store.append(
            "alice",
            [
                Event("view", Item("i", "a text", ["A"], 3), timestamp=7, dwell_s=2.5, id="e"),
                Event("search", query="tea", timestamp=9),
            ],
        )
        store.append("bob", [Event("like", Item("j", vector=[1.0, -2.0]), timestamp=3)])
    reader = Reader(path)
    fields, events = reader.person("alice")
    assert fields["consents"] == {"personalisation": True}
    item = ["i", "a text", ["A"], 3.0, None]
    assert events == [
        [1, "view", 7, item, 2.5, None, None, None, None, None, "e"],
        [1, "search", 9, None, None, None, "tea", None, None, None, None],
    ]
    assert reader.person("bob")[1][0][3] == ["j", "", [], None, "ADwAwA=="]
    assert derive(KEY, b"commitment", reader.meta["store"]) == reader.meta["commitment"]
    assert reader.root_holds()
