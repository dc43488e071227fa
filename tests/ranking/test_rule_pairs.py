"""Whatever two rules meet: hard caps hold, pins stand, nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    ListPolicy,
    Rotate,
    Spread,
)
from edge_rerank.ranking.policies.keys import key_reader
from edge_rerank.types import LIST_RULES, ReasonCode
from tests.ranking.lists import DAY, NOW, Listed, listed, unit

EXAMPLES = 12
"""Of each pair; there are 105 of them."""

KEYS = ("brand", "category", "subcategory")
WORDS = ("red", "kettle", "pan", "lamp")
parts = st.floats(0.05, 1.0)
keys = st.sampled_from(KEYS)
caps = st.builds(Cap, keys, st.integers(1, 4)) | st.builds(Cap, keys, share=parts)
hard_caps = st.builds(Cap, keys, st.integers(1, 4), hard=st.just(True)) | st.builds(
    Cap, keys, share=parts, hard=st.just(True)
)
RULES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "block": st.builds(
        Block, st.sets(st.integers(0, 24), max_size=4), st.just(()), st.just(["lamp"])
    ),
    "pin": st.dictionaries(
        st.integers(0, 24).map(str), st.integers(1, 30), min_size=1, max_size=5
    ).filter(lambda pin: len(set(pin.values())) == len(pin)),
    "soft": st.lists(caps, min_size=1, max_size=2),
    "hard": st.lists(hard_caps, min_size=1, max_size=2),
    "spread": st.lists(st.builds(Spread, keys, st.integers(2, 5)), min_size=1, max_size=2),
    "decay": st.lists(st.builds(Decay, keys, parts, parts), min_size=1, max_size=2),
    "fatigue": st.builds(Fatigue, st.integers(1, 5)),
    "rotate": st.builds(Rotate, st.floats(0.1, 0.9)),
    "fresh": st.builds(Fresh, st.floats(0.1, 100.0)),
    "floor": st.floats(0, 1),
    "collapse": st.builds(Collapse, st.floats(0.5, 1.0), st.floats(0.3, 1.0)),
    "diversity": st.builds(Diversify, parts, st.sampled_from(["mmr", "dpp"]))
    | st.builds(Diversify, method=st.sampled_from(["mmr", "dpp"]), cost=parts),
    "calibrate": st.builds(Calibrate, parts),
    "had": st.sampled_from(["sink", "stay"]),
}


@st.composite
def shelves(draw: st.DrawFn) -> list[Item]:
    count = draw(st.integers(0, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [
        Item(
            str(place),
            " ".join(rng.choice(WORDS, 3)),
            [f"c{rng.integers(3)}", f"s{rng.integers(5)}"][: int(rng.integers(3))],
            fields={} if rng.random() < 0.2 else {"brand": f"b{rng.integers(3)}"},
            published=None if rng.random() < 0.3 else NOW - float(rng.integers(30)) * DAY,
        )
        for place in range(count)
    ]


def listed_by(items: list[Item], rules: dict[str, Any], seed: int, top_k: int | None) -> Listed:
    rng = np.random.default_rng(seed)
    policy = {name: rule for name, rule in rules.items() if name not in {"soft", "hard"}}
    policy["caps"] = [*rules.get("soft", ()), *rules.get("hard", ())]
    names = [item.id for item in items]
    return listed(
        items,
        ListPolicy(**policy),
        scores=dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True)),
        vectors={name: unit(*rng.normal(size=4)) for name in names},
        history=[
            Event(
                "purchase" if rng.random() < 0.5 else "view", item, timestamp=NOW - 600, dwell_s=60
            )
            for item in items[::4]
        ],
        exposures={
            name: Exposure(
                int(rng.integers(8)), int(rng.integers(2)), NOW - rng.random() * 40 * DAY
            )
            for name in names[::3]
        },
        top_k=top_k,
    )


def check(got: Listed, items: list[Item], rules: dict[str, Any], top_k: int | None) -> None:
    ids, left = got.ids, got.left_out
    kept = {item.id: item for item in items if item.id not in {one.id for one in got.blocked}}
    # Nothing doubled, nothing lost.
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(left)
    if top_k is None:
        assert set(ids) | set(left) == {item.id for item in items}
    else:
        assert len(ids) <= top_k
        if len(ids) < min(top_k, len(kept)):
            assert set(ids) | set(left) == {item.id for item in items}
    # Pins in place.
    pin = {name: place for name, place in rules.get("pin", {}).items() if name in kept}
    whole = [got.request.candidates[row].id for row in got.order.rows]
    for name, place in pin.items():
        if place <= len(whole):
            assert whole[place - 1] == name
        assert name in whole
    # No hard cap broken by what is not pinned.
    for cap in rules.get("hard", ()):
        room, read = cap.room(got.request.keep), key_reader(cap.key)
        pinned = Counter(read(kept[name]) for name in pin)
        free = Counter(read(kept[name]) for name in whole if name not in pin)
        for value, times in free.items():
            assert value is None or times <= max(room - pinned[value], 0)
    # Scores do not rise, and every rule that moved or left something out is told by its code.
    scores = got.order.scores[list(got.order.rows)]
    assert (np.diff(scores) <= 0).all()
    assert np.isfinite(scores).all()
    assert set(left.values()) <= LIST_RULES | {ReasonCode.FATIGUE}
    got.reasons()


@pytest.mark.parametrize("pair", list(combinations_with_replacement(RULES, 2)), ids="-".join)
def test_no_pair_of_rules_breaks_a_promise(pair: tuple[str, str]) -> None:
    @given(
        shelves(),
        st.fixed_dictionaries({name: RULES[name] for name in pair}),
        st.integers(0, 2**32 - 1),
        st.none() | st.integers(1, 30),
    )
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def holds(items: list[Item], rules: dict[str, Any], seed: int, top_k: int | None) -> None:
        check(listed_by(items, rules, seed, top_k), items, rules, top_k)

    holds()


@given(
    shelves(),
    st.fixed_dictionaries({}, optional=RULES),
    st.integers(0, 2**32 - 1),
    st.none() | st.integers(1, 30),
)
@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_nor_do_many_together(
    items: list[Item], rules: dict[str, Any], seed: int, top_k: int | None
) -> None:
    check(listed_by(items, rules, seed, top_k), items, rules, top_k)


def test_a_large_list_keeps_its_promises() -> None:
    rng = np.random.default_rng(0)
    items = [
        Item(str(n), "x", [f"c{n % 7}"], fields={"brand": f"b{rng.integers(40)}"})
        for n in range(3_000)
    ]
    rules = {
        "pin": {"2999": 1, "5": 50},
        "hard": [Cap("brand", most=3, hard=True)],
        "soft": [Cap("category", share=0.2)],
        "spread": [Spread("brand", 4)],
        "diversity": Diversify(0.3),
    }
    for top_k in (None, 20, 400):
        got = listed_by(items, rules, 1, top_k)
        check(got, items, rules, top_k)
        brands = [items[int(name)].fields["brand"] for name in got.ids[:90]]
        apart = [
            other - place
            for place, brand in enumerate(brands)
            for other in range(place + 1, len(brands))
            if brands[other] == brand
        ]
        assert not apart or min(apart) >= 4 or got.order.degraded or top_k is None
