"""The one mapping of items and events to JSON-ready values and back.

Logs, data sets, item files, the person's own export and the sealed history all go through
it. What a reader lets pass beyond it (numbers as ids, ``null`` for "absent", a default type)
that reader does beforehand, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from numpy.typing import NDArray

from edge_rerank._check import kind_of
from edge_rerank._media import check_from_text
from edge_rerank.errors import InvalidEvent, InvalidItem
from edge_rerank.formats.times import read_timestamp
from edge_rerank.types import Event, Item

Schema = Mapping[str, object]
"""A JSON Schema, draft 2020-12."""


def nullable(kind: str, **more: object) -> Schema:
    """Schema of a value of this JSON type, or null."""
    return {"type": [kind, "null"], **more}


def closed_object(members: Mapping[str, object], *, kind: object = "object") -> dict[str, object]:
    """Schema of an object that has all of these members and no other.

    Args:
        members: their schemas by name.
        kind: the schema's "type".
    """
    return {
        "type": kind,
        "required": list(members),
        "additionalProperties": False,
        "properties": dict(members),
    }


ITEM_MEMBERS: Mapping[str, Schema] = {
    "id": {"type": "string", "description": "the application's identifier"},
    "text": {"type": "string"},
    "categories": {"type": "array", "items": {"type": "string"}},
    "popularity": nullable("number"),
    "vector": nullable("array", items={"type": "number"}),
}
"""What is kept of an item, in the order in which it is written, with the schema of each."""

HOST_MEMBERS = ("score", "fields", "published")
"""What else an item has: it is the host's, and never kept."""

MEDIA_MEMBERS = ("image", "audio")
"""Likewise, of a request: ``data:`` URLs, for a path would name a file of this machine."""

EVENT_MEMBERS: Mapping[str, Schema] = {
    "type": {"type": "string", "description": "click, view, search, like, purchase, ..."},
    "timestamp": {"type": "integer", "description": "UTC seconds since 1970"},
    "item": closed_object(ITEM_MEMBERS, kind=["object", "null"]),
    "dwell_s": nullable("number", description="seconds spent"),
    "scroll": nullable("number", description="share seen, 0 to 1"),
    "query": nullable("string", description="the words of a search"),
    "value": nullable("number", description="a rating or an amount"),
    "ranking": nullable("string"),
    "position": nullable("integer"),
    "id": nullable("string", description="the application's identifier of the event"),
}
"""What an event has, in the order in which it is written, with the schema of each as kept."""


def item_to_dict(
    item: Item,
    members: Collection[str] = tuple(ITEM_MEMBERS),
    *,
    vector: Callable[[NDArray[Any]], object] = lambda vector: vector.tolist(),
) -> dict[str, Any]:
    """The item as JSON-ready values, in the order of ``members``.

    Args:
        item: what to write.
        members: of :data:`ITEM_MEMBERS` and :data:`HOST_MEMBERS`.
        vector: writes a vector, shape ``(d,)``, float32; a list of numbers by default.
    """
    values = {name: getattr(item, name) for name in members}
    if "categories" in values:
        values["categories"] = list(item.categories)
    if "fields" in values:
        values["fields"] = dict(item.fields)
    if item.vector is not None and "vector" in values:
        values["vector"] = vector(item.vector)
    return values


def event_to_dict(event: Event, *, item: Callable[[Item], object] = item_to_dict) -> dict[str, Any]:
    """The event as JSON-ready values, in the order of :data:`EVENT_MEMBERS`.

    A timestamp that is a whole number of seconds, as all are that are kept, is an integer.

    Args:
        event: what to write.
        item: writes its item; :func:`item_to_dict` by default.
    """
    values = {name: getattr(event, name) for name in EVENT_MEMBERS}
    values["type"] = event.type.value
    if event.timestamp is not None and event.timestamp.is_integer():
        values["timestamp"] = int(event.timestamp)
    if event.item is not None:
        values["item"] = item(event.item)
    return values


def item_from_dict(
    record: object,
    members: Collection[str] = tuple(ITEM_MEMBERS),
    *,
    complete: bool = False,
) -> Item:
    """The item that a JSON object describes; what is not named in ``members`` is ignored.

    Args:
        record: the object.
        members: of :data:`ITEM_MEMBERS` and :data:`HOST_MEMBERS`.
        complete: whether each of ``members`` must be there.

    Raises:
        InvalidItem: when it is no object, or a member is missing or malformed.
    """
    if not isinstance(record, Mapping):
        raise InvalidItem(f"item: expected an object, got {kind_of(record)}")
    if complete and not record.keys() >= set(members):
        raise InvalidItem(f"item: expected all of {', '.join(members)}; got less")
    return item_of({name: record[name] for name in members if name in record})


def item_of(members: Mapping[str, Any]) -> Item:
    """The item of members of :data:`ITEM_MEMBERS`, :data:`HOST_MEMBERS` and :data:`MEDIA_MEMBERS`.

    "published" may be whatever :func:`~edge_rerank.formats.times.read_timestamp` reads.

    Raises:
        InvalidItem: when one is missing or malformed.
    """
    for name in MEDIA_MEMBERS:
        if name in members:
            check_from_text(members[name], name)
    published = members.get("published")
    if isinstance(published, str):
        try:
            members = {**members, "published": read_timestamp(published)}
        except InvalidEvent:
            raise InvalidItem(
                "published: expected UTC seconds or ISO 8601, got other text"
            ) from None
    return Item(**{"id": None, **members})  # Item checks it


def event_from_dict(
    record: object,
    item: Item | None,
    members: Collection[str] = tuple(EVENT_MEMBERS),
    *,
    complete: bool = False,
    any_time: bool = False,
) -> Event:
    """The event that a JSON object describes; what is not named in ``members`` is ignored.

    Args:
        record: the object.
        item: what its member "item" stands for.
        members: of :data:`EVENT_MEMBERS`.
        complete: whether each of ``members`` must be there.
        any_time: whether the timestamp may be whatever
            :func:`~edge_rerank.formats.times.read_timestamp` reads, not UTC seconds alone.

    Raises:
        InvalidEvent: when it is no object, or a member is missing or malformed.
    """
    if not isinstance(record, Mapping):
        raise InvalidEvent(f"event: expected an object, got {kind_of(record)}")
    if complete and not record.keys() >= set(members):
        raise InvalidEvent(f"event: expected all of {', '.join(members)}; got less")
    given: dict[str, Any] = {name: record.get(name) for name in members}
    if any_time:
        given["timestamp"] = read_timestamp(given["timestamp"])
    given["item"] = item
    return Event(**given)
