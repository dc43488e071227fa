"""Personal data: everything stored about one person, to read and to take along as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from edge_rerank.errors import EdgeRerankError, InvalidRequest
from edge_rerank.formats.events import (
    EVENT_MEMBERS,
    Schema,
    closed_object,
    event_from_dict,
    event_to_dict,
    item_from_dict,
    nullable,
)
from edge_rerank.history.vault.receipts import Holdings
from edge_rerank.types import Event

FORMAT = "edge-rerank personal data"
VERSION = 1


_EVENT_MEMBERS: Mapping[str, Schema] = {
    "record": {"type": "integer", "description": "number to name when it is to be removed"},
    "recorded_at": {"type": "integer", "description": "the store's clock, seconds"},
    **EVENT_MEMBERS,
}
_STATE_MEMBERS: Mapping[str, Schema] = {
    "name": {"type": "string"},
    "bytes": {"type": "integer"},
    "recorded_at": {"type": "integer", "description": "the store's clock, seconds"},
}
_AUDIT_MEMBERS: Mapping[str, Schema] = {
    "seq": {"type": "integer"},
    "at": {"type": "integer", "description": "UTC seconds"},
    "action": {"type": "string"},
    "subject": nullable("string"),
    "purpose": nullable("string"),
    "count": nullable("integer"),
}

SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": FORMAT,
    **closed_object(
        {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "schema": {"type": "object", "description": "this JSON Schema"},
            "exported_at": {"type": "integer", "description": "UTC seconds"},
            "pseudonym": nullable("string", description="keyed hash of the user identifier"),
            "subject": nullable("string", description="stands for the person in the audit log"),
            "recording_paused": {"type": "boolean"},
            "consents": {
                "type": "object",
                "additionalProperties": closed_object(
                    {"granted": {"type": "boolean"}, "at": {"type": "integer"}}
                ),
            },
            "events": {"type": "array", "items": closed_object(_EVENT_MEMBERS)},
            "states": {
                "type": "array",
                "description": "what else is kept, for instance learnt from the events",
                "items": closed_object(_STATE_MEMBERS),
            },
            "audit": {"type": "array", "items": closed_object(_AUDIT_MEMBERS)},
        }
    ),
}
"""JSON Schema of :meth:`PersonalData.to_json`; every export carries it."""


@dataclass(frozen=True, slots=True, repr=False)
class PersonalData(Holdings):
    """All that is stored about one person, as a record and as JSON.

    Attributes:
        exported_at: UTC seconds.
        pseudonym: hexadecimal keyed hash of the host's identifier, ``None`` if unknown.
        subject: stands for the person in the audit log, ``None`` if unknown.
        recording_paused: whether recording is paused.
        consents: decisions by purpose.
        events: in the order of recording.
        states: what else is kept, by name and size.
        audit: the audit entries about the person.
    """

    @classmethod
    def of(cls, held: Holdings) -> Self:
        """What the store read, in this form."""
        return cls(**{entry.name: getattr(held, entry.name) for entry in fields(held)})

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
            "events": [
                {
                    "record": stored.record,
                    "recorded_at": stored.recorded_at,
                    **event_to_dict(stored.event),
                }
                for stored in self.events
            ],
            "states": [
                {"name": state.name, "bytes": state.size, "recorded_at": state.recorded_at}
                for state in self.states
            ],
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
        events = tuple(_event(record) for record in document["events"]) if known else None
    except (ValueError, TypeError, KeyError, RecursionError, EdgeRerankError) as error:
        raise InvalidRequest(f"personal data: malformed export: {type(error).__name__}") from None
    if events is None:
        raise InvalidRequest("personal data: expected an export of version 1")
    return events


def _event(record: Mapping[str, Any]) -> Event:
    item = record["item"]
    item = None if item is None else item_from_dict(item, complete=True)
    return event_from_dict(record, item, complete=True)
