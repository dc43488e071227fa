"""The learner: lists and events joined, kept in the vault, gone when they are to be gone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, History, Item
from edge_rerank.errors import ConsentRequired, HistoryUnavailable
from edge_rerank.history.vault.states import States
from edge_rerank.history.vault.vault import Change
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.learner import PEOPLE, Learner
from edge_rerank.learning.lessons import Features, Shown
from edge_rerank.learning.open_lists import OPEN_LISTS, OPEN_S
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
        features_of(rng.normal(size=(5, layout.width))),
        layout,
    )


def features_of(values: NDArray[np.float64]) -> Features:
    return Features(lambda: values.astype(np.float32))


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
    return following(history)


def following(history: History) -> Learner:
    """A learner that events of a history are told to."""
    learner = Learner(history)
    history.beside_record(learner.following)
    return learner


def tell(learner: Learner, *events: Event, user: str = USER) -> None:
    """Record events in the learner's history."""
    learner._history.record(events, user=user)


def show(learner: Learner, shown: Shown, *, user: str = USER) -> None:
    assert learner.head(user, shown.layout) is not None
    learner.watch(user, shown)


def teach(learner: Learner, number: int, item: str, *, at: float = START) -> None:
    show(learner, a_list(number, at=at))
    tell(learner, did("click", item, f"r{number}", at=at + 1))


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
    tell(learner, did("click", "d", "another", at=START), Event("click", Item("d")))
    assert head(learner).lists == 0


def test_a_dwell_time_that_comes_later_takes_the_place_of_what_was_learnt(learner: Learner) -> None:
    teach(learner, 0, "d")
    clicked = head(learner).to_bytes()
    tell(learner, did("view", "d", "r0", at=START + 2, dwell_s=1.0))
    assert head(learner).to_bytes() == Head.blank(LAYOUT).to_bytes()
    tell(learner, did("view", "d", "r0", at=START + 60, dwell_s=60.0))
    assert head(learner).to_bytes() == clicked


def test_a_closed_list_stays_learnt_and_takes_no_more_events(learner: Learner) -> None:
    teach(learner, 0, "d")
    before = head(learner).to_bytes()
    late = START + OPEN_S + 1
    tell(learner, did("dislike", "d", "r0", at=late))
    assert head(learner).to_bytes() == before


def test_few_lists_are_open_and_all_are_learnt(learner: Learner, history: History) -> None:
    for number in range(3 * OPEN_LISTS):
        teach(learner, number, "d", at=START + number)
    assert head(learner).lists == 3 * OPEN_LISTS
    assert history.state(USER, "head.pack") == head(learner).to_bytes()
    assert len(next(iter(learner._pupils.values())).open.lists) == OPEN_LISTS


def test_what_was_learnt_is_there_in_the_next_process(tmp_path: Path) -> None:
    key = os.urandom(32)
    with History.open(tmp_path / "h.db", key) as kept:
        kept.consent(USER, True)
        learner = following(kept)
        teach(learner, 0, "d")
        before = head(learner).to_bytes()
    with History.open(tmp_path / "h.db", key) as kept:
        assert head(Learner(kept)).to_bytes() == before


def test_the_same_events_give_the_same_bytes_on_two_devices() -> None:
    heads = []
    for _ in range(2):
        kept = History.open()
        kept.consent(USER, True)
        learner = following(kept)
        for number in range(12):
            teach(learner, number, "cde"[number % 3], at=START + number)
        heads.append(head(learner).to_bytes())
    assert heads[0] == heads[1]


def test_nothing_is_learnt_or_used_without_consent(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    history.consent(USER, False)
    assert learner.head(USER, LAYOUT) is None
    with pytest.raises(ConsentRequired):
        tell(learner, did("click", "e", "r0", at=START + 3))
    history.consent(USER, True)
    assert history.state(USER, "head.pack") == head(learner).to_bytes()
    assert head(learner).lists == 1
    assert learner.head("somebody else", LAYOUT) is None


def test_it_is_gone_when_the_person_is_forgotten(learner: Learner, history: History) -> None:
    history.on_forget(learner.drop)
    teach(learner, 0, "d")
    history.forget(USER)
    history.consent(USER, True)
    tell(learner, did("click", "e", "r0", at=START + 3))
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
    tell(learner, did("click", "e", "r1", at=START + 1))
    assert head(learner).lists == head(learner, other).lists == 1
    fresh = Learner(history)
    assert head(fresh).lists == head(fresh, other).lists == 1


def test_an_event_and_what_it_teaches_are_one_transaction(
    learner: Learner, history: History
) -> None:
    show(learner, a_list())
    tell(learner, Event("search", query="tea", timestamp=START))  # the first writes notes, too
    before = history._store._vault.root.generation
    tell(learner, did("click", "d", "r0", at=START + 1))
    assert history._store._vault.root.generation == before + 1
    assert history.state(USER, "head.pack") == head(learner).to_bytes()


@pytest.mark.parametrize("what", [(States, "put"), (Change, "save")])
def test_where_either_cannot_be_kept_neither_is(
    learner: Learner,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
    what: tuple[type, str],
) -> None:
    show(learner, a_list())
    choice = did("click", "d", "r0", at=START + 1)

    def refuse(*_: object, **__: object) -> None:
        raise HistoryUnavailable("full")

    with monkeypatch.context() as patched:
        patched.setattr(*what, refuse)
        with pytest.raises(HistoryUnavailable):
            tell(learner, choice)
    assert head(learner).lists == 0
    assert not history.events(USER)
    assert history.state(USER, "head.pack") is None
    tell(learner, choice)
    assert head(learner).lists == 1


def test_several_events_at_once_teach_what_they_do_one_by_one() -> None:
    rng = np.random.default_rng(0)
    events = [
        did(kind, "abcde"[rng.integers(5)], f"r{rng.integers(6)}", at=START + n)
        for n, kind in enumerate(("click", "dislike", "like", "impression", "view") * 8)
    ]
    events[30:] = [replace(one, timestamp=START + OPEN_S + n) for n, one in enumerate(events[30:])]
    heads = []
    for at_once in (1, 7, len(events)):
        kept = History.open()
        kept.consent(USER, True)
        learner = following(kept)
        for number in range(6):
            show(learner, a_list(number, at=START + number))
        for first in range(0, len(events), at_once):
            tell(learner, *events[first : first + at_once])
        heads.append(head(learner).to_bytes())
        assert head(learner).lists
    assert heads[0] == heads[1] == heads[2]


def test_an_event_that_is_told_twice_teaches_what_it_did(learner: Learner) -> None:
    show(learner, a_list())
    told = [did("like", "d", "r0", at=START + 1), did("click", "e", "r0", at=START + 1)]
    tell(learner, *told, did("dislike", "d", "r0", at=START + 2))
    before = head(learner).to_bytes()
    tell(learner, *told)
    assert head(learner).to_bytes() == before


def test_an_event_like_one_that_was_kept_is_learnt_from_its_own_list(
    learner: Learner, history: History
) -> None:
    for number in range(2):
        show(learner, a_list(number))
        tell(learner, did("click", "d", f"r{number}", at=START + 1))
    assert len(history.events(USER)) == 1  # within a second
    assert head(learner).lists == 2
    assert history.state(USER, "head.pack") == head(learner).to_bytes()


def test_what_says_nothing_new_is_not_written_again(learner: Learner, history: History) -> None:
    teach(learner, 0, "d")
    before = head(learner)
    states = history._store._vault.find(USER)
    tell(learner, did("view", "d", "r0", at=START + 60, dwell_s=60.0))  # a success, as was taken
    assert head(learner) is before
    after = history._store._vault.find(USER)
    assert states is not None
    assert after is not None
    assert after.states == states.states
    assert after.count == states.count + 1


def test_a_seventh_pack_drops_the_head_that_was_learnt_from_longest_ago(
    learner: Learner, history: History
) -> None:
    history.set_state(USER, "feedback", b"counts")
    history.describe(USER, {"region": "CN-31"})
    layouts = [Layout(f"pack {n}", "a" * 64, ("content",), 2) for n in range(8)]
    for number, layout in enumerate([*layouts[:6], layouts[0], *layouts[6:]]):
        show(learner, a_list(number, layout=layout))
        tell(learner, did("click", "d", f"r{number}", at=START + number))
    names = {one.name for one in history.access(USER).states}
    kept = {f"head.pack {n}" for n in (0, 3, 4, 5, 6, 7)}
    assert names == kept | {"feedback", "attributes"}
    assert history.description(USER) == {"region": "CN-31"}
    assert head(Learner(history), layouts[1]).lists == 0
    assert head(Learner(history), layouts[0]).lists == 2


def test_memory_is_bounded(learner: Learner, history: History) -> None:
    for number in range(2 * PEOPLE):
        user = f"user {number}"
        history.consent(user, True)
        for one in range(2 * OPEN_LISTS):
            show(learner, a_list(one), user=user)
    assert len(learner._pupils) == PEOPLE
    assert max(len(pupil.open.lists) for pupil in learner._pupils.values()) == OPEN_LISTS


def test_who_was_dropped_since_the_list_was_made_is_not_taken_up_again(learner: Learner) -> None:
    assert learner.head(USER, LAYOUT) is not None
    learner.drop(USER)
    learner.watch(USER, a_list())
    assert not learner._pupils
