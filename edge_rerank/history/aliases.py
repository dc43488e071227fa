"""Aliases: what stands in the history instead of an identifier that is personal data.

An alias is a keyed hash of the whole identifier, so two never become one, the same one is always
the same, and nobody without the key can try addresses out. The key is a sealed note of the store.
At ranking time candidates are recognised by it, see :meth:`Aliases.recognise`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from edge_rerank.history.crypto import fresh_key, keyed_hash
from edge_rerank.history.vault.store import HistoryStore
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.types import Event, Item

ALIAS_NOTE = "aliases"
"""The note of the store that holds the key of its aliases, 32 bytes."""

HASH_BYTES = 16
_ALIAS = re.compile(r"\[[a-z]+:[0-9a-f]{32}\]")


class Aliases:
    """Puts aliases in the place of personal identifiers, and knows them again.

    One thread at a time.

    Args:
        store: keeps the key.
        scrubber: says which identifiers are personal data.
    """

    def __init__(self, store: HistoryStore, scrubber: Scrubber) -> None:
        self._store = store
        self._scrubber = scrubber
        self._key: bytes | None = None
        self._looked = False

    def put(self, event: Event) -> Event:
        """The event with an alias for each identifier and category that is personal data.

        Raises:
            HistoryError: when the key of the first alias cannot be noted.
        """
        item = event.item
        names = [name for name in (event.id, event.ranking) if name is not None]
        if item is not None:
            names += [item.id, *item.categories]
        aliases = {
            name: self._alias(kind, name)
            for name in names
            if (kind := self._scrubber.kind_of_name(name)) is not None
        }
        if not aliases:
            return event
        return replace(
            event,
            item=None if item is None else _renamed(item, aliases),
            id=None if event.id is None else aliases.get(event.id, event.id),
            ranking=None if event.ranking is None else aliases.get(event.ranking, event.ranking),
        )

    def recognise(self, events: Sequence[Event], items: Sequence[Item]) -> tuple[Event, ...]:
        """The events as if the candidates' identifiers had been kept in them.

        Args:
            events: of the history.
            items: candidates; what is no item is passed over.
        """
        if self._load() is None or not isinstance(items, Sequence):
            return tuple(events)
        wanted = {
            name
            for event in events
            if event.item is not None
            for name in (event.item.id, *event.item.categories)
            if _ALIAS.fullmatch(name)
        }
        if not wanted:
            return tuple(events)
        candidates = [item for item in items if isinstance(item, Item)]
        originals: dict[str, str] = {}
        for name in {name for item in candidates for name in (item.id, *item.categories)}:
            kind = self._scrubber.kind_of_name(name)
            if kind is not None:
                originals[self._alias(kind, name)] = name
        return tuple(
            event
            if event.item is None or wanted.isdisjoint((event.item.id, *event.item.categories))
            else replace(event, item=_renamed(event.item, originals))
            for event in events
        )

    def _alias(self, kind: str, name: str) -> str:
        return f"[{kind}:{keyed_hash(self._own_key(), name.encode(), HASH_BYTES).hex()}]"

    def _own_key(self) -> bytes:
        key = self._load()
        if key is None:
            key = fresh_key()
            self._store.write_note(ALIAS_NOTE, key)
            self._key = key
        return key

    def _load(self) -> bytes | None:
        if not self._looked:
            self._key = self._store.read_note(ALIAS_NOTE)
            self._looked = True
        return self._key


def _renamed(item: Item, names: dict[str, str]) -> Item:
    return replace(
        item,
        id=names.get(item.id, item.id),
        categories=tuple(names.get(name, name) for name in item.categories),
    )
