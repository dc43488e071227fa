"""Envelope encryption: outer keys, never in the file, wrap rings of keys, which lie in it.

An outer key wraps the ring of the newest epoch and nothing else; the ring's 64 bucket keys
wrap the data keys of the people. To replace the outer key is to wrap one value, however many
people there are; to erase somebody for good is to wrap the data keys of one bucket anew.

While the outer key is being replaced, the ring lies in the file twice, wrapped under the old
and under the new one, so that whichever the key source gives after a crash opens the file,
and the old outer key itself is never written down.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.errors import HistoryCorrupt, HistoryKeyError
from edge_rerank.history.crypto import SealingKey, Unsealable, derive, key_id_of, same
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.epochs import Epoch
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.root import bucket_range

UNDER_NEWEST = 0
"""In the place of an outer key's id: wrapped under the newest ring."""

State = tuple[dict[int, SealingKey], int, dict[int, Epoch]]
"""What a transaction that fails puts back."""


class KeyBook:
    """The tables ``outer_keys``, ``rings`` and ``wrapped_keys``.

    What changes it belongs into a transaction; if that fails, :meth:`restore`.
    """

    def __init__(self, file: HistoryFile, binding: Binding) -> None:
        self._file = file
        self._binding = binding
        self._outer: dict[int, SealingKey] = {}
        self.current = 0
        """Id of the outer key that opened the file."""
        self.epochs: dict[int, Epoch] = {}
        """Those whose ring is in the file, by id; one, but for the time of a rekey."""

    @property
    def newest(self) -> Epoch:
        """The epoch in which whatever is new is sealed."""
        return self.epochs[max(self.epochs)]

    def state(self) -> State:
        """What :meth:`restore` takes."""
        return dict(self._outer), self.current, dict(self.epochs)

    def restore(self, state: State) -> None:
        """Forget what a transaction that failed would have changed."""
        self._outer, self.current, self.epochs = state

    # -- outer keys -------------------------------------------------------------------

    def create(self, key: bytes) -> None:
        """Begin with one outer key, in a file that has its tables."""
        self.current = self.add_outer(key)

    def add_outer(self, key: bytes) -> int:
        """Take in another outer key and wrap the newest ring under it as well; returns its id."""
        last = self._file.execute("SELECT coalesce(max(id), 0) FROM outer_keys").fetchone()[0]
        outer_id = int(last) + 1
        self._file.execute(
            "INSERT INTO outer_keys (id, commitment) VALUES (?, ?)",
            (outer_id, self._commitment(key)),
        )
        self._outer[outer_id] = SealingKey(key, outer_id)
        self.save_newest()
        return outer_id

    def identify(self, key: bytes) -> SealingKey:
        """Find out which of the file's outer keys ``key`` is.

        Raises:
            HistoryKeyError: when it is none of them.
        """
        commitment = self._commitment(key)
        for outer_id, known in self._file.execute("SELECT id, commitment FROM outer_keys"):
            if same(commitment, bytes(known)):
                self.current = outer_id
                self._outer = {outer_id: SealingKey(key, outer_id)}
                return self._outer[outer_id]
        raise HistoryKeyError("the key is not the one this history file was sealed with")

    def unlock(self, key: bytes) -> None:
        """Open the rings with ``key``.

        Raises:
            HistoryKeyError: when it is none of the file's outer keys.
            HistoryCorrupt: when a ring cannot be opened.
        """
        outer = self.identify(key)
        rings = self._file.execute(
            "SELECT id, outer_id, wrapped FROM rings WHERE outer_id IN (?, ?) ORDER BY outer_id",
            (UNDER_NEWEST, self.current),
        ).fetchall()
        if not rings or rings[-1][1] == UNDER_NEWEST:
            raise HistoryCorrupt("the file lacks its ring of keys")
        newest_id, _, wrapped = rings.pop()
        newest = self._open_ring(outer, newest_id, wrapped)
        older = (
            self._open_ring(newest.ring, epoch_id, wrapped)
            for epoch_id, outer_id, wrapped in rings
            if outer_id == UNDER_NEWEST and epoch_id < newest_id
        )
        self.epochs = {epoch.id: epoch for epoch in (*older, newest)}
        if len(self.epochs) != len(rings) + 1:
            raise HistoryCorrupt("a ring of keys was added")

    def keep_only(self, outer_id: int) -> None:
        """Drop every outer key but one, and the rings that are wrapped under the others."""
        self._file.execute(
            "DELETE FROM rings WHERE outer_id NOT IN (?, ?)", (UNDER_NEWEST, outer_id)
        )
        self._file.execute("DELETE FROM outer_keys WHERE id <> ?", (outer_id,))
        self._outer = {outer_id: self._outer[outer_id]}
        self.current = outer_id

    def pending(self) -> bool:
        """Whether the file has more than one outer key: a replacement was cut short."""
        return bool(self._file.execute("SELECT count(*) > 1 FROM outer_keys").fetchone()[0])

    def save_newest(self) -> None:
        """Wrap the newest ring under every outer key at hand."""
        self._save(self.newest)

    # -- epochs -----------------------------------------------------------------------

    def begin_epoch(self) -> None:
        """Make the keys of another epoch; the rings before lie under its ring from now on.

        An outer key in use then wraps the new ring alone.
        """
        fresh = Epoch.fresh(self.newest.id + 1, names=self.newest.names)
        self.epochs[fresh.id] = fresh
        for epoch in self.epochs.values():
            self._save(epoch)

    def end_epochs(self) -> None:
        """Drop every ring but the newest."""
        newest = self.newest
        self._file.execute("DELETE FROM rings WHERE id <> ?", (newest.id,))
        self.epochs = {newest.id: newest}

    def renew_bucket(self, epoch_id: int, bucket: int) -> None:
        """Give a bucket another key and wrap what is in it anew.

        What the former key wrapped, in whatever copy, stays closed to who opens this file. A
        wrapped key that is damaged stays as it is; it opens nothing.
        """
        before = self.epochs[epoch_id]
        after = before.renewed(bucket)
        rows = self._file.execute(
            "SELECT owner, id, wrapped FROM wrapped_keys WHERE owner BETWEEN ? AND ?",
            bucket_range(bucket),
        ).fetchall()
        rows = [row for row in rows if isinstance(row[2], bytes) and key_id_of(row[2]) == epoch_id]
        if rows:
            former, renewed = before.wrapping(rows[0][0]), after.wrapping(rows[0][0])
            self._file.execute_many(
                "UPDATE wrapped_keys SET wrapped = ? WHERE owner = ? AND id = ?",
                [
                    (self._seal(renewed, owner, key_id, key), owner, key_id)
                    for (owner, key_id, _), key in self._open_whole(former, rows)
                ],
            )
        self.epochs[epoch_id] = after
        self._save(after)

    # -- data keys --------------------------------------------------------------------

    def wrap(self, epoch_id: int, owner: bytes, key_id: int, key: bytes) -> None:
        """Store a data key."""
        wrapping = self.epochs[epoch_id].wrapping(owner)
        self._file.execute(
            "INSERT INTO wrapped_keys (owner, id, wrapped) VALUES (?, ?, ?)",
            (owner, key_id, self._seal(wrapping, owner, key_id, key)),
        )

    def unwrap(self, owner: bytes) -> dict[int, bytes]:
        """The owner's data keys by id.

        Raises:
            HistoryCorrupt: when one cannot be opened.
        """
        rows = self._file.execute(
            "SELECT owner, id, wrapped FROM wrapped_keys WHERE owner = ?", (owner,)
        ).fetchall()
        keys = {}
        for row in rows:
            epoch = self.epochs.get(key_id_of(row[2]))
            if epoch is None:
                raise HistoryCorrupt("a wrapped key cannot be opened")
            keys[row[1]] = self._open(epoch.wrapping(owner), [row])[0]
        return keys

    def close(self) -> None:
        """Overwrite the outer keys in memory."""
        while self._outer:
            self._outer.popitem()[1].wipe()

    def discard(self, owner: bytes, *, but: int = 0) -> None:
        """Delete the owner's data keys, except the one with the id ``but``."""
        self._file.execute("DELETE FROM wrapped_keys WHERE owner = ? AND id <> ?", (owner, but))

    # -- damage -----------------------------------------------------------------------

    def wrapped(self, owner: bytes) -> list[tuple[int, bytes]]:
        """The owner's data keys as they lie in the file, with their ids."""
        return self._file.execute(
            "SELECT id, wrapped FROM wrapped_keys WHERE owner = ?", (owner,)
        ).fetchall()

    def copies(self, owner: bytes) -> int:
        """How many data keys the owner has: two while they are being rotated."""
        return len(self.wrapped(owner))

    def opens(self, owner: bytes, key_id: int, wrapped: bytes) -> bool:
        """Whether ``wrapped`` is one of the owner's data keys."""
        epoch = self.epochs.get(key_id_of(wrapped))
        if epoch is None:
            return False
        return bool(self._open_whole(epoch.wrapping(owner), [(owner, key_id, wrapped)]))

    def rewrite(self, owner: bytes, key_id: int, wrapped: bytes) -> None:
        """Put a wrapped key in the place of a damaged one."""
        self._file.execute(
            "UPDATE wrapped_keys SET wrapped = ? WHERE owner = ? AND id = ?",
            (wrapped, owner, key_id),
        )

    # -- inside -----------------------------------------------------------------------

    def _save(self, epoch: Epoch) -> None:
        """Write a ring: the newest under every outer key at hand, another under the newest."""
        newest = self.newest
        wrapping = {UNDER_NEWEST: newest.ring} if epoch is not newest else self._outer
        self._file.execute("DELETE FROM rings WHERE id = ?", (epoch.id,))
        self._file.execute_many(
            "INSERT INTO rings (id, outer_id, wrapped) VALUES (?, ?, ?)",
            [
                (epoch.id, place, key.seal(epoch.dump(), self._ring_context(key, epoch.id)))
                for place, key in wrapping.items()
            ],
        )

    def _open_ring(self, key: SealingKey, epoch_id: int, wrapped: bytes) -> Epoch:
        try:
            ring = key.open(wrapped, self._ring_context(key, epoch_id))
            return Epoch.parse(epoch_id, ring)
        except (Unsealable, ValueError):
            raise HistoryCorrupt("a ring of keys cannot be opened") from None

    def _ring_context(self, key: SealingKey, epoch_id: int) -> bytes:
        return self._binding("rings", key.key_id, b"", epoch_id)

    def _open_whole(
        self, key: SealingKey, rows: Sequence[tuple[bytes, int, bytes]]
    ) -> list[tuple[tuple[bytes, int, bytes], bytes]]:
        """The rows that can be opened, each with its key."""
        try:
            return list(zip(rows, self._open(key, rows), strict=True))
        except HistoryCorrupt:
            if len(rows) == 1:
                return []
        middle = len(rows) // 2
        return self._open_whole(key, rows[:middle]) + self._open_whole(key, rows[middle:])

    def _open(self, key: SealingKey, rows: Sequence[tuple[bytes, int, bytes]]) -> list[bytes]:
        contexts = [self._context(key, owner, key_id) for owner, key_id, _ in rows]
        try:
            return key.open_many([wrapped for _, _, wrapped in rows], contexts)
        except Unsealable:
            raise HistoryCorrupt("a wrapped key cannot be opened") from None

    def _seal(self, wrapping: SealingKey, owner: bytes, key_id: int, key: bytes) -> bytes:
        return wrapping.seal(key, self._context(wrapping, owner, key_id))

    def _context(self, wrapping: SealingKey, owner: bytes, key_id: int) -> bytes:
        return self._binding("wrapped_keys", wrapping.key_id, owner, key_id)

    def _commitment(self, key: bytes) -> bytes:
        """Binds the file to one key: AES-GCM alone would open under more than one."""
        return derive(key, "commitment", self._binding.store)
