"""What a history keeps of a person beside the events: attributes, small sealed states, budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from edge_rerank._check import check_id
from edge_rerank._process import OwnLock
from edge_rerank.errors import ConsentRequired, InvalidRequest
from edge_rerank.formats.attributes import Value, Values, check_values
from edge_rerank.history.budget import MICRO, ROUNDS, spend_round, spent
from edge_rerank.history.description import NOBODY
from edge_rerank.history.recording import Follow, Recorder
from edge_rerank.history.safekeeping import Safekeeping
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.retention import DAY_S
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.types import Event


class PersonStates(Safekeeping):
    """What is kept of a person beside the events.

    Args:
        store: the open file, closed by whoever opened it.
        scrubber: takes personal data out of what is kept.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber) -> None:
        super().__init__(store)
        self._recorder = Recorder(store, scrubber)
        self._lock = OwnLock("the history")
        self._followers: list[Callable[[str], AbstractContextManager[Follow]]] = []

    def describe(self, user: str, attributes: Mapping[str, Value | None]) -> None:
        """Keep what the host knows of ``user`` beside the events, as an age group or a region.

        Sealed like an event and on disk when this returns; nothing is inferred. Text is scrubbed,
        and a number that is personal data becomes a string. What nobody has stated again for as
        long as retention allows is deleted.

        Args:
            user: the host's identifier of the person; only a keyed hash of it is stored.
            attributes: strings of 1 to 128 printable characters, or numbers, by names of 1 to 64
                of ``A-Z a-z 0-9 . _ -``; they take the places of those of the same names, and
                ``None`` takes one away. At most 32 of a person.

        Raises:
            ConsentRequired: when the person has not agreed to personalisation, or, as
                RecordingPaused, has paused recording.
            InvalidRequest: when something is malformed, a name is personal data, or it would be
                too much.
            HistoryError: when the history cannot be written.
        """
        self._lock.check()
        person = check_user(user)
        given = check_values(attributes, "attributes", InvalidRequest)
        if not given:
            return
        with self._lock.checked():
            self._recorder.describe(person, given)

    def description(self, user: str) -> Values:
        """The attributes of ``user``, as ranking sees them; none without consent.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read.
        """
        person = check_user(user)
        with self._lock.checked():
            if not self._store.has_consent(person, PERSONALISATION):
                return NOBODY
            self._store.tend()
            return self._recorder.attributes(person)

    def stored_description(self, user: str) -> Values:
        """Internal: the attributes whatever the consent, beside a reading that the audit log notes.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read.
        """
        person = check_user(user)
        with self._lock.checked():
            return self._recorder.attributes(person)

    def beside_record(self, follower: Callable[[str], AbstractContextManager[Follow]]) -> None:
        """Internal: have states of a person change with their events, in one transaction.

        Args:
            follower: gives for the user what is entered around every ``record()``. What that gives
                is asked for the states inside of the transaction. It is left in peace once events
                and states are on disk, and with the error where neither is.
        """
        self._followers.append(follower)

    @contextmanager
    def _followed(self, user: str) -> Iterator[Follow]:
        """Around a ``record()``: what follows from its events, of all followers."""
        with ExitStack() as entered:
            follows = [entered.enter_context(one(user)) for one in self._followers]

            def follow(events: Sequence[Event], new: Collection[int]) -> Mapping[str, bytes]:
                states: dict[str, bytes] = {}
                for one in follows:
                    states.update(one(events, new))
                return states

            yield follow

    def personalises(self, user: str) -> bool:
        """Whether the person has agreed to personalisation."""
        person = check_user(user)
        with self._lock.checked():
            return self._store.has_consent(person, PERSONALISATION)

    def check_agreed(self, user: str, purpose: str) -> None:
        """Internal: see that the person has agreed to personalisation and to a purpose.

        Raises:
            ConsentRequired: when they have not agreed to both.
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when the history cannot be read.
        """
        person = check_user(user)
        with self._lock.checked():
            decisions = self._store.consents(person)
        if not (decisions.get(PERSONALISATION, False) and decisions.get(purpose, False)):
            raise ConsentRequired(
                f"expected consent to {PERSONALISATION} and to the purpose {purpose}"
            )

    def spend_round(self, user: str, noise: float) -> float:
        """Internal: note the price of a fleet's round, and in the audit log that it was given.

        Args:
            user: whose vector it is for.
            noise: multiplier of the round.

        Returns:
            The ε that is left for the life of the file.

        Raises:
            PrivacyBudgetSpent: when there is not enough left; nothing is noted then.
            HistoryError: when it cannot be noted.
        """
        person = check_user(user)
        with self._lock.checked():
            left = spend_round(self._store, noise)
            self._store.log(AuditAction.RELEASED, user=person, purpose=ROUNDS)
            return left

    def spent_epsilon(self) -> float:
        """Internal: the ε that counts and a fleet's rounds have cost the people in the file.

        Raises:
            HistoryError: when the history cannot be read.
        """
        with self._lock.checked():
            return spent(self._store) / MICRO

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

    def disclosed_state(self, user: str, name: str) -> bytes | None:
        """Internal: a small sealed state for somebody to see, whatever the consent.

        The audit log notes it, where there is one.

        Raises:
            InvalidRequest: when ``user`` is malformed.
            HistoryError: when it cannot be read, or the reading not be noted.
        """
        person = check_user(user)
        with self._lock.checked():
            content = self._store.state(person, name)
            if content is not None:
                self._store.log(AuditAction.READ, user=person)
            return content

    @property
    def kept_since(self) -> float:
        """Internal: UTC seconds before which retention keeps nothing."""
        with self._lock.checked():
            days = self._store.retention.max_age_days
        return -math.inf if days is None else time.time() - days * DAY_S

    def set_state(self, user: str, name: str, content: bytes | None) -> bool:
        """Internal: seal a small state of the person, on disk when this returns.

        It goes with :meth:`edge_rerank.History.forget`, shows in
        :meth:`edge_rerank.History.access` by name and size, and is deleted when nobody has
        set it for as long as retention allows.

        Args:
            user: the host's identifier.
            name: 1 to 32 characters, at most 8 names a person; of more than 6 that are alike up
                to a dot, the one set longest ago is deleted.
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
