"""Small sealed states of a person: what is known of somebody beside the events, as bytes by name.

A state is sealed in parts under the person's data key. The sealed head says which rows are its
parts; their numbers are never given again, and a row is bound to its number, so that no row can
be taken away, put back, swapped or replaced by an older one unnoticed. Neither name nor meaning
of a state can be told from the table.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_rerank.errors import HistoryCorrupt
from edge_rerank.history.crypto import MAX_PLAINTEXT, Unsealable, key_id_of
from edge_rerank.history.vault.binding import Binding
from edge_rerank.history.vault.failures import is_whole
from edge_rerank.history.vault.file import HistoryFile
from edge_rerank.history.vault.person import Person, State

MAX_STATES = 8
"""Of one person."""

MAX_KIN = 6
"""States of one person that are named alike up to a dot, as heads of packs are: of more the one
that was put longest ago makes room, so that there is some for states of other kinds."""

MAX_STATE_BYTES = 16 * 1024
MAX_NAME_CHARS = 32

Row = tuple[int, bytes]
"""Number and sealed part."""


class States:
    """The table ``states``. What changes it belongs into a transaction, and the head is saved."""

    def __init__(self, file: HistoryFile, binding: Binding) -> None:
        self._file = file
        self._binding = binding

    def read(self, person: Person, name: str) -> bytes | None:
        """The state called ``name``, ``None`` if there is none.

        Raises:
            HistoryCorrupt: when a part is missing, damaged or out of place.
        """
        state = person.states.get(name)
        return None if state is None else self._content(person, state)

    def contents(self, person: Person) -> dict[str, bytes]:
        """All states by name.

        Raises:
            HistoryCorrupt: when a part is missing, damaged or out of place.
        """
        return {name: self._content(person, state) for name, state in person.states.items()}

    def put(self, person: Person, name: str, content: bytes, *, recorded: int) -> None:
        """Seal a state in the place of the one with the same name.

        Args:
            person: a draft, to be saved.
            name: 1 to :data:`MAX_NAME_CHARS` characters.
            content: at most :data:`MAX_STATE_BYTES`.
            recorded: the store's clock, seconds.

        One that makes room, see :data:`MAX_KIN`, is deleted.

        Raises:
            ValueError: when name, content or the number of states is beyond its bound.
        """
        if not 0 < len(name) <= MAX_NAME_CHARS or len(content) > MAX_STATE_BYTES:
            raise ValueError(
                f"expected a name of 1 to {MAX_NAME_CHARS} characters and at most"
                f" {MAX_STATE_BYTES} bytes, got {len(name)} and {len(content)}"
            )
        self._make_room(person, name)
        if name not in person.states and len(person.states) >= MAX_STATES:
            raise ValueError(f"expected at most {MAX_STATES} states of a person, got one more")
        self.drop(person, name)
        parts = _split(content)
        first = person.last_state + 1
        seqs = range(first, first + len(parts))
        sealed = person.key.seal_many(parts, self._contexts(person, person.current, seqs))
        self._insert(person, list(zip(seqs, sealed, strict=True)))
        person.last_state = seqs[-1]
        person.states = {**person.states, name: State(first, len(parts), recorded)}

    def _make_room(self, person: Person, name: str) -> None:
        """Delete those of the state's kin that were put longest ago, down to one less than allowed.

        Numbers of rows are never given again, so they tell the order.
        """
        family, dot, _ = name.partition(".")
        kin = [
            (state.first, one)
            for one, state in person.states.items()
            if dot and one != name and one.startswith(family + dot)
        ]
        for _, one in sorted(kin)[: max(len(kin) - MAX_KIN + 1, 0)]:
            self.drop(person, one)

    def drop(self, person: Person, name: str) -> bool:
        """Delete the state called ``name``, in whatever condition; whether there was one."""
        state = person.states.get(name)
        if state is None:
            return False
        self._file.execute(
            "DELETE FROM states WHERE person = ? AND seq BETWEEN ? AND ?",
            (person.pseudonym, state.first, state.last),
        )
        person.states = {kept: one for kept, one in person.states.items() if kept != name}
        return True

    def drop_older(self, person: Person, recorded_after: int) -> int:
        """Delete the states that were put before a time of the store's clock; how many."""
        old = [name for name, state in person.states.items() if state.recorded < recorded_after]
        return sum(self.drop(person, name) for name in old)

    def delete_under(self, pseudonym: bytes) -> None:
        """Delete every state that is stored under a pseudonym, in whatever condition."""
        self._file.execute("DELETE FROM states WHERE person = ?", (pseudonym,))

    def orphans(self) -> int:
        """How many rows belong to nobody."""
        found = self._file.execute(
            "SELECT count(*) FROM states WHERE person NOT IN (SELECT pseudonym FROM people)"
        )
        return int(found.fetchone()[0])

    def delete_orphans(self) -> int:
        """Delete what belongs to nobody; how many rows."""
        done = self._file.execute(
            "DELETE FROM states WHERE person NOT IN (SELECT pseudonym FROM people)"
        )
        return int(done.rowcount)

    def reseal(self, person: Person) -> None:
        """Seal under the current key what is under another one.

        Raises:
            HistoryCorrupt: when a part is missing, damaged or out of place.
        """
        stale = [row for row in self._verified(person) if key_id_of(row[1]) != person.current]
        if stale:
            parts = self._open(person, stale)
            contexts = self._contexts(person, person.current, [seq for seq, _ in stale])
            sealed = person.key.seal_many(parts, contexts)
            for (seq, _), fresh in zip(stale, sealed, strict=True):
                self.rewrite(person, seq, fresh)

    def move(self, person: Person, fresh: Person) -> list[Row]:
        """The rows of the person's states, sealed for another record of the same person.

        Args:
            person: whose.
            fresh: is told of the states; :meth:`replace` stores the rows.

        Raises:
            HistoryCorrupt: when a part is missing, damaged or out of place.
        """
        fresh.states, fresh.last_state = person.states, person.last_state
        rows = self._verified(person)
        seqs = [seq for seq, _ in rows]
        contexts = self._contexts(fresh, fresh.current, seqs)
        sealed = fresh.key.seal_many(self._open(person, rows), contexts)
        return list(zip(seqs, sealed, strict=True))

    def replace(self, person: Person, fresh: Person, rows: Sequence[Row]) -> None:
        """Put rows of :meth:`move` in the place of the person's, once both heads are there."""
        self.delete_under(person.pseudonym)
        self._insert(fresh, rows)

    def verify(self, person: Person) -> None:
        """See that exactly the person's states are there, and that each can be opened.

        Raises:
            HistoryCorrupt: when a part was added, removed, replaced or damaged.
        """
        self._open(person, self._verified(person))

    def sealed(self, person: Person) -> list[Row]:
        """What lies in the file for the person, by number."""
        return self._file.execute(
            "SELECT seq, sealed FROM states WHERE person = ? ORDER BY seq", (person.pseudonym,)
        ).fetchall()

    def opens(self, person: Person, seq: int, sealed: bytes) -> bool:
        """Whether ``sealed`` is the person's part of that number."""
        return is_whole(lambda: self._open(person, [(seq, sealed)]))

    def rewrite(self, person: Person, seq: int, sealed: bytes) -> None:
        """Put a sealed part in the place of the one of that number."""
        self._file.execute(
            "UPDATE states SET sealed = ? WHERE person = ? AND seq = ?",
            (sealed, person.pseudonym, seq),
        )

    def salvage(self, person: Person) -> int:
        """Delete the states that cannot be read, and whatever belongs to none; how many of both."""
        lost = [
            name
            for name, state in person.states.items()
            if not is_whole(lambda state=state: self._content(person, state))  # type: ignore[misc]
        ]
        for name in lost:
            self.drop(person, name)
        stray = [row for row in self.sealed(person) if row[0] not in _numbers(person)]
        for seq, _ in stray:
            self._file.execute(
                "DELETE FROM states WHERE person = ? AND seq = ?", (person.pseudonym, seq)
            )
        return len(lost) + len(stray)

    def _verified(self, person: Person) -> list[Row]:
        rows = self.sealed(person)
        if [seq for seq, _ in rows] != _numbers(person):
            raise HistoryCorrupt("a state of a person was added, removed or replaced")
        return rows

    def _insert(self, person: Person, rows: Sequence[Row]) -> None:
        self._file.execute_many(
            "INSERT INTO states (person, seq, sealed) VALUES (?, ?, ?)",
            [(person.pseudonym, *row) for row in rows],
        )

    def _content(self, person: Person, state: State) -> bytes:
        rows = self._file.execute(
            "SELECT seq, sealed FROM states WHERE person = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (person.pseudonym, state.first, state.last),
        ).fetchall()
        if len(rows) != state.parts:
            raise HistoryCorrupt("a state of a person was added, removed or replaced")
        return b"".join(self._open(person, rows))

    def _open(self, person: Person, rows: Sequence[Row]) -> list[bytes]:
        """The parts in their order. Two keys are in use while the person's is being rotated."""
        parts = []
        for seq, sealed in rows:
            key_id = key_id_of(sealed)
            key = person.keys.get(key_id)
            if key is None:
                raise HistoryCorrupt("a state of a person cannot be opened")
            try:
                parts.append(key.open(sealed, self._contexts(person, key_id, [seq])[0]))
            except Unsealable:
                raise HistoryCorrupt("a state of a person cannot be opened") from None
        return parts

    def _contexts(self, person: Person, key_id: int, seqs: Sequence[int]) -> list[bytes]:
        return [self._binding("states", key_id, person.pseudonym, seq) for seq in seqs]


def _split(content: bytes) -> list[bytes]:
    """One part at least, each as long as a sealed value can be."""
    starts = range(0, max(len(content), 1), MAX_PLAINTEXT)
    return [content[start : start + MAX_PLAINTEXT] for start in starts]


def _numbers(person: Person) -> list[int]:
    """The numbers of the rows that the head knows of, in their order."""
    return sorted(
        seq for state in person.states.values() for seq in range(state.first, state.last + 1)
    )
