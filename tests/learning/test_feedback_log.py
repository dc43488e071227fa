"""What is kept of lists: small, bounded, the same after a journey through bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, Item
from edge_rerank.history.vault.states import MAX_STATE_BYTES
from edge_rerank.learning.feedback_log import MONTHS, NEWEST, SURFACES, FeedbackLog, month_of
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Features, Shown
from edge_rerank.learning.list_record import PLACES, ListRecord

START = 1_700_000_000.0  # 14 November 2023
MONTH_S = 31 * 86_400.0
LAYOUT = Layout("pack", "a" * 64, ("content",), 2)


def shown(ids: str = "abcde", **options: object) -> Shown:
    base = np.zeros(len(ids), dtype=np.float32)
    features = Features(lambda: np.zeros((len(ids), LAYOUT.width), dtype=np.float32))
    return Shown("r", START, tuple(ids), base, features, LAYOUT, **options)  # type: ignore[arg-type]


def deeds(*events: Event) -> Deeds:
    done = Deeds()
    for event in events:
        done.heed(event)
    return done


def record(place: int = 0, *, at: float = START, success: float = 1.0) -> ListRecord:
    blank = ListRecord.of(shown(), Deeds())
    return replace(blank, at=at, place=place, success=success if place else 0.0, without=place)


def test_the_greatest_success_is_what_was_chosen() -> None:
    bounce = Event("click", Item("a"), dwell_s=1)
    read = Event("view", Item("d"), dwell_s=60)
    places = np.array([5, 4, 3, 2, 1])
    one = ListRecord.of(shown(host=places, without=np.array([1, 2, 4, 3, 5])), deeds(bounce, read))
    assert (one.place, one.success, one.host, one.without) == (4, 1.0, 2, 3)
    assert one.same[:5] == (True, True, False, False, True)
    assert one.rewards[:5] == (0.0, 0.0, 0.0, 1.0, 0.0)
    bounced = ListRecord.of(shown(host=places), deeds(bounce))
    assert (bounced.place, bounced.success, bounced.host) == (1, 0.0, 5)


def test_a_list_that_nothing_was_chosen_from_has_no_place() -> None:
    refused = deeds(Event("dislike", Item("b")), Event("dismiss", Item("c")))
    one = ListRecord.of(shown(), refused)
    assert (one.place, one.host, one.without, one.refused) == (0, 0, 0, 2)
    other = ListRecord.of(shown(), deeds(Event("click", Item("not of this list"))))
    assert other.place == 0


def test_of_equal_successes_the_uppermost_counts() -> None:
    both = deeds(Event("purchase", Item("d")), Event("click", Item("b")))
    assert ListRecord.of(shown(), both).place == 2


@given(
    place=st.integers(0, 100),
    success=st.floats(0, 1),
    chance=st.floats(0, 1, width=32, exclude_min=True),
    placements=st.lists(st.floats(0.001, 1), min_size=PLACES, max_size=PLACES),
    same=st.lists(st.booleans(), min_size=PLACES, max_size=PLACES),
)
def test_a_record_is_the_same_after_bytes(
    place: int, success: float, chance: float, placements: list[float], same: list[bool]
) -> None:
    one = replace(
        record(place),
        success=success,
        chance=chance,
        placements=tuple(placements),
        same=tuple(same),
    )
    again = ListRecord.from_bytes(one.to_bytes())
    assert (again.place, again.same, again.chance) == (one.place, one.same, one.chance)
    assert again.success == pytest.approx(one.success, abs=0.5 / 255)
    assert again.placements == pytest.approx(one.placements, abs=0.5 / 65_535)
    assert ListRecord.from_bytes(again.to_bytes()) == again


def filled(lists: int) -> FeedbackLog:
    log = FeedbackLog()
    for number in range(lists):
        at = START + number * 3 * MONTHS * MONTH_S / lists
        log = log.after(record(number % 40, at=at), f"{number % 9}" * 64)
    return log


def test_it_is_bounded_and_fits_a_state() -> None:
    log = filled(2_000)
    assert len(log.records) == NEWEST
    assert len({surface for _, surface in log.tallies if surface}) <= SURFACES
    assert len({month for month, _ in log.tallies}) <= MONTHS
    full = FeedbackLog(
        {
            (24_000 + month, name): log.tallies[next(iter(log.tallies))]
            for month in range(MONTHS)
            for name in ("", *(f"{n}" * 64 for n in range(SURFACES)))
        },
        log.newest,
    )
    assert len(full.to_bytes()) <= MAX_STATE_BYTES
    assert FeedbackLog.from_bytes(full.to_bytes()) == full


def test_equal_lists_give_equal_bytes_in_one_go_or_in_two() -> None:
    whole = FeedbackLog()
    parts = [FeedbackLog(), FeedbackLog()]
    for number in range(60):
        one, surface = record(number % 7), "home" if number % 2 else ""
        whole = whole.after(one, surface)
        parts[number // 30] = parts[number // 30].after(one, surface)
    assert whole.to_bytes() == parts[0].merged(parts[1]).to_bytes()
    assert sum(tally.lists for tally in whole.tallies.values()) == 60


def test_what_was_not_written_here_is_nothing() -> None:
    raw = filled(30).to_bytes()
    assert FeedbackLog.from_bytes(raw) is not None
    for other in (b"", raw[:-1], raw + b"0", bytes([raw[0] + 1]) + raw[1:], raw[:1] + b"\xff" * 60):
        assert FeedbackLog.from_bytes(other) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_log_or_nothing(raw: bytes) -> None:
    log = FeedbackLog.from_bytes(b"\x01" + raw)
    assert log is None or isinstance(log, FeedbackLog)


def test_what_retention_no_longer_allows_goes() -> None:
    log = FeedbackLog().after(record(1, at=START)).after(record(2, at=START + 3 * MONTH_S))
    left = log.since(START + MONTH_S)
    assert [one.place for one in left.records] == [2]
    assert list(left.tallies) == [(month_of(START + 3 * MONTH_S), "")]
    assert log.since(-np.inf) == log
