from __future__ import annotations

import pytest

from edge_rerank import Event, Item
from edge_rerank.errors import InvalidEvent
from edge_rerank.history.clean import MAX_DWELL_S, clean

NOW = 1_700_000_000.0
ITEM = Item("i", "text")


def test_nine_hours_of_dwell_become_thirty_minutes() -> None:
    assert clean(Event("view", ITEM, dwell_s=9 * 3600), now=NOW).dwell_s == MAX_DWELL_S == 1800


@pytest.mark.parametrize(("given", "kept"), [(-0.5, 0.0), (0.4, 0.4), (1.7, 1.0), (100.0, 1.0)])
def test_scroll_is_clamped(given: float, kept: float) -> None:
    assert clean(Event("view", ITEM, scroll=given), now=NOW).scroll == kept


def test_missing_time_is_now_and_a_fast_clock_is_forgiven() -> None:
    assert clean(Event("click", ITEM), now=NOW).timestamp == NOW
    assert clean(Event("click", ITEM, timestamp=NOW + 3600), now=NOW).timestamp == NOW
    assert clean(Event("click", ITEM, timestamp=NOW - 5), now=NOW).timestamp == NOW - 5


def test_milliseconds_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="more than a day ahead"):
        clean(Event("click", ITEM, timestamp=NOW * 1000), now=NOW)


def test_the_event_handed_over_is_not_changed() -> None:
    event = Event("view", ITEM, dwell_s=1e6, scroll=-3)
    clean(event, now=NOW)
    assert (event.dwell_s, event.scroll, event.timestamp) == (1e6, -3, None)
