"""Items of the last requests: for events that name theirs by its id, and not to be read twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge_rerank.errors import InvalidInput
from edge_rerank.types import Item

MAX_ITEMS = 20_000
MAX_CHARACTERS = 32 << 20
"""Of all texts together: what a request may hold, twice."""

_READ_ANEW = frozenset({"vector", "fields", "image", "audio"})
"""Members that are read each time: to compare them takes as long, or they go back as they came."""


class _Kept(NamedTuple):
    item: Item
    record: object
    """What it was read of, ``None`` where it is to be read each time."""


class KnownItems:
    """The items seen last, by id. Safe from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def read(self, records: Sequence[object], read: Callable[[object], Item]) -> list[Item]:
        """The items of records, in their order; they are kept.

        What is as it was when its id came last is not read again: the candidates of one call are
        mostly those of another, and to check them takes as long as all else that a call needs.

        Args:
            records: values of JSON.
            read: reads one, and may raise.
        """
        seen: list[_Kept] = []
        try:
            for record in records:
                seen.append(self._read_before(record) or _read(record, read))  # noqa: PERF401
        except InvalidInput as error:
            raise type(error)(f"{error}, in items at index {len(seen)}") from None
        self._keep(seen)
        return [one.item for one in seen]

    def add(self, items: Iterable[Item]) -> None:
        """Keep items; those seen longest ago make room."""
        self._keep(_Kept(item, None) for item in items)

    def get(self, name: str) -> Item | None:
        """The item of an id, ``None`` where it is not known."""
        kept = self._kept.get(name)
        return None if kept is None else kept.item

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._kept.clear()
            self._characters = 0

    def _read_before(self, record: object) -> _Kept | None:
        if not isinstance(record, dict):
            return None
        name = record.get("id")
        kept = self._kept.get(name) if isinstance(name, str) else None
        same = kept is not None and kept.record == record
        # A bool may equal a number.
        return kept if same and bool not in map(type, record.values()) else None

    def _keep(self, seen: Iterable[_Kept]) -> None:
        with self._lock:
            for one in map(_lean, seen):
                item = one.item
                former = self._kept.get(item.id)
                if former is not one and item.text:
                    self._characters += len(item.text) - (len(former.item.text) if former else 0)
                    self._kept[item.id] = former = one
                if former is one:
                    self._kept.move_to_end(item.id)
            while len(self._kept) > MAX_ITEMS or self._characters > MAX_CHARACTERS:
                _, oldest = self._kept.popitem(last=False)
                self._characters -= len(oldest.item.text)


def _lean(one: _Kept) -> _Kept:
    """Without pictures and sounds, of which some would take all the memory."""
    item = one.item
    if item.image is None and item.audio is None:
        return one
    return _Kept(replace(item, image=None, audio=None), one.record)


def _read(record: object, read: Callable[[object], Item]) -> _Kept:
    again = isinstance(record, dict) and _READ_ANEW.isdisjoint(record)
    return _Kept(read(record), record if again else None)
