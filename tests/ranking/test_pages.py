"""Pages that are varied for a share of what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_rerank import Diversify, Item, ListPolicy
from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.examination import discounts
from edge_rerank.ranking.list_rules import COST, Method
from edge_rerank.ranking.policies import pages
from edge_rerank.ranking.policies.pages import PAGE, chances_of, vary
from tests.ranking.lists import listed, unit

methods = st.sampled_from(Method)


def case(count: int, seed: int, dim: int = 6) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return chances_of(np.sort(rng.normal(size=count))[::-1].copy()), vectors


def worth(chances: NDArray[np.float64], page: NDArray[np.intp]) -> float:
    return float(chances[page] @ discounts(len(page)))


def variety(
    vectors: NDArray[np.float32], page: NDArray[np.intp], method: Method = Method.MMR
) -> float:
    """What a method is to raise: less of the cosines, or more of the volume."""
    cosines = (vectors[page] @ vectors[page].T).astype(np.float64)
    if method is Method.DPP:
        return float(np.linalg.slogdet(cosines)[1])
    return -float(np.triu(cosines, 1).sum())


@given(
    st.integers(0, 60),
    st.floats(0, 1),
    st.integers(1, 60),
    methods,
    st.integers(0, 2**32 - 1),
)
def test_a_page_costs_no_more_than_it_may_and_nothing_is_lost(
    count: int, cost: float, places: int, method: Method, seed: int
) -> None:
    chances, vectors = case(max(count, 1), seed)
    chances, vectors = chances[:count], vectors[:count]
    got = vary(chances, vectors, cost=cost, places=places, method=method)
    assert sorted(got.tolist()) == list(range(count))
    page = min(PAGE, places, count)
    best = worth(chances, np.arange(page))
    assert worth(chances, got[:page]) >= (1 - cost) * best - 1e-9
    for start in range(0, min(places, count), PAGE):
        some = got[start : min(start + PAGE, places)].tolist()
        assert some == sorted(some)
    rest = got[places:].tolist()
    assert rest == sorted(rest)


@pytest.mark.parametrize("method", Method)
def test_what_may_cost_more_is_more_varied(method: Method) -> None:
    """In the mean of lists: each is chosen greedily."""
    costs = (0.0, 0.01, COST, 0.1, 0.4)
    means = []
    for cost in costs:
        of_lists = []
        for seed in range(20):
            chances, vectors = case(50, seed, dim=40)
            page = vary(chances, vectors, cost=cost, places=10, method=method)[:10]
            of_lists.append(variety(vectors, page, method))
        means.append(float(np.mean(of_lists)))
    assert means == sorted(means)
    assert means[0] < means[-1]


@pytest.mark.parametrize("method", Method)
def test_a_page_is_that_of_a_second_reading(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedy by the sum of cosines, or by numpy's determinant, at one price."""
    monkeypatch.setattr(pages, "_RATES", dict.fromkeys(Method, np.array([0.7])))
    for seed in range(5):
        chances, vectors = case(30, seed, dim=40)
        price = 0.9 * worth(chances, np.arange(10)) * 0.7
        left, expected = set(range(30)), []
        for _ in range(2):
            page: list[int] = []
            for _ in range(10):
                sums = {
                    one: chances[one] + price * variety(vectors, np.array([*page, one]), method)
                    for one in sorted(left - set(page))
                }
                page.append(max(sums, key=sums.__getitem__))
            left -= set(page)
            expected += sorted(page)
        got = vary(chances, vectors, cost=0.9, places=20, method=method).tolist()
        assert got == expected + sorted(left)
        assert got != list(range(30))


@pytest.mark.parametrize("method", Method)
def test_what_is_unlike_comes_onto_the_page_below_what_is_better(method: Method) -> None:
    items = [Item(str(n), f"word{n}") for n in range(14)]
    same, other = unit(1, 0, 0, 0), unit(0, 1, 0, 0)
    vectors = {item.id: other if item.id == "12" else same for item in items}
    scores = {item.id: 3.0 - 0.01 * n for n, item in enumerate(items)}
    got = listed(
        items, ListPolicy(diversity=Diversify(method=method)), scores=scores, vectors=vectors
    )
    assert got.ids[:10] == [*map(str, range(9)), "12"]
    assert set(got.reasons()["12"]) == {"variety"}
    off = listed(
        items,
        ListPolicy(diversity=Diversify(cost=0, method=method)),
        scores=scores,
        vectors=vectors,
    )
    assert off.ids == [item.id for item in items]


def test_of_a_list_that_is_one_page_nothing_moves() -> None:
    chances, vectors = case(10, 0)
    for method in Method:
        assert vary(chances, vectors, cost=0.9, places=50, method=method).tolist() == [*range(10)]
        assert vary(chances, vectors, cost=0.9, places=3, method=method).tolist() != [*range(10)]


def test_a_clear_favourite_leaves_the_others_to_variety() -> None:
    """Where one is all but sure to be chosen, the rest of the page costs next to nothing."""
    chances, vectors = case(40, 0)
    sure = np.concatenate([[0.99], np.full(39, 0.01 / 39)])
    got = vary(sure, vectors, cost=COST, places=10, method=Method.MMR)
    assert got[0] == 0
    flat = vary(chances, vectors, cost=COST, places=10, method=Method.MMR)
    assert variety(vectors, got[:10]) > variety(vectors, flat[:10])


def test_chances_fall_with_the_places_whosever_order_it_is() -> None:
    chances = chances_of(np.array([1.0, -1.0, 5.0]))
    assert chances.sum() == pytest.approx(1)
    assert chances[1] == chances[2] < chances[0]
    assert chances_of(np.array([1e4, 0.0])).tolist() == [1.0, 0.0]


def test_a_strength_and_a_cost_are_one_too_many() -> None:
    assert Diversify().cost == COST
    assert Diversify(0.3).cost is None
    with pytest.raises(InvalidRequest, match="either strength or cost"):
        Diversify(0.3, cost=0.1)
    with pytest.raises(InvalidRequest, match=r"diversity\.cost"):
        Diversify(cost=2)
