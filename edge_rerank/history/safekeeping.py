"""Keys and proof of an open history: rotation, rekeying, audit log, verification, releases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_rerank._check import check_label
from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidRequest
from edge_rerank.history import releases
from edge_rerank.history.overview import HistoryOverview, overview_of
from edge_rerank.history.vault.anchor import Anchor
from edge_rerank.history.vault.audit import AuditAction, AuditEntry
from edge_rerank.history.vault.receipts import RekeyReceipt, RepairReceipt, Verification
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.types import Event


class Safekeeping:
    """What a history offers beside the data of the people in it.

    Args:
        store: the open file, closed by whoever opened it.
    """

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def audit_log(self) -> tuple[AuditEntry, ...]:
        """What was done with whose data, oldest first; no content, no identifiers.

        Raises:
            HistoryCorrupt: when an entry was added, changed, moved or removed.
        """
        return self._store.audit_log()

    def repair(self) -> RepairReceipt:
        """Put right what single flipped bits have damaged in people's data, as far as it goes.

        Each bit of a value that does not open is tried; the seal tells which one it was. Noted in
        the audit log.

        Returns:
            Whose data could be put right; :meth:`verify` says what is still damaged.
        """
        return self._store.repair()

    def quarantine(self) -> RepairReceipt:
        """Take out what cannot be opened, for good, and take everything else as it is.

        Somebody whose record is damaged is erased; of somebody with damaged events the others
        stay. People of whom the file says less or something older than it should are taken as
        they are. Noted in the audit log. Until then the damage stays in the file, is passed over
        by retention, and gives an error to whoever asks for it; the other people are served.
        Try :meth:`repair` first, and keep a copy of the file if you want to try more.

        Returns:
            Whose data were taken out.
        """
        return self._store.quarantine()

    def overview(self) -> HistoryOverview:
        """How many people and events there are, from when to when, and who agreed; no names.

        Raises:
            HistoryError: when anything cannot be read.
        """
        return overview_of(self._store)

    @property
    def anchor_behind(self) -> bool:
        """Whether the anchor could not be written since, and so would let an older file pass.

        The next write tries again.
        """
        return self._store.anchor_behind

    def anchor_to(self, anchor: str | Path | Anchor) -> None:
        """Use another anchor from now on, as where the old one is lost.

        What the old one would have told of an older file, nobody can tell any more: see first
        that the file is the newest. To open it without its anchor, leave out ``anchor=``. Noted
        in the audit log.

        Args:
            anchor: like that of :meth:`open`; what it holds is replaced.

        Raises:
            HistoryUnavailable: when it cannot be written; nothing is changed then.
            InvalidRequest: when it is neither a path nor an anchor.
        """
        self._store.anchor_to(anchor)

    def verify(self) -> Verification:
        """Look at every byte of the history file and say what is wrong."""
        return self._store.verify()

    def rotate_key(self, key: bytes | None = None) -> None:
        """Replace the key-encryption key, and nothing else.

        Old copies of the file no longer open with the key of today. It does not heal a theft:
        whoever has an old copy *and* its key has the keys that lie in the file, which stay as
        they are. That is what :meth:`rekey` is for.

        Args:
            key: 32 bytes that the host has already stored durably; ``None`` for a fresh one
                where ``key=`` of :meth:`open` was a source that can take it.

        Raises:
            HistoryKeyError: when the key is malformed or cannot be stored.
        """
        self._store.rotate_key(key)

    def rekey(self, key: bytes | None = None, *, progress: Progress | None = None) -> RekeyReceipt:
        """Replace every key: what was copied before, with whatever key, opens nothing any more.

        For when file and key may have been stolen. Everything is sealed anew, in steps between
        which other threads record and rank. What a crash cuts short goes on by itself little by
        little, and with the next call at once. A key source that can take a new key is given
        two, one before and one after.

        Args:
            key: like :meth:`rotate_key`; the one that is left in the end.
            progress: called with (done, total) after each step, in people and audit entries.

        Returns:
            What was done, and since when copies are worthless.

        Raises:
            HistoryKeyError: when the key is malformed or cannot be stored.
            HistoryCorrupt: when something damaged was left behind; erase it and call again.
            HistoryError: when the file cannot be written; another call goes on.
        """
        return self._store.rekey(key, progress=progress)

    @property
    def rekeying(self) -> bool:
        """Whether a :meth:`rekey` has begun and not ended, for instance because of a crash."""
        return self._store.rekeying

    def agreed(self, purpose: str) -> list[tuple[Event, ...]]:
        """The events of each person who agreed to a purpose, and nothing that says whose.

        For what is learnt of many people at once, as tables of an application's log are. The audit
        log notes the release before the first event is read.

        Args:
            purpose: what they agreed to, as for :meth:`edge_rerank.History.consent`.

        Raises:
            InvalidRequest: when the purpose is malformed.
            HistoryError: when anything of a person is damaged, or the audit log cannot be written;
                nothing is released then.
        """
        purpose = check_label(purpose, "purpose", InvalidRequest)
        self._store.log(AuditAction.RELEASED, purpose=purpose)
        people = self._store.everyone()
        return [events for consents, events in people if consents.get(purpose, False)]

    def seen_releases(self) -> Mapping[str, int]:
        """The newest release of each signed pack that was used with this history, by name.

        Raises:
            HistoryError: when the note of them cannot be read.
        """
        return releases.seen_releases(self._store)

    def remember_releases(self, opened: Mapping[str, int]) -> None:
        """Note the releases of signed packs that were opened now, by name.

        Raises:
            HistoryError: when that cannot be written.
        """
        releases.remember_releases(self._store, opened)
