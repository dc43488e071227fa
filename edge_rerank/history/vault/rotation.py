"""Rotation of the outer key where the key source can take a new one."""

from __future__ import annotations

from edge_rerank.errors import HistoryError
from edge_rerank.history.crypto import fresh_key
from edge_rerank.history.keys.sources import KeySource
from edge_rerank.history.vault.vault import Vault


def rotate_outer(vault: Vault, source: KeySource, key: bytes | None = None) -> None:
    """Give ``source`` a new key; survives a crash at any point.

    First everything is wrapped under both keys; then the source takes the new one; then what
    is wrapped under the old one goes.

    Args:
        vault: the open file.
        source: can replace its key.
        key: 32 bytes; a fresh one if ``None``.

    Raises:
        HistoryKeyError: when the source fails; the file then opens with whichever it has.
    """
    new = key or fresh_key()
    added = vault.add_outer(new)
    try:
        source.replace(new)
    except HistoryError:
        _undo(vault, source, new)
        raise
    vault.keep_outer(added)


def _undo(vault: Vault, source: KeySource, new: bytes) -> None:
    """Keep both keys, unless the source is sure to have the old one still."""
    try:
        taken = source.load() == new
    except HistoryError:
        return
    if not taken:
        vault.settle_outer()
