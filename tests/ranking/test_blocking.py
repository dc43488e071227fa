"""What is remembered of blocked items: that it is right, and how long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank import Block, Item, ListPolicy
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.policies import block as module
from edge_rerank.ranking.policies.block import Blocking
from edge_rerank.ranking.request import Request
from tests.ranking.lists import NOW, Given

WINE = Block(["2"], ["Alcohol"], ["wine"])
SHELF = [Item("1", "red wine"), Item("2", "bread"), Item("3", "tea", ["Alcohol"]), Item("4", "tea")]


def asked(items: list[Item], block: Block | None, top_k: int | None = None) -> Request:
    return Request.of(
        items,
        history=[],
        comparer=Given({}, 4),
        policy=ListPolicy(block=block),
        now=NOW,
        top_k=top_k,
    )


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Sizes of the lists that were looked into."""
    sizes: list[int] = []
    real = module._by_content

    def looking(items: list[Item], block: Block) -> list[int]:
        sizes.append(len(items))
        return real(items, block)

    monkeypatch.setattr(module, "_by_content", looking)
    yield sizes


def test_the_same_items_are_looked_into_once(looked: list[int]) -> None:
    blocking = Blocking()
    for top_k in (None, 1, 4):
        request, left = blocking.without(asked(list(SHELF), WINE, top_k))
        assert [item.id for item in request.candidates] == ["4"]
        assert request.keep == 1
        assert request.rows_of(["4", "1"]).tolist() == [0, -1]
        assert [one.id for one in left] == ["1", "2", "3"]
    assert looked == [4]


def test_what_remains_is_looked_at_anew_where_anything_differs(looked: list[int]) -> None:
    blocking = Blocking()
    blocking.without(asked(SHELF, WINE))
    swapped = [Item("4", "white wine"), *SHELF[:3]]
    request, _ = blocking.without(asked(swapped, WINE))
    assert not request.candidates
    request, _ = blocking.without(asked(SHELF, Block(["4"])))
    assert [item.id for item in request.candidates] == ["1", "2", "3"]
    blocking.without(asked(SHELF[:3], Block(["4"])))
    blocking.without(asked(SHELF[::-1], Block(["4"])))
    assert looked == [4, 4, 4, 3, 4]


def test_without_a_block_nothing_is_remembered(looked: list[int]) -> None:
    blocking = Blocking()
    request = asked(SHELF, None)
    assert blocking.without(request) == (request, ())
    assert not looked
    blocking.without(asked(SHELF, WINE))
    blocking.forget()
    blocking.without(asked(SHELF, WINE))
    assert looked == [4, 4]


def test_an_engine_forgets_it_with_whatever_is_personal(
    engine: RankingEngine, looked: list[int]
) -> None:
    policy = ListPolicy(block=WINE)
    first, again = (engine.rank(SHELF, policy=policy) for _ in range(2))
    assert [one.item.id for one in first] == [one.item.id for one in again] == ["4"]
    assert first.left_out == again.left_out
    assert looked == [4]
    engine.forget("anyone")
    engine.rank(SHELF, policy=policy)
    assert looked == [4, 4]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=6))
def test_memory_changes_no_answer(seeds: list[int]) -> None:
    blocking, shelf = Blocking(), [Item(str(n), f"w{n % 3}", [f"c{n % 4}"]) for n in range(12)]
    for seed in (*seeds, *seeds):
        rng = np.random.default_rng(seed)
        items = [shelf[row] for row in rng.permutation(12)[: int(rng.integers(13))]]
        block = Block(
            [str(n) for n in rng.integers(12, size=2)],
            [f"c{rng.integers(6)}"],
            [f"w{rng.integers(5)}"],
        )
        request = asked(items, block)
        found, left = blocking.without(request)
        plain, out = Blocking().without(request)
        assert found.candidates.items == plain.candidates.items
        assert (left, found.keep) == (out, plain.keep)
        ids = [item.id for item in items]
        assert found.rows_of(ids).tolist() == plain.rows_of(ids).tolist()
