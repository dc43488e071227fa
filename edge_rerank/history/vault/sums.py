"""The sums of the leaves: what a bucket of many people adds up to, in 64 parts.

The root's sums are over whole buckets, so that it stays small. To see that one person's head is
the one that the root knows, all heads of the bucket would have to be added up, and of 100,000
people that are 1,560. The table ``sums`` keeps, sealed, what each leaf of such a bucket adds up
to: one row of it and the two dozen heads of a leaf are then enough.

Nothing is believed of a row by itself. That it opens says that this store once wrote it; that its
sums add up to the bucket's in the root says that it is of the present heads, because an older one
is of other heads, whose keyed hashes add up to something else. A row that is missing, damaged or
put back helps nobody: the whole bucket is added up then, as where there is none.
"""

from __future__ import annotations

from edge_rerank.history.crypto import Unsealable
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.root import LEAVES, SUM_BYTES, Leaves, Root

_COUNT_BYTES = 4


class FineSums:
    """The table ``sums``. What changes it belongs into a transaction."""

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook

    def read(self, root: Root, bucket: int) -> Leaves | None:
        """The leaves of a bucket, ``None`` where no row tells what the root vouches for."""
        sealed = self._sealed(bucket)
        if not isinstance(sealed, bytes):
            return None
        try:
            leaves = _parse(self._keybook.newest.sums.open(sealed, self._context(bucket)))
        except (Unsealable, ValueError):
            return None
        return leaves if leaves.total == root.sums[bucket] else None

    def is_broken(self, root: Root, bucket: int) -> bool:
        """Whether there is a row for the bucket that says nothing of the present heads."""
        return self._sealed(bucket) is not None and self.read(root, bucket) is None

    def save(self, root: Root) -> None:
        """Bring the rows of the buckets that changed up to date, at the end of a transaction."""
        for bucket in sorted(root.changed):
            leaves = root.leaves.get(bucket)
            if leaves is not None and leaves.fine:
                self._file.execute(
                    "INSERT OR REPLACE INTO sums (bucket, sealed) VALUES (?, ?)",
                    (bucket, self._seal(bucket, leaves)),
                )
            else:
                self._file.execute("DELETE FROM sums WHERE bucket = ?", (bucket,))
        root.changed.clear()

    def begin_epoch(self, root: Root) -> None:
        """Drop the rows of the epoch before; those whose leaves are known are sealed anew."""
        self._file.execute("DELETE FROM sums")
        root.changed.update(bucket for bucket, leaves in root.leaves.items() if leaves.fine)

    def _sealed(self, bucket: int) -> object:
        found = self._file.execute("SELECT sealed FROM sums WHERE bucket = ?", (bucket,))
        row = found.fetchone()
        return None if row is None else row[0]

    def _seal(self, bucket: int, leaves: Leaves) -> bytes:
        content = leaves.people.to_bytes(_COUNT_BYTES, "big") + b"".join(
            one.to_bytes(SUM_BYTES, "big") for one in leaves.sums
        )
        return self._keybook.newest.sums.seal(content, self._context(bucket))

    def _context(self, bucket: int) -> bytes:
        return self._binding("sums", self._keybook.newest.id, b"", bucket)


def _parse(content: bytes) -> Leaves:
    if len(content) != _COUNT_BYTES + LEAVES * SUM_BYTES:
        raise ValueError("sums")
    sums = (content[at : at + SUM_BYTES] for at in range(_COUNT_BYTES, len(content), SUM_BYTES))
    people = int.from_bytes(content[:_COUNT_BYTES], "big")
    return Leaves(tuple(int.from_bytes(one, "big") for one in sums), people)
