"""The list policy of a request, and what it counts, as JSON Schemas: ranking/policies/README.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from edge_rerank._check import MAX_ID_CHARS
from edge_rerank.learning.exploration import MOST
from edge_rerank.ranking.list_policy import MAX_PLACE, MAX_RULES
from edge_rerank.ranking.list_rules import MAX_DISTANCE, MAX_NAMES, Had, Method


def _rule(members: Mapping[str, Any], required: Collection[str] = ()) -> dict[str, Any]:
    """An object of these members and no other; those that are not required may be null."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {
            name: schema if name in required else {"anyOf": [schema, {"type": "null"}]}
            for name, schema in members.items()
        },
    }


def _several(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "maxItems": MAX_RULES, "items": rule}


_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS}
_NAMES = {"type": "array", "maxItems": MAX_NAMES, "items": _NAME}
_PART = {"type": "number", "minimum": 0, "maximum": 1}
_ABOVE_0 = {"type": "number", "exclusiveMinimum": 0}
_COUNT = {"type": "integer", "minimum": 1}
_DAYS = {"type": "number", "minimum": 0}

POLICY = _rule(
    {
        "block": _rule({"ids": _NAMES, "categories": _NAMES, "words": _NAMES}),
        "pin": {
            "type": "object",
            "description": "places from 1 by item id",
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": MAX_PLACE},
        },
        "caps": _several(
            _rule(
                {
                    "key": _NAME,
                    "most": {**_COUNT, "description": "this or share"},
                    "share": _PART,
                    "hard": {"type": "boolean"},
                    "of": {"type": ["string", "number", "boolean"]},
                },
                ["key"],
            )
        ),
        "spread": _several(
            _rule(
                {
                    "key": _NAME,
                    "distance": {"type": "integer", "minimum": 2, "maximum": MAX_DISTANCE},
                },
                ["key"],
            )
        ),
        "decay": _several(_rule({"key": _NAME, "factor": _PART, "floor": _PART}, ["key"])),
        "fatigue": _rule(
            {"shown": _COUNT, "hidden_days": _DAYS, "back_days": _DAYS, "least": _PART}
        ),
        "rotate": _rule({"rate": _PART, "seconds": _ABOVE_0}),
        "fresh": _rule({"half_life_days": _ABOVE_0, "weight": _ABOVE_0}),
        "floor": _PART,
        "collapse": _rule(
            {"cosine": {"type": "number", "minimum": -1, "maximum": 1}, "words": _PART}
        ),
        "diversity": _rule({"strength": _PART, "method": {"enum": [*Method]}, "cost": _PART}),
        "calibrate": _rule({"strength": _PART}),
        "had": {"enum": [*Had]},
        "explore": {"type": "number", "minimum": 0, "maximum": MOST},
    }
)
"""Each member as the attribute of :class:`~edge_rerank.ListPolicy` of that name."""

_TIMES = {"type": "integer", "minimum": 0}
EXPOSURES = {
    "type": "object",
    "description": "impressions of items so far, by item id",
    "additionalProperties": _rule(
        {"shown": _TIMES, "chosen": _TIMES, "last": {"type": "number", "minimum": 0}}, ["shown"]
    ),
}
"""Likewise of :class:`~edge_rerank.Exposure`."""
