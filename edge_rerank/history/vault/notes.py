"""Small sealed values of the store as a whole, such as a privacy budget already spent."""

from __future__ import annotations

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import Unsealable
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.keybook import KeyBook
from edge_rerank.history.vault.root import MODULUS, Root


class Notes:
    """The table ``notes``; the root notices one taken away or put back."""

    def __init__(self, file: HistoryFile, binding: Binding, keybook: KeyBook) -> None:
        self._file = file
        self._binding = binding
        self._keybook = keybook
        self._verified = False

    def read(self, root: Root, name: str) -> bytes | None:
        """The note called ``name``, ``None`` if there is none.

        Raises:
            HistoryCorrupt: when any note is not what the root says.
        """
        self.verify(root)
        sealed = self._sealed(name)
        if sealed is None:
            return None
        try:
            return self._keybook.newest.notes.open(sealed, self._context(name))
        except Unsealable:
            raise HistoryCorrupt("a note cannot be opened") from None

    def write(self, root: Root, name: str, value: bytes) -> None:
        """Put a note in the place of the one with the same name, inside a transaction."""
        self.verify(root)
        before = self._sealed(name)
        if before is not None:
            root.notes -= self._hash(name.encode(), before)
        sealed = self._keybook.newest.notes.seal(value, self._context(name))
        self._file.execute(
            "INSERT OR REPLACE INTO notes (name, sealed) VALUES (?, ?)", (name, sealed)
        )
        root.notes = (root.notes + self._hash(name.encode(), sealed)) % MODULUS

    def verify(self, root: Root, *, again: bool = False) -> None:
        """Compare all notes with the root, once.

        Raises:
            HistoryCorrupt: when one was added, removed or replaced.
        """
        if self._verified and not again:
            return
        total = sum(
            self._hash(name.encode(), sealed)
            for name, sealed in self._file.execute("SELECT name, sealed FROM notes")
        )
        if total % MODULUS != root.notes:
            raise HistoryCorrupt("a note was added, removed or replaced")
        self._verified = True

    def contents(self, root: Root) -> dict[str, bytes]:
        """All notes by name.

        Raises:
            HistoryCorrupt: when any note is not what the root says.
        """
        names = [str(name) for (name,) in self._file.execute("SELECT name FROM notes")]
        return {name: self.read(root, name) or b"" for name in names}

    def rewrite(self, root: Root, contents: dict[str, bytes]) -> None:
        """Seal all notes anew, inside a transaction that has just begun an epoch."""
        self._file.execute("DELETE FROM notes")
        root.notes = 0
        for name, content in contents.items():
            self.write(root, name, content)

    def _hash(self, name: bytes, sealed: bytes) -> int:
        return self._keybook.newest.noted(name, sealed)

    def _sealed(self, name: str) -> bytes | None:
        row = self._file.execute("SELECT sealed FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def _context(self, name: str) -> bytes:
        return self._binding("notes", self._keybook.newest.id, name.encode())
