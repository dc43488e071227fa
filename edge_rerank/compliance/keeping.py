"""Key keeping: which kind of source a history's key comes from, where it lies, how weak it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from edge_rerank.errors import HistoryKeyError
from edge_rerank.history.keys.keyring import KeyringKey
from edge_rerank.history.keys.passphrase import Passphrase
from edge_rerank.history.keys.sources import KEY_BYTES, KeyCallback, KeyEnv, KeyFile, KeySource
from edge_rerank.history.keys.strength import MIN_PASSPHRASE_BITS, weakness_of_key


class KeyKind(StrEnum):
    """Where a key comes from."""

    FILE = "a file"
    PASSPHRASE = "a file that a passphrase opens"  # noqa: S105 - where it lies, not what it is
    ENVIRONMENT = "an environment variable"
    KEYRING = "the keyring of the operating system"
    CALLBACK = "a service of the host's"
    HELD = "the host itself"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a key is kept.

    Attributes:
        kind: where it comes from.
        path: its file, where it has one.
        weakness: what makes it easy to guess; empty when nothing was seen.
        key: the key itself, ``None`` where it could not be loaded; never shown.
    """

    kind: KeyKind
    path: Path | None
    weakness: str
    key: bytes | None = field(repr=False)


def look_at(source: KeySource) -> Keeping:
    """Load the key once and look at it and at where it comes from.

    A key file that others can read is looked at as well: that is a finding, no obstacle.

    Raises:
        HistoryKeyError: when there is no key, or it is malformed.
    """
    path = source.path if isinstance(source, KeyFile | Passphrase) else None
    key = _load(source, path)
    weakness = "" if key is None else weakness_of_key(key)
    if isinstance(source, Passphrase) and source.bits < MIN_PASSPHRASE_BITS:
        weakness = (
            f"the passphrase has {source.bits:.0f} bits at most, by its length and signs; "
            f"expected {MIN_PASSPHRASE_BITS:.0f}"
        )
    return Keeping(_kind(source), path, weakness, key)


def _load(source: KeySource, path: Path | None) -> bytes | None:
    try:
        return source.load()
    except HistoryKeyError:
        if path is None or not path.is_file() or not path.stat().st_mode & 0o077:
            raise
    # Others can read the file, so the source refuses it; a passphrase's stays closed then.
    content = path.read_bytes()
    return content if isinstance(source, KeyFile) and len(content) == KEY_BYTES else None


def _kind(source: KeySource) -> KeyKind:
    for kind, known in (
        (KeyKind.FILE, KeyFile),
        (KeyKind.PASSPHRASE, Passphrase),
        (KeyKind.ENVIRONMENT, KeyEnv),
        (KeyKind.KEYRING, KeyringKey),
        (KeyKind.CALLBACK, KeyCallback),
    ):
        if isinstance(source, known):
            return kind
    return KeyKind.HELD
