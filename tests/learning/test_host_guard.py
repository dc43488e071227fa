"""The guard of the host's order: tests by person and surface, kept in the vault, gone with them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Event, History, Item
from edge_rerank.errors import HistoryUnavailable, InvalidRequest
from edge_rerank.history.vault.states import MAX_STATE_BYTES, States
from edge_rerank.learning.host_guard import (
    PEOPLE,
    SURFACES,
    HostGuard,
    HostTests,
    Trial,
)
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.learner import Learner
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.open_lists import OPEN_S
from edge_rerank.learning.room_test import RoomTest
from edge_rerank.learning.sequential_test import (
    CLOSELY,
    LONGEST,
    LOOKS,
    RESTING,
    OrderTest,
)
from tests.learning.test_learner import LAYOUT, START, USER, a_list, did, following, show, tell

STATE = "order.pack"
TEAMS = (None, Side.OURS, Side.HOST, Side.OURS, Side.HOST)
"""Of the items a to e."""

USUAL = Trial(Side.OURS, 0.1, 0.75, (0.75, None))


def drafted(number: int = 0, *, surface: str = "", at: float = START) -> Shown:
    return replace(a_list(number, at=at), teams=TEAMS, surface=surface)


def chosen(item: str, *, dwell_s: float | None = None) -> Deeds:
    deeds = Deeds()
    deeds.heed(Event("click", Item(item), ranking="r0", dwell_s=dwell_s))
    return deeds


@pytest.fixture
def history() -> History:
    kept = History.open()
    kept.consent(USER, True)
    return kept


@pytest.fixture
def learner(history: History) -> Learner:
    learner = guarding(history)
    history.on_forget(learner.drop)
    return learner


def guarding(history: History) -> Learner:
    """A learner that events of a history are told to, with a guard."""
    learner = Learner(history, guard=HostGuard(room=0.75))
    history.beside_record(learner.following)
    return learner


def trial(learner: Learner, surface: str = "") -> Trial:
    found = learner.trial(USER, LAYOUT, surface)
    assert found is not None
    return found


def answer(learner: Learner, number: int, item: str, *, surface: str = "") -> None:
    """A list drafted of both orders, of which an item is chosen; lists are an hour apart."""
    at = START + 3_600.0 * number
    learner.trial(USER, LAYOUT, surface)
    show(learner, drafted(number, surface=surface, at=at))
    tell(learner, did("click", item, f"r{number}", at=at + 1))


def test_the_order_that_brought_what_was_chosen_wins() -> None:
    for item, won in (("c", (1, 0)), ("b", (0, 1)), ("a", (0, 0))):
        test = HostTests().after(drafted(), chosen(item)).of("")
        assert (test.host_wins, test.our_wins) == won


def test_what_did_not_satisfy_wins_nothing() -> None:
    assert HostTests().after(drafted(), chosen("c", dwell_s=1.0)) == HostTests()
    assert HostTests().after(drafted(), Deeds()) == HostTests()
    refused = chosen("c")
    refused.heed(Event("dislike", Item("c"), ranking="r0"))
    assert HostTests().after(drafted(), refused) == HostTests()
    both = chosen("b", dwell_s=8.0)
    both.heed(Event("purchase", Item("e"), ranking="r0"))
    assert HostTests().after(drafted(), both).of("").host_wins == 1


def test_a_list_that_was_not_drafted_of_both_says_nothing() -> None:
    assert HostTests().after(a_list(), chosen("c")) == HostTests()


def test_surfaces_are_tested_apart_and_few_by_name() -> None:
    tests = HostTests()
    for number in range(SURFACES):
        tests = tests.after(drafted(surface=f"s{number}"), chosen("c"))
    for number in range(50):
        tests = tests.after(drafted(surface=f"more{number}"), chosen("b"))
    assert len(tests.tests) == SURFACES + 1
    assert tests.of("s0") == OrderTest(host_wins=1)
    assert tests.of("more7") is tests.of("")
    assert tests.of("").shown is Side.OURS


@given(
    st.dictionaries(
        st.text("abcz._-019", max_size=64),
        st.builds(
            OrderTest,
            st.sampled_from(Side),
            st.integers(0, LONGEST),
            st.integers(0, LONGEST),
            st.integers(0, LOOKS),
            st.integers(0, 2**16 - 1),
        ),
        max_size=SURFACES + 1,
    ),
    st.integers(0, 400),
)
def test_bytes_are_few_and_come_back(tests: dict[str, OrderTest], cut: int) -> None:
    rooms = {name: RoomTest(bool(len(name) % 2), len(name) / 32) for name in tests}
    raw = HostTests(tests, rooms).to_bytes(LAYOUT)
    assert len(raw) < 400 < MAX_STATE_BYTES
    assert HostTests.from_bytes(raw, LAYOUT) == HostTests(tests, rooms)
    assert HostTests(dict(reversed(tests.items())), rooms).to_bytes(LAYOUT) == raw
    if cut < len(raw):
        assert HostTests.from_bytes(raw[:cut], LAYOUT) is None
    assert HostTests.from_bytes(raw + b"\0", LAYOUT) is None
    assert HostTests.from_bytes(raw, replace(LAYOUT, digest="b" * 64)) is None


def test_seven_wins_bring_the_hosts_order_back_and_seven_ours(learner: Learner) -> None:
    assert trial(learner) == USUAL
    for number in range(7):
        assert trial(learner).shown is Side.OURS
        answer(learner, number, "c")
        assert number != 1 or trial(learner).share == CLOSELY
    assert trial(learner) == replace(USUAL, shown=Side.HOST, share=0.1 * RESTING)
    for number in range(7, 14):
        assert trial(learner).shown is Side.HOST
        answer(learner, number, "b")
    assert trial(learner).shown is Side.OURS
    assert trial(learner, "elsewhere") == USUAL


def test_after_two_early_wins_lists_that_nobody_wins_are_drafted_as_seldom_as_before(
    learner: Learner,
) -> None:
    for number, item in enumerate("cc"):
        answer(learner, number, item)
    assert trial(learner).share == CLOSELY
    for number in range(2, 10):
        answer(learner, number, "a")  # what both began with
    assert trial(learner) == USUAL
    answer(learner, 10, "c")
    assert trial(learner).share == CLOSELY


def test_a_list_that_says_nothing_takes_no_surfaces_place() -> None:
    for number in range(9):
        assert HostTests().after(drafted(surface=f"s{number}"), chosen("a")) == HostTests()


def test_a_dwell_time_that_comes_later_takes_the_win_back(learner: Learner) -> None:
    answer(learner, 0, "c")
    assert learner._tests.of(USER, LAYOUT).of("") == OrderTest(host_wins=1)
    tell(learner, did("view", "c", "r0", at=START + 5, dwell_s=1.0))
    assert learner._tests.of(USER, LAYOUT).of("") == OrderTest()


def test_what_is_written_is_what_holds_whenever_the_process_dies(
    learner: Learner, history: History
) -> None:
    for number, item in enumerate("cbcceacbbc"):
        answer(learner, number, item)
        raw = history.state(USER, STATE)
        fresh = Learner(history, guard=HostGuard(room=0.75))
        assert trial(fresh) == trial(learner)
        # A list that closes while ranking changes nothing.
        show(learner, a_list(100 + number, at=START + 3_600.0 * number + OPEN_S + 9))
        assert history.state(USER, STATE) == raw
        assert learner._tests.of(USER, LAYOUT).to_bytes(LAYOUT) == raw


def test_it_is_there_in_the_next_process(tmp_path: Path) -> None:
    key = os.urandom(32)
    with History.open(tmp_path / "h.db", key) as kept:
        kept.consent(USER, True)
        learner = guarding(kept)
        for number in range(7):
            answer(learner, number, "c")
    with History.open(tmp_path / "h.db", key) as kept:
        assert trial(Learner(kept, guard=HostGuard(room=0.75))).shown is Side.HOST
        other = replace(LAYOUT, digest="b" * 64)
        after_release = Learner(kept, guard=HostGuard(room=0.75)).trial(USER, other, "")
        assert after_release == USUAL


def test_the_same_events_give_the_same_bytes_on_two_devices() -> None:
    states = []
    for _ in range(2):
        kept = History.open()
        kept.consent(USER, True)
        learner = guarding(kept)
        for number, item in enumerate("cbcce"):
            answer(learner, number, item, surface=f"s{number % 2}")
        states.append(kept.state(USER, STATE))
    assert states[0] == states[1] is not None


def test_without_consent_or_guard_nothing_is_tried_or_kept(
    learner: Learner, history: History
) -> None:
    plain = following(history)
    assert plain.trial(USER, LAYOUT, "") is None
    answer(plain, 0, "c")
    assert history.state(USER, STATE) is None
    answer(learner, 0, "c")
    assert history.state(USER, STATE) is not None
    history.consent(USER, False)
    assert learner.trial(USER, LAYOUT, "") is None
    assert learner.trial("nobody", LAYOUT, "") is None


def test_it_is_gone_when_the_person_is_forgotten(learner: Learner, history: History) -> None:
    for number in range(7):
        answer(learner, number, "c")
    assert STATE in [one.name for one in history.access(USER).states]
    history.forget(USER)
    assert not learner._tests._people
    history.consent(USER, True)
    assert history.state(USER, STATE) is None
    assert trial(learner) == USUAL


def test_few_people_are_held_in_memory(learner: Learner, history: History) -> None:
    for number in range(PEOPLE + 5):
        history.consent(f"p{number}", True)
        learner.trial(f"p{number}", LAYOUT, "")
    assert len(learner._tests._people) == PEOPLE


def test_what_cannot_be_written_does_not_hold(
    learner: Learner, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HistoryUnavailable("full")

    with monkeypatch.context() as patched:
        patched.setattr(States, "put", refuse)
        with pytest.raises(HistoryUnavailable):
            answer(learner, 0, "c")
    assert learner._tests.of(USER, LAYOUT).of("") == OrderTest()
    assert not history.events(USER)
    answer(learner, 1, "c")
    assert learner._tests.of(USER, LAYOUT).of("").host_wins == 1


def test_a_guard_out_of_range_is_refused() -> None:
    for wrong in ({"share": 0.6}, {"share": -0.1}, {"share": None}, {"room": -1.0}, {"most": -1.0}):
        with pytest.raises(InvalidRequest, match=f"{next(iter(wrong))}: expected"):
            HostGuard(**wrong)  # type: ignore[arg-type]
