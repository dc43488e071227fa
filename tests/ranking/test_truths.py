from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, ReasonCode
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.evidence import CODES, Evidence
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
            liked=np.zeros((count, liked)),
            disliked=np.zeros((count, disliked)),
            likeness=np.zeros((liked, liked)),
            aversion=np.zeros((liked, disliked)),
        )

    def cosines(self, vectors: NDArray[np.float32], words: str) -> NDArray[np.float64]:
        raise AssertionError("nothing was asked for")


def noted(*history: Event, items: Sequence[Item] = EVERY) -> Evidence:
    request = Request.of(items, history=history, comparer=Strange(), now=10 * DAY)
    sources = Rules(), RepeatSource()
    evidence = Evidence((column for one in sources for column in one.columns), len(items))
    for source in sources:
        source.fill(request, evidence)
    note_truths(request, evidence)
    return evidence


def event(kind: EventType | str, item: Item, day: float = 10.0, **more: float) -> Event:
    return Event(kind, item, timestamp=day * DAY, **more)  # type: ignore[arg-type]


def true(evidence: Evidence, code: ReasonCode, *, up: bool = True) -> list[str]:
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
