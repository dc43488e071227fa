from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item
from edge_rerank.ranking.interests import Interests, read_interests
from edge_rerank.ranking.sources.rules import Evidence, Feature, Similarities, compute_features

NOBODY = Interests()


def similarities(
    count: int,
    *,
    liked: object = None,
    disliked: object = None,
    query: NDArray[np.float64] | None = None,
) -> Similarities:
    def matrix(values: object) -> NDArray[np.float64]:
        return np.zeros((count, 0)) if values is None else np.array(values, dtype=np.float64)

    return Similarities(
        liked=matrix(liked), searches=np.zeros((count, 0)), disliked=matrix(disliked), query=query
    )


def column(evidence: Evidence, feature: Feature) -> list[float]:
    values: list[float] = evidence.values[:, feature].tolist()
    return values


def test_no_signal_is_a_column_of_zeros() -> None:
    evidence = compute_features([Item("a"), Item("b")], NOBODY, similarities(2))
    assert not evidence.values.any()
    assert evidence.nearest == (None, None)


def test_popularity_is_a_logarithm_and_the_mean_where_it_is_missing() -> None:
    items = [Item("a", popularity=0), Item("b", popularity=np.e**2 - 1), Item("c")]
    evidence = compute_features(items, NOBODY, similarities(3))
    assert column(evidence, Feature.POPULARITY) == pytest.approx([0.0, 2.0, 1.0])


def test_host_scores_are_standardised_whatever_their_scale() -> None:
    for scale in (1.0, 1e-300, 1e300):
        items = [Item("a", score=1 * scale), Item("b"), Item("c", score=3 * scale)]
        host = column(compute_features(items, NOBODY, similarities(3)), Feature.HOST)
        assert host == pytest.approx([-1.0, 0.0, 1.0])
    largest = float(np.finfo(float).max)
    items = [Item("a", score=largest), Item("b", score=-largest)]
    assert column(compute_features(items, NOBODY, similarities(2)), Feature.HOST) == [1.0, -1.0]
    same = [Item("a", score=7.0), Item("b", score=7.0)]
    assert column(compute_features(same, NOBODY, similarities(2)), Feature.HOST) == [0.0, 0.0]


def test_the_hosts_order_counts_where_no_item_has_a_score() -> None:
    items = [Item("a"), Item("b"), Item("c")]
    plain = compute_features(items, NOBODY, similarities(3))
    ordered = compute_features(items, NOBODY, similarities(3), host_order=True)
    assert column(plain, Feature.HOST) == [0, 0, 0]
    first, second, third = column(ordered, Feature.HOST)
    assert first > second > third
    assert first - second > second - third


def test_categories_and_what_comes_next() -> None:
    tea, cake = Item("t", categories=["Drinks", "Tea"]), Item("c", categories=["Food", "Cake"])
    history = [
        Event("click", item, timestamp=n)
        for n, item in enumerate([tea, cake, Item("t2", categories=["Drinks", "Tea"])])
    ]
    interests = read_interests(history, now=3)
    candidates = [Item("x", categories=["Food", "Cake"]), Item("y", categories=["Drinks", "Tea"])]
    evidence = compute_features(
        candidates, interests, similarities(2, liked=np.zeros((2, 3)).tolist())
    )
    share = column(evidence, Feature.CATEGORY)
    assert share[1] > share[0] > 0
    assert sum(share) == pytest.approx(1.0)
    # After tea came cake, and the last choice was tea.
    following = column(evidence, Feature.NEXT)
    assert following[0] > following[1]


def test_rejected_items_and_their_kin() -> None:
    history = [Event("dismiss", Item("bad"), timestamp=0)]
    interests = read_interests(history, now=0)
    evidence = compute_features(
        [Item("bad"), Item("kin"), Item("other")],
        interests,
        similarities(3, disliked=[[0.0], [0.8], [-0.2]]),
    )
    assert column(evidence, Feature.REJECTED) == [1, 0, 0]
    assert column(evidence, Feature.DISLIKED) == pytest.approx([0.0, 0.8, 0.0])


def test_the_nearest_item_of_the_history_is_named() -> None:
    liked = [Item("one"), Item("two")]
    history = [Event("click", item, timestamp=n) for n, item in enumerate(liked)]
    evidence = compute_features(
        [Item("x"), Item("y")],
        read_interests(history, now=2),
        similarities(2, liked=[[0.9, 0.1], [0.1, 0.9]]),
    )
    assert evidence.nearest == tuple(liked)
