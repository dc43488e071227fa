"""Sealed exports: what the person takes along, for one recipient's key, by HPKE.

Nothing else in the runtime opens a connection or hands history on; a test walks every
module's imports. (What a person reads in plain, ``access()`` gives to the host that asked, and
``edge-rerank profile export`` prints.) Here a file is written that only the holder of an
X25519 private key can read, by HPKE (RFC 9180) in base mode with the suite
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, checked against the vectors of the
RFC's authors. It is written out because the library's own HPKE came with a version of
cryptography newer than the oldest one supported here; a test opens what that one seals.
A sealed file is::

    "edge-rerank sealed", newline | version (1) | encapsulated key (32) | ciphertext | tag (16)

All before the encapsulated key is the associated data, and ``info`` is
"edge-rerank export v1". The content is padded as Padmé does (Nikitin and others, PETS 2019),
so that its length tells at most 12 % of itself. Base mode hides the content and shows any
change; it does not say who sent it, and whoever gets the private key reads all files ever
made for it.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from edge_rerank._files import reason_of, write_new
from edge_rerank.errors import DataError, InvalidRequest

KEY_BYTES = 32
MAGIC = b"edge-rerank sealed\n"
VERSION = 1
MAX_BYTES = 1 << 30

_HEADER = MAGIC + bytes([VERSION])
_INFO = b"edge-rerank export v1"
_TAG_BYTES = 16
_KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
_SUITE = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (0x0020, 0x0001, 0x0002))
_BASE_MODE = b"\x00"


def generate_recipient_key(private: Path, public: Path) -> None:
    """Make a recipient's key pair, each half in a new file of mode 0600.

    Args:
        private: for the recipient alone.
        public: 32 bytes, to be given to whoever exports.

    Raises:
        InvalidRequest: when there is a file already, or none can be written.
    """
    key = X25519PrivateKey.generate()
    _write_new(private, key.private_bytes_raw())
    _write_new(public, key.public_key().public_bytes_raw())


def export_sealed(content: bytes, recipient: bytes, target: Path) -> None:
    """Seal ``content`` for a recipient and write it to a new file of mode 0600.

    This is the only function of the runtime through which history goes to somebody else.

    Args:
        content: at most 1 GiB.
        recipient: an X25519 public key, 32 bytes.
        target: must not exist yet.

    Raises:
        InvalidRequest: when the key is malformed, the content is too long, there is a file
            already, or none can be written.
    """
    if len(content) > MAX_BYTES:
        raise InvalidRequest(f"content: expected at most {MAX_BYTES} bytes, got {len(content)}")
    _write_new(target, seal_for(content, recipient))


def import_sealed(source: Path, private: bytes) -> bytes:
    """Read what :func:`export_sealed` wrote.

    Raises:
        InvalidRequest: when the private key is not 32 bytes.
        DataError: when the file cannot be read, was changed, or is for another key.
    """
    try:
        if source.stat().st_size > 2 * MAX_BYTES:
            raise DataError(source, f"expected at most {2 * MAX_BYTES} bytes")
        sealed = source.read_bytes()
    except OSError as error:
        raise DataError(source, f"cannot be read: {reason_of(error)}") from error
    content = open_sealed(sealed, private)
    if content is None:
        raise DataError(source, "not a sealed file for this key, or it was changed")
    return content


def seal_for(content: bytes, recipient: bytes, *, _ephemeral: bytes | None = None) -> bytes:
    """``content`` as a sealed file's bytes.

    Raises:
        InvalidRequest: when ``recipient`` is not an X25519 public key.
    """
    check_recipient(recipient)
    ephemeral = (
        X25519PrivateKey.generate()
        if _ephemeral is None
        else X25519PrivateKey.from_private_bytes(_ephemeral)
    )
    encapsulated = ephemeral.public_key().public_bytes_raw()
    exchanged = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    key, nonce = _schedule(_shared_secret(exchanged, encapsulated, recipient), _INFO)
    return _HEADER + encapsulated + AESGCM(key).encrypt(nonce, _pad(content), _HEADER)


def check_recipient(recipient: object) -> None:
    """See that ``recipient`` is an X25519 public key that something can be sealed for.

    Raises:
        InvalidRequest: when it is not 32 bytes, or weak.
    """
    if not isinstance(recipient, bytes) or len(recipient) != KEY_BYTES:
        raise InvalidRequest("recipient: expected an X25519 public key of 32 bytes")
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(recipient))
    except ValueError:  # a point of small order: everybody would share the secret
        raise InvalidRequest("recipient: expected an X25519 public key, got a weak one") from None


def open_sealed(sealed: bytes, private: bytes) -> bytes | None:
    """The content of a sealed file's bytes; ``None`` when anything is wrong with them.

    Raises:
        InvalidRequest: when ``private`` is not 32 bytes.
    """
    if not isinstance(private, bytes) or len(private) != KEY_BYTES:
        raise InvalidRequest("private: expected an X25519 private key of 32 bytes")
    start = len(_HEADER)
    if len(sealed) < start + KEY_BYTES + _TAG_BYTES + 1 or sealed[:start] != _HEADER:
        return None
    encapsulated = sealed[start : start + KEY_BYTES]
    own = X25519PrivateKey.from_private_bytes(private)
    try:
        exchanged = own.exchange(X25519PublicKey.from_public_bytes(encapsulated))
        public = own.public_key().public_bytes_raw()
        key, nonce = _schedule(_shared_secret(exchanged, encapsulated, public), _INFO)
        padded = AESGCM(key).decrypt(nonce, sealed[start + KEY_BYTES :], _HEADER)
    except (InvalidTag, ValueError):
        return None
    return padded.rstrip(b"\x00")[:-1]


def _shared_secret(exchanged: bytes, encapsulated: bytes, recipient: bytes) -> bytes:
    """ExtractAndExpand of DHKEM, RFC 9180 section 4.1."""
    prk = _labeled_extract(b"", b"eae_prk", exchanged, _KEM_SUITE)
    return _labeled_expand(prk, b"shared_secret", encapsulated + recipient, 32, _KEM_SUITE)


def _schedule(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """KeySchedule in base mode, RFC 9180 section 5.1: key and nonce of the one message."""
    context = _BASE_MODE
    context += _labeled_extract(b"", b"psk_id_hash", b"", _SUITE)
    context += _labeled_extract(b"", b"info_hash", info, _SUITE)
    secret = _labeled_extract(shared_secret, b"secret", b"", _SUITE)
    key = _labeled_expand(secret, b"key", context, 32, _SUITE)
    return key, _labeled_expand(secret, b"base_nonce", context, 12, _SUITE)


def _labeled_extract(salt: bytes, label: bytes, material: bytes, suite: bytes) -> bytes:
    mac = HMAC(salt or bytes(32), SHA256())
    mac.update(b"HPKE-v1" + suite + label + material)
    return mac.finalize()


def _labeled_expand(prk: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(algorithm=SHA256(), length=length, info=labeled).derive(prk)


def _pad(content: bytes) -> bytes:
    """0x80 and zeros up to a length whose lowest bits are zero."""
    size = len(content) + 1
    exponent = size.bit_length() - 1
    step = 1 << max(exponent - exponent.bit_length(), 0)
    return content + b"\x80" + bytes(-size % step)


def _write_new(target: Path, content: bytes) -> None:
    try:
        write_new(target, content)
    except OSError as error:
        raise InvalidRequest(f"the file cannot be made: {error.strerror}") from error
