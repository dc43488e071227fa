"""The description of the HTTP routes, OpenAPI 3.1: what is taken, and what comes back.

https://spec.openapis.org/oas/v3.1.1. The server checks requests itself; this says the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import edge_rerank
from edge_rerank._check import MAX_ID_CHARS
from edge_rerank.formats.attributes import (
    MAX_ATTRIBUTES,
    MAX_NUMBER,
    MAX_VALUE_CHARS,
    NAME_PATTERN,
)
from edge_rerank.formats.events import Schema, closed_object
from edge_rerank.history.personal_data import SCHEMA as PERSONAL_DATA
from edge_rerank.ranking.candidates import MAX_CANDIDATES
from edge_rerank.ranking.context import MAX_CIRCUMSTANCES, TAG_PATTERN, WHOLE_NUMBERS
from edge_rerank.ranking.options import Repeats
from edge_rerank.serve.answers import COHERE, JINA, TEI, VLLM, Shape
from edge_rerank.serve.policy_schema import EXPOSURES, POLICY
from edge_rerank.serve.schemas import object_of, or_null
from edge_rerank.serve.stats_schema import STATS
from edge_rerank.serve.wire import DOCUMENT, RANK, TEXTS
from edge_rerank.types import (
    MAX_CATEGORIES,
    MAX_VECTOR_DIM,
    Degradation,
    EventType,
    ListOrder,
    ReasonCode,
)

_REFUSALS: Mapping[int, str] = {
    400: "no JSON",
    401: "no token, or another one",
    403: "another Host or Origin, or no consent",
    408: "the body has not come in time",
    410: "no such guest session any more",
    413: "too large",
    415: "not application/json",
    422: "malformed: the message says what was expected",
    424: "the model failed",
    429: "too many calls at a time, or too many guests",
    500: "a fault of the server",
    503: "the history cannot be read or written, or the server stops",
}


def describe(*, page: bool) -> dict[str, Any]:
    """The whole description.

    Args:
        page: whether a host's own page is served, too.
    """
    paths = {
        "/rank": _post("Order items for a person", _RANK_REQUEST, "Ranking", texts=True),
        "/rank_texts": _post("Order texts by a query", _texts_request(TEXTS), "RankedTexts"),
        "/record": _post("Remember what a person did", _RECORD_REQUEST, "Recorded"),
        "/describe": _post("Note what is known of a person", _DESCRIBE_REQUEST, "Done"),
        "/consent": _post("Note a person's decision", _CONSENT_REQUEST, "Done"),
        "/pause": _post("Stop recording a person", _ONLY_USER, "Done"),
        "/resume": _post("Record a person again", _ONLY_USER, "Done"),
        "/profile": _post("Summary of a person's history", object_of(_WHOSE), "Profile"),
        "/stats": _post("Statistics of the lists a person was shown", _STATS_REQUEST, "Stats"),
        "/access": _post("Everything stored about a person", _ONLY_USER, "PersonalData"),
        "/forget": _post("Erase everything about a person", _ONLY_USER, "Receipt"),
        "/warmup": _post("Read items ahead of time", object_of({"items": _ITEMS}), "Done"),
        "/guest": {"post": _operation("Open a guest session", "Guest", status=201)},
        "/guest/{id}": {"delete": _CLOSE_GUEST},
        "/v2/rerank": _post("Cohere", _shape_request(COHERE), "Cohere"),
        "/v1/rerank": _post("Jina, llama.cpp, vLLM", _shape_request(JINA), "Reranked"),
        "/rerank": _post(
            "text-embeddings-inference, vLLM, infinity",
            {"anyOf": [_shape_request(TEI), _shape_request(VLLM)]},
            "RerankedEither",
        ),
        "/info": {"get": _operation("The server, its pack and limits", "Info")},
        "/openapi.json": {"get": _operation("This description", "Any")},
        "/health": {"get": {**_operation("Whether it is there", "Health"), "security": []}},
    }
    return {
        "openapi": "3.1.1",
        "info": {"title": "edge-rerank", "version": edge_rerank.__version__},
        "security": [{"token": []}, *([{"page": []}] if page else [])],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                **({"page": _COOKIE_SCHEME} if page else {}),
            },
            "schemas": {**_REQUESTED, **_ANSWERED},
        },
    }


_COOKIE_SCHEME: Schema = {"type": "apiKey", "in": "cookie", "name": "edge_rerank_page"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _post(summary: str, request: Schema, answer: str, *, texts: bool = False) -> dict[str, Any]:
    """A route that takes an object.

    Args:
        summary: of the route.
        request: schema of the object.
        answer: name of the schema of what comes back.
        texts: whether it may be texts instead of items.
    """
    if texts:
        request = {"anyOf": [request, _texts_request(TEXTS)]}
    body = {"required": True, "content": {"application/json": {"schema": request}}}
    operation = _operation(summary, "RankingEither" if texts else answer)
    return {"post": {**operation, "requestBody": body}}


def _operation(summary: str, answer: str, *, status: int = 200) -> dict[str, Any]:
    answers: dict[str, Any] = {
        str(status): {
            "description": "done",
            "content": {"application/json": {"schema": _ref(answer)}},
        }
    }
    refused = {"application/json": {"schema": _ref("Refusal")}}
    for code, description in _REFUSALS.items():
        answers[str(code)] = {"description": description, "content": refused}
    return {"summary": summary, "responses": answers}


_ID: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
        {"type": "integer"},
    ]
}
_TEXT: Schema = {"type": "string"}
_BOOL: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "number", "minimum": 0}
_CATEGORIES: Schema = {
    "type": "array",
    "maxItems": MAX_CATEGORIES,
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
}
_DATA_URL = "^data:[a-z0-9/+.-]{0,60};base64,(?:[A-Za-z0-9+/]{4})+$"
_ITEM: Mapping[str, Schema] = {
    "id": _ID,
    "text": _TEXT,
    "categories": _CATEGORIES,
    "popularity": _COUNT,
    "score": _NUMBER,
    "published": {"anyOf": [_COUNT, {"type": "string", "description": "ISO 8601"}]},
    "image": {"type": "string", "pattern": _DATA_URL, "description": "for packs that see"},
    "audio": {"type": "string", "pattern": _DATA_URL, "description": "for packs that listen"},
    "vector": {"type": "array", "minItems": 1, "maxItems": MAX_VECTOR_DIM, "items": _NUMBER},
    "fields": {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}
_DOCUMENT = {name: _ITEM[name] for name in DOCUMENT}
_EVENT: Mapping[str, Schema] = {
    "type": {"enum": [kind.value for kind in EventType]},
    "item": {"anyOf": [_ID, _ref("Item")]},
    "timestamp": {"anyOf": [_COUNT, {"type": "string", "description": "ISO 8601"}]},
    "dwell_s": _COUNT,
    "scroll": _NUMBER,
    "query": _TEXT,
    "value": _NUMBER,
    "ranking": _ID,
    "position": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "id": _ID,
}
_ITEMS: Schema = {"type": "array", "items": _ref("Item")}
_CANDIDATES: Schema = {**_ITEMS, "maxItems": MAX_CANDIDATES}
_DOCUMENTS: Schema = {
    "type": "array",
    "maxItems": MAX_CANDIDATES,
    "items": {"anyOf": [_TEXT, _ref("Document")]},
}
_NAME: Schema = {"type": "string", "pattern": NAME_PATTERN}
_TAG: Schema = {"type": "string", "pattern": TAG_PATTERN, "description": "BCP 47"}
_VALUE: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_VALUE_CHARS},
        {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
        {"type": "null"},
    ]
}


def _values(most: int, **named: Schema) -> Schema:
    """Short values by names.

    Args:
        most: how many there may be.
        named: those of which more is said.
    """
    return {
        "type": "object",
        "maxProperties": most,
        "propertyNames": _NAME,
        "properties": {name: or_null(schema) for name, schema in named.items()},
        "additionalProperties": _VALUE,
    }


_CONTEXT = _values(
    MAX_CIRCUMSTANCES,
    **{
        name: {"type": "integer", "minimum": least, "maximum": most}
        for name, (least, most) in WHOLE_NUMBERS.items()
    },
)
_WHOSE: Mapping[str, Schema] = {"user": _ID, "guest": _ID}
_MEMBERS: Mapping[str, Schema] = {
    **_WHOSE,
    "items": _CANDIDATES,
    "documents": _DOCUMENTS,
    "texts": _DOCUMENTS,
    "query": _TEXT,
    "top_k": {"type": "integer", "minimum": 0},
    "top_n": {"type": "integer", "minimum": 0},
    "diversity": {"type": "number", "minimum": 0, "maximum": 1},
    "host_order": _BOOL,
    "budget_ms": _COUNT,
    "now": _COUNT,
    "repeats": {"enum": [*Repeats]},
    "context": _CONTEXT,
    "surface": _NAME,
    "shown": _BOOL,
    "locale": _TAG,
    "policy": POLICY,
    "exposures": EXPOSURES,
    "return_items": _BOOL,
    "return_documents": _BOOL,
    "return_text": _BOOL,
    "reasons": _BOOL,
    "why": _BOOL,
    "raw_scores": {"const": False},
}
"""Members of requests by name; what is not looked at may be anything."""

_RANK_REQUEST = object_of(
    {**{name: _MEMBERS[name] for name in RANK}, "top_k": {"type": "integer", "minimum": 1}},
    ["items"],
)
_ONLY_USER = object_of({"user": _ID})
_STATS_REQUEST = object_of({**_WHOSE, "locale": _TAG})
_CONSENT_REQUEST = object_of(
    {
        **_WHOSE,
        "granted": _BOOL,
        "purpose": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    ["granted"],
)
_DESCRIBE_REQUEST = object_of({**_WHOSE, "attributes": _values(MAX_ATTRIBUTES)}, ["attributes"])
_RECORD_REQUEST = {
    "anyOf": [
        object_of({**_WHOSE, "event": _ref("Event")}, ["event"]),
        object_of({**_WHOSE, "events": {"type": "array", "items": _ref("Event")}}, ["events"]),
    ]
}


def _texts_request(members: Collection[str]) -> dict[str, Any]:
    """Texts by one of two names, and how many to return by one of two names."""
    known = {name: _MEMBERS.get(name, {}) for name in members}
    return {"anyOf": [_texts_by(known, name) for name in ("documents", "texts")]}


def _texts_by(known: Mapping[str, Schema], name: str) -> dict[str, Any]:
    other = {"documents": "texts", "texts": "documents"}[name]
    return object_of({key: value for key, value in known.items() if key != other}, [name])


def _shape_request(shape: Shape) -> dict[str, Any]:
    return _texts_by({name: _MEMBERS.get(name, {}) for name in shape.members}, shape.texts)


_REQUESTED: Mapping[str, Schema] = {
    "Item": object_of(_ITEM, ["id"]),
    "Document": object_of(_DOCUMENT, ["text"]),
    "Event": object_of(_EVENT, ["type"]),
}

_STRING_ID: Schema = {"type": "string"}
_INDEX: Schema = {"type": "integer", "minimum": 0}
_SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_DEGRADED: Schema = {"type": "array", "items": {"enum": [one.value for one in Degradation]}}
_REASON = closed_object(
    {
        "code": {"enum": [*ReasonCode]},
        "weight": _NUMBER,
        "item_id": {"type": ["string", "null"]},
        "category": {"type": ["string", "null"]},
    }
)
_HEAD: Mapping[str, Schema] = {
    "id": _STRING_ID,
    "took_ms": _COUNT,
    "personalised": _BOOL,
    "degraded": _DEGRADED,
}


def _list(members: Mapping[str, Any], optional: Collection[str] = ()) -> dict[str, Any]:
    """A list of objects that have all of these members but, at times, the optional ones."""
    entry = closed_object(members)
    entry["required"] = [name for name in members if name not in optional]
    return {"type": "array", "items": entry}


_META: Schema = {"type": "object"}
_USAGE = closed_object({"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}})
_SCORED: Mapping[str, Schema] = {"index": _INDEX, "relevance_score": _SCORE}
_ECHOED: Schema = {"anyOf": [{"type": "string"}, closed_object({"text": _TEXT})]}

_ANSWERED: Mapping[str, Schema] = {
    "Refusal": closed_object({"error": _TEXT, "error_type": _TEXT, "message": _TEXT}),
    "Done": closed_object({}),
    "Any": {"type": "object"},
    "Recorded": closed_object({"recorded": _INDEX}),
    "Health": closed_object({"status": {"const": "ok"}}),
    "Guest": closed_object({"guest": _STRING_ID, "idle_s": _COUNT}),
    "Info": closed_object(
        {
            "name": {"const": "edge-rerank"},
            "version": _TEXT,
            "pack": closed_object({"name": _TEXT, "release": _INDEX, "digest": _TEXT}),
            "limits": closed_object({"items": _INDEX, "bytes": _INDEX, "guests": _INDEX}),
        }
    ),
    "Ranking": closed_object(
        {
            **_HEAD,
            "unread": closed_object({"candidates": _SCORE, "history": _SCORE, "query": _SCORE}),
            "pack": _TEXT,
            "order": {"enum": [*ListOrder]},
            "left_out": _list({"id": _STRING_ID, "code": {"enum": [*ReasonCode]}}),
            "chances": {"type": "array", "items": _SCORE},
            "items": _list(
                {
                    "index": _INDEX,
                    "id": _STRING_ID,
                    "rank": {"type": "integer", "minimum": 1},
                    "score": _NUMBER,
                    "reasons": {"type": "array", "items": _REASON},
                    "text": _TEXT,
                    "categories": {"type": "array", "items": _TEXT},
                    "fields": _ITEM["fields"],
                    "why": {"type": "array", "items": _TEXT},
                },
                ["reasons", "text", "categories", "fields", "why"],
            ),
        }
    ),
    "RankedTexts": closed_object(
        {
            **_HEAD,
            "results": _list(
                {"index": _INDEX, "id": _STRING_ID, "score": _SCORE, "text": _TEXT}, ["text"]
            ),
        }
    ),
    "RankingEither": {"anyOf": [_ref("Ranking"), _ref("RankedTexts")]},
    "Cohere": closed_object({"id": _STRING_ID, "results": _list(_SCORED), "meta": _META}),
    "Reranked": closed_object(
        {
            "id": _STRING_ID,
            "model": _TEXT,
            "object": {"const": "list"},
            "usage": _USAGE,
            "meta": _META,
            "results": _list({**_SCORED, "document": _ECHOED}, ["document"]),
        }
    ),
    "RerankedEither": {
        "anyOf": [
            _ref("Reranked"),
            _list({"index": _INDEX, "score": _SCORE, "text": _TEXT}, ["text"]),
        ]
    },
    "Profile": closed_object(
        {
            "events": _INDEX,
            "sessions": _INDEX,
            "first": {"type": ["number", "null"]},
            "last": {"type": ["number", "null"]},
            "by_type": {"type": "object", "additionalProperties": _INDEX},
            "top_categories": {"type": "object", "additionalProperties": _SCORE},
            "liked": {"type": "array", "items": _STRING_ID},
            "disliked": {"type": "array", "items": _STRING_ID},
            "searches": {"type": "array", "items": _TEXT},
            "consents": {"type": "object", "additionalProperties": _BOOL},
            "unread": _SCORE,
            "degraded": _DEGRADED,
            "attributes": {"type": "object", "additionalProperties": _VALUE},
        }
    ),
    "Stats": STATS,
    "PersonalData": {name: value for name, value in PERSONAL_DATA.items() if name != "$schema"},
    "Receipt": {"type": "object", "required": ["events", "key_rotated"]},
}

_CLOSE_GUEST: Schema = {
    **_operation("Close a guest session, and forget the visitor", "Done"),
    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
    "responses": {
        "204": {"description": "done"},
        **{
            code: answer
            for code, answer in _operation("", "Done")["responses"].items()
            if code != "200"
        },
    },
}
