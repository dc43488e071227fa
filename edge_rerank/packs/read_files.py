"""Files of a pack read once: no link, no more bytes than stated, signed by a trusted key."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_rerank._files import reason_of
from edge_rerank.errors import PackInvalid, PackNotFound, PackUntrusted
from edge_rerank.packs.manifest import MANIFEST_NAME, SIGNATURE_NAME, FileEntry

_SIGNATURE_BYTES = 64


def check_signature(folder: Path, raw: bytes, keys: Sequence[bytes], *, links: bool) -> None:
    """See that one of the keys signed a manifest.

    Args:
        folder: where ``manifest.sig`` lies.
        raw: the manifest's bytes.
        keys: Ed25519 public keys of 32 bytes.
        links: whether the file may be a link.

    Raises:
        PackUntrusted: when none of them did.
        PackInvalid: when there is no signature to read.
    """
    signature = read_file(folder, SIGNATURE_NAME, _SIGNATURE_BYTES, links=links)
    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, raw)
        except InvalidSignature:
            continue
        return
    raise PackUntrusted(f"{SIGNATURE_NAME}: not signed by a trusted key")


def read_entry(folder: Path, entry: FileEntry, *, links: bool) -> bytes:
    """Read a file that a manifest lists, and see that it is the one.

    Raises:
        PackInvalid: when it is not, or as for :func:`read_file`.
    """
    content = read_file(folder, entry.name, entry.size, links=links)
    if len(content) != entry.size or sha256(content).hexdigest() != entry.sha256:
        raise PackInvalid(f"{entry.name}: not the file that the manifest describes")
    return content


def read_file(folder: Path, name: str, limit: int, *, links: bool) -> bytes:
    """Read a regular file of at most ``limit`` bytes, following no link unless told to.

    Raises:
        PackNotFound: when it is the manifest and is missing.
        PackInvalid: when it is anything else, missing or not such a file.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if not links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(folder / name, flags)
    except FileNotFoundError:
        missing = PackNotFound if name == MANIFEST_NAME else PackInvalid
        raise missing(f"{name}: expected in the pack, not found") from None
    except OSError as error:
        raise PackInvalid(f"{name}: cannot be read: {reason_of(error)}") from error
    reason = _complaint(os.fstat(descriptor), limit, links=links)
    if reason is not None:
        os.close(descriptor)
        raise PackInvalid(f"{name}: {reason}")
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(limit + 1)


def _complaint(status: os.stat_result, limit: int, *, links: bool) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "expected a regular file"
    if status.st_nlink > 1 and not links:
        return "expected a file of its own, got a hard link"
    if status.st_size > limit:
        return f"expected at most {limit} bytes, got {status.st_size}"
    return None
