"""Statistics of lists through the public door."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from edge_rerank import Event, GuestSession, History, Item, Reranker, Stats
from edge_rerank.errors import ClosedError, InvalidRequest
from edge_rerank.learning.head import Head
from edge_rerank.learning.stats_page import stats_as_html
from edge_rerank.ranking.engine import RankingEngine

USER = "alice"
SHELF = [
    Item(f"id-{n}", f"{colour} {thing}", [thing], score=float(n))
    for n, (colour, thing) in enumerate(
        itertools.product(("red", "blue", "green", "plain"), ("lamp", "teapot", "scarf"))
    )
]


@pytest.fixture
def learning(engine: RankingEngine) -> Reranker:
    """Without a guard: a list in the host's order is compared with none."""
    reranker = Reranker(engine, History.open(), guard=None)
    reranker.consent(USER, True)
    return reranker


def pick(reranker: Reranker, word: str, *, times: int, surface: str | None = None) -> None:
    """Choose the same item from so many lists."""
    item = next(one for one in SHELF if word in one.text)
    for _ in range(times):
        ranking = reranker.rank(SHELF, USER, surface=surface)
        reranker.record(Event("click", item, ranking=ranking.id, dwell_s=60), user=USER)


def test_lists_are_counted_and_compared(learning: Reranker) -> None:
    pick(learning, "scarf", times=15, surface="home")
    learning.rank(SHELF, USER, surface="search")
    stats = learning.stats(USER)
    assert (stats.whole.lists, stats.whole.clicked) == (16, 15)
    assert [(one.name, one.lists) for one in stats.by_surface] == [("home", 15), ("search", 1)]
    assert stats.whole.satisfied is not None
    assert stats.whole.satisfied.value == pytest.approx(15 / 16)
    assert stats.against_host is not None
    assert stats.against_pack is not None
    # The best scored scarf stands at the first place of the host, the worst at the tenth.
    assert 1 <= stats.against_host.other.value <= 10
    # What they pick again and again is moved up by what was learnt.
    assert stats.against_pack.higher.value > 0


def test_places_of_the_host_are_those_of_its_scores_or_its_order(engine: RankingEngine) -> None:
    plain = [Item(one.id, one.text, one.categories) for one in SHELF]
    some = [SHELF[0], *plain[1:6], *SHELF[6:]]
    for items, order, expected in (
        (SHELF, False, {one.id: 12 - n for n, one in enumerate(SHELF)}),
        (plain, True, {one.id: n + 1 for n, one in enumerate(plain)}),
        (some, True, {"id-0": 7, "id-3": 0, "id-11": 1}),
        (plain, False, None),
    ):
        with_head = engine.answer(items, head_of=Head.blank, host_order=order).shown
        assert with_head is not None
        if expected is None:
            assert with_head.host is None
            continue
        assert with_head.host is not None
        places = dict(zip(with_head.ids, with_head.host.tolist(), strict=True))
        assert {name: places[name] for name in expected} == expected


def test_before_anything_is_learnt_the_order_is_the_packs(learning: Reranker) -> None:
    for _ in range(12):  # a click on the first item teaches nothing
        ranking = learning.rank(SHELF, USER)
        learning.record(Event("click", ranking[0].item, ranking=ranking.id), user=USER)
    against = learning.stats(USER).against_pack
    assert against is not None
    assert against.higher.value == against.mrr.value == 0


def test_they_are_there_after_a_restart_and_gone_with_the_person(tmp_path: Path) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    with Reranker.open(history=file, key=key) as first:
        first.consent(USER, True)
        pick(first, "lamp", times=12)
        before = first.stats(USER)
    with Reranker.open(history=file, key=key) as second:
        assert second.stats(USER).whole == before.whole
        assert {one.name for one in second.history.access(USER).states} >= {"feedback"}
        second.forget(USER)
        assert second.stats(USER).whole.lists == 0


def test_without_learning_or_consent_nothing_is_counted(engine: RankingEngine) -> None:
    off = Reranker(engine, History.open(), learning=False)
    off.consent(USER, True)
    pick(off, "lamp", times=3)
    assert off.stats(USER).whole.lists == 0
    on = Reranker(engine, History.open())
    on.rank(SHELF, USER)
    assert on.stats(USER).whole.lists == 0
    assert on.stats(USER).notes[0].code == "no-list"


def test_what_the_person_does_not_see_is_not_counted_or_learnt_from(learning: Reranker) -> None:
    for _ in range(3):
        ranking = learning.rank(SHELF, USER, shown=False)
        learning.record(Event("click", ranking[4].item, ranking=ranking.id), user=USER)
    assert learning.stats(USER).whole.lists == 0
    assert learning.history.state(USER, "head.default") is None
    pick(learning, "lamp", times=2)
    orders = [
        [one.item.id for one in learning.rank(SHELF, USER, shown=one)] for one in (True, False)
    ]
    assert orders[0] == orders[1]
    assert learning.stats(USER).whole.lists == 3
    with pytest.raises(InvalidRequest, match="shown: expected"):
        learning.rank(SHELF, USER, shown="no")  # type: ignore[arg-type]


def test_nothing_of_an_item_or_the_person_is_in_them(tmp_path: Path, engine: RankingEngine) -> None:
    kept = Reranker(engine, History.open(tmp_path / "h.db", bytes(range(32))))
    kept.consent(USER, True)
    pick(kept, "lamp", times=12)
    stats = kept.stats(USER)
    kept.history.close()
    for text in (stats.to_json(), stats_as_html(stats), repr(stats)):
        words = (USER, *(word for one in SHELF for word in (one.id, one.text, *one.categories)))
        assert not any(word in text for word in words)
    assert json.loads(stats.to_json())["whole"]["lists"] == 12


def test_that_they_were_read_is_in_the_audit_log(engine: RankingEngine, tmp_path: Path) -> None:
    history = History.open(tmp_path / "h.db", bytes(range(32)))
    kept = Reranker(engine, history)
    kept.consent(USER, True)
    pick(kept, "lamp", times=17)  # the first of them are in the file by now
    before = len(history.audit_log())
    assert isinstance(kept.stats(USER), Stats)
    assert [one.action.value for one in history.audit_log()[before:]] == ["read"]
    history.close()


def test_wrong_users_and_closed_rerankers(learning: Reranker) -> None:
    with pytest.raises(InvalidRequest, match="user: expected"):
        learning.stats("")
    with Reranker.open() as closed:
        pass
    with pytest.raises(ClosedError):
        closed.stats(USER)


def test_statistics_of_a_guest(engine: RankingEngine) -> None:
    guest = GuestSession(engine)
    ranking = guest.rank(SHELF, surface="kiosk")
    guest.record(Event("click", ranking[1].item, ranking=ranking.id))
    guest.record(Event("rating", ranking=ranking.id, value=1))
    whole = guest.stats().whole
    assert (whole.lists, whole.clicked, whole.rated) == (1, 1, 1)
    assert GuestSession(engine).stats().whole.lists == 0
    guest.close()
    with pytest.raises(ClosedError):
        guest.stats()


def test_variety_and_coverage_of_what_was_shown(learning: Reranker) -> None:
    for _ in range(12):
        learning.rank(SHELF, USER, top_k=3)
    stats = learning.stats(USER)
    assert stats.diversity is not None
    assert stats.diversity.vectors is not None
    assert 0 < stats.diversity.vectors.value < 1
    assert stats.diversity.recall is not None
    assert 1 / 3 <= stats.diversity.recall.value <= 1
    assert stats.coverage is not None
    # The same list twelve times: three of twelve items, as unevenly as that gets.
    assert (stats.coverage.items.shown, stats.coverage.items.offered) == (3, 12)
    assert stats.coverage.items.share == 0.25
    assert stats.coverage.items.gini == pytest.approx(0.75)
    assert stats.coverage.categories.offered == 3


def test_no_name_is_in_what_is_kept(engine: RankingEngine, tmp_path: Path) -> None:
    kept = Reranker(engine, History.open(tmp_path / "h.db", bytes(range(32))))
    kept.consent(USER, True)
    pick(kept, "lamp", times=20)
    raw = kept.history.state(USER, "feedback")
    kept.history.close()
    assert raw is not None
    for one in SHELF:
        for name in (one.id, one.text, *one.categories):
            assert name.encode() not in raw
