"""Rotation of the outer key, and of one person's data key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from edge_rerank.errors import HistoryError, HistoryKeyError
from edge_rerank.history.crypto import fresh_key
from edge_rerank.history.keys.sources import KeySource, as_source
from edge_rerank.history.vault.vault import Vault

RESEAL_BATCH = 250
"""Rows sealed anew in one transaction while a person's key is rotated."""

Use = Callable[[], AbstractContextManager[Vault]]
"""Holds the store's lock for one step."""


def rotate_key(vault: Vault, source: KeySource, key: bytes | None) -> KeySource:
    """Replace the outer key; returns the source that has the new one.

    Args:
        vault: the open file.
        source: of the present key.
        key: 32 bytes; a fresh one if ``None``, for a source that can take it.

    Raises:
        HistoryKeyError: when ``key`` is missing, and where the source fails.
    """
    if source.replaceable:
        rotate_outer(vault, source, key)
        return source
    if key is None:
        raise HistoryKeyError("key: expected 32 bytes, for the host holds the key itself")
    vault.replace_outer(key)
    return as_source(key)


def rotate_outer(vault: Vault, source: KeySource, key: bytes | None = None) -> None:
    """Give ``source`` a new key; survives a crash at any point.

    First the ring is wrapped under both keys; then the source takes the new one; then what is
    wrapped under the old one goes.

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


def rotate_person(use: Use, user: str) -> None:
    """Seal a person's events anew under a fresh data key, batch by batch."""
    with use() as vault:
        person = vault.find(user)
        if person is None:
            return
        if len(person.keys) == 1:
            vault.begin_reseal(person.pseudonym)
    finish_person(use, person.pseudonym)


def finish_person(use: Use, pseudonym: bytes) -> None:
    """Go on with it, from the start or where it was cut short."""
    after = 0
    while True:
        with use() as vault:
            after = vault.reseal(pseudonym, after, RESEAL_BATCH)
            if not after:
                vault.file.empty_log()
                return


def _undo(vault: Vault, source: KeySource, new: bytes) -> None:
    """Keep both keys, unless the source is sure to have the old one still."""
    try:
        taken = source.load() == new
    except HistoryError:
        return
    if not taken:
        vault.settle_outer()
