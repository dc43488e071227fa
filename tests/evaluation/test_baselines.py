from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.evaluation.baselines import (
    HadBefore,
    HostOrder,
    ItemKnn,
    LastItemSimilarity,
    Markov,
    MaxSimilarity,
    Popularity,
    Random,
    Recency,
    SimilarityAndPopularity,
    default_baselines,
    lottery,
)
from edge_rerank.formats.dataset import DataSet, Request, TrainSequence, Withheld
from edge_rerank.types import Event, Item

from .conftest import ITEMS, REQUESTS, TRAIN, Folder

VECTORS = {
    "bread": np.array([1, 0, 0], np.float32),
    "sourdough": np.array([0.8, 0.6, 0], np.float32),
    "mars": np.array([0, 0, 1], np.float32),
    "moon": np.array([0, 0.6, 0.8], np.float32),
}


@pytest.fixture
def request_of_a(shop: Path) -> Request:
    """History bread, moon; candidates sourdough, mars."""
    return next(DataSet.open(shop).requests("test"))


def test_popularity(request_of_a: Request) -> None:
    assert Popularity().scores(request_of_a).tolist() == [1.0, 9.0]


def test_unknown_popularity_is_none(request_of_a: Request) -> None:
    unknown = Request(None, (), (Item("x"), Item("y", popularity=1)), frozenset())
    assert Popularity().scores(unknown).tolist() == [0.0, 1.0]


def test_recency_counts_the_newest_choices_before_the_request() -> None:
    people = [
        TrainSequence("a", ("old",) * 100, tuple(range(100))),
        TrainSequence("b", ("new", "new", "later"), (100, 101, 500)),
        TrainSequence("c", ("undated",)),
    ]
    items = tuple(map(Item, ("old", "new", "later", "undated", "unknown")))
    recency = Recency(people)  # 103 choices: the newest two count
    request = Request(None, (), items, frozenset(), timestamp=200)
    assert recency.scores(request).tolist() == [0, 2, 0, 0, 0]
    assert recency.scores(replace(request, timestamp=101)).tolist() == [1, 1, 0, 0, 0]
    assert recency.scores(replace(request, timestamp=None)).tolist() == [0, 1, 1, 0, 0]
    assert recency.scores(replace(request, timestamp=0)).tolist() == [0] * 5


def test_what_was_had_before_comes_first_and_then_the_popular() -> None:
    items = [Item("a", popularity=9), Item("b", popularity=1), Item("c", popularity=4), Item("d")]
    history = (Event("click", items[1]), Event("dislike", items[0]), Event("view", items[3]))
    request = Request(None, history, tuple(items), frozenset())
    order = np.argsort(-HadBefore().scores(request)).tolist()
    assert order == [1, 3, 0, 2]


def test_baselines_that_a_data_set_cannot_feed_are_left_out(folder: Folder) -> None:
    def names(data: DataSet) -> set[str]:
        return {one.name for one in default_baselines(data, VECTORS, data.requests("test"))}

    again = [{**REQUESTS[0], "candidates": ["bread", "mars"]}]
    every = DataSet.open(folder(items=ITEMS, train=TRAIN, test=again))
    assert names(every) >= {"recency", "had-before"}
    assert "recency" not in names(every.without([Withheld.POPULARITY]))
    bare = [{"user": "a", "items": ["bread", "mars"]}]
    plain = DataSet.open(folder(items=ITEMS, train=bare, test=REQUESTS))
    assert names(plain).isdisjoint({"recency", "had-before"})


def test_host_order(request_of_a: Request) -> None:
    assert HostOrder().scores(request_of_a).tolist() == [0.0, -1.0]


def test_last_item_similarity(request_of_a: Request) -> None:
    scores = LastItemSimilarity(VECTORS).scores(request_of_a)
    assert scores == pytest.approx([0.36, 0.8])  # with moon


def test_max_similarity(request_of_a: Request) -> None:
    scores = MaxSimilarity(VECTORS).scores(request_of_a)
    assert scores == pytest.approx([0.8, 0.8])  # with bread, with moon


def test_max_similarity_looks_back_ten_items() -> None:
    history = [Event("click", Item("bread"), timestamp=0)]
    history += [Event("click", Item("mars"), timestamp=n) for n in range(1, 11)]
    request = Request(None, tuple(history), (Item("sourdough"),), frozenset())
    assert MaxSimilarity(VECTORS).scores(request) == pytest.approx([0.0])
    shorter = Request(None, tuple(history[:-1]), (Item("sourdough"),), frozenset())
    assert MaxSimilarity(VECTORS).scores(shorter) == pytest.approx([0.8])


def test_similarity_and_popularity(request_of_a: Request) -> None:
    scores = SimilarityAndPopularity(VECTORS).scores(request_of_a)
    assert scores == pytest.approx([4 * 0.8 + np.log(2) / 2, 4 * 0.8 + np.log(10) / 2])


def test_similarity_passes_over_dislikes() -> None:
    history = (
        Event("click", Item("bread"), timestamp=0),
        Event("dislike", Item("mars"), timestamp=1),
    )
    request = Request(None, history, (Item("sourdough"),), frozenset())
    assert LastItemSimilarity(VECTORS).scores(request) == pytest.approx([0.8])


def test_markov(shop: Path) -> None:
    data = DataSet.open(shop)
    # Paths: bread sourdough bread mars; moon mars. Six choices, two of them mars, one
    # sourdough. From moon only mars came, once; smoothing adds Q with weight 1.
    scores = Markov(data.paths()).scores(next(data.requests("test")))
    assert scores == pytest.approx([(0 + 1 / 6) / 2, (1 + 2 / 6) / 2])


def test_markov_without_a_history(shop: Path) -> None:
    data = DataSet.open(shop)
    request = Request(None, (), (data.items["mars"], Item("never seen")), frozenset())
    assert Markov(data.paths()).scores(request) == pytest.approx([2 / 6, 0.0])


def test_item_knn(shop: Path) -> None:
    data = DataSet.open(shop)
    # One person chose bread, sourdough and mars, another moon and mars; the history is bread
    # and moon. Mars shares one of its two people with either.
    scores = ItemKnn(data.paths()).scores(next(data.requests("test")))
    assert scores == pytest.approx([1.0, 2 / 2**0.5])


def test_random_is_uniform_and_repeatable(request_of_a: Request) -> None:
    items = tuple(Item(str(number)) for number in range(2000))
    request = Request("u", (), items, frozenset())
    scores = Random().scores(request)
    assert scores.tolist() == Random().scores(request).tolist()
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0
    assert scores.mean() == pytest.approx(0.5, abs=0.03)


def test_the_lottery_does_not_know_the_order() -> None:
    items = tuple(Item(str(number)) for number in range(50))
    request = Request("u", (), items, frozenset())
    turned = Request("u", (), items[::-1], frozenset())
    assert lottery(request, salt=b"s").tolist() == lottery(turned, salt=b"s").tolist()[::-1]
    assert lottery(request, salt=b"s").tolist() != lottery(request, salt=b"t").tolist()
    other = Request("v", (), items, frozenset())
    assert lottery(request, salt=b"s").tolist() != lottery(other, salt=b"s").tolist()


def test_every_baseline_copes_with_nothing(shop: Path) -> None:
    data = DataSet.open(shop)
    nobody = Request(None, (), tuple(data.items.values()), frozenset())
    nothing = Request(None, (), (), frozenset())
    for baseline in default_baselines(data, VECTORS, [nobody]):
        assert baseline.scores(nobody).shape == (4,)
        assert np.isfinite(baseline.scores(nobody)).all()
        assert baseline.scores(nothing).shape == (0,)


def test_names_are_the_reports(shop: Path) -> None:
    assert [one.name for one in default_baselines(DataSet.open(shop), VECTORS, [])] == [
        "random",
        "host-order",
        "popularity",
        "recency",
        "last-item-similarity",
        "max-similarity",
        "max+pop",
        "markov",
        "item-knn",
    ]
