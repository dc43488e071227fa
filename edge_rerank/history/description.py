"""Description of a person: what the host knows of somebody beside what they did, as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from edge_rerank.errors import HistoryCorrupt, InvalidInput, InvalidRequest
from edge_rerank.formats.attributes import (
    MAX_ATTRIBUTES,
    MAX_VALUE_CHARS,
    Value,
    Values,
    check_values,
)
from edge_rerank.history.vault.states import MAX_STATE_BYTES
from edge_rerank.privacy.scrub import Scrubber

ATTRIBUTES = "attributes"
"""The small sealed state that holds them."""

NOBODY: Values = MappingProxyType({})
"""The attributes of whom nothing is known."""


def scrubbed(given: Mapping[str, Value | None], scrubber: Scrubber) -> dict[str, Value | None]:
    """The values without the personal data in them; a number that is some becomes a string.

    Raises:
        InvalidRequest: when a name is personal data, or holds some.
    """
    return {
        _clean_name(name, scrubber): value if value is None else _clean(value, scrubber)
        for name, value in given.items()
    }


def changed(known: Values, given: Mapping[str, Value | None]) -> dict[str, Value]:
    """What is known with what is given in its place; ``None`` takes away.

    Raises:
        InvalidRequest: when that is more than is kept of a person.
    """
    after = {name: value for name, value in {**known, **given}.items() if value is not None}
    if len(after) > MAX_ATTRIBUTES:
        raise InvalidRequest(
            f"attributes: expected at most {MAX_ATTRIBUTES} of a person, got {len(after)}"
        )
    return after


def encode(attributes: Values) -> bytes:
    """Attributes as a JSON object in UTF-8.

    Raises:
        InvalidRequest: when that is more than a small state holds.
    """
    content = json.dumps(dict(attributes), ensure_ascii=False, separators=(",", ":")).encode()
    if len(content) > MAX_STATE_BYTES:
        raise InvalidRequest(
            f"attributes: expected at most {MAX_STATE_BYTES} bytes of a person, got {len(content)}"
        )
    return content


def decode(content: bytes | None) -> Values:
    """Undo :func:`encode`; nobody's where there is nothing.

    Raises:
        HistoryCorrupt: when it is something else.
    """
    if content is None:
        return NOBODY
    try:
        found = check_values(json.loads(content), "attributes", InvalidRequest)
    except (ValueError, RecursionError, InvalidInput):
        raise HistoryCorrupt("the attributes of a person cannot be read") from None
    return MappingProxyType({name: one for name, one in found.items() if one is not None})


def _clean_name(name: str, scrubber: Scrubber) -> str:
    if scrubber.kind_of_name(name) is not None or scrubber.scrub(name).text != name:
        raise InvalidRequest("attributes: expected names that are no personal data, got some")
    return name


def _clean(value: Value, scrubber: Scrubber) -> Value:
    text = value if isinstance(value, str) else f"{value:.12g}"
    kept = scrubber.scrub(text, chars=MAX_VALUE_CHARS).text  # "[email]" is longer than "a@b.cc"
    return value if kept == text else kept
