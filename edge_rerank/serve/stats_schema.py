"""Statistics of lists as a JSON Schema, for the description of the routes."""

from __future__ import annotations

from edge_rerank.formats.events import Schema, closed_object
from edge_rerank.learning.list_record import Used
from edge_rerank.learning.off_policy import Estimator
from edge_rerank.learning.stats import NoteCode
from edge_rerank.serve.schemas import or_null

_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


_EDGE: Schema = {"type": ["number", "null"]}
_FIGURE: Schema = closed_object({"value": _NUMBER, "low": _EDGE, "high": _EDGE})
_MAYBE = or_null(_FIGURE)


def _figures(name: Schema) -> Schema:
    """Of a group of lists that go by a name."""
    return closed_object(
        {
            "name": name,
            **dict.fromkeys(("lists", "clicked", "refused", "rated"), _COUNT),
            **dict.fromkeys(("click_through", "satisfied", "place", "mrr", "rating"), _MAYBE),
        }
    )


_COMPARISON = closed_object(
    {"lists": _COUNT, **dict.fromkeys(("place", "other", "higher", "mrr"), _FIGURE)}
)
_ESTIMATE = closed_object(
    {
        "estimator": {"enum": ["shown", *Estimator]},
        "value": _FIGURE,
        "effective_size": _NUMBER,
        "lists": _COUNT,
        "clipped": _NUMBER,
    }
)
_DIVERSITY = closed_object(
    {"lists": _COUNT, **dict.fromkeys(("categories", "vectors", "recall"), _MAYBE)}
)
_COVERED = closed_object({"shown": _COUNT, "offered": _COUNT, "share": _SHARE, "gini": _SHARE})
_NOTE = closed_object(
    {
        "code": {"enum": [*NoteCode]},
        **dict.fromkeys(("have", "need", "newest"), _COUNT),
        "text": {"type": "string"},
    }
)
_ANY_NAME: Schema = {"type": "string"}

STATS: Schema = closed_object(
    {
        "whole": _figures(_ANY_NAME),
        "by_month": _list(_figures(_ANY_NAME)),
        "by_surface": _list(_figures(_ANY_NAME)),
        "by_order": _list(_figures({"enum": [*Used]})),
        "places": {"type": "object", "additionalProperties": _COUNT},
        "against_host": or_null(_COMPARISON),
        "against_pack": or_null(_COMPARISON),
        "estimates": _list(_ESTIMATE),
        "diversity": or_null(_DIVERSITY),
        "coverage": or_null(closed_object({"items": _COVERED, "categories": _COVERED})),
        "notes": _list(_NOTE),
    }
)
"""What the method "stats" answers: :meth:`edge_rerank.Stats.to_dict`, with notes in words."""
