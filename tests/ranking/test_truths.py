from __future__ import annotations

import gc
from collections.abc import Sequence
from types import FunctionType, ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, ReasonCode
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.evidence import CODES, Evidence, Truths
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.repeats import RepeatSource
from edge_rerank.ranking.sources.rules import Rules
from edge_rerank.ranking.truths import note_truths
from edge_rerank.types import EventType

BREAD = Item("bread", categories=["Food", "Baking"], popularity=9)
ROLLS = Item("rolls", categories=["Food", "Baking"], popularity=8)
SOUP = Item("soup", categories=["Food", "Soups"], popularity=1)
MOON = Item("moon", categories=["Science", "Space"], popularity=0)
EVERY = (BREAD, ROLLS, SOUP, MOON)
DAY = 86_400.0


class Strange:
    """A comparer to which no two texts are alike."""

    def compare(
        self, candidates: Sequence[Item], interests: object, *_: object, **__: object
    ) -> Comparisons:
        liked, disliked = len(interests.liked), len(interests.disliked)  # type: ignore[attr-defined]
        count = len(candidates)
        return Comparisons(
            vectors=np.zeros((count, 1), dtype=np.float32),
            cosines=np.zeros((count, liked + disliked)),
            likes=liked,
            likeness=np.zeros((liked, liked)),
            aversion=np.zeros((liked, disliked)),
        )

    def cosines(self, vectors: NDArray[np.float32], words: str) -> NDArray[np.float64]:
        raise AssertionError("nothing was asked for")


def noted(*history: Event, items: Sequence[Item] = EVERY) -> Truths:
    request = Request.of(items, history=history, comparer=Strange(), now=10 * DAY)
    sources = Rules(), RepeatSource()
    evidence = Evidence((column for one in sources for column in one.columns), len(items))
    for source in sources:
        source.fill(request, evidence)
    note_truths(request, evidence)
    return evidence.truths


def event(kind: EventType | str, item: Item, day: float = 10.0, **more: float) -> Event:
    return Event(kind, item, timestamp=day * DAY, **more)  # type: ignore[arg-type]


def true(evidence: Truths, code: ReasonCode, *, up: bool = True) -> list[str]:
    held = (evidence.lifts if up else evidence.lowers)[:, CODES.index(code)]
    return [item.id for item, one in zip(EVERY, held.tolist(), strict=True) if one]


def test_a_category_that_was_chosen_is_liked_and_one_that_was_only_opened_is_not() -> None:
    assert true(noted(event("click", BREAD)), ReasonCode.CATEGORY) == ["bread", "rolls"]
    assert true(noted(event("click", BREAD, dwell_s=0.5)), ReasonCode.CATEGORY) == []


def test_likeness_names_another_item_that_was_chosen() -> None:
    evidence = noted(event("click", BREAD))
    assert true(evidence, ReasonCode.SIMILAR) == ["rolls"]
    assert evidence.chosen[evidence.nearest[1]] == BREAD.id


def test_a_kind_that_was_turned_down_more_than_chosen_is_liked_no_more() -> None:
    history = [
        event("click", BREAD),
        *(event("dislike", Item(f"d{n}", categories=BREAD.categories)) for n in range(3)),
    ]
    assert true(noted(*history), ReasonCode.CATEGORY) == []
    assert true(noted(*history), ReasonCode.DISLIKED, up=False) == ["bread", "rolls"]


@pytest.mark.parametrize("word", ["dislike", "dismiss"])
def test_of_what_was_turned_down_nothing_but_that_is_said(word: str) -> None:
    evidence = noted(event("click", ROLLS, 9), event("click", BREAD, 9), event(word, BREAD))
    assert true(evidence, ReasonCode.DISMISSED, up=False) == ["bread"]
    for code in (ReasonCode.SIMILAR, ReasonCode.CATEGORY, ReasonCode.NEXT, ReasonCode.MODEL):
        assert "bread" not in true(evidence, code)


def test_popular_is_in_the_upper_third_and_less_known_below_the_median() -> None:
    evidence = noted()
    assert true(evidence, ReasonCode.POPULAR) == ["bread", "rolls"]
    assert true(evidence, ReasonCode.POPULAR, up=False) == ["moon"]
    nobody = [Item(item.id, categories=item.categories, popularity=0) for item in EVERY]
    assert true(noted(items=nobody), ReasonCode.POPULAR) == []


def test_a_model_that_reads_histories_has_nothing_to_say_of_a_stranger() -> None:
    assert true(noted(), ReasonCode.MODEL) == []
    assert true(noted(event("click", BREAD)), ReasonCode.MODEL) == [item.id for item in EVERY]


def test_now_is_the_present_session_if_there_was_another() -> None:
    assert not noted(event("click", BREAD)).present.any()
    evidence = noted(event("click", MOON, 8), event("click", BREAD))
    assert evidence.present.tolist() == [False, True, False, False]


def test_coming_back_is_said_of_what_was_chosen_in_several_sessions() -> None:
    mornings = (event("click", BREAD, day) for day in (5, 6, 7, 8, 9))
    evidence = noted(event("click", SOUP, 4), *mornings, event("click", ROLLS))
    assert true(evidence, ReasonCode.HABIT) == ["bread"]
    assert true(evidence, ReasonCode.HABIT, up=False) == []


def test_what_was_had_and_what_was_shown_is_said_of_those_alone() -> None:
    evidence = noted(
        event("purchase", BREAD), event("impression", SOUP), event("impression", BREAD)
    )
    assert true(evidence, ReasonCode.REPEAT, up=False) == ["bread"]
    assert true(evidence, ReasonCode.REPEAT) == ["bread"]
    assert true(evidence, ReasonCode.SEEN, up=False) == ["bread", "soup"]
    assert true(evidence, ReasonCode.SEEN) == ["rolls", "moon"]


def test_truths_are_found_when_they_are_read_and_without_the_history() -> None:
    words = "sour and personal"
    liked = Event("click", Item("rye", words, ["Food", "Baking"]), timestamp=10 * DAY)
    request = Request.of(EVERY, history=(liked,), comparer=Strange(), now=10 * DAY)
    sources = Rules(), RepeatSource()
    evidence = Evidence((column for one in sources for column in one.columns), len(EVERY))
    for source in sources:
        source.fill(request, evidence)
    note_truths(request, evidence)
    assert words not in _texts_reached_from(evidence)
    copied = evidence.but(np.zeros_like(evidence.values))  # of other values the same is true
    assert true(copied.truths, ReasonCode.CATEGORY) == ["bread", "rolls"]
    assert true(evidence.truths, ReasonCode.CATEGORY) == ["bread", "rolls"]
    assert evidence.truths is evidence.truths


def _texts_reached_from(root: object) -> set[str]:
    """Every string that something leads to, but for modules, classes and functions."""
    seen: set[int] = set()
    found: set[str] = set()
    left = [root]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        if isinstance(one, str):
            found.add(one)
        left += gc.get_referents(one)
    return found


def test_kin_of_some_candidates_is_what_it_is_among_all() -> None:
    rng = np.random.default_rng(3)
    names = [f"c{number}" for number in range(30)]
    items = [
        Item(str(number), categories=[names[one] for one in rng.integers(0, 30, number % 5)])
        for number in range(700)
    ]
    history = tuple(
        Event("click", Item(f"h{number}", categories=items[number * 9].categories), timestamp=DAY)
        for number in range(50)
    )
    request, alone = (
        Request.of(items, history=history, comparer=Strange(), now=10 * DAY) for _ in range(2)
    )
    rows = rng.permutation(len(items))[:200]
    assert (alone.kin_of(rows) == request.kin[rows]).all()
