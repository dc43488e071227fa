"""An open vault behind one lock, and the replacement of its keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edge_rerank._process import OwnLock
from edge_rerank._progress import Progress
from edge_rerank.errors import ClosedError, HistoryKeyError, HistoryUnavailable
from edge_rerank.history.keys.sources import KeySource, as_source, check_key
from edge_rerank.history.vault.failures import typed_errors
from edge_rerank.history.vault.receipts import RekeyReceipt
from edge_rerank.history.vault.rekey import Rekey, rekey_store
from edge_rerank.history.vault.rotation import rotate_key, rotate_person
from edge_rerank.history.vault.vault import Vault

TEND_STEP = 25
"""Records that one call moves on of a rekey that was cut short."""


class LockedVault:
    """A vault that several threads may use.

    Args:
        vault: unlocked; closed by whoever made it.
        source: of its outer key.
    """

    def __init__(self, vault: Vault, source: KeySource) -> None:
        self._vault = vault
        self._source = source
        self._lock = OwnLock("the history")
        self._rekeying = threading.Lock()
        self._leftover: Rekey | None = None
        self._closed = False

    def rotate_key(self, key: bytes | None = None) -> None:
        """Replace the outer key, and no other: events and data keys stay as they are.

        Afterwards the old key opens only old copies of the file, so destroy it. Whoever has
        both already has all keys that lie in the file: :meth:`rekey` replaces those.

        Args:
            key: 32 bytes. A host that holds the key itself must have stored the new one
                durably before; ``None`` takes a fresh one, for a source that can replace.

        Raises:
            HistoryKeyError: when ``key`` is malformed, or missing and the source cannot
                replace its key.
        """
        with self._use() as vault:
            checked = None if key is None else check_key(key)
            self._source = rotate_key(vault, self._source, checked)

    def rekey(self, key: bytes | None = None, *, progress: Progress | None = None) -> RekeyReceipt:
        """Replace every key of the store, step by step, or go on where that was cut short.

        Other threads read and write in between. What is left of a rekey that
        a crash cuts short is done little by little in passing, and by another call at once.

        Args:
            key: like :meth:`rotate_key`.
            progress: called with (done, total) after each step, in records and audit entries.

        Raises:
            HistoryError: when the file cannot be written, the source fails, or something is
                damaged; what was moved stays so.
        """
        self._lock.check()
        checked = None if key is None else check_key(key)
        if checked is None and not self._source.replaceable:
            raise HistoryKeyError("key: expected 32 bytes, for the host holds the key itself")
        with self._use():  # closed or not ours: said before there is anything to wait for
            pass
        with self._rekeying:
            self._leftover = None
            receipt = rekey_store(self._use, self._source, checked, progress)
            if not self._source.replaceable and checked is not None:
                self._source = as_source(checked)
            return receipt

    def rotate_person_key(self, user: str) -> None:
        """Seal the person's events anew under a fresh data key, batch by batch.

        Other threads read and write in between. What a crash interrupts is completed when
        the file is opened.
        """
        rotate_person(self._use, user)

    @property
    def rekeying(self) -> bool:
        """Whether a rekey was begun and has not ended."""
        with self._use() as vault:
            return vault.rekeying

    @property
    def rotation_due(self) -> bool:
        """Whether something was erased and the outer key not yet replaced."""
        with self._use() as vault:
            return vault.root.rotation_due

    # -- inside -----------------------------------------------------------------------

    def _carry_on(self, vault: Vault) -> None:
        """Do a step of a rekey that was cut short, and end it after the last."""
        if not vault.rekeying or not self._rekeying.acquire(blocking=False):
            return
        try:
            if self._leftover is None:
                self._leftover = Rekey(vault)
            # What the disk or the key source refuses now is done another time.
            with suppress(HistoryUnavailable, HistoryKeyError), typed_errors():
                if not self._leftover.step(TEND_STEP) and not self._leftover.stuck:
                    self._leftover.finish(self._source, resumed=True)
                    self._leftover = None
        finally:
            self._rekeying.release()

    @contextmanager
    def _use(self) -> Iterator[Vault]:
        with self._lock.checked():
            if self._closed:
                raise ClosedError("the history, or the guest's session that keeps it, is closed")
            with typed_errors():
                yield self._vault
