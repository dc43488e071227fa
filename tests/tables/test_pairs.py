from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank.ranking.signals.pairs import OwnShare, PairTable, closeness
from edge_rerank.ranking.signals.table import item_keys
from edge_rerank.tables import pairs as counted_pairs
from edge_rerank.tables.pairs import NEAR, WINDOW, count_pairs


def crowd(people: int, items: int, longest: int, *, seed: int = 0) -> list[NDArray[np.int64]]:
    """Paths of people, popular items in more of them."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, items + 1)
    weights /= weights.sum()
    return [
        rng.choice(items, int(rng.integers(0, longest + 1)), replace=False, p=weights)
        for _ in range(people)
    ]


def counts_of(table: PairTable) -> dict[tuple[int, int], tuple[int, float]]:
    """People and successions by pair of the table's rows."""
    arrays = table._arrays
    rows = np.repeat(np.arange(len(arrays["ids"])), np.diff(arrays["starts"]))
    return {
        (int(row), int(column)): (int(people), float(following))
        for row, column, people, following in zip(
            rows, arrays["columns"], arrays["counts"], arrays["following"], strict=True
        )
    }


def by_hand(
    paths: list[NDArray[np.int64]], order: NDArray[np.int64]
) -> dict[tuple[int, int], tuple[int, float]]:
    """The same, one pair after the other."""
    people: Counter[tuple[int, int]] = Counter()
    following: Counter[tuple[int, int]] = Counter()
    for path in paths:
        for first, second in combinations(range(len(path)), 2):
            if second - first <= WINDOW:
                pair = int(order[path[first]]), int(order[path[second]])
                people.update([pair, pair[::-1]])
                if second - first <= NEAR:
                    following[pair] += 1 / (second - first)
    return {pair: (count, float(np.float16(following[pair]))) for pair, count in people.items()}


@pytest.mark.parametrize("block", [1, 1_000, 1 << 20])
def test_every_pair_is_counted_whatever_the_blocks(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_pairs, "_BLOCK", block)
    paths = crowd(60, 90, 80)
    assert max(map(len, paths)) > WINDOW + 1
    pairs = count_pairs([str(number) for number in range(90)], paths)
    expected = by_hand(paths, pairs.order)
    found = counts_of(pairs.table)
    assert found.keys() == expected.keys()
    for pair, (people, following) in expected.items():
        assert found[pair] == (people, pytest.approx(following, rel=2e-3))


def test_pairs_of_nobody_and_of_nothing() -> None:
    for paths in ([], [np.zeros(0, dtype=np.int64)], [np.array([1])]):
        pairs = count_pairs(["a", "b"], paths)
        assert counts_of(pairs.table) == {}
        assert PairTable.from_bytes(pairs.table.to_bytes()).rows(item_keys(["a"]))[0] >= 0


def test_a_pair_of_too_few_people_is_not_kept() -> None:
    together = [np.array([0, 1])] * 3 + [np.array([1, 0])] * 2 + [np.array([0, 2])] * 4
    pairs = count_pairs(["a", "b", "c"], together, min_people=5)
    a, b, _ = pairs.order
    # Five chose both, but fewer than five one after the other in either direction.
    assert counts_of(pairs.table) == {(a, b): (5, 0.0), (b, a): (5, 0.0)}
    pairs = count_pairs(["a", "b", "c"], together, min_people=3)
    assert counts_of(pairs.table)[a, b] == (5, 3.0)
    assert counts_of(pairs.table)[b, a] == (5, 0.0)


def test_memory_does_not_grow_with_the_pairs() -> None:
    rng = np.random.default_rng(0)
    names = [str(number) for number in range(2_000)]

    def peak(people: int) -> int:
        paths = [rng.choice(2_000, 150, replace=False) for _ in range(people)]
        tracemalloc.start()
        try:
            count_pairs(names, paths, most=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # 2.2 and 13 million pairs: all of the latter at once are 100 MB a number.
    few, many = peak(200), peak(1_200)
    assert many < 2 * few
    assert many < 150 * 2**20


def test_pairs_counted_by_hand() -> None:
    names = ["a", "b", "c"]
    pairs = count_pairs(names, [np.array([0, 1, 2]), np.array([0, 1])])
    rows = pairs.table.rows(item_keys(names))
    assert rows.tolist() == pairs.order.tolist()
    assert pairs.table.rows(item_keys(["stranger"])).tolist() == [-1]
    signals = pairs.table.signals(rows[[1, 2]], rows[[0]])
    # a and b: two people chose both, each of the two chosen twice, b right after a twice.
    assert signals[0, 0, 0] == pytest.approx(1.0)
    assert signals[1, 0, 0] == pytest.approx(np.log(3) / 3)
    assert signals[3, 0, 0] == pytest.approx(1.0)
    # a and c: one person, two places apart.
    assert signals[0, 1, 0] == pytest.approx(0.5**0.25)
    assert signals[3, 1, 0] == pytest.approx(0.5)


def test_a_pair_that_stayed_by_the_hidden_choice_alone_is_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counted_pairs, "MIN_NEIGHBOURS", 1)
    # Every path but one has a before b; the table has room for one pair a row.
    pairs = count_pairs(["a", "b", "c"], [np.array([0, 1])] * 3 + [np.array([0, 2])] * 3, most=1)
    a, b, c = pairs.order
    hidden = np.ones((1, 1), dtype=np.float32)
    own = OwnShare(hidden, hidden, pairs.least[[a]])
    assert pairs.least[a] > closeness(np.array([2]), np.array([2]))[0]
    for other in (b, c):
        assert not pairs.table.signals(np.array([other]), np.array([a]), own=own).any()
