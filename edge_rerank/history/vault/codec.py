"""The event codec: an event as bytes, and back.

JSON arrays: :data:`FORMAT`, when the store recorded the event, and then the members of
:mod:`edge_rerank.formats.events` in their order. Kept is what the ranker and the person's
right of access need: not the item's ``score`` and ``fields``, and time only to the second.
The ranker itself would do with minutes (it counts sessions, cut at half an hour); seconds are
what tells a repeated log line from a second click, here and when an export is imported again.
What is finer, and could tell two people's hands apart, is dropped.
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

from edge_rerank.formats.events import EVENT_MEMBERS, ITEM_MEMBERS, event_to_dict, item_to_dict
from edge_rerank.history.crypto import MAX_PLAINTEXT
from edge_rerank.types import Event, EventType, FieldValue, Item

FORMAT = 1
MAX_TEXT_CHARS = 1_000
MAX_QUERY_CHARS = 500
_TYPES = {kind.value: kind for kind in EventType}
_NO_FIELDS: Mapping[str, FieldValue] = MappingProxyType({})

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

T = TypeVar("T")
Setter = Callable[[Any, Any], None]

_SLOTS: Mapping[type[Any], Mapping[str, Setter]] = {
    kind: {entry.name: vars(kind)[entry.name].__set__ for entry in fields(kind)}
    for kind in (Event, Item)
}


class Undecodable(Exception):  # noqa: N818 - private; the store turns it into a typed error
    """The bytes are not an encoded event."""


def minimise(event: Event) -> Event:
    """The event as it will be read back: cut, coarsened, and without what is not kept.

    Args:
        event: with a timestamp.

    Returns:
        A new event, or this one where there is nothing to take away: half the time that an
        import takes would be spent on copies otherwise.
    """
    timestamp = float(int(event.timestamp or 0.0))
    item = None if event.item is None else _minimised(event.item)
    query = None if event.query is None else _valid(event.query[:MAX_QUERY_CHARS])
    if timestamp == event.timestamp and item is event.item and query == event.query:
        return event
    return replace(event, timestamp=timestamp, item=item, query=query)


def _minimised(item: Item) -> Item:
    text = _valid(item.text[:MAX_TEXT_CHARS])
    seen = item.image is None and item.audio is None  # neither is stored
    bare = seen and item.vector is None and item.score is None and not item.fields
    if bare and text == item.text:
        return item
    vector = None if item.vector is None else _half(item.vector)
    return Item(item.id, text, item.categories, item.popularity, vector=vector)


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
    versions, recorded, *columns = zip(*records, strict=True)
    if set(versions) != {FORMAT}:
        raise Undecodable
    values: dict[str, Iterable[Any]] = dict(zip(EVENT_MEMBERS, columns, strict=True))
    values["type"] = map(_TYPES.__getitem__, values["type"])
    values["timestamp"] = map(float, values["timestamp"])
    values["item"] = _items(values["item"])
    return list(zip(_unchecked(Event, values, len(records)), recorded, strict=True))


def _items(records: Iterable[Sequence[Any] | None]) -> list[Item | None]:
    records = list(records)
    present = [record for record in records if record is not None]
    if not present:
        return [None] * len(records)
    columns = zip(*present, strict=True)
    values: dict[str, Iterable[Any]] = dict(zip(ITEM_MEMBERS, columns, strict=True))
    values["categories"] = map(tuple, values["categories"])
    values["vector"] = map(_vector, values["vector"])
    values["score"] = repeat(None)
    values["fields"] = repeat(_NO_FIELDS)
    values["published"] = values["image"] = values["audio"] = repeat(None)
    made = iter(_unchecked(Item, values, len(present)))
    return [None if record is None else next(made) for record in records]


def _vector(text: str | None) -> NDArray[np.float32] | None:
    if text is None:
        return None
    numbers = np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float32)
    numbers.setflags(write=False)
    return numbers


def _unchecked(kind: type[T], values: Mapping[str, Iterable[Any]], count: int) -> list[T]:
    """``count`` objects whose parts were checked before they were sealed, filled slot by slot.

    No bytecode runs for each part: half the cost of reading a history lay here.

    Args:
        kind: :class:`Event` or :class:`Item`.
        values: for each field, one for each object.
        count: how many objects.
    """
    made = [object.__new__(kind) for _ in range(count)]
    for name, put in _SLOTS[kind].items():
        deque(map(put, made, values[name]), maxlen=0)
    return made


def _dump(event: Event, recorded: int) -> bytes:
    record = [FORMAT, recorded, *event_to_dict(event, item=_packed).values()]
    return _JSON.encode(record).encode()


def _packed(item: Item) -> list[Any]:
    return list(item_to_dict(item, vector=_halves).values())


def _halves(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f2").tobytes()).decode()


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
