"""An event as bytes, and back.

JSON arrays in a fixed order; :data:`FORMAT` stands first. Kept is what the ranker and the
person's right of access need: not the item's ``score`` and ``fields``, and time only to the
second. The ranker itself would do with minutes (it counts sessions, cut at half an hour);
seconds are what tells a repeated log line from a second click, here and when an export is
imported again. What is finer, and could tell two people's hands apart, is dropped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank.history._primitives import MAX_PLAINTEXT
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


def encode(event: Event) -> bytes:
    """At most 4,095 bytes for any event; what does not fit is cut, the vector first."""
    small = minimise(event)
    payload = _dump(small)
    if len(payload) > MAX_PLAINTEXT and small.item is not None and small.item.vector is not None:
        small = replace(small, item=_lighter(small.item, len(small.item.text), 64))
        payload = _dump(small)
    for text_chars, categories in ((250, 8), (60, 1), (0, 0)):
        if len(payload) <= MAX_PLAINTEXT:
            break
        if small.item is not None:
            small = replace(small, item=_lighter(small.item, text_chars, categories))
        payload = _dump(small)
    return payload


def decode(payloads: Sequence[bytes]) -> list[Event]:
    """Undo :func:`encode` for several events, which are read as one JSON array.

    Raises:
        Undecodable: when the bytes are something else.
    """
    try:
        records = json.loads((b"[" + b",".join(payloads) + b"]").decode())
        if len(records) != len(payloads):
            raise Undecodable
        return [_event(*record) for record in records]
    except (ValueError, TypeError, KeyError):
        raise Undecodable from None


def _event(version: int, kind: str, timestamp: int, item: list[Any] | None, *rest: Any) -> Event:
    if version != FORMAT:
        raise Undecodable
    return _unchecked(
        Event,
        _EVENT_SLOTS,
        (
            _TYPES[kind],
            None if item is None else _item(*item),
            float(timestamp),
            *rest,  # dwell_s, scroll, query, value, ranking, position, id
        ),
    )


def _item(
    item_id: str, text: str, categories: list[str], popularity: float | None, vector: str | None
) -> Item:
    numbers = None
    if vector is not None:
        numbers = np.frombuffer(base64.b64decode(vector), dtype="<f2").astype(np.float32)
        numbers.setflags(write=False)
    return _unchecked(
        Item,
        _ITEM_SLOTS,
        (item_id, text, tuple(categories), popularity, None, numbers, _NO_FIELDS),
    )


def _unchecked(kind: type[T], slots: Sequence[Setter], values: Sequence[Any]) -> T:
    """A value whose parts were checked before they were sealed: a third of the cost of reading."""
    made = object.__new__(kind)
    for put, value in zip(slots, values, strict=True):
        put(made, value)
    return made


def _dump(event: Event) -> bytes:
    item = event.item
    record = [
        FORMAT,
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


def _lighter(item: Item, text_chars: int, categories: int) -> Item:
    return Item(item.id, item.text[:text_chars], item.categories[:categories], item.popularity)


def _valid(text: str) -> str:
    """Lone surrogates, half an emoji cut off by the host, become U+FFFD."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
