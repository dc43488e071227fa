"""What is kept of a person beside the events: consent, pause, small states."""

from __future__ import annotations

from collections.abc import Mapping

from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.locked import LockedVault
from edge_rerank.history.vault.person import Person
from edge_rerank.history.vault.rights import (
    change_state,
    drop_state,
    note_decision,
    note_pause,
    put_state,
)


class PersonalVault(LockedVault):
    """An open vault's answers about one person's standing, safe from several threads."""

    def set_consent(self, user: str, purpose: str, granted: bool) -> None:
        """Note the person's decision; refusing where nothing is stored stores nothing.

        Raises:
            InvalidRequest: when the purpose is malformed or one too many.
        """
        with self._use() as vault:
            note_decision(vault, user, purpose, granted)

    def has_consent(self, user: str, purpose: str) -> bool:
        """Whether the person agreed; ``False`` for an unknown person."""
        with self._use() as vault:
            person = vault.find(user)
            return person is not None and decisions_of(person).get(purpose, False)

    def consents(self, user: str) -> Mapping[str, bool]:
        """The person's decisions by purpose."""
        with self._use() as vault:
            person = vault.find(user)
            return {} if person is None else decisions_of(person)

    def set_paused(self, user: str, paused: bool) -> None:
        """Pause or resume recording; without effect for an unknown person."""
        with self._use() as vault:
            note_pause(vault, user, paused)

    def is_paused(self, user: str) -> bool:
        """Whether the person's recording is paused."""
        with self._use() as vault:
            person = vault.find(user)
            return person is not None and person.paused

    def state(self, user: str, name: str) -> bytes | None:
        """A small state of the person, ``None`` where there is none.

        Raises:
            HistoryCorrupt: when it is damaged or out of place.
        """
        with self._use() as vault:
            person = vault.find(user)
            return None if person is None else vault.states.read(person, name)

    def set_state(self, user: str, name: str, content: bytes) -> None:
        """Seal a small state of the person in place of the last one, on disk when this returns.

        Args:
            user: the host's identifier.
            name: 1 to 32 characters, at most 8 names a person; cannot be read without the key. Of
                more than 6 that are alike up to a dot, the one set longest ago is deleted.
            content: at most 16 KiB.

        Raises:
            ValueError: when something is beyond its bound.
            HistoryError: when the file cannot be written.
        """
        with self._use() as vault:
            put_state(vault, user, name, content)

    def change_state(
        self, user: str, name: str, content: bytes | None, *, action: AuditAction, count: int
    ) -> None:
        """:meth:`set_state`, noted in the audit log; what was there leaves the write-ahead log.

        Args:
            user: the host's identifier.
            name: as for :meth:`set_state`.
            content: likewise; ``None`` deletes.
            action: what the audit log calls it.
            count: what it says beside.
        """
        with self._use() as vault:
            change_state(vault, user, name, content, action=action, count=count)

    def remove_state(self, user: str, name: str) -> bool:
        """Delete a small state of the person, from the write-ahead log as well.

        Returns:
            Whether there was one.
        """
        with self._use() as vault:
            return drop_state(vault, user, name)


def decisions_of(person: Person) -> dict[str, bool]:
    """The person's decisions by purpose."""
    return {purpose: decision.granted for purpose, decision in person.consents.items()}
