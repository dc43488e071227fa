from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item
from edge_rerank.ranking.comparisons import Comparisons
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.rules import (
    ALWAYS,
    CATEGORY,
    DISLIKED,
    HOST,
    NEXT,
    POPULARITY,
    REJECTED,
    SHOWN,
    SIMILAR_MAX,
    UNTRAINED,
    Rules,
)


class Told:
    """A comparer that gives the cosines it was told."""

    def __init__(self, liked: object, disliked: object) -> None:
        self._liked, self._disliked = liked, disliked

    def compare(
        self,
        candidates: Sequence[Item],
        interests: Interests,
        query: str | None,
    ) -> Comparisons:
        def matrix(values: object) -> NDArray[np.float64]:
            nothing = np.zeros((len(candidates), 0))
            return nothing if values is None else np.array(values, dtype=np.float64)

        return Comparisons(
            vectors=np.zeros((len(candidates), 1), dtype=np.float32),
            cosines=np.concatenate([matrix(self._liked), matrix(self._disliked)], axis=1),
            likes=matrix(self._liked).shape[1],
            likeness=np.zeros((len(interests.liked), len(interests.liked))),
            aversion=np.zeros((len(interests.liked), len(interests.disliked))),
        )

    def likeness(self, vectors: NDArray[np.float32], words: str) -> NDArray[np.float64]:
        raise AssertionError("no rule asks for a query")


def judged(
    items: Sequence[Item],
    history: Sequence[Event] = (),
    *,
    liked: object = None,
    disliked: object = None,
    host_order: bool = False,
    beside_model: bool = False,
) -> Evidence:
    rules = Rules(beside_model=beside_model)
    evidence = Evidence(rules.columns, len(items))
    comparer = Told(liked, disliked)
    rules.fill(
        Request.of(items, history=history, comparer=comparer, host_order=host_order, now=9.0),
        evidence,
    )
    return evidence


def column(evidence: Evidence, of: Column) -> list[float]:
    values: list[float] = evidence[of.name].tolist()
    return values


def test_no_signal_is_a_column_of_zeros() -> None:
    evidence = judged([Item("a"), Item("b")])
    assert not evidence.values.any()


def test_popularity_is_a_logarithm_and_the_mean_where_it_is_missing() -> None:
    items = [Item("a", popularity=0), Item("b", popularity=np.e**2 - 1), Item("c")]
    evidence = judged(items)
    assert column(evidence, POPULARITY) == pytest.approx([0.0, 2.0, 1.0])


def test_host_scores_are_standardised_whatever_their_scale() -> None:
    for scale in (1.0, 1e-300, 1e300):
        items = [Item("a", score=1 * scale), Item("b"), Item("c", score=3 * scale)]
        host = column(judged(items), HOST)
        assert host == pytest.approx([-1.0, 0.0, 1.0])
    largest = float(np.finfo(float).max)
    items = [Item("a", score=largest), Item("b", score=-largest)]
    assert column(judged(items), HOST) == [1.0, -1.0]
    same = [Item("a", score=7.0), Item("b", score=7.0)]
    assert column(judged(same), HOST) == [0.0, 0.0]


def test_the_hosts_order_counts_where_no_item_has_a_score() -> None:
    items = [Item("a"), Item("b"), Item("c")]
    plain = judged(items)
    ordered = judged(items, host_order=True)
    assert column(plain, HOST) == [0, 0, 0]
    first, second, third = column(ordered, HOST)
    assert first > second > third
    assert first - second > second - third


def test_categories_and_what_comes_next() -> None:
    tea, cake = Item("t", categories=["Drinks", "Tea"]), Item("c", categories=["Food", "Cake"])
    history = [
        Event("click", item, timestamp=n)
        for n, item in enumerate([tea, cake, Item("t2", categories=["Drinks", "Tea"])])
    ]
    candidates = [Item("x", categories=["Food", "Cake"]), Item("y", categories=["Drinks", "Tea"])]
    evidence = judged(candidates, history, liked=np.zeros((2, 3)).tolist())
    share = column(evidence, CATEGORY)
    assert share[1] > share[0] > 0
    assert sum(share) == pytest.approx(1.0)
    # After tea came cake, and the last choice was tea.
    following = column(evidence, NEXT)
    assert following[0] > following[1]


def test_rejected_items_and_their_kin() -> None:
    history = [Event("dismiss", Item("bad"), timestamp=8.0)]
    evidence = judged(
        [Item("bad"), Item("kin"), Item("other")],
        history,
        liked=np.zeros((3, 0)),
        disliked=[[0.0], [0.8], [-0.2]],
    )
    assert column(evidence, REJECTED) == [1, 0, 0]
    assert column(evidence, DISLIKED) == pytest.approx([1.0, 1.0, 0.0])


def test_what_was_liked_of_a_kind_stands_against_what_was_turned_down() -> None:
    clicks = [Event("click", Item(f"c{n}", categories=["X"]), timestamp=n) for n in range(3)]
    dismissals = [Event("dismiss", Item(f"d{n}", categories=["X"]), timestamp=5) for n in range(2)]
    items = [Item("x", categories=["X"]), Item("y", categories=["Y"])]

    def against(history: Sequence[Event], liked: int, disliked: int) -> float:
        cosines = np.zeros((2, liked)), np.zeros((2, disliked))
        first, other = column(
            judged(items, history, liked=cosines[0], disliked=cosines[1]), DISLIKED
        )
        assert other == 0.0
        return first

    alone = against(dismissals, 0, 2)
    beside = against([*clicks, *dismissals], 3, 2)
    assert 0 < beside < alone
    assert against([*clicks, dismissals[0]], 3, 1) < beside


def test_beside_a_model_only_what_it_cannot_know_is_judged() -> None:
    items = [Item("a", popularity=9), Item("b", score=2.0), Item("c", score=1.0)]
    history = [
        Event("click", Item("one", categories=["X"]), timestamp=1),
        Event("impression", items[0], timestamp=2),
    ]
    liked = [[0.9], [0.1], [0.2]]
    evidence = judged(items, history, liked=liked, beside_model=True)
    assert evidence.columns == ALWAYS
    assert not set(ALWAYS) & set(UNTRAINED)
    assert column(evidence, HOST) == pytest.approx([0, 1, -1])
    assert column(evidence, SHOWN) == [1, 0, 0]
    alone = judged(items, history, liked=liked)
    assert alone.columns == (*UNTRAINED, *ALWAYS)
    assert alone[SIMILAR_MAX.name].any()
