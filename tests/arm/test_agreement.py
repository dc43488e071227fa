from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_rerank import RankingEngine

from .__main__ import ROOT
from .agreement import compare, kendall, table
from .compute import cases, catalogues, ranked

HERE = {
    "vectors": np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]]),
    "shipped.scores": np.array([3.0, 2.0, 1.0, 5.0, 4.0]),
    "shipped.places": np.array([1, 2, 3, 1, 2]),
    "shipped.lengths": np.array([3, 2]),
}


def misses(**changed: Any) -> list[str]:
    there = {name: changed.get(name.rpartition(".")[2], value) for name, value in HERE.items()}
    return [figure.name for figure in compare(HERE, there) if not figure.holds]


def test_kendall_of_orders_by_hand() -> None:
    order = np.arange(5)
    assert kendall(order, order) == 1
    assert kendall(order, order[::-1]) == -1
    assert kendall(order, np.array([1, 0, 2, 3, 4])) == pytest.approx(0.8)
    assert kendall(order[:1], order[:1]) == 1


def test_the_same_on_both_sides_misses_nothing() -> None:
    assert misses() == []
    assert "MISSED" not in table(compare(HERE, HERE))


def test_what_is_apart_is_missed() -> None:
    turned = HERE["vectors"] @ np.array(
        [[np.cos(0.05), np.sin(0.05)], [-np.sin(0.05), np.cos(0.05)]]
    )
    assert misses(vectors=turned) == ["least cosine of 3 vectors"]
    assert misses(vectors=HERE["vectors"] * [[1], [1], [1]]) == []
    assert misses(vectors=np.zeros((3, 2))) == ["least cosine of 3 vectors"]
    assert misses(scores=HERE["shipped.scores"] + [0, 0, 0, 0.003, 0]) == [
        "shipped: 2 lists of 2, scores apart"
    ]
    assert misses(scores=HERE["shipped.scores"] + 0.001) == []
    many = {**HERE, "shipped.scores": np.arange(1000.0), "shipped.places": np.arange(1000)}
    many["shipped.lengths"] = np.array([1000])
    for further, holds in [(5, True), (15, False)]:
        scores = np.arange(1000.0) + 0.01 * (np.arange(1000) < further)
        assert all(one.holds for one in compare(many, {**many, "shipped.scores": scores})) == holds
    assert misses(places=np.array([1, 2, 3, 2, 1])) == []  # of so few lists
    assert misses(scores=HERE["shipped.scores"] * np.nan) == ["shipped: 2 lists of 2, scores apart"]
    assert "MISSED" in table(compare(HERE, {**HERE, "vectors": turned}))


@pytest.mark.parametrize(("turned", "holds"), [(1, True), (2, False)])
def test_orders_that_differ_are_missed(turned: int, holds: bool) -> None:
    places = np.tile([1, 2], 100)
    here = {**HERE, "shipped.places": places, "shipped.lengths": np.full(100, 2)}
    here["shipped.scores"] = np.zeros(200)
    there = {**here, "shipped.places": places.copy()}
    there["shipped.places"][: 2 * turned] = np.tile([2, 1], turned)
    order = next(one for one in compare(here, there) if one.name.endswith("Kendall's τ"))
    assert order.wanted and order.holds == holds
    assert order.found == f"{1 - turned * 0.02:.5f}"


def test_other_texts_or_lists_are_no_comparison() -> None:
    fewer = {**HERE, "vectors": HERE["vectors"][:2]}
    with pytest.raises(ValueError, match="vectors: expected the same on both machines"):
        compare(HERE, fewer)
    without = {name: value for name, value in HERE.items() if name != "shipped.scores"}
    with pytest.raises(ValueError, match="scores: expected"):
        compare(without, HERE)


def test_lists_are_the_same_in_each_process_and_differ_among_themselves() -> None:
    shelves = catalogues(ROOT / "examples")
    lists = list(cases(shelves, 200, 50))
    assert lists == list(cases(shelves, 200, 50))
    assert {len(items) for items, _, _ in lists} == {50}
    assert len({tuple(item.id for item in items) for items, _, _ in lists}) == 200
    assert all({event.item for event in events}.isdisjoint(items) for items, events, _ in lists)


def test_a_machine_agrees_with_itself(engine: RankingEngine) -> None:
    lists = list(cases(catalogues(ROOT / "examples"), 2, 12))
    for one, other in zip(ranked(engine, lists), ranked(engine, lists), strict=True):
        assert (one == other).all()
