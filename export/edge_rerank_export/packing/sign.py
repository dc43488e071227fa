"""Signatures of packs and of tables, and the keys they are made with.

Ed25519 (RFC 8032) over the raw bytes of ``manifest.json``, which holds the digest of every
other file. The private key is a file of 32 bytes and mode 0600 that is never made inside a
version-controlled folder; the host gives the public half, 64 hexadecimal digits, to
``Trust(keys=...)``.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_rerank._files import write_new
from edge_rerank.errors import PackInvalid
from edge_rerank.packs.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
)
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.tables import Tables, says_tables
from edge_rerank.packs.trust import ANY_PACK, Trust
from edge_rerank_export.errors import RecipeError

KEY_BYTES = 32
_VERSION_CONTROL = (".git", ".hg", ".svn", ".jj")


def generate_key(path: Path) -> bytes:
    """Make a private key in a new file of mode 0600.

    Returns:
        The public key, 32 bytes.

    Raises:
        RecipeError: when there is a file already, none can be made, or ``path`` lies in a
            version-controlled folder, whence a private key is sooner or later published.
    """
    for folder in path.resolve().parents:
        if any((folder / name).exists() for name in _VERSION_CONTROL):
            raise RecipeError("key: expected a place outside of any repository")
    key = Ed25519PrivateKey.generate()
    try:
        write_new(path, key.private_bytes_raw())
    except OSError as error:
        raise RecipeError(f"key: cannot be made: {error.strerror}") from error
    return key.public_key().public_bytes_raw()


def sign_pack(folder: Path, key_file: Path) -> bytes:
    """Check the pack or the tables in ``folder``, sign the manifest, and check as a host would.

    Returns:
        The public key that the signature fits, 32 bytes.

    Raises:
        RecipeError: when the key file is missing, malformed or open to other users, or the
            signature cannot be written.
        PackError: when they are not what a runtime would load; nothing is written.
    """
    key = Ed25519PrivateKey.from_private_bytes(_read_key(key_file))
    public = key.public_key().public_bytes_raw()
    digest = _digest(folder)
    signature = key.sign((folder / MANIFEST_NAME).read_bytes())
    target = folder / SIGNATURE_NAME
    staged = target.with_name(f".{SIGNATURE_NAME}.new")
    try:
        staged.write_bytes(signature)
        staged.replace(target)
    except OSError as error:
        raise RecipeError(f"{SIGNATURE_NAME}: cannot be written: {error.strerror}") from error
    if _digest(folder, Trust([public])) != digest:
        target.unlink()
        raise PackInvalid("the pack changed while it was signed")
    return public


def _digest(folder: Path, trust: Trust = ANY_PACK) -> str:
    manifest = folder / MANIFEST_NAME
    if manifest.is_file() and says_tables(manifest.read_bytes()):
        return Tables.open(folder, trust=trust).digest
    return Pack.open(folder, trust=trust).digest


def _read_key(path: Path) -> bytes:
    try:
        mode, key = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise RecipeError(f"key: cannot be read: {error.strerror}") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise RecipeError(f"key: expected mode 0600, got {stat.S_IMODE(mode):04o}")
    if len(key) != KEY_BYTES:
        raise RecipeError(f"key: expected {KEY_BYTES} bytes, got {len(key)}")
    return key
