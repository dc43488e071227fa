"""List policies through the public interface: opened with, handed over, off, in lists and JSON."""

from __future__ import annotations

import json

import pytest

from edge_rerank import (
    Block,
    Calibrate,
    Cap,
    Collapse,
    Decay,
    Diversify,
    Event,
    Exposure,
    Fatigue,
    Fresh,
    Item,
    LeftOut,
    ListPolicy,
    RankingEngine,
    ReasonCode,
    Reranker,
    Rotate,
    Spread,
)

NOW = 1.79e9
EVERY = ListPolicy(
    block=Block(words=["cup"]),
    pin={"tennis": 2},
    caps=[Cap("category", most=2, hard=True), Cap("subcategory", share=0.5)],
    spread=[Spread("subcategory")],
    decay=[Decay("category")],
    fatigue=Fatigue(),
    rotate=Rotate(),
    fresh=Fresh(),
    floor=0.001,
    collapse=Collapse(),
    diversity=Diversify(),
    calibrate=Calibrate(),
    had="sink",
)


def history(shelf: list[Item]) -> list[Event]:
    return [
        Event("view", shelf[0], timestamp=NOW - 500, dwell_s=60),
        Event("purchase", shelf[4], timestamp=NOW - 400),
    ]


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"diversity": 0.5}, {"query": "bread"}])
def test_everything_off_is_no_policy_to_the_bit(
    engine: RankingEngine, shelf: list[Item], options: dict[str, object]
) -> None:
    shown = {item.id: Exposure(9, last=NOW - 5) for item in shelf}
    plain = engine.rank(shelf, history=history(shelf), now=NOW, **options)  # type: ignore[arg-type]
    off = engine.rank(
        shelf,
        history=history(shelf),
        now=NOW,
        policy=ListPolicy(),
        exposures=shown,
        **options,  # type: ignore[arg-type]
    )
    assert off == plain
    assert [one.score for one in off] == [one.score for one in plain]
    assert off.left_out == ()


def test_every_rule_at_once(engine: RankingEngine, shelf: list[Item]) -> None:
    given = list(shelf)
    ranking = engine.rank(
        shelf,
        history=history(shelf),
        now=NOW,
        policy=EVERY,
        exposures={"croissant": Exposure(9, last=NOW - 60)},
    )
    ids = [one.item.id for one in ranking]
    assert ids[1] == "tennis"
    assert LeftOut("football", ReasonCode.BLOCKED) in ranking.left_out
    assert LeftOut("croissant", ReasonCode.FATIGUE) in ranking.left_out
    assert sorted([*ids, *(one.id for one in ranking.left_out)]) == sorted(i.id for i in shelf)
    assert shelf == given
    assert ranking == engine.rank(
        shelf,
        history=history(shelf),
        now=NOW,
        policy=EVERY,
        exposures={"croissant": Exposure(9, last=NOW - 60)},
    )
    told = json.loads(ranking.to_json())["left_out"]
    assert {"id": "football", "code": "blocked"} in told


def test_blocking_is_as_if_it_had_not_been_handed_in(
    engine: RankingEngine, shelf: list[Item]
) -> None:
    policy = ListPolicy(block=Block(ids=["tennis"]))
    blocked = engine.rank(shelf, history=history(shelf), now=NOW, policy=policy)
    others = [item for item in shelf if item.id != "tennis"]
    assert blocked.items == engine.rank(others, history=history(shelf), now=NOW).items
    nothing = engine.rank(shelf, policy=ListPolicy(block=Block(ids=[i.id for i in shelf])))
    assert (len(nothing), len(nothing.left_out)) == (0, len(shelf))


def test_a_pinned_card_says_so(engine: RankingEngine, shelf: list[Item]) -> None:
    ranking = engine.rank(shelf, now=NOW, policy=ListPolicy(pin={"tennis": 1}))
    assert ranking[0].item.id == "tennis"
    assert ReasonCode.PINNED in {why.code for why in ranking[0].reasons}
    scores = [one.score for one in ranking]
    assert scores == sorted(scores, reverse=True)


def test_the_calls_policy_replaces_the_opened_one(shelf: list[Item]) -> None:
    policy = ListPolicy(pin={"tennis": 1})
    with Reranker.open(policy=policy) as reranker:
        assert reranker.rank(shelf)[0].item.id == "tennis"
        assert reranker.rank(shelf, policy=ListPolicy())[0].item.id != "tennis"
        other = ListPolicy(block=Block(ids=["tennis"]))
        assert "tennis" not in {one.item.id for one in reranker.rank(shelf, policy=other)}
        with reranker.guest_session() as guest:
            assert guest.rank(shelf)[0].item.id == "tennis"
        texts = reranker.rank_texts(
            None, [{"id": "a", "text": "tea"}, "bread"], policy=ListPolicy(pin={"a": 2})
        )
        assert [one.id for one in texts][1] == "a"


def test_what_was_bought_stays_if_it_shall(engine: RankingEngine, shelf: list[Item]) -> None:
    bought = [Event("purchase", shelf[0], timestamp=NOW - 400)]

    def place(had: str | None) -> int:
        ranking = engine.rank(shelf, history=bought, now=NOW, policy=ListPolicy(had=had))
        return [one.item.id for one in ranking].index("bread")

    assert place("sink") == len(shelf) - 1
    assert place("stay") < place(None)


def test_a_query_has_its_say_with_a_policy(engine: RankingEngine, shelf: list[Item]) -> None:
    policy = ListPolicy(fresh=Fresh(), calibrate=Calibrate(), diversity=Diversify(0.1))
    ranking = engine.rank(shelf, query="telescope", policy=policy, history=history(shelf), now=NOW)
    assert ranking[0].item.id == "telescope"


def test_recorded_impressions_tire_where_the_host_tells_of_none(engine: RankingEngine) -> None:
    items = [Item(name, f"a {name}") for name in ("lamp", "scarf", "tent")]
    shown = [Event("impression", items[0], timestamp=NOW - 3_600 + n) for n in range(8)]
    policy = ListPolicy(fatigue=Fatigue(shown=5))
    tired = engine.rank(items, history=shown, policy=policy, now=NOW)
    assert [(one.id, one.code) for one in tired.left_out] == [("lamp", ReasonCode.FATIGUE)]
    chosen = [*shown, Event("click", items[0], timestamp=NOW - 10)]
    assert engine.rank(items, history=chosen, policy=policy, now=NOW).left_out == ()
    # What the host tells comes first.
    told = {"tent": Exposure(shown=9, last=NOW - 60)}
    other = engine.rank(items, history=shown, policy=policy, exposures=told, now=NOW)
    assert [one.id for one in other.left_out] == ["tent"]
