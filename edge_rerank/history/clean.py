"""Cleaning: from an event as it came to an event as it is kept.

Types and finiteness are checked when an :class:`~edge_rerank.types.Event` is made; here the
outliers are handled. Duplicates are found by the store, which alone knows the past.
"""

from __future__ import annotations

from dataclasses import replace

from edge_rerank.errors import InvalidEvent
from edge_rerank.types import Event

MAX_DWELL_S = 30 * 60.0
"""Nobody reads one item for longer than this; the screen was left on."""

MAX_SKEW_S = 24 * 60 * 60.0
"""Clocks of devices and servers differ; by more than a day they do not."""


def clean(event: Event, *, now: float) -> Event:
    """``event`` with a timestamp and with its outliers cut back; itself if it is so already.

    - no timestamp: ``now``; up to a day ahead of ``now``: ``now`` (clocks differ);
    - dwell times are capped at 30 minutes;
    - scroll depth is clamped to 0..1.

    Args:
        event: is not changed.
        now: UTC seconds.

    Raises:
        InvalidEvent: when the timestamp is more than a day ahead of ``now``.
    """
    timestamp = now if event.timestamp is None else event.timestamp
    check_not_ahead(timestamp, now)
    timestamp = min(timestamp, now)
    dwell_s = None if event.dwell_s is None else min(event.dwell_s, MAX_DWELL_S)
    scroll = None if event.scroll is None else min(max(event.scroll, 0.0), 1.0)
    if (timestamp, dwell_s, scroll) == (event.timestamp, event.dwell_s, event.scroll):
        return event
    return replace(event, timestamp=timestamp, dwell_s=dwell_s, scroll=scroll)


def check_not_ahead(timestamp: float, now: float) -> None:
    """Refuse a time, UTC seconds, that is more than a day ahead of ``now``.

    Raises:
        InvalidEvent: when it is.
    """
    if timestamp > now + MAX_SKEW_S:
        raise InvalidEvent(
            "timestamp: expected UTC seconds up to now, got a time more than a day ahead "
            "(milliseconds, perhaps?)"
        )
