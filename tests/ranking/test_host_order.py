"""The host's order beside ours: when there is one, how a list is drafted, what is told of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edge_rerank import (
    Cap,
    Degradation,
    Event,
    Item,
    ListOrder,
    ListPolicy,
    RankingEngine,
    ReasonCode,
)
from edge_rerank.learning.head import Head
from edge_rerank.learning.host_guard import Trial
from edge_rerank.learning.interleaving import Side
from edge_rerank.learning.list_record import Used
from edge_rerank.ranking.answer import Answer
from edge_rerank.ranking.host_order import Listed
from edge_rerank.ranking.options import RankOptions
from edge_rerank.ranking.registry import evidence_of
from edge_rerank.ranking.request import Request

TEXTS = (
    *("a lamp to read by", "tea from Ceylon", "a woollen scarf", "street light", "iron kettle"),
    *("summer dress", "torch for camping", "cups of clay", "rubber boots", "candles of wax"),
    *("green tea, loose", "a hat against the sun"),
)
ITEMS = [
    Item(f"{n}", text, [("light", "tea", "clothes")[n % 3]], popularity=float(n * n % 17))
    for n, text in enumerate(TEXTS)
]
KNOWN = [Event("click", ITEMS[n], timestamp=float(at)) for at, n in enumerate((2, 5, 8, 11, 2))]
ORDERED: RankOptions = {"host_order": True, "now": 10.0}


def answer(
    engine: RankingEngine,
    trial: Trial | None,
    items: list[Item] = ITEMS,
    history: list[Event] = KNOWN,
    **options: object,
) -> Answer:
    given: RankOptions = {**ORDERED, **options}  # type: ignore[typeddict-item]
    trial_of = None if trial is None else lambda _layout, _surface: trial
    return engine.answer(items, history=history, head_of=Head.blank, trial_of=trial_of, **given)


def ids(one: Answer) -> list[str]:
    return [ranked.item.id for ranked in one.ranking]


ALWAYS = Trial(Side.OURS, 1.0, None)
NEVER = Trial(Side.OURS, 0.0, None)
HOST = Trial(Side.HOST, 0.0, None)


def test_a_trial_of_our_order_leaves_every_bit_as_it_is(engine: RankingEngine) -> None:
    plain, tried = answer(engine, None), answer(engine, NEVER)
    assert tried.ranking == plain.ranking
    assert plain.shown is not None
    assert tried.shown is not None
    assert (plain.shown.base == tried.shown.base).all()
    assert plain.ranking.order is ListOrder.PERSONAL
    assert ids(plain) != [one.id for one in ITEMS]


@pytest.mark.parametrize(
    ("items", "options", "expected"),
    [
        (ITEMS, {}, [one.id for one in ITEMS]),
        (ITEMS, {"host_order": False}, None),
        (ITEMS, {"query": "a lamp"}, None),
        (
            [replace(one, score=float(one.id)) for one in ITEMS],
            {"host_order": False},
            [one.id for one in ITEMS[::-1]],
        ),
        ([replace(one, score=1.0) for one in ITEMS], {"host_order": False}, None),
        ([replace(ITEMS[0], score=1.0), *ITEMS[1:]], {"host_order": False}, None),
        (ITEMS[:1], {}, None),
    ],
)
def test_when_the_host_gives_an_order(
    engine: RankingEngine,
    items: list[Item],
    options: dict[str, object],
    expected: list[str] | None,
) -> None:
    got = answer(engine, HOST, items, **options)
    if expected is None:
        assert got.ranking == answer(engine, None, items, **options).ranking
        return
    assert ids(got) == expected
    assert got.ranking.order is ListOrder.HOST
    assert got.ranking.degraded == (Degradation.HOST_ORDER,)


@pytest.mark.parametrize(
    "trial", [HOST, ALWAYS, replace(ALWAYS, room=1.0), replace(NEVER, room=1.0)]
)
def test_scores_are_sums_of_columns_and_those_of_the_places(
    engine: RankingEngine, trial: Trial
) -> None:
    options: RankOptions = {**ORDERED}
    request = Request.of(ITEMS, history=KNOWN, comparer=engine._comparer, **options)
    evidence = evidence_of(request, engine._sources, engine._media)
    before = evidence.values.copy()
    listed = Listed.of(
        request, evidence, evidence.scores(), lambda *_: trial, engine._personal.layout
    )
    assert (evidence.values == before).all()
    assert listed.evidence.scores() == pytest.approx(listed.scores, abs=1e-9)
    order = listed.arrangement(asked=False, relevance=None)
    assert (np.diff(order.scores[list(order.rows)]) <= 0).all()
    others = [place for place, one in enumerate(evidence.columns) if one.yields]
    added = listed.evidence.contributions()[:, others]
    if trial.room is None:
        assert (added == evidence.contributions()[:, others]).all()
        assert np.sort(listed.scores) == pytest.approx(np.sort(evidence.scores()))
    else:
        assert np.ptp(added.sum(axis=1)) == pytest.approx(trial.room)


def test_a_list_of_ours_tells_what_more_room_would_have_made_of_a_choice(
    engine: RankingEngine,
) -> None:
    rooms = (0.5, None)
    narrow, wide = (ids(answer(engine, replace(NEVER, room=room))) for room in (0.5, 1e3))
    for room in rooms:
        got = answer(engine, replace(NEVER, room=room, rooms=rooms))
        assert got.shown is not None
        assert got.shown.tilt is not None
        by_hand = [
            (1 / np.log2(2 + wide.index(name)) - 1 / np.log2(2 + narrow.index(name)))
            * (place + 1) ** 0.7
            for place, name in enumerate(got.shown.ids)
        ]
        assert got.shown.tilt == pytest.approx(by_hand)
        assert min(by_hand) < 0 < max(by_hand)
    for trial in (NEVER, replace(ALWAYS, room=0.5, rooms=rooms), replace(HOST, rooms=rooms)):
        got = answer(engine, trial)
        assert got.shown is not None
        assert got.shown.tilt is None


def test_what_is_pinned_speaks_for_no_room(engine: RankingEngine) -> None:
    policy = ListPolicy(pin={ITEMS[11].id: 1})
    got = answer(engine, replace(NEVER, room=0.5, rooms=(0.5, None)), policy=policy)
    assert got.shown is not None
    assert got.shown.tilt is not None
    assert got.shown.ids[0] == ITEMS[11].id
    assert got.shown.tilt[0] == 0.0
    assert got.shown.tilt.any()


def test_reasons_are_true_to_the_hosts_order(engine: RankingEngine) -> None:
    got, ours = answer(engine, HOST), answer(engine, None)
    # What the host moves up says so; nothing that it has low is said to be recommended.
    places = {name: place for place, name in enumerate(ids(ours))}
    moved = max(range(4), key=lambda place: places[ids(got)[place]] - place)
    assert any(reason.code is ReasonCode.HOST for reason in got.ranking[moved].reasons)
    for one in got.ranking[len(got.ranking) // 2 + 1 :]:
        assert not any(
            reason.code is ReasonCode.HOST and reason.weight > 0 for reason in one.reasons
        )


def test_a_drafted_list_has_the_best_of_both(engine: RankingEngine) -> None:
    got, ours = answer(engine, ALWAYS), answer(engine, None)
    assert got.ranking.order is ListOrder.INTERLEAVED
    assert got.ranking.degraded == ()
    assert sorted(ids(got)) == sorted(ids(ours))
    assert {ids(got)[0], ids(got)[1]} == {ids(ours)[0], ITEMS[0].id}
    assert got.shown is not None
    assert got.shown.teams is not None
    teams = Counter(got.shown.teams)
    assert teams[Side.OURS] == teams[Side.HOST] >= 4
    brought = dict(zip(got.shown.ids, got.shown.teams, strict=True))
    assert brought[ITEMS[0].id] is Side.HOST
    assert brought[ids(ours)[0]] is Side.OURS


def test_equal_calls_give_equal_lists_until_something_happens(engine: RankingEngine) -> None:
    half = Trial(Side.OURS, 0.5, None)
    orders, lists = Counter[ListOrder](), set()
    history = list(KNOWN)
    for moment in range(60):
        first = answer(engine, half, history=history, now=100.0)
        again = answer(engine, half, history=history, now=200.0)
        assert ids(first) == ids(again)
        assert first.ranking.order is again.ranking.order
        orders[first.ranking.order] += 1
        lists.add(tuple(ids(first)))
        history.append(Event("impression", ITEMS[0], timestamp=10.0 + moment))
    assert 18 <= orders[ListOrder.INTERLEAVED] <= 42
    assert len(lists) > 10


def test_whoever_is_new_sees_no_drafted_list(engine: RankingEngine) -> None:
    assert answer(engine, ALWAYS, history=KNOWN[:4]).ranking.order is ListOrder.PERSONAL
    assert answer(engine, HOST, history=KNOWN[:4]).ranking.order is ListOrder.HOST


def test_rules_arrange_after_it_and_pinned_items_are_nobodys(engine: RankingEngine) -> None:
    policy = ListPolicy(pin={ITEMS[7].id: 1}, caps=[Cap("category", most=1, hard=True, of="light")])
    for trial in (ALWAYS, HOST):
        got = answer(engine, trial, policy=policy, top_k=6)
        assert ids(got)[0] == ITEMS[7].id
        lights = [one for one in got.ranking if "light" in one.item.categories]
        assert len(lights) == 1
        if trial is ALWAYS:
            assert got.shown is not None
            assert got.shown.teams is not None
            assert got.shown.teams[0] is None
            assert len(got.shown.teams) == len(got.ranking) == 6


def test_nothing_is_explored_and_nothing_compared_in_a_list_that_is_not_ours(
    engine: RankingEngine,
) -> None:
    explored = ListPolicy(explore=0.5)
    assert answer(engine, NEVER, policy=explored).ranking.chances
    for trial in (ALWAYS, HOST):
        got = answer(engine, trial, policy=explored)
        assert got.ranking.chances == ()
        assert got.shown is not None
        assert got.shown.pairs == got.shown.order == ()
        assert got.shown.used == (Used.MIXED if trial is ALWAYS else Used.HOST)
        assert got.shown.host is None
        assert got.shown.without is not None
        assert not got.shown.without.any()
    assert answer(engine, HOST).shown.teams is None  # type: ignore[union-attr]


def test_no_room_beside_the_host_is_its_order_and_much_room_is_nearly_ours(
    engine: RankingEngine,
) -> None:
    assert ids(answer(engine, replace(NEVER, room=0.0))) == [one.id for one in ITEMS]
    ours = answer(engine, None)
    much = answer(engine, replace(NEVER, room=1e3))
    assert ids(much)[:3] == ids(ours)[:3]  # what shares the first places out takes no part
    some = answer(engine, replace(NEVER, room=1.0))
    assert some.ranking.order is ListOrder.PERSONAL
    assert ids(some) not in (ids(much), [one.id for one in ITEMS])


def test_with_little_room_no_item_falls_far_below_its_place(engine: RankingEngine) -> None:
    """Less room than there is between neighbours of the host's leaves its order as it is."""
    scored = [replace(one, score=-float(place)) for place, one in enumerate(ITEMS)]
    apart = 1 / 3.452  # of neighbours, in standard deviations of 0 to 11
    few = answer(engine, replace(NEVER, room=0.9 * apart), scored)
    assert ids(few) == [one.id for one in ITEMS]


def test_long_lists_are_drafted_as_far_as_anybody_looks(engine: RankingEngine) -> None:
    many = [Item(f"m{n}", "", popularity=float(n % 7)) for n in range(150)]
    got, ours = answer(engine, ALWAYS, many), answer(engine, None, many)
    assert sorted(ids(got)) == sorted(ids(ours))
    there = set(ids(got)[:100])
    assert ids(got)[100:] == [one for one in ids(ours) if one not in there]


@pytest.mark.parametrize("trial", [HOST, ALWAYS, replace(NEVER, room=0.75)])
def test_what_a_person_turned_down_stands_last_in_whoevers_order(
    engine: RankingEngine, trial: Trial
) -> None:
    turned_down = [
        *KNOWN,
        Event("dismiss", ITEMS[0], timestamp=KNOWN[-1].timestamp),
        Event("dislike", ITEMS[2], timestamp=KNOWN[-1].timestamp),
    ]
    options: RankOptions = {**ORDERED}
    ranking = engine.answer(
        ITEMS, history=turned_down, trial_of=lambda *_: trial, head_of=Head.blank, **options
    ).ranking
    assert {one.item.id for one in ranking[-2:]} == {ITEMS[0].id, ITEMS[2].id}
