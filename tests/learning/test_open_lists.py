"""Open lists: learnt anew from the first that changed on, which is as good as all of them."""

from __future__ import annotations

import numpy as np
import pytest

from edge_rerank import Event
from edge_rerank.learning.head import Head
from edge_rerank.learning.lessons import Deeds, Features, Lesson, Reading, Shown
from edge_rerank.learning.open_lists import OPEN_LISTS, OPEN_S, OpenLists
from edge_rerank.types import EventName
from tests.learning.test_learner import LAYOUT, START, a_list, did

KINDS: tuple[EventName, ...] = ("click", "view", "like", "dislike", "dismiss", "impression")


def opened(count: int) -> OpenLists:
    lists = OpenLists(Head.blank(LAYOUT))
    for number in range(count):
        lists.add(a_list(number, at=START + number))
    return lists


def whole(lists: list[Shown], deeds: list[Deeds]) -> Head:
    """All of them learnt in their order, from the start."""
    head = Head.blank(LAYOUT)
    for shown, done in zip(lists, deeds, strict=True):
        reading = Reading.of(shown.ids, done)
        if reading is not None:
            head = head.learn(reading.lesson(shown))
    return head


@pytest.mark.parametrize("seed", range(5))
def test_it_is_to_the_bit_what_learning_all_lists_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shown = [a_list(number, at=START + number) for number in range(OPEN_LISTS)]
    deeds = [Deeds() for _ in shown]
    lists = opened(OPEN_LISTS)
    for turn in range(60):
        number, kind = int(rng.integers(OPEN_LISTS)), KINDS[rng.integers(len(KINDS))]
        dwell = float(rng.uniform(0, 40)) if kind in {"click", "view"} else None
        event = did(kind, "abcde"[rng.integers(5)], f"r{number}", at=START + turn, dwell_s=dwell)
        deeds[number].heed(event)
        lists.learn([event])
        assert lists.head.to_bytes() == whole(shown, deeds).to_bytes()
    assert lists.head.lists > 1


def test_an_event_costs_one_lesson_where_it_is_of_the_newest_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists = opened(OPEN_LISTS)
    for number in range(OPEN_LISTS):
        lists.learn([did("click", "d", f"r{number}", at=START + 10)])
    learnt: list[Lesson] = []
    learn = Head.learn

    def counted(head: Head, lesson: Lesson) -> Head:
        learnt.append(lesson)
        return learn(head, lesson)

    monkeypatch.setattr(Head, "learn", counted)
    lists.learn([did("click", "e", f"r{OPEN_LISTS - 1}", at=START + 11)])
    assert len(learnt) == 1
    lists.learn([did("click", "e", f"r{OPEN_LISTS - 1}", at=START + 12)])  # says nothing new
    lists.learn([did("impression", "a", "another", at=START + 12)])
    assert len(learnt) == 1
    lists.learn([did("click", "e", "r5", at=START + 13)])
    assert len(learnt) == 1 + 3


def test_features_are_made_when_the_first_choice_comes_and_once() -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.ones((5, LAYOUT.width), dtype=np.float32)

    base = np.zeros(5, dtype=np.float32)
    lists = OpenLists(Head.blank(LAYOUT))
    lists.add(Shown("r0", START, tuple("abcde"), base, Features(make), LAYOUT))
    lists.learn([did("impression", "a", "r0", at=START + 1)])
    assert not made
    for turn in range(3):
        lists.learn([did("click", "cde"[turn], "r0", at=START + 2 + turn)])
    assert len(made) == 1


def test_a_draft_leaves_what_it_was_made_of_alone() -> None:
    lists = opened(3)
    lists.learn([did("click", "d", "r1", at=START + 4)])
    before = lists.head.to_bytes(), lists.lists.copy(), lists.lists["r1"].deeds.copy()
    draft = lists.draft()
    draft.learn([did("dislike", "d", "r1", at=START + 5)])
    assert len(draft.learn([did("click", "c", "r2", at=START + OPEN_S + 9)])) == 3
    assert (lists.head.to_bytes(), lists.lists, lists.lists["r1"].deeds) == before
    assert draft.head.to_bytes() != before[0]


def test_each_event_counts_at_its_own_time() -> None:
    one_by_one, at_once = opened(2), opened(2)
    events: list[Event] = [
        did("click", "d", "r0", at=START + 4),
        did("click", "e", "r1", at=START + 2 * OPEN_S),
    ]
    assert [len(one_by_one.learn([event])) for event in events] == [0, 2]
    assert len(at_once.learn(events)) == 2
    assert at_once.head.to_bytes() == one_by_one.head.to_bytes()
    assert at_once.head.lists == 1
