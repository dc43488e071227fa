"""The guard of the host's order through the public door."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge_rerank import (
    Degradation,
    Event,
    GuestSession,
    History,
    HostGuard,
    Item,
    ListOrder,
    Ranking,
    Reranker,
    Retention,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.lessons import Deeds, Shown
from edge_rerank.learning.list_record import ListRecord, Used
from edge_rerank.ranking.engine import RankingEngine
from tests.ranking.test_host_order import ITEMS

USER = "alice"
START = 1_700_000_000.0
OFTEN = HostGuard(share=0.5, room=None)


def life(
    one: Reranker | GuestSession, choices: list[Item | None], *, begin: int = 0, **options: bool
) -> list[Ranking]:
    """Lists two hours apart; of each an item is chosen.

    Where it is ``None``, the one of the host's first four that we think least of.
    """
    shown = []
    whose = {} if isinstance(one, GuestSession) else {"user": USER}
    for number, item in enumerate(choices, start=begin):
        now = START + 7_200.0 * number
        items = [*ITEMS[number % 12 :], *ITEMS[: number % 12]]
        ranking = one.rank(items, **whose, now=now, **options)  # type: ignore[arg-type]
        shown.append(ranking)
        first = {one.id for one in items[:4]}
        chosen = item or [one.item for one in ranking if one.item.id in first][-1]
        click = Event("click", chosen, timestamp=now + 60, ranking=ranking.id, dwell_s=60)
        one.record(click, **whose)
    return shown


def opened(
    engine: RankingEngine, *, guard: HostGuard | None = OFTEN, learning: bool = True
) -> Reranker:
    one = Reranker(
        engine, History.open(retention=Retention.UNLIMITED), guard=guard, learning=learning
    )
    one.consent(USER, True)
    return one


def orders(rankings: list[Ranking]) -> set[ListOrder]:
    return {ranking.order for ranking in rankings}


def test_where_the_hosts_order_is_right_it_returns_and_says_so(engine: RankingEngine) -> None:
    one = opened(engine)
    lists = life(one, [None] * 60, host_order=True)
    assert {ranking.order for ranking in lists[:5]} == {ListOrder.PERSONAL}
    last = [ranking for ranking in lists[-15:] if ranking.order is ListOrder.HOST]
    assert len(last) >= 8
    for ranking in last:
        assert ranking.degraded == (Degradation.HOST_ORDER,)
        assert json.loads(ranking.to_json())["order"] == "host"
    assert ListOrder.INTERLEAVED in orders(lists)
    assert one.history.state(USER, "order.default") is not None
    one.consent(USER, False)
    assert one.rank(ITEMS, USER, host_order=True).order is ListOrder.PERSONAL


def test_two_devices_with_the_same_events_show_the_same_lists(engine: RankingEngine) -> None:
    first, second = (life(opened(engine), [None] * 25, host_order=True) for _ in range(2))
    assert [ranking.items for ranking in first] == [ranking.items for ranking in second]
    assert [ranking.order for ranking in first] == [ranking.order for ranking in second]


def test_it_stays_over_a_restart_and_goes_with_the_person(tmp_path: Path) -> None:
    key, file = os.urandom(32), tmp_path / "h.db"
    with Reranker.open(history=file, key=key, guard=OFTEN, retention=Retention.UNLIMITED) as one:
        one.consent(USER, True)
        life(one, [None] * 60, host_order=True)
        before = [one.rank(ITEMS, USER, host_order=True, now=START + n * 1e6) for n in range(3)]
    assert ListOrder.HOST in orders(before)
    with Reranker.open(history=file, key=key, guard=OFTEN, retention=Retention.UNLIMITED) as one:
        after = [one.rank(ITEMS, USER, host_order=True, now=START + n * 1e6) for n in range(3)]
        assert [ranking.order for ranking in after] == [ranking.order for ranking in before]
        assert [ranking.items for ranking in after] == [ranking.items for ranking in before]
        one.forget(USER)
        one.consent(USER, True)
        assert one.rank(ITEMS, USER, host_order=True).order is ListOrder.PERSONAL


def test_off_or_without_an_order_of_the_host_nothing_changes(engine: RankingEngine) -> None:
    choices: list[Item | None] = [ITEMS[n % 7] for n in range(12)]
    for options in ({}, {"host_order": True}):
        plain = opened(engine, guard=None)
        expected = life(plain, choices, **options)
        assert orders(expected) == {ListOrder.PERSONAL}
        assert plain.history.state(USER, "order.default") is None
        if not options:
            guarded = opened(engine)
            assert [one.items for one in life(guarded, choices)] == [one.items for one in expected]
            assert guarded.history.state(USER, "order.default") is None


def test_without_learning_or_a_person_nothing_is_tried(engine: RankingEngine) -> None:
    assert orders(life(opened(engine, learning=False), [None] * 12, host_order=True)) == {
        ListOrder.PERSONAL
    }
    assert opened(engine).rank(ITEMS, host_order=True).order is ListOrder.PERSONAL


def test_a_visitor_is_guarded_too(engine: RankingEngine) -> None:
    with opened(engine).guest_session() as guest:
        assert ListOrder.INTERLEAVED in orders(life(guest, [None] * 20, host_order=True))


def test_lists_that_are_not_ours_are_counted_and_compared_with_none(
    engine: RankingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(engine)
    learner = one._feedback._learner
    assert learner is not None
    watch, seen = learner.watch, list[Shown]()

    def noting(user: str, shown: Shown) -> None:
        seen.append(shown)
        watch(user, shown)

    monkeypatch.setattr(learner, "watch", noting)
    lists = life(one, [None] * 60, host_order=True)
    stats = one.stats(USER)
    assert stats.whole.lists == 60
    ours = sum(ranking.order is ListOrder.PERSONAL for ranking in lists)
    assert 10 <= ours < 50
    assert stats.against_host is not None
    assert stats.against_host.lists == ours
    drafted = [shown for shown in seen if shown.teams is not None]
    assert len(drafted) == sum(ranking.order is ListOrder.INTERLEAVED for ranking in lists) > 0
    for shown in drafted:
        record = ListRecord.of(shown, Deeds(visited={shown.ids[0]: None}))
        assert (record.place, record.without, record.host) == (1, 0, 0)
        assert record.used is Used.MIXED
        assert not record.explored


def test_what_is_no_guard_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="guard: expected a HostGuard"):
        Reranker.open(guard=0.1)  # type: ignore[arg-type]
