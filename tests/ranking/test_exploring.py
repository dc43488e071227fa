"""Exploring: neighbours swap, their chances are said, and what must not move stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edge_rerank import Event, Item, ListPolicy, ReasonCode
from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.head import Head
from edge_rerank.learning.lessons import Deeds
from edge_rerank.learning.list_record import ListRecord
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.policies.exploring import LEAST_CHOICES, Exploring
from edge_rerank.ranking.policies.policy import Arrangement
from edge_rerank.ranking.request import Request

ITEMS = [Item(str(n), f"thing number {n}", popularity=1000 - 10 * n) for n in range(8)]
KNOWN = [Event("click", Item(f"old {n}", "an old thing"), timestamp=float(n)) for n in range(1, 6)]


def request(engine: RankingEngine, policy: ListPolicy, history: list[Event] = KNOWN) -> Request:
    comparer = engine._comparer
    return Request.of(ITEMS, history=history, comparer=comparer, policy=policy, now=10.0)


def arranged(
    engine: RankingEngine, policy: ListPolicy, *, seed: int, **order: object
) -> Arrangement:
    made = Arrangement.by_score(-np.arange(8.0))
    changed = replace(made, **order)  # type: ignore[arg-type]
    return Exploring(_seed=lambda: seed).arrange(changed, request(engine, policy))


def test_it_is_off_until_it_is_asked_for(engine: RankingEngine) -> None:
    plain = engine.rank(ITEMS, history=KNOWN, now=10.0)
    assert plain.chances == ()
    assert engine.rank(ITEMS, history=KNOWN, now=10.0, policy=ListPolicy()).items == plain.items


def test_neighbours_swap_and_the_chances_are_those_of_many_lists(engine: RankingEngine) -> None:
    policy = ListPolicy(explore=0.3)
    seen: Counter[tuple[int, int]] = Counter()
    said: dict[tuple[int, int], float] = {}
    lists = 3000
    asked = request(engine, policy)
    for seed in range(lists):
        order = Arrangement.by_score(-np.arange(8.0))
        got = Exploring(_seed=lambda seed=seed: seed).arrange(order, asked)  # type: ignore[misc]
        for place, (row, chance) in enumerate(zip(got.rows, got.explored.placements, strict=True)):
            assert abs(row - place) <= 1
            seen[row, place] += 1
            said[row, place] = chance
    for key, chance in said.items():
        assert seen[key] / lists == pytest.approx(chance, abs=0.03)


def test_scores_never_rise_down_the_list_and_moves_have_a_reason(engine: RankingEngine) -> None:
    swapped = 0
    for seed in range(30):
        got = arranged(engine, ListPolicy(explore=0.5), seed=seed)
        assert sorted(got.rows) == list(range(8))
        scores = got.scores[list(got.rows)]
        assert (np.diff(scores) <= 0).all()
        moved = {row for place, row in enumerate(got.rows) if row != place}
        assert {row for one in got.moves for row in one.rows.tolist()} == moved
        assert {one.code for one in got.moves} <= {ReasonCode.EXPLORED}
        swapped += bool(moved)
    assert swapped > 20


def test_who_is_new_sees_the_best_list_there_is(engine: RankingEngine) -> None:
    asked = request(engine, ListPolicy(explore=0.5), KNOWN[: LEAST_CHOICES - 1])
    order = Arrangement.by_score(-np.arange(8.0))
    assert all(Exploring(_seed=lambda: 1).arrange(order, asked) is order for _ in range(20))


def test_pinned_items_and_the_last_ones_keep_their_places(engine: RankingEngine) -> None:
    for seed in range(40):
        got = arranged(engine, ListPolicy(explore=0.5), seed=seed, pinned={2: 2}, behind=3)
        assert got.rows[2] == 2
        assert set(got.rows[5:]) == {5, 6, 7}


def test_a_ranking_says_its_chances(engine: RankingEngine) -> None:
    policy = ListPolicy(explore=0.5)
    ranking = engine.rank(ITEMS, history=KNOWN, now=10.0, policy=policy, top_k=5)
    assert len(ranking.chances) == 5
    assert all(0 < chance <= 1 for chance in ranking.chances)
    assert [one.rank for one in ranking] == [1, 2, 3, 4, 5]


def test_a_chance_beyond_a_half_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="explore: expected"):
        ListPolicy(explore=0.6)


def test_what_is_kept_of_an_explored_list_are_its_chances(engine: RankingEngine) -> None:
    policy = ListPolicy(explore=0.5)
    for _ in range(5):
        answer = engine.answer(ITEMS, history=KNOWN, now=10.0, policy=policy, head_of=Head.blank)
        shown = answer.shown
        assert shown is not None
        record = ListRecord.of(shown, Deeds())
        assert record.explored
        assert record.placements[:8] == pytest.approx(answer.ranking.chances)
        assert record.placements[8:] == (1.0, 1.0)
        assert all(0 < one <= 1 for one in record.steps)
        assert all(record.within)
        assert record.used == "pack"  # a blank head moves nothing
        again = ListRecord.from_bytes(record.to_bytes())
        assert (again.placements, again.steps) == (record.placements, record.steps)
        # Where the items would stand had nobody swapped them: one place away at most.
        assert shown.without is not None
        assert sorted(shown.without.tolist()) == list(range(1, 9))
        assert np.abs(shown.without - np.arange(1, 9)).max() <= 1
    plain = engine.answer(ITEMS, history=KNOWN, now=10.0, head_of=Head.blank).shown
    assert plain is not None
    assert (plain.pairs, plain.order, plain.without) == ((), (), None)
    assert not ListRecord.of(plain, Deeds()).explored
