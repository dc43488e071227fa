"""The cryptographic primitives, and nothing else.

XAES-256-GCM is the extended-nonce AEAD of C2SP (https://c2sp.org/XAES-256-GCM): 256-bit
keys, 192-bit random nonces, built from AES-256-GCM. A sealed value is::

    version (1) | suite (1) | key id (4) | nonce (24) | ciphertext | tag (16)

and the plaintext is padded to one of :data:`BUCKETS` (0x80, then zeros, as in ISO/IEC 7816-4),
so that the length tells little.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16
VERSION = 1
SUITE_XAES_256_GCM = 1
KEY_ID_BYTES = 4
HEADER_BYTES = 2 + KEY_ID_BYTES
OVERHEAD = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
BUCKETS = (256, 512, 1024, 2048, 4096)
SEALED_SIZES = tuple(bucket + OVERHEAD for bucket in BUCKETS)
MAX_PLAINTEXT = BUCKETS[-1] - 1

_IMPRINTED = HEADER_BYTES + NONCE_BYTES
_BLOCK = 16
_LABEL_1 = b"\x00\x01X\x00"
_LABEL_2 = b"\x00\x02X\x00"


class Unsealable(Exception):  # noqa: N818 - private; callers turn it into a typed error
    """Tampered, wrong key, wrong context or malformed: deliberately not told apart."""


class SealingKey:
    """One XAES-256-GCM key, with its AES key schedule kept. Safe from several threads.

    Args:
        key: 32 bytes.
        key_id: written into the header of what is sealed, and demanded of what is opened.
    """

    __slots__ = ("_ecb", "_header", "_key", "_mask", "key_id")

    def __init__(self, key: bytes, key_id: int = 1) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"expected a key of {KEY_BYTES} bytes, got {len(key)}")
        self.key_id = key_id
        self._header = bytes([VERSION, SUITE_XAES_256_GCM]) + key_id.to_bytes(KEY_ID_BYTES, "big")
        # ECB on single blocks is the block cipher itself, from which XAES derives its keys.
        self._key = bytearray(key)
        self._ecb = Cipher(algorithms.AES256(self._key), modes.ECB())  # noqa: S305
        zero = self._encryptor().update(bytes(_BLOCK))
        doubled = int.from_bytes(zero, "big") << 1
        if doubled >> 128:
            doubled = (doubled ^ 0x87) & ((1 << 128) - 1)
        self._mask = doubled.to_bytes(_BLOCK, "big")

    def seal(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Pad and encrypt; ``plaintext`` is at most 4,095 bytes."""
        return self.seal_many([plaintext], [associated_data])[0]

    def seal_many(
        self, plaintexts: Sequence[bytes], associated_data: Sequence[bytes]
    ) -> list[bytes]:
        """Seal several values; their keys are derived in one call of the block cipher."""
        pairs = list(zip(plaintexts, associated_data, strict=True))
        nonces = [fresh_nonce(context, plaintext) for plaintext, context in pairs]
        return [
            self._header + nonce + AESGCM(key).encrypt(nonce[12:], pad(plaintext), context)
            for key, nonce, (plaintext, context) in zip(
                self._derive(nonces), nonces, pairs, strict=True
            )
        ]

    def open(self, sealed: bytes, associated_data: bytes) -> bytes:
        """Decrypt and unpad.

        Raises:
            Unsealable: whatever is wrong.
        """
        return self.open_many([sealed], [associated_data])[0]

    def open_many(self, sealed: Sequence[bytes], associated_data: Sequence[bytes]) -> list[bytes]:
        """Decrypt several values; their keys are derived in one call of the block cipher.

        Raises:
            Unsealable: when anything is wrong with any of them.
        """
        start = HEADER_BYTES
        end = start + NONCE_BYTES
        for value in sealed:
            if len(value) < OVERHEAD or value[:start] != self._header:
                raise Unsealable
        keys = self._derive([value[start:end] for value in sealed])
        try:
            return [
                unpad(AESGCM(key).decrypt(value[start + 12 : end], value[end:], context))
                for key, value, context in zip(keys, sealed, associated_data, strict=True)
            ]
        except (InvalidTag, ValueError):
            raise Unsealable from None

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """XAES-256-GCM without header and padding; returns ciphertext and tag."""
        return AESGCM(self._derive([nonce])[0]).encrypt(nonce[12:], plaintext, associated_data)

    def _derive(self, nonces: Sequence[bytes]) -> list[bytes]:
        plain = b"".join(
            part for nonce in nonces for part in (_LABEL_1, nonce[:12], _LABEL_2, nonce[:12])
        )
        # One exclusive-or over all blocks at once: reading a history derives a key per row.
        mask = int.from_bytes(self._mask * (2 * len(nonces)), "big")
        blocks = (int.from_bytes(plain, "big") ^ mask).to_bytes(len(plain), "big")
        derived = self._encryptor().update(blocks)
        return [derived[at : at + 32] for at in range(0, len(derived), 32)]

    def wipe(self) -> None:
        """Overwrite the key with zeros; from then on nothing can be sealed or opened with it.

        Copies that the caller or a library made are not reached.
        """
        self._key[:] = bytes(len(self._key))
        del self._ecb, self._mask

    def _encryptor(self) -> CipherContext:
        return self._ecb.encryptor()


def key_id_of(sealed: bytes) -> int:
    """The key id in the header of a sealed value; not authenticated until it is opened."""
    return int.from_bytes(sealed[2:HEADER_BYTES], "big")


def imprint(sealed: bytes) -> bytes:
    """What identifies a sealed value: its header, nonce and authentication tag."""
    return sealed[:_IMPRINTED] + sealed[-TAG_BYTES:]


def fresh_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def fresh_nonce(*context: bytes) -> bytes:
    """24 bytes: random, hedged with what is sealed.

    Two clones of one machine image may draw the same random bytes; they then still differ
    wherever what they seal differs.
    """
    hedge = hashlib.blake2b(digest_size=NONCE_BYTES, key=os.urandom(KEY_BYTES))
    for part in context:
        hedge.update(len(part).to_bytes(8, "big") + part)
    return hedge.digest()


def derive(key: bytes, purpose: str, *context: bytes) -> bytes:
    """A 32-byte subkey: HMAC-SHA256 over purpose and context, each with its length."""
    message = b"".join(len(part).to_bytes(8, "big") + part for part in (purpose.encode(), *context))
    return hmac.digest(key, message, "sha256")


def keyed_hash(key: bytes, message: bytes, size: int) -> bytes:
    """Keyed BLAKE2b of ``size`` bytes."""
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def hash_of_sealed(key: bytes, place: bytes, sealed: bytes, size: int) -> bytes:
    """:func:`keyed_hash` of a place and the :func:`imprint` of what is sealed there.

    Written out, for whoever reads thousands of rows: the calls take longer than the hash.
    """
    message = place + sealed[:_IMPRINTED] + sealed[-TAG_BYTES:]
    return hashlib.blake2b(message, key=key, digest_size=size).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def pad(plaintext: bytes) -> bytes:
    """Fill up to the next bucket."""
    for bucket in BUCKETS:
        if len(plaintext) < bucket:
            return plaintext + b"\x80" + bytes(bucket - len(plaintext) - 1)
    raise ValueError(f"expected at most {MAX_PLAINTEXT} bytes, got {len(plaintext)}")


def unpad(padded: bytes) -> bytes:
    """Undo :func:`pad`.

    Raises:
        ValueError: when the padding is malformed.
    """
    plaintext = padded.rstrip(b"\x00")
    if not plaintext.endswith(b"\x80"):
        raise ValueError("malformed padding")
    return plaintext[:-1]
