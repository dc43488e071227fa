"""The list policy of a request, and what it counts, as JSON Schemas: ranking/policies/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_rerank._check import MAX_ID_CHARS
from edge_rerank.learning.exploration import MOST
from edge_rerank.ranking.list_policy import MAX_PLACE, MAX_RULES
from edge_rerank.ranking.list_rules import MAX_DISTANCE, MAX_NAMES, Had, Method
from edge_rerank.serve.schemas import object_of


def _several(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "maxItems": MAX_RULES, "items": rule}


_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS}
_NAMES = {"type": "array", "maxItems": MAX_NAMES, "items": _NAME}
_PART = {"type": "number", "minimum": 0, "maximum": 1}
_ABOVE_0 = {"type": "number", "exclusiveMinimum": 0}
_COUNT = {"type": "integer", "minimum": 1}
_DAYS = {"type": "number", "minimum": 0}

POLICY = object_of(
    {
        "block": object_of({"ids": _NAMES, "categories": _NAMES, "words": _NAMES}),
        "pin": {
            "type": "object",
            "description": "places from 1 by item id",
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": MAX_PLACE},
        },
        "caps": _several(
            object_of(
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
            object_of(
                {
                    "key": _NAME,
                    "distance": {"type": "integer", "minimum": 2, "maximum": MAX_DISTANCE},
                },
                ["key"],
            )
        ),
        "decay": _several(object_of({"key": _NAME, "factor": _PART, "floor": _PART}, ["key"])),
        "fatigue": object_of(
            {"shown": _COUNT, "hidden_days": _DAYS, "back_days": _DAYS, "least": _PART}
        ),
        "rotate": object_of({"rate": _PART, "seconds": _ABOVE_0}),
        "fresh": object_of({"half_life_days": _ABOVE_0, "weight": _ABOVE_0}),
        "floor": _PART,
        "collapse": object_of(
            {"cosine": {"type": "number", "minimum": -1, "maximum": 1}, "words": _PART}
        ),
        "diversity": object_of({"strength": _PART, "method": {"enum": [*Method]}, "cost": _PART}),
        "calibrate": object_of({"strength": _PART}),
        "had": {"enum": [*Had]},
        "explore": {"type": "number", "minimum": 0, "maximum": MOST},
    }
)
"""Each member as the attribute of :class:`~edge_rerank.ListPolicy` of that name."""

_TIMES = {"type": "integer", "minimum": 0}
EXPOSURES = {
    "type": "object",
    "description": "impressions of items so far, by item id",
    "additionalProperties": object_of(
        {"shown": _TIMES, "chosen": _TIMES, "last": {"type": "number", "minimum": 0}}, ["shown"]
    ),
}
"""Likewise of :class:`~edge_rerank.Exposure`."""
