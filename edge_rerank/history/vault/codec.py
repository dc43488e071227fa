"""An event as bytes, and back.

JSON arrays in a fixed order; :data:`FORMAT` stands first, then when the store recorded the
event. Kept is what the ranker and the person's right of access need: not the item's ``score``
and ``fields``, and time only to the second. The ranker itself would do with minutes (it
counts sessions, cut at half an hour); seconds are what tells a repeated log line from a second
click, here and when an export is imported again. What is finer, and could tell two people's
hands apart, is dropped.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import repeat
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank.history.crypto import MAX_PLAINTEXT
from edge_rerank.types import Event, EventType, FieldValue, Item

FORMAT = 1
MAX_TEXT_CHARS = 1_000
MAX_QUERY_CHARS = 500
_TYPES = {kind.value: kind for kind in EventType}
_NO_FIELDS: Mapping[str, FieldValue] = MappingProxyType({})

T = TypeVar("T")
Setter = Callable[[Any, Any], None]


def _slots(kind: type[Any]) -> tuple[Setter, ...]:
    return tuple(vars(kind)[entry.name].__set__ for entry in fields(kind))


_EVENT_SLOTS = _slots(Event)
_ITEM_SLOTS = _slots(Item)


class Undecodable(Exception):  # noqa: N818 - private; the store turns it into a typed error
    """The bytes are not an encoded event."""


def minimise(event: Event) -> Event:
    """The event as it will be read back: cut, coarsened, and without what is not kept.

    Args:
        event: with a timestamp.
    """
    item = event.item
    query = event.query
    return replace(
        event,
        timestamp=float(int(event.timestamp or 0.0)),
        item=None
        if item is None
        else Item(
            item.id,
            _valid(item.text[:MAX_TEXT_CHARS]),
            item.categories,
            item.popularity,
            vector=None if item.vector is None else _half(item.vector),
        ),
        query=None if query is None else _valid(query[:MAX_QUERY_CHARS]),
    )


def encode(event: Event, *, recorded: int) -> tuple[bytes, Event]:
    """At most 4,095 bytes for any event; what does not fit is cut, the vector first.

    Args:
        event: with a timestamp.
        recorded: the store's clock, seconds.

    Returns:
        The bytes, and the event as :func:`decode` gives it back.
    """
    kept = minimise(event)
    for cut in (None, *_CUTS):
        if cut is not None:
            kept = cut(kept)
        payload = _dump(kept, recorded)
        if len(payload) <= MAX_PLAINTEXT:
            break
    return payload, kept


def decode(payloads: Sequence[bytes]) -> list[tuple[Event, int]]:
    """Undo :func:`encode` for several events, which are read as one JSON array.

    Returns:
        Each event, and when it was recorded.

    Raises:
        Undecodable: when the bytes are something else.
    """
    try:
        records = json.loads((b"[" + b",".join(payloads) + b"]").decode())
        if len(records) != len(payloads):
            raise Undecodable
        return _events(records) if records else []
    except (ValueError, TypeError, KeyError):
        raise Undecodable from None


def _events(records: Sequence[Sequence[Any]]) -> list[tuple[Event, int]]:
    versions, recorded, kinds, times, items, *rest = zip(*records, strict=True)
    if set(versions) != {FORMAT}:
        raise Undecodable
    columns = (
        map(_TYPES.__getitem__, kinds),
        _items(items),
        map(float, times),
        *rest,  # dwell_s, scroll, query, value, ranking, position, id
    )
    return list(zip(_unchecked(Event, _EVENT_SLOTS, len(records), columns), recorded, strict=True))


def _items(records: Sequence[Sequence[Any] | None]) -> list[Item | None]:
    present = [record for record in records if record is not None]
    if not present:
        return [None] * len(records)
    ids, texts, categories, popularities, vectors = zip(*present, strict=True)
    columns = (
        ids,
        texts,
        map(tuple, categories),
        popularities,
        repeat(None),
        map(_vector, vectors),
        repeat(_NO_FIELDS),
    )
    made = iter(_unchecked(Item, _ITEM_SLOTS, len(present), columns))
    return [None if record is None else next(made) for record in records]


def _vector(text: str | None) -> NDArray[np.float32] | None:
    if text is None:
        return None
    numbers = np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float32)
    numbers.setflags(write=False)
    return numbers


def _unchecked(
    kind: type[T], slots: Sequence[Setter], count: int, columns: Iterable[Iterable[Any]]
) -> list[T]:
    """Values whose parts were checked before they were sealed, filled in slot by slot.

    No bytecode runs for each part: half the cost of reading a history lay here.
    """
    made = [object.__new__(kind) for _ in range(count)]
    for put, column in zip(slots, columns, strict=True):
        deque(map(put, made, column), maxlen=0)
    return made


def _dump(event: Event, recorded: int) -> bytes:
    item = event.item
    record = [
        FORMAT,
        recorded,
        event.type.value,
        int(event.timestamp or 0.0),
        None
        if item is None
        else [
            item.id,
            item.text,
            list(item.categories),
            item.popularity,
            None
            if item.vector is None
            else base64.b64encode(item.vector.astype("<f2").tobytes()).decode(),
        ],
        event.dwell_s,
        event.scroll,
        event.query,
        event.value,
        event.ranking,
        event.position,
        event.id,
    ]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _half(vector: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Rounded to half precision, as it is stored; ``None`` where that overflows."""
    with np.errstate(over="ignore"):
        half = vector.astype(np.float16).astype(np.float32)
    return half if np.isfinite(half).all() else None


def _lighter(event: Event, text_chars: int, categories: int) -> Event:
    item = event.item
    if item is None:
        return event
    lighter = Item(item.id, item.text[:text_chars], item.categories[:categories], item.popularity)
    return replace(event, item=lighter)


_CUTS: tuple[Callable[[Event], Event], ...] = (
    lambda event: _lighter(event, MAX_TEXT_CHARS, 64),
    lambda event: _lighter(event, 250, 8),
    lambda event: _lighter(event, 60, 1),
    lambda event: _lighter(event, 0, 0),
    lambda event: replace(event, ranking=None, position=None, id=None),
    lambda event: replace(event, query=event.query[:100] if event.query else None),
)
"""Tried in turn. The last leaves an item id of 512 and a query of 100 characters, at most
3,672 bytes even if JSON escapes each of them."""


def _valid(text: str) -> str:
    """Lone surrogates, half an emoji cut off by the host, become U+FFFD."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
