"""The learner: lists and events joined, kept in the vault, gone when they are to be gone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Event, History, Item
from edge_rerank.errors import HistoryUnavailable
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import OPEN_LISTS, OPEN_S, PEOPLE, Learner
from edge_rerank.learning.lessons import Shown
from edge_rerank.types import EventName

LAYOUT = Layout("pack", "a" * 64, ("content",), 2)
USER = "somebody"
START = 1_700_000_000.0


def a_list(number: int = 0, *, at: float = START, layout: Layout = LAYOUT) -> Shown:
    rng = np.random.default_rng(number)
    return Shown(
        f"r{number}",
        at,
        tuple("abcde"),
        rng.normal(size=5).astype(np.float32),
        rng.normal(size=(5, layout.width)).astype(np.float32),
        layout,
    )


def did(
    kind: EventName, item: str, ranking: str, *, at: float, dwell_s: float | None = None
) -> Event:
    return Event(kind, Item(item), ranking=ranking, timestamp=at, dwell_s=dwell_s)


@pytest.fixture
def history() -> History:
    kept = History.open()
    kept.consent(USER, True)
    return kept


@pytest.fixture
def learner(history: History) -> Learner:
    return Learner(history, clock=lambda: START)


def show(learner: Learner, shown: Shown, *, user: str = USER) -> None:
    assert learner.head(user, shown.layout) is not None
    learner.watch(user, shown)


def teach(learner: Learner, number: int, item: str, *, at: float = START) -> None:
    show(learner, a_list(number, at=at))
    learner.heed(USER, [did("click", item, f"r{number}", at=at + 1)])


def head(learner: Learner, layout: Layout = LAYOUT) -> Head:
    found = learner.head(USER, layout)
    assert found is not None
    return found


def test_a_choice_from_a_list_changes_the_head(learner: Learner) -> None:
    assert not head(learner).weights.any()
    teach(learner, 0, "d")
    assert head(learner).lists == 1
    assert head(learner).weights.any()


def test_events_that_name_no_list_that_was_shown_teach_nothing(learner: Learner) -> None:
    show(learner, a_list())
    learner.heed(USER, [did("click", "d", "another", at=START), Event("click", Item("d"))])
    assert head(learner).lists == 0


def test_a_dwell_time_that_comes_later_takes_the_place_of_what_was_learnt(learner: Learner) -> None:
    teach(learner, 0, "d")
    clicked = head(learner).to_bytes()
    learner.heed(USER, [did("view", "d", "r0", at=START + 2, dwell_s=1.0)])
    assert head(learner).to_bytes() == Head.blank(LAYOUT).to_bytes()
    learner.heed(USER, [did("view", "d", "r0", at=START + 60, dwell_s=60.0)])
    assert head(learner).to_bytes() == clicked


def test_a_closed_list_stays_learnt_and_takes_no_more_events(learner: Learner) -> None:
    teach(learner, 0, "d")
    before = head(learner).to_bytes()
    late = START + OPEN_S + 1
    learner.heed(USER, [did("dislike", "d", "r0", at=late)])
    assert head(learner).to_bytes() == before


def test_few_lists_are_open_and_all_are_learnt(learner: Learner, history: History) -> None:
    for number in range(3 * OPEN_LISTS):
        teach(learner, number, "d", at=START + number)
    assert head(learner).lists == 3 * OPEN_LISTS
    assert history.state(USER, "head.pack") == head(learner).to_bytes()
    assert len(next(iter(learner._pupils.values())).lists) == OPEN_LISTS


def test_what_was_learnt_is_there_in_the_next_process(tmp_path: Path) -> None:
    key = os.urandom(32)
    with History.open(tmp_path / "h.db", key) as kept:
        kept.consent(USER, True)
        learner = Learner(kept)
        teach(learner, 0, "d")
        before = head(learner).to_bytes()
    with History.open(tmp_path / "h.db", key) as kept:
        assert head(Learner(kept)).to_bytes() == before


def test_the_same_events_give_the_same_bytes_on_two_devices() -> None:
    heads = []
    for _ in range(2):
        kept = History.open()
        kept.consent(USER, True)
        learner = Learner(kept)
        for number in range(12):
            teach(learner, number, "cde"[number % 3], at=START + number)
        heads.append(head(learner).to_bytes())
    assert heads[0] == heads[1]


def test_nothing_is_learnt_or_used_without_consent(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    history.consent(USER, False)
    assert learner.head(USER, LAYOUT) is None
    learner.heed(USER, [did("click", "e", "r0", at=START + 3)])
    history.consent(USER, True)
    assert history.state(USER, "head.pack") is not None
    assert learner.head("somebody else", LAYOUT) is None


def test_it_is_gone_when_the_person_is_forgotten(learner: Learner, history: History) -> None:
    history.on_forget(learner.drop)
    teach(learner, 0, "d")
    history.forget(USER)
    learner.heed(USER, [did("click", "e", "r0", at=START + 3)])
    history.consent(USER, True)
    assert head(learner).lists == 0
    assert history.state(USER, "head.pack") is None


def test_it_is_dropped_when_the_pack_changes_and_that_is_said_once(
    learner: Learner, history: History
) -> None:
    teach(learner, 0, "d")
    other = Layout("pack", "b" * 64, ("content",), 2)
    fresh = Learner(history)
    assert head(fresh, other).lists == 0
    assert fresh.was_reset(USER, other)
    assert not fresh.was_reset(USER, other)
    assert not learner.was_reset(USER, LAYOUT)


def test_packs_of_other_names_have_heads_of_their_own(learner: Learner, history: History) -> None:
    other = Layout("another pack with a name that is rather long", "b" * 64, ("content",), 2)
    teach(learner, 0, "d")
    show(learner, a_list(1, layout=other))
    learner.heed(USER, [did("click", "e", "r1", at=START + 1)])
    assert head(learner).lists == head(learner, other).lists == 1
    fresh = Learner(history)
    assert head(fresh).lists == head(fresh, other).lists == 1


def test_what_cannot_be_kept_still_holds_in_memory(
    learner: Learner, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise HistoryUnavailable("full")

    monkeypatch.setattr(history, "set_state", refuse)
    teach(learner, 0, "d")
    assert head(learner).lists == 1


def test_memory_is_bounded(learner: Learner, history: History) -> None:
    for number in range(2 * PEOPLE):
        user = f"user {number}"
        history.consent(user, True)
        for one in range(2 * OPEN_LISTS):
            show(learner, a_list(one), user=user)
    assert len(learner._pupils) == PEOPLE
    assert max(len(pupil.lists) for pupil in learner._pupils.values()) == OPEN_LISTS


def test_who_was_dropped_since_the_list_was_made_is_not_taken_up_again(learner: Learner) -> None:
    assert learner.head(USER, LAYOUT) is not None
    learner.drop(USER)
    learner.watch(USER, a_list())
    assert not learner._pupils
