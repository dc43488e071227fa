"""Items of the last requests, for events that name theirs by its id alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from edge_rerank.types import Item

MAX_ITEMS = 20_000
MAX_CHARACTERS = 32 << 20
"""Of all texts together: what a request may hold, twice."""


class KnownItems:
    """The items seen last, by id. Safe from several threads."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def add(self, items: Iterable[Item]) -> None:
        """Keep items; those seen longest ago make room."""
        with self._lock:
            for item in items:
                if not item.text:
                    continue
                former = self._items.pop(item.id, None)
                self._characters += len(item.text) - (len(former.text) if former else 0)
                self._items[item.id] = item
            while len(self._items) > MAX_ITEMS or self._characters > MAX_CHARACTERS:
                _, oldest = self._items.popitem(last=False)
                self._characters -= len(oldest.text)

    def get(self, name: str) -> Item | None:
        """The item of an id, ``None`` where it is not known."""
        with self._lock:
            return self._items.get(name)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._items.clear()
            self._characters = 0
