"""A second reader, written from FORMAT.md alone: cryptography, hashlib and sqlite3."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_rerank import Event, Item
from edge_rerank.history.vault.store import HistoryStore

KEY = bytes(range(32))
MODULUS = 1 << 128


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


def keyed_hash(key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(message, key=key, digest_size=16).digest(), "big")


def imprint(sealed: bytes) -> bytes:
    return sealed[:30] + sealed[-16:]


class Reader:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path)
        self.meta = dict(self.db.execute("SELECT name, value FROM meta"))
        commitment = derive(KEY, b"commitment", self.meta["store"])
        (self.outer,) = self.db.execute(
            "SELECT id FROM outer_keys WHERE commitment = ?", [commitment]
        ).fetchone()
        self.secret = self.unwrap(bytes(16))[1]
        self.root = json.loads(self.open("root", self.meta["root"], b"meta", b"root"))

    def open(
        self, key: str | bytes, sealed: bytes, table: bytes, subject: bytes, seq: int = 0
    ) -> bytes:
        key = derive(self.secret, key.encode()) if isinstance(key, str) else key
        assert sealed[:2] == b"\1\1"
        place = (table, b"\1", sealed[2:6], subject, seq.to_bytes(8, "big"))
        parts = (b"edge-rerank", self.meta["store"], *place)
        context = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        padded = xaes_decrypt(key, sealed[6:30], sealed[30:], context)
        return padded.rstrip(b"\0")[:-1]

    def unwrap(self, owner: bytes) -> dict[int, bytes]:
        rows = self.db.execute(
            "SELECT id, wrapped FROM wrapped_keys WHERE owner = ? AND outer_id = ?",
            [owner, self.outer],
        )
        return {
            number: self.open(KEY, wrapped, b"wrapped_keys", owner, number)
            for number, wrapped in rows
        }

    def person(self, user: str) -> tuple[dict[str, Any], list[Any]]:
        pseudonym = derive(derive(self.secret, b"pseudonyms"), b"user", user.encode())[:16]
        keys = self.unwrap(pseudonym)
        (head,) = self.db.execute(
            "SELECT head FROM people WHERE pseudonym = ?", [pseudonym]
        ).fetchone()
        number = int.from_bytes(head[2:6], "big")
        fields = json.loads(self.open(keys[number], head, b"people", pseudonym))
        row_key = derive(bytes.fromhex(fields["tag_key"]), b"rows")
        total, events = 0, []
        for seq, tag, id_tag, sealed in self.db.execute(
            "SELECT seq, content_tag, id_tag, sealed FROM events WHERE person = ? ORDER BY seq",
            [pseudonym],
        ):
            place = seq.to_bytes(8, "big") + tag + (id_tag or bytes(16))
            total += keyed_hash(row_key, place + imprint(sealed))
            key = keys[int.from_bytes(sealed[2:6], "big")]
            events.append(json.loads(self.open(key, sealed, b"events", pseudonym, seq)))
        assert int(fields["sum"], 16) == total % MODULUS
        assert fields["count"] == len(events)
        return fields, events

    def root_holds(self) -> bool:
        found = [0] * 64
        for pseudonym, head in self.db.execute("SELECT pseudonym, head FROM people"):
            addend = keyed_hash(derive(self.secret, b"heads"), pseudonym + imprint(head))
            found[pseudonym[0] // 4] = (found[pseudonym[0] // 4] + addend) % MODULUS
        packed = b"".join(one.to_bytes(16, "big") for one in found)
        notes = sum(
            keyed_hash(derive(self.secret, b"notes sum"), name.encode() + imprint(sealed))
            for name, sealed in self.db.execute("SELECT name, sealed FROM notes")
        )
        return (
            base64.b64decode(self.root["sums"]) == packed
            and int(self.root["notes"], 16) == notes % MODULUS
        )

    def audit(self) -> list[dict[str, Any]]:
        entries, previous = [], ""
        for seq, sealed in self.db.execute("SELECT seq, sealed FROM audit ORDER BY seq"):
            entry = json.loads(self.open("audit", sealed, b"audit", b"", seq))
            assert (entry["seq"], entry["previous"]) == (len(entries) + 1, previous)
            previous = hashlib.sha256(sealed).hexdigest()
            entries.append(entry)
        assert (self.root["audited"], self.root["audit_tip"]) == (len(entries), previous)
        return entries


def test_a_second_reader_reads_a_real_file(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with HistoryStore.open(path, KEY, anchor=tmp_path / "anchor", _clock=lambda: 50.0) as store:
        store.set_consent("alice", "personalisation", True)
        store.append(
            "alice",
            [
                Event("view", Item("i", "a text", ["A"], 3), timestamp=7, dwell_s=2.5, id="e"),
                Event("search", query="tea", timestamp=9),
            ],
        )
        store.append("bob", [Event("like", Item("j", vector=[1.0, -2.0]), timestamp=3)])
        store.write_note("budget", b"3")
        store.rotate_person_key("bob")
    reader = Reader(path)
    fields, events = reader.person("alice")
    assert fields["consents"] == {"personalisation": [True, 50]}
    item = ["i", "a text", ["A"], 3.0, None]
    assert events == [
        [1, 50, "view", 7, item, 2.5, None, None, None, None, None, "e"],
        [1, 50, "search", 9, None, None, None, "tea", None, None, None, None],
    ]
    assert reader.person("bob")[1][0][4] == ["j", "", [], None, "ADwAwA=="]
    assert reader.root_holds()
    actions = [entry["action"] for entry in reader.audit()]
    assert actions == ["created", "consent-granted", "person-key-rotated"]
    anchor = (tmp_path / "anchor").read_bytes()
    key = derive(reader.secret, b"anchor")
    print_ = keyed_hash(key, imprint(reader.meta["root"])).to_bytes(16, "big")
    body = reader.meta["store"] + reader.root["generation"].to_bytes(8, "big") + print_
    assert anchor == body + derive(key, b"state", body)
