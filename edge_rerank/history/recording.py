"""The way into the sealed store: consent asked, outliers cut, personal data out."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence

from edge_rerank.errors import ConsentRequired, RecordingPaused
from edge_rerank.formats.attributes import Value, Values
from edge_rerank.history.aliases import Aliases
from edge_rerank.history.clean import clean
from edge_rerank.history.description import ATTRIBUTES, changed, decode, encode, scrubbed
from edge_rerank.history.vault.audit import AuditAction
from edge_rerank.history.vault.codec import MAX_QUERY_CHARS, MAX_TEXT_CHARS
from edge_rerank.history.vault.consents import PERSONALISATION
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import KEPT_NOTE, Scrubber
from edge_rerank.types import Event

Follow = Callable[[Sequence[Event], Collection[int]], Mapping[str, bytes]]
"""Gives what follows from events of a person: the contents of small states by name. It is told the
events, cleaned and in their order, and the places of those that are new, for others were kept
before. It must not call the history."""


class Recorder:
    """The one way into the store: nothing is sealed that was not cleaned and scrubbed here.

    Args:
        store: keeps the events, and a note of what the scrubber leaves in.
        scrubber: takes personal data out.

    Attributes:
        aliases: stand for identifiers that are personal data.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber) -> None:
        self._store = store
        self._scrubber = scrubber
        self.aliases = Aliases(store, scrubber)
        self._noted = False

    def prepare(self, events: Sequence[Event], *, now: float) -> list[Event]:
        """The events cleaned and scrubbed, as :meth:`store` takes them.

        Args:
            events: are not changed.
            now: UTC seconds.

        Raises:
            InvalidEvent: when an event's timestamp lies in the future.
        """
        # Scrubbing cuts, so it comes before anything that reads or copies a text of 100 MB.
        brief = (
            self._scrubber.clean(event, text_chars=MAX_TEXT_CHARS, query_chars=MAX_QUERY_CHARS)
            for event in events
        )
        return [clean(event, now=now) for event in brief]

    def store(
        self, user: str, prepared: Sequence[Event], follow: Follow | None = None
    ) -> tuple[Event, ...]:
        """Seal events of :meth:`prepare` and what follows from them; all or, on an error, nothing.

        Args:
            user: the host's identifier.
            prepared: by :meth:`prepare`.
            follow: gives the states that go into the same transaction.

        Returns:
            The new ones as they are kept; the others were duplicates.

        Raises:
            ConsentRequired: without the person's consent to personalisation.
            RecordingPaused: while the person has paused recording.
            HistoryError: when the store refuses.
        """
        self._begin(user)
        named = [self.aliases.put(event) for event in prepared]

        def states(new: Collection[int]) -> Mapping[str, bytes]:
            return {} if follow is None else follow(prepared, new)

        return self._store.append(user, named, states=states).stored

    def describe(self, user: str, given: Mapping[str, Value | None]) -> None:
        """Keep attributes of a person in the place of those of the same names.

        Args:
            user: the host's identifier.
            given: checked values; ``None`` takes an attribute away.

        Raises:
            ConsentRequired: without the person's consent to personalisation.
            RecordingPaused: while the person has paused recording.
            InvalidRequest: when a name is personal data, or it would be too much.
            HistoryError: when the store refuses.
        """
        self._begin(user)
        known = self.attributes(user)
        after = changed(known, scrubbed(given, self._scrubber))
        content = encode(after)
        if after != known:
            action = AuditAction.DESCRIBED
            self._store.change_state(
                user, ATTRIBUTES, content if after else None, action=action, count=len(after)
            )
        elif after:  # stated again, which retention counts from
            self._store.set_state(user, ATTRIBUTES, content)

    def attributes(self, user: str) -> Values:
        """The attributes of a person, whatever the consent.

        Raises:
            HistoryError: when they cannot be read.
        """
        return decode(self._store.state(user, ATTRIBUTES))

    def _begin(self, user: str) -> None:
        """See that something may be kept, and do what is due before."""
        if not self._store.has_consent(user, PERSONALISATION):
            raise ConsentRequired(
                "the person has not agreed to personalisation: call consent() first"
            )
        if self._store.is_paused(user):
            raise RecordingPaused("the person has paused recording: call resume() first")
        self._note_kept_kinds()
        self._store.tend()

    def _note_kept_kinds(self) -> None:
        """Say in the store itself what is left in, so that it cannot go unnoticed.

        The note only grows: what was recorded with another scrubber may still be there.
        """
        if not self._noted:
            noted = self._store.read_note(KEPT_NOTE)
            kept = {*self._scrubber.keep, *([] if noted is None else json.loads(noted))}
            content = json.dumps(sorted(kept)).encode()
            if noted != content:
                self._store.write_note(KEPT_NOTE, content)
            self._noted = True
