"""What a history keeps of a person beside the events: small sealed states."""

from __future__ import annotations

from edge_rerank._check import check_id
from edge_rerank._process import OwnLock
from edge_rerank.errors import InvalidRequest
from edge_rerank.history.recording import Recorder
from edge_rerank.history.safekeeping import Safekeeping
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber


class Standing(Safekeeping):
    """What is known of a person beside what they did.

    Args:
        store: the open file, closed by whoever opened it.
        scrubber: takes personal data out of what is kept.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber) -> None:
        super().__init__(store)
        self._recorder = Recorder(store, scrubber)
        self._lock = OwnLock("the history")

    def personalises(self, user: str) -> bool:
        """Whether the person has agreed to personalisation."""
        person = check_user(user)
        with self._lock.checked():
            return self._store.has_consent(person, PERSONALISATION)

    def state(self, user: str, name: str) -> bytes | None:
        """Internal: a small sealed state of the person, ``None`` without one or without consent.

        Args:
            user: the host's identifier.
            name: of the state.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read.
        """
        person = check_user(user)
        with self._lock.checked():
            if not self._store.has_consent(person, PERSONALISATION):
                return None
            return self._store.state(person, name)

    def set_state(self, user: str, name: str, content: bytes | None) -> bool:
        """Internal: seal a small state of the person, on disk when this returns.

        It goes with :meth:`edge_rerank.History.forget`, shows in
        :meth:`edge_rerank.History.access` by name and size, and is deleted when nobody has
        set it for as long as retention allows.

        Args:
            user: the host's identifier.
            name: 1 to 32 characters, at most 8 names a person.
            content: at most 16 KiB; ``None`` deletes, whatever the consent.

        Returns:
            Whether it was done: nothing is kept without consent to personalisation or while
            recording is paused.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            ValueError: when name, number or size is beyond its bound.
            HistoryError: when the history cannot be written.
        """
        person = check_user(user)
        with self._lock.checked():
            if content is None:
                return self._store.remove_state(person, name)
            agreed = self._store.has_consent(person, PERSONALISATION)
            if not agreed or self._store.is_paused(person):
                return False
            self._store.set_state(person, name, content)
            return True


def check_user(user: object) -> str:
    """Return ``user`` if it can name a person.

    Raises:
        InvalidRequest: when it is not 1 to 512 characters.
    """
    return check_id(user, "user", InvalidRequest)
