"""Envelope encryption: outer keys, never in the file, wrap the data keys, which lie in it.

While the outer key is being replaced, every data key lies in the file twice, wrapped under
the old and under the new one, so that whichever the key source gives after a crash opens
the file, and the old outer key itself is never written down.
"""

from __future__ import annotations

from edge_rerank.errors import HistoryCorrupt, HistoryKeyError
from edge_rerank.history.crypto import SealingKey, Unsealable, derive, same
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.file import HistoryFile

STORE_OWNER = bytes(16)
"""Owner of the store's own secret among the wrapped keys."""


class KeyBook:
    """The tables ``outer_keys`` and ``wrapped_keys``. Call inside a transaction to change."""

    def __init__(self, file: HistoryFile, binding: Binding) -> None:
        self._file = file
        self._binding = binding
        self._outer: dict[int, SealingKey] = {}
        self.current = 0
        """Id of the outer key that opened the file."""

    def add_outer(self, key: bytes) -> int:
        """Take in another outer key and wrap everything under it as well; returns its id."""
        last = self._file.execute("SELECT coalesce(max(id), 0) FROM outer_keys").fetchone()[0]
        outer_id = int(last) + 1
        self._file.execute(
            "INSERT INTO outer_keys (id, commitment) VALUES (?, ?)",
            (outer_id, self._commitment(key)),
        )
        added = SealingKey(key, outer_id)
        rows = self._file.execute(
            "SELECT owner, id, wrapped FROM wrapped_keys WHERE outer_id = ?", (self.current,)
        ).fetchall()
        if rows:
            keys = self._open(rows)
            self._file.execute_many(
                "INSERT INTO wrapped_keys (owner, id, outer_id, wrapped) VALUES (?, ?, ?, ?)",
                [
                    (owner, key_id, outer_id, self._seal(added, owner, key_id, data_key))
                    for (owner, key_id, _), data_key in zip(rows, keys, strict=True)
                ],
            )
        self._outer[outer_id] = added
        self.current = self.current or outer_id
        return outer_id

    def unlock(self, key: bytes) -> None:
        """Find out which of the file's outer keys ``key`` is.

        Raises:
            HistoryKeyError: when it is none of them.
        """
        commitment = self._commitment(key)
        for outer_id, known in self._file.execute("SELECT id, commitment FROM outer_keys"):
            if same(commitment, bytes(known)):
                self.current = outer_id
                self._outer = {outer_id: SealingKey(key, outer_id)}
                return
        raise HistoryKeyError("the key is not the one this history file was sealed with")

    def keep_only(self, outer_id: int) -> None:
        """Drop every outer key but one, and what is wrapped under the others."""
        self._file.execute("DELETE FROM wrapped_keys WHERE outer_id <> ?", (outer_id,))
        self._file.execute("DELETE FROM outer_keys WHERE id <> ?", (outer_id,))

    def settled(self, outer_id: int) -> None:
        """Note, after the transaction, that ``outer_id`` is the only one left."""
        self._outer = {outer_id: self._outer[outer_id]}
        self.current = outer_id

    def pending(self) -> bool:
        """Whether the file has more than one outer key: a replacement was cut short."""
        return bool(self._file.execute("SELECT count(*) > 1 FROM outer_keys").fetchone()[0])

    def wrap(self, owner: bytes, key_id: int, key: bytes) -> None:
        """Store a data key, under every outer key at hand."""
        self._file.execute_many(
            "INSERT INTO wrapped_keys (owner, id, outer_id, wrapped) VALUES (?, ?, ?, ?)",
            [
                (owner, key_id, outer_id, self._seal(outer, owner, key_id, key))
                for outer_id, outer in self._outer.items()
            ],
        )

    def unwrap(self, owner: bytes) -> dict[int, bytes]:
        """The owner's data keys by id.

        Raises:
            HistoryCorrupt: when one cannot be opened.
        """
        rows = self._file.execute(
            "SELECT owner, id, wrapped FROM wrapped_keys WHERE owner = ? AND outer_id = ?",
            (owner, self.current),
        ).fetchall()
        return {key_id: key for (_, key_id, _), key in zip(rows, self._open(rows), strict=True)}

    def close(self) -> None:
        """Overwrite the outer keys in memory."""
        while self._outer:
            self._outer.popitem()[1].wipe()

    def discard(self, owner: bytes, *, but: int = 0) -> None:
        """Delete the owner's data keys, except the one with the id ``but``."""
        self._file.execute("DELETE FROM wrapped_keys WHERE owner = ? AND id <> ?", (owner, but))

    def _open(self, rows: list[tuple[bytes, int, bytes]]) -> list[bytes]:
        outer = self._outer[self.current]
        contexts = [self._context(outer, owner, key_id) for owner, key_id, _ in rows]
        try:
            keys = outer.open_many([wrapped for _, _, wrapped in rows], contexts)
        except Unsealable:
            raise HistoryCorrupt("a wrapped key cannot be opened") from None
        return keys

    def _seal(self, outer: SealingKey, owner: bytes, key_id: int, key: bytes) -> bytes:
        return outer.seal(key, self._context(outer, owner, key_id))

    def _context(self, outer: SealingKey, owner: bytes, key_id: int) -> bytes:
        return self._binding("wrapped_keys", outer.key_id, owner, key_id)

    def _commitment(self, key: bytes) -> bytes:
        """Binds the file to one key: AES-GCM alone would open under more than one."""
        return derive(key, "commitment", self._binding.store)
