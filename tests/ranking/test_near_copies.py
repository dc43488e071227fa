from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Item
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.policies.near_copies import MAX_GAP, NearCopies
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Request

FIRST = Item("first", "The sea, a history in maps, paperback")
SECOND = Item("second", "The sea, a history in maps, hardback")
OTHER = Item("other", "Bread from a cold oven")
ALIKE = Item("alike", "Harbours of the north and how they froze")


class Along:
    """A comparer that gives the axes it was told as vectors."""

    def __init__(self, axes: Sequence[int]) -> None:
        self._vectors = np.eye(4, dtype=np.float32)[list(axes)]

    def compare(
        self,
        candidates: Sequence[Item],
        interests: Interests,
        query: str | None,
    ) -> Comparisons:
        nothing: NDArray[np.float64] = np.zeros((len(candidates), 0))
        none: NDArray[np.float64] = np.zeros((0, 0))
        return Comparisons(self._vectors, nothing, 0, none, none)


def arranged(
    items: Sequence[Item], axes: Sequence[int], scores: Sequence[float], *, top_k: int | None = None
) -> tuple[list[str], NDArray[np.float64]]:
    request = Request.of(items, history=(), comparer=Along(axes), top_k=top_k)  # type: ignore[arg-type]
    order = NearCopies().arrange(Arrangement.by_score(np.array(scores)), request)
    return [items[row].id for row in order.rows], order.scores


def test_another_item_comes_between_two_editions() -> None:
    order, scores = arranged([FIRST, SECOND, OTHER], [0, 0, 1], [3.0, 2.9, 2.5])
    assert order == ["first", "other", "second"]
    assert scores.tolist() == [3.0, 2.5, 2.5]


def test_what_is_much_worse_does_not() -> None:
    order, _ = arranged([FIRST, SECOND, OTHER], [0, 0, 1], [3.0, 2.9, 2.8 - MAX_GAP])
    assert order == ["first", "second", "other"]


def test_likeness_without_common_words_makes_no_copy() -> None:
    order, _ = arranged([FIRST, ALIKE, OTHER], [0, 0, 1], [3.0, 2.9, 2.5])
    assert order == ["first", "alike", "other"]


def test_where_nothing_else_is_left_they_stay() -> None:
    order, _ = arranged([FIRST, SECOND], [0, 0], [3.0, 2.9])
    assert order == ["first", "second"]


def test_three_editions_are_kept_apart_as_far_as_it_goes() -> None:
    third = Item("third", FIRST.text + ", signed")
    order, _ = arranged([FIRST, SECOND, third, OTHER], [0, 0, 0, 1], [3.0, 2.9, 2.8, 2.7])
    assert order == ["first", "other", "second", "third"]
