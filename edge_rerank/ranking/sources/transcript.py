"""A history as the scorer reads it: one text an event, oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_rerank.types import Event, EventType

_NOT_CHOSEN = frozenset({EventType.IMPRESSION, EventType.DISLIKE, EventType.DISMISS})
"""Left out: to a model without a trained head, whatever is mentioned becomes more likely."""


def transcript(history: Sequence[Event], texts: Mapping[str, str]) -> list[str]:
    """What a person chose and searched for.

    A click, the reading time that comes after it and a rating are one choice: events on one
    item in a row make one line. A new event adds at most one line at the end.

    Args:
        history: events, oldest first.
        texts: item texts by id, for events of imported logs that name an item by id alone.
    """
    lines: list[str] = []
    previous: str | None = None
    for event in history:
        if event.type is EventType.SEARCH:
            lines.append(event.query or "")
            previous = None
        elif event.item is not None and event.type not in _NOT_CHOSEN:
            text = event.item.text or texts.get(event.item.id, "")
            if text.strip() and event.item.id != previous:
                lines.append(text)
            previous = event.item.id
    return lines
