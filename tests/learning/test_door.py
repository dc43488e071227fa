"""Learning through the public door: what a person picks moves the next list."""

from __future__ import annotations

import itertools
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_rerank import Degradation, Event, History, Item, Ranking, ReasonCode, Reranker
from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.head import Head
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.ranking.engine import RankingEngine

USER = "alice"
COLOURS = ("red", "blue", "green", "plain", "striped", "gold")
THINGS = ("lamp", "teapot", "scarf", "notebook", "tent")


@pytest.fixture(scope="module")
def catalogue() -> list[Item]:
    made = itertools.product(COLOURS, THINGS)
    return [Item(f"{n}", f"{colour} {thing}", [thing]) for n, (colour, thing) in enumerate(made)]


@pytest.fixture
def learning(reranker: Reranker) -> Reranker:
    reranker.consent(USER, True)
    return reranker


def order(ranking: Ranking) -> list[str]:
    return [ranked.item.id for ranked in ranking]


def pick(
    reranker: Reranker, items: list[Item], word: str, *, times: int, named: bool = True
) -> None:
    """Choose the best item of a kind that does not stand first, from so many lists."""
    for _ in range(times):
        ranking = reranker.rank(items, USER)
        item = next(one.item for one in ranking if word in one.item.text and one.rank > 1)
        ranked = ranking.id if named else None
        reranker.record(Event("click", item, ranking=ranked, dwell_s=60), user=USER)


def learnt(ranking: Ranking, word: str) -> list[float]:
    return [
        reason.weight
        for one in ranking
        if word in one.item.text
        for reason in one.reasons
        if reason.code is ReasonCode.LEARNT
    ]


def test_what_is_picked_from_lists_is_learnt_and_said(
    learning: Reranker, catalogue: list[Item]
) -> None:
    pick(learning, catalogue, "teapot", times=8)
    ranking = learning.rank(catalogue, USER)
    assert "teapot" in ranking[0].item.text
    # Where three other reasons are stronger this one is not said.
    others = [weight for word in THINGS if word != "teapot" for weight in learnt(ranking, word)]
    assert others
    assert np.mean(others) < max(learnt(ranking, "teapot"), default=0.0)
    assert order(learning.rank(catalogue, USER)) == order(ranking)


def test_a_bounce_teaches_nothing_for_its_item(learning: Reranker, catalogue: list[Item]) -> None:
    ranking = learning.rank(catalogue, USER)
    bounce = Event("click", ranking[9].item, ranking=ranking.id, dwell_s=1)
    learning.record(bounce, user=USER)
    assert learning.history.state(USER, "head.default") is None
    read = Event("click", ranking[4].item, ranking=ranking.id, dwell_s=60)
    learning.record(read, user=USER)
    assert learning.history.state(USER, "head.default") is not None


def test_events_that_name_no_ranking_are_for_the_history_alone(
    engine: RankingEngine, catalogue: list[Item]
) -> None:
    rankings = []
    for on in (True, False):
        one = Reranker(engine, History.open(), learning=on)
        one.consent(USER, True)
        pick(one, catalogue, "tent", times=4, named=False)
        rankings.append(one.rank(catalogue, USER, now=4e9))
    assert rankings[0].items == rankings[1].items


def test_without_learning_nothing_is_learnt_or_kept(
    engine: RankingEngine, catalogue: list[Item]
) -> None:
    one = Reranker(engine, History.open(), learning=False)
    one.consent(USER, True)
    pick(one, catalogue, "tent", times=3)
    assert one.history.state(USER, "head.default") is None
    ranking = one.rank(catalogue, USER)
    assert not any(learnt(ranking, word) for word in THINGS)
    with pytest.raises(InvalidRequest, match="learning: expected"):
        Reranker.open(learning="yes")  # type: ignore[arg-type]


def test_a_blank_head_leaves_every_score_as_it_is(
    engine: RankingEngine, catalogue: list[Item]
) -> None:
    on, off = (Reranker(engine, History.open(), learning=one) for one in (True, False))
    for one in (on, off):
        one.consent(USER, True)
    assert on.rank(catalogue, USER).items == off.rank(catalogue, USER).items


def test_it_stays_over_a_restart_and_goes_with_the_person(
    tmp_path: Path, catalogue: list[Item]
) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    with Reranker.open(history=file, key=key) as first:
        first.consent(USER, True)
        pick(first, catalogue, "lamp", times=5)
        before = first.rank(catalogue, USER, now=4e9)
        assert [(one.name, one.size > 0) for one in first.history.access(USER).states] == [
            ("head.default", True)
        ]
    with Reranker.open(history=file, key=key) as second:
        assert second.rank(catalogue, USER, now=4e9).items == before.items
        second.forget(USER)
        second.consent(USER, True)
        assert second.history.state(USER, "head.default") is None
        blank = second.rank(catalogue, USER, now=4e9)
    with Reranker.open() as third:
        assert third.rank(catalogue, now=4e9).items == blank.items


def test_after_another_release_of_the_pack_it_begins_anew_and_says_so(
    tmp_path: Path, catalogue: list[Item]
) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    with Reranker.open(history=file, key=key) as first:
        first.consent(USER, True)
        pick(first, catalogue, "lamp", times=3)
    other = shutil.copytree(shipped_pack(), tmp_path / "pack")
    manifest = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(manifest.replace('"release": 5', '"release": 6'))
    with Reranker.open(other, history=file, key=key) as second:
        assert second.rank(catalogue, USER).degraded == (Degradation.LEARNING_RESET,)
        assert second.rank(catalogue, USER).degraded == ()


def test_a_guest_is_learnt_of_in_memory(engine: RankingEngine, catalogue: list[Item]) -> None:
    with Reranker(engine, History.open()).guest_session() as guest:
        for _ in range(6):
            ranking = guest.rank(catalogue)
            item = [one.item for one in ranking if "scarf" in one.item.text][-1]
            guest.record(Event("click", item, ranking=ranking.id, dwell_s=60))
        assert "scarf" in guest.rank(catalogue)[0].item.text
        assert guest._history.state("guest", "head.default") is not None


def test_ranking_changes_neither_the_head_nor_the_items(
    learning: Reranker, catalogue: list[Item]
) -> None:
    pick(learning, catalogue, "scarf", times=3)
    before = learning.history.state(USER, "head.default")
    texts = [item.text for item in catalogue]
    for _ in range(3):
        learning.rank(catalogue, USER, query="a lamp", top_k=5)
    assert learning.history.state(USER, "head.default") == before
    assert [item.text for item in catalogue] == texts


def test_what_the_list_is_learnt_from_is_what_the_head_added(
    engine: RankingEngine, catalogue: list[Item]
) -> None:
    # The features that are learnt from, times the weights, are the column of the ranking.
    layout = engine._personal.layout
    rng = np.random.default_rng(0)
    mean = rng.normal(size=layout.width).astype(np.float32)
    head = replace(Head.blank(layout), mean=mean, lists=1)
    plain = engine.answer(catalogue, head_of=lambda _: Head.blank(layout)).shown
    lifted = engine.answer(catalogue, head_of=lambda _: head).shown
    assert plain is not None
    assert lifted is not None
    places = [plain.ids.index(one) for one in lifted.ids]
    # What everything else says does not move with the head.
    assert np.allclose(plain.base[places], lifted.base, atol=1e-5)
    said = lifted.features.astype(np.float64) @ head.weights
    total = lifted.base + said
    # The list stands in the order of the sum, as far as no policy moved anything.
    assert np.corrcoef(np.argsort(np.argsort(-total)), range(len(total)))[0, 1] > 0.95


def test_what_is_chosen_when_is_learnt(engine: RankingEngine, catalogue: list[Item]) -> None:
    one = Reranker(engine, History.open())
    one.consent(USER, True)
    wanted = {8: "teapot", 20: "lamp"}
    for turn in range(40):
        hour = (8, 20)[turn % 2]
        ranking = one.rank(catalogue, USER, context={"hour": hour})
        item = [ranked.item for ranked in ranking if wanted[hour] in ranked.item.text][-1]
        one.record(Event("click", item, ranking=ranking.id), user=USER)

    def mean_place(word: str, hour: int) -> float:
        ranking = one.rank(catalogue, USER, context={"hour": hour})
        return float(np.mean([ranked.rank for ranked in ranking if word in ranked.item.text]))

    assert mean_place("teapot", 8) < mean_place("teapot", 20)
    assert mean_place("lamp", 20) < mean_place("lamp", 8)
    # Of a moment that was never met, and without any, the crosses say nothing.
    blank = one.rank(catalogue, USER).items
    assert one.rank(catalogue, USER, context={}).items == blank
