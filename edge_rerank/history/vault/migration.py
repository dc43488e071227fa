"""Migration of what is sealed in a file of schema version 1.

Version 1 wrapped every data key, and the store's secret, under the outer key itself, and
chained the audit log by a hash of its sealed entries. Opening such a file takes its secret for
epoch 1; one transaction then wraps the data keys under bucket keys and chains the log anew.
"""

from __future__ import annotations

import hashlib
import json

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import Unsealable, derive
from edge_rerank.history.vault import schema
from edge_rerank.history.vault.audit import AuditLog, link
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.epochs import Epoch
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.root import Root

RINGS = 2
"""The schema version that came with rings and epochs."""

_SECRET_OWNER = bytes(16)


class FormerKeys:
    """The table ``wrapped_keys`` as version 1 had it, and the outer key that opens it.

    Raises:
        HistoryKeyError: when ``key`` is none of the file's outer keys.
    """

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook, key: bytes) -> None:
        self._file = file
        self._binding = binding
        self._outer = keybook.identify(key)

    def epoch(self) -> Epoch:
        """Epoch 1, made of the store's secret and fresh bucket keys.

        Raises:
            HistoryCorrupt: when the secret is missing or cannot be opened.
        """
        found = self._wrapped("owner = ?")
        if len(found) != 1:
            raise HistoryCorrupt("the file lacks the store's secret")
        try:
            secret = self._open(*found[0])
        except Unsealable:
            raise HistoryCorrupt("a wrapped key cannot be opened") from None
        return Epoch(1, secret, derive(secret, "pseudonyms"), Epoch.fresh(1).buckets)

    def of_people(self) -> list[tuple[bytes, int, bytes]]:
        """Owner, id and data key; one that is damaged is left out, for it opens nothing."""
        keys = []
        for owner, key_id, wrapped in self._wrapped("owner <> ?"):
            try:
                keys.append((owner, key_id, self._open(owner, key_id, wrapped)))
            except Unsealable:
                continue
        return keys

    def _wrapped(self, which: str) -> list[tuple[bytes, int, bytes]]:
        return self._file.execute(
            f"SELECT owner, id, wrapped FROM wrapped_keys WHERE {which} AND outer_id = ?",  # noqa: S608
            (_SECRET_OWNER, self._outer.key_id),
        ).fetchall()

    def _open(self, owner: bytes, key_id: int, wrapped: bytes) -> bytes:
        place = self._binding("wrapped_keys", self._outer.key_id, owner, key_id)
        return self._outer.open(wrapped, place)


def upgrade(
    file: HistoryFile, keybook: KeyBook, audit: AuditLog, root: Root, former: FormerKeys | None
) -> None:
    """Bring the file to the present schema, inside a transaction.

    Args:
        file: of an older version.
        keybook: unlocked; of a file of version 1 with its epoch.
        audit: its log.
        root: gets the new hash of the last audit entry.
        former: of a file of version 1.
    """
    keys = former.of_people() if former is not None else []
    schema.migrate(file.execute)
    if former is None:
        return
    keybook.keep_only(keybook.current)
    keybook.save_newest()
    for owner, key_id, key in keys:
        keybook.wrap(1, owner, key_id, key)
    _chain_anew(file, audit, root)


def _chain_anew(file: HistoryFile, audit: AuditLog, root: Root) -> None:
    """Chain the entries by their content; a log that is damaged stays so, and shows it."""
    entries: list[tuple[int, bytes]] = []
    before, tip = "", ""
    try:
        for seq, sealed in file.execute("SELECT seq, sealed FROM audit ORDER BY seq"):
            fields = json.loads(audit.open(seq, sealed))
            if fields["previous"] != before or seq != len(entries) + 1:
                return
            before = hashlib.sha256(sealed).hexdigest()
            payload = json.dumps({**fields, "previous": tip}).encode()
            tip = link(payload)
            entries.append((seq, payload))
    except (HistoryCorrupt, ValueError, TypeError, KeyError):
        return
    if (len(entries), before) == (root.audited, root.audit_tip):
        audit.rewrite(entries)
        root.audit_tip = tip
