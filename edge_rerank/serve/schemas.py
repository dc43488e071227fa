"""Parts of JSON Schemas that the descriptions of requests and answers share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from edge_rerank.formats.events import Schema


def or_null(schema: Schema) -> Schema:
    """Schema of such a value, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(members: Mapping[str, Any], required: Collection[str] = ()) -> dict[str, Any]:
    """Schema of an object of these members and no other.

    Args:
        members: their schemas by name.
        required: names of those that have to be there; the others may be null.
    """
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {
            name: schema if name in required else or_null(schema)
            for name, schema in members.items()
        },
    }
