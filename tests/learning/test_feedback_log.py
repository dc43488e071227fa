"""What is kept of lists: small, bounded, the same after a journey through bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, Item
from edge_rerank.history.vault.states import MAX_STATE_BYTES
from edge_rerank.learning.exploration import NeighbourSwaps
from edge_rerank.learning.feedback_log import (
    COVERED_MONTHS,
    MONTHS,
    NEWEST,
    SURFACES,
    FeedbackLog,
    month_of,
)
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Deeds, Features, Shown
from edge_rerank.learning.list_record import ListRecord, Used
from edge_rerank.learning.variety import PLACES
from tests.learning.sketches import sketch_of

START = 1_700_000_000.0  # 14 November 2023
MONTH_S = 31 * 86_400.0
FLAGS = st.lists(st.booleans(), min_size=PLACES, max_size=PLACES)
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
    epsilon=st.floats(0, 0.5),
    shares=st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3),
    rating=st.none() | st.integers(-1_000, 1_000),
    used=st.sampled_from(Used),
    same=FLAGS,
    tried=FLAGS,
    swapped=FLAGS,
)
def test_a_record_is_the_same_after_bytes(
    place: int,
    success: float,
    epsilon: float,
    shares: list[float | None],
    rating: int | None,
    used: Used,
    same: list[bool],
    tried: list[bool],
    swapped: list[bool],
) -> None:
    categories, vectors, recall = shares
    one = replace(
        record(place),
        success=success,
        epsilon=epsilon,
        used=used,
        rating=None if rating is None else float(rating),
        same=tuple(same),
        within=tuple(swapped),
        tried=tuple(tried),
        swapped=tuple(swapped),
        categories=categories,
        vectors=vectors,
        recall=recall,
    )
    again = ListRecord.from_bytes(one.to_bytes())
    for name in ("place", "same", "within", "tried", "swapped", "used", "rating"):
        assert getattr(again, name) == getattr(one, name)
    assert again.success == pytest.approx(one.success, abs=0.5 / 255)
    assert again.epsilon == pytest.approx(one.epsilon, abs=0.5 / 131_070)
    for before, after in zip(shares, (again.categories, again.vectors, again.recall), strict=True):
        assert after == (None if before is None else pytest.approx(before, abs=0.5 / 254))
    assert ListRecord.from_bytes(again.to_bytes()) == again


def filled(lists: int) -> FeedbackLog:
    log = FeedbackLog()
    for number in range(lists):
        at = START + number * 3 * MONTHS * MONTH_S / lists
        sketch = sketch_of([f"{number}"], [f"{number}", f"{number + 1}"], ["a"], ["a", "b"])
        log = log.after(record(number % 40, at=at), f"{number % 9}" * 64, sketch)
    return log


def test_it_is_bounded_and_fits_a_state() -> None:
    log = filled(2_000)
    assert len(log.records) == NEWEST
    assert len({surface for _, surface in log.tallies if surface}) <= SURFACES
    assert len({month for month, _ in log.tallies}) <= MONTHS
    assert len(log.covered) == COVERED_MONTHS
    full = FeedbackLog(
        {
            (24_000 + month, name): log.tallies[next(iter(log.tallies))]
            for month in range(MONTHS)
            for name in ("", *(f"{n}" * 64 for n in range(SURFACES)))
        },
        log.newest,
        {24_000 + MONTHS - 1 - month: next(iter(log.covered.values())) for month in range(2)},
    )
    assert len(full.to_bytes()) <= MAX_STATE_BYTES
    assert FeedbackLog.from_bytes(full.to_bytes()) == full


def test_equal_lists_give_equal_bytes_in_one_go_or_in_two() -> None:
    whole = FeedbackLog()
    parts = [FeedbackLog(), FeedbackLog()]
    for number in range(60):
        one = replace(record(number % 7), rating=float(number % 6) if number % 3 else None)
        surface, shown = "home" if number % 2 else "", [f"{number % 11}"]
        sketch = sketch_of(shown, shown, shown, shown)
        whole = whole.after(one, surface, sketch)
        parts[number // 30] = parts[number // 30].after(one, surface, sketch)
    assert whole.to_bytes() == parts[0].merged(parts[1]).to_bytes()
    assert sum(tally.lists for tally in whole.tallies.values()) == 60


def test_another_list_gives_what_it_gives_as_a_log_of_its_own() -> None:
    sketch = sketch_of(["a", "b"], ["a", "b", "c"], ["x"], ["x", "y"])
    log = FeedbackLog()
    for number, month in enumerate([0, 0, 0, 1, 1, 0, 2, 20, 20, 3, 20]):
        one, surface = record(number % 7, at=START + month * MONTH_S), f"{number % 2}"
        apart = log.merged(FeedbackLog().after(one, surface, sketch))
        log = log.after(one, surface, sketch)
        assert log.to_bytes() == apart.to_bytes()


def test_what_was_not_written_here_is_nothing() -> None:
    raw = filled(30).to_bytes()
    assert FeedbackLog.from_bytes(raw) is not None
    for other in (b"", raw[:-1], raw + b"0", bytes([raw[0] + 1]) + raw[1:], raw[:1] + b"\xff" * 60):
        assert FeedbackLog.from_bytes(other) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_log_or_nothing(raw: bytes) -> None:
    log = FeedbackLog.from_bytes(b"\x02" + raw)
    assert log is None or isinstance(log, FeedbackLog)


def test_what_retention_no_longer_allows_goes() -> None:
    sketch = sketch_of(["a"], ["a"], [], [])
    log = FeedbackLog().after(record(1, at=START), "", sketch)
    assert log.since(START + MONTH_S).covered == {}
    log = log.after(record(2, at=START + 3 * MONTH_S), "", sketch)
    left = log.since(START + MONTH_S)
    assert list(left.covered) == [month_of(START + 3 * MONTH_S)]
    assert [one.place for one in left.records] == [2]
    assert list(left.tallies) == [(month_of(START + 3 * MONTH_S), "")]
    assert log.since(-np.inf) == log


@given(
    pairs=st.sets(st.integers(0, 18), max_size=6),
    epsilon=st.sampled_from([0.1, 0.25, 0.5]),
    fixed=st.sets(st.integers(0, 18), max_size=4),
)
def test_chances_of_the_first_places_are_those_of_the_whole_list(
    pairs: set[int], epsilon: float, fixed: set[int]
) -> None:
    swaps = NeighbourSwaps(np.array([0.0 if n in fixed else epsilon for n in range(19)]))
    order = np.arange(20)
    for upper in sorted(pairs - fixed):
        if order[upper] == upper:
            order[[upper, upper + 1]] = order[[upper + 1, upper]]
    one = ListRecord.of(
        shown(
            "abcdefghijklmnopqrst",
            pairs=tuple(swaps.pairs.tolist()),
            order=tuple(order.tolist()),
            without=order + 1,
        ),
        Deeds(),
    )
    again = ListRecord.from_bytes(one.to_bytes())
    assert again.placements == pytest.approx(swaps.placements(order)[:PLACES], abs=1e-4)
    assert again.steps == pytest.approx(swaps.steps(order)[:PLACES], abs=1e-4)
    assert again.same == tuple((order == np.arange(20)).tolist()[:PLACES])
    assert all(again.within)
    assert again.used is Used.PACK


def test_what_the_head_moved_far_is_out_of_reach() -> None:
    moved = shown(
        "abcdef",
        without=np.array([4, 1, 2, 3, 6, 5]),
        pairs=(0.0, 0.1, 0.1, 0.0, 0.1),
        order=(0, 1, 2, 3, 4, 5),
    )
    one = ListRecord.of(moved, Deeds())
    # "d" comes to the third place by one swap; "b" not to the first, where no pair is tried.
    assert one.within[:6] == (False, True, True, False, True, True)
    assert one.used is Used.LEARNT
    assert ListRecord.of(replace(moved, used="host"), Deeds()).used is Used.HOST
