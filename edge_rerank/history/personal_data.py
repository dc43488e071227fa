"""Everything that is stored about one person, for that person to read and to take along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_rerank.errors import EdgeRerankError, InvalidRequest
from edge_rerank.history.vault.audit import AuditEntry
from edge_rerank.history.vault.consents import Decision
from edge_rerank.types import Event, Item

FORMAT = "edge-rerank personal data"
VERSION = 1


def _nullable(kind: str, **more: object) -> dict[str, object]:
    return {"type": [kind, "null"], **more}


_ITEM = {
    "type": ["object", "null"],
    "required": ["id", "text", "categories", "popularity", "vector"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "description": "the application's identifier"},
        "text": {"type": "string"},
        "categories": {"type": "array", "items": {"type": "string"}},
        "popularity": _nullable("number"),
        "vector": _nullable("array", items={"type": "number"}),
    },
}
_EVENT_FIELDS: dict[str, dict[str, object]] = {
    "record": {"type": "integer", "description": "number to name when it is to be removed"},
    "recorded_at": {"type": "integer", "description": "the store's clock, seconds"},
    "type": {"type": "string", "description": "click, view, search, like, purchase, ..."},
    "timestamp": {"type": "integer", "description": "UTC seconds since 1970"},
    "item": _ITEM,
    "dwell_s": _nullable("number", description="seconds spent"),
    "scroll": _nullable("number", description="share seen, 0 to 1"),
    "query": _nullable("string", description="the words of a search"),
    "value": _nullable("number", description="a rating or an amount"),
    "ranking": _nullable("string"),
    "position": _nullable("integer"),
    "id": _nullable("string", description="the application's identifier of the event"),
}
_AUDIT_FIELDS: dict[str, dict[str, object]] = {
    "seq": {"type": "integer"},
    "at": {"type": "integer", "description": "UTC seconds"},
    "action": {"type": "string"},
    "subject": _nullable("string"),
    "purpose": _nullable("string"),
    "count": _nullable("integer"),
}


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": dict(properties),
    }


SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": FORMAT,
    **_object(
        {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "schema": {"type": "object", "description": "this JSON Schema"},
            "exported_at": {"type": "integer", "description": "UTC seconds"},
            "pseudonym": _nullable("string", description="keyed hash of the user identifier"),
            "subject": _nullable("string", description="stands for the person in the audit log"),
            "recording_paused": {"type": "boolean"},
            "consents": {
                "type": "object",
                "additionalProperties": _object(
                    {"granted": {"type": "boolean"}, "at": {"type": "integer"}}
                ),
            },
            "events": {"type": "array", "items": _object(_EVENT_FIELDS)},
            "audit": {"type": "array", "items": _object(_AUDIT_FIELDS)},
        }
    ),
}
"""JSON Schema of :meth:`PersonalData.to_json`; every export carries it."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One stored event.

    Attributes:
        record: its number, for ``remove_event``.
        recorded_at: the store's clock when it was recorded, seconds.
        event: the event.
    """

    record: int
    recorded_at: int
    event: Event


@dataclass(frozen=True, slots=True, repr=False)
class PersonalData:
    """All that is stored about one person.

    Attributes:
        exported_at: UTC seconds.
        pseudonym: hexadecimal keyed hash of the host's identifier, ``None`` if unknown.
        subject: stands for the person in the audit log, ``None`` if unknown.
        recording_paused: whether recording is paused.
        consents: decisions by purpose.
        events: in the order of recording.
        audit: the audit entries about the person.
    """

    exported_at: int
    pseudonym: str | None = None
    subject: str | None = None
    recording_paused: bool = False
    consents: Mapping[str, Decision] = field(default_factory=dict)
    events: tuple[StoredEvent, ...] = ()
    audit: tuple[AuditEntry, ...] = ()

    def __repr__(self) -> str:
        return f"PersonalData(events={len(self.events)})"

    def to_json(self, *, indent: int | None = 2) -> str:
        """Readable JSON that carries its own schema, :data:`SCHEMA`."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "schema": SCHEMA,
            "exported_at": self.exported_at,
            "pseudonym": self.pseudonym,
            "subject": self.subject,
            "recording_paused": self.recording_paused,
            "consents": {
                purpose: {"granted": decision.granted, "at": decision.at}
                for purpose, decision in self.consents.items()
            },
            "events": [_event_fields(stored) for stored in self.events],
            "audit": [entry.to_dict() for entry in self.audit],
        }
        return json.dumps(document, ensure_ascii=False, indent=indent)


def read_events(text: str) -> tuple[Event, ...]:
    """The events of an export, to be recorded again.

    Raises:
        InvalidRequest: when ``text`` is not an export.
    """
    try:
        document = json.loads(text)
        known = document["format"] == FORMAT and document["version"] == VERSION
        events = tuple(_event(fields) for fields in document["events"]) if known else None
    except (ValueError, TypeError, KeyError, RecursionError, EdgeRerankError) as error:
        raise InvalidRequest(f"personal data: malformed export: {type(error).__name__}") from None
    if events is None:
        raise InvalidRequest("personal data: expected an export of version 1")
    return events


def _event_fields(stored: StoredEvent) -> dict[str, Any]:
    event, item = stored.event, stored.event.item
    return {
        "record": stored.record,
        "recorded_at": stored.recorded_at,
        "type": event.type.value,
        "timestamp": int(event.timestamp or 0.0),
        "item": None
        if item is None
        else {
            "id": item.id,
            "text": item.text,
            "categories": list(item.categories),
            "popularity": item.popularity,
            "vector": None if item.vector is None else [float(one) for one in item.vector],
        },
        "dwell_s": event.dwell_s,
        "scroll": event.scroll,
        "query": event.query,
        "value": event.value,
        "ranking": event.ranking,
        "position": event.position,
        "id": event.id,
    }


def _event(fields: Mapping[str, Any]) -> Event:
    item = fields["item"]
    return Event(
        fields["type"],
        None
        if item is None
        else Item(
            item["id"],
            item["text"],
            item["categories"],
            item["popularity"],
            vector=None if item["vector"] is None else np.array(item["vector"], dtype=np.float32),
        ),
        timestamp=fields["timestamp"],
        dwell_s=fields["dwell_s"],
        scroll=fields["scroll"],
        query=fields["query"],
        value=fields["value"],
        ranking=fields["ranking"],
        position=fields["position"],
        id=fields["id"],
    )
