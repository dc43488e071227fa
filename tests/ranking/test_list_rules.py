"""What each rule of a list policy does, and what it says of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_rerank import (
    Block,
    Calibrate,
    Cap,
    Collapse,
    Decay,
    Degradation,
    Diversify,
    Event,
    Exposure,
    Fatigue,
    Fresh,
    Item,
    ListPolicy,
    ReasonCode,
    Rotate,
    Spread,
)
from edge_rerank.ranking.policies import block
from edge_rerank.ranking.policies.calibration import ALPHA, calibrate, shares_of
from edge_rerank.ranking.policies.decay import log_decay
from edge_rerank.ranking.policies.diversity import determinantal
from tests.ranking.lists import DAY, NOW, listed, unit


def shelf(brands: str) -> list[Item]:
    """Items named by their places, each of a brand by its letter; "-" has none."""
    return [
        Item(str(place), f"thing {place}", fields={} if brand == "-" else {"brand": brand})
        for place, brand in enumerate(brands)
    ]


def brands_of(items: list[Item], ids: list[str]) -> str:
    known = {item.id: item.fields.get("brand", "-") for item in items}
    return "".join(str(known[name]) for name in ids)


# --- block


def test_blocked_items_take_no_part_and_are_named() -> None:
    items = [
        Item("a", "Tea", ["Drinks"]),
        Item("b", "Beer", ["Drinks", "Alcohol"]),
        Item("c", "A wine-red coat"),
        Item("d", "Swine fever"),
        Item("e", "Free\nmoney now"),
        Item("f", "Water"),
    ]
    policy = ListPolicy(
        block=Block(ids=["f"], categories=["Alcohol"], words=["Wine", "free money"])
    )
    got = listed(items, policy)
    assert got.ids == ["a", "d"]
    assert got.left_out == dict.fromkeys(["b", "c", "e", "f"], ReasonCode.BLOCKED)


def test_many_words_are_looked_up_and_texts_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = ListPolicy(block=Block(words=[f"word{n}" for n in range(9)]))
    other = ListPolicy(block=Block(words=[f"word{n}" for n in range(5, 14)]))
    items = [Item(str(n), f"a word{n} here") for n in range(12)]
    items.append(Item("same", "a word3 here"))
    searched: list[int] = []
    real = block._with_words
    monkeypatch.setattr(
        block, "_with_words", lambda some, words: searched.append(len(some)) or real(some, words)
    )
    for some in (items[:6], items, items):
        left = {item.id for item in some if item.id == "same" or int(item.id) < 9}
        assert set(listed(some, policy).left_out) == left
    # Each text once, and the third list not at all.
    assert searched == [6, 6]
    assert set(listed(items, other).left_out) == {str(n) for n in range(5, 12)}
    monkeypatch.setattr(block, "_MOST_REMEMBERED", 3)
    fresh = [Item(f"new {n}", f"word{n} anew") for n in range(12)]
    for _ in range(2):
        assert set(listed(fresh, policy).left_out) == {f"new {n}" for n in range(9)}


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("看足球比赛", True),
        ("篮球", False),
        ("Müller", True),
        ("MÜLLER!", True),
        ("Müllers", False),
        ("x\x00müller\x00y", True),
        ("", False),
        ("muller", False),
    ],
)
def test_words_are_whole_where_there_are_blanks(text: str, blocked: bool) -> None:
    policy = ListPolicy(block=Block(words=["足球", "müller"]))
    items = [Item("first", "tea"), Item("a", text), Item("last", "tea")]
    assert listed(items, policy).ids == (["first", "last"] if blocked else ["first", "a", "last"])


def test_all_may_be_blocked() -> None:
    got = listed([Item("a", "x")], ListPolicy(block=Block(ids=["a"])))
    assert (got.ids, list(got.left_out)) == ([], ["a"])


# --- pins


def test_pins_stand_where_they_should_and_say_so() -> None:
    items = shelf("------")
    got = listed(items, ListPolicy(pin={"5": 1, "0": 4}))
    assert got.ids == ["5", "1", "2", "0", "3", "4"]
    reasons = got.reasons()
    assert reasons["5"][ReasonCode.PINNED].weight == pytest.approx(5.0)
    assert reasons["0"][ReasonCode.PINNED].weight == pytest.approx(-3.0)
    scores = got.order.scores[list(got.order.rows)]
    assert (np.diff(scores) <= 0).all()
    assert scores[0] == -1.0  # that of the next place, and not the others lowered to its own


def test_pins_beyond_the_end_stand_at_it() -> None:
    assert listed(shelf("----"), ListPolicy(pin={"0": 3, "1": 90, "2": 80})).ids == [
        *("3", "2", "0", "1"),
    ]
    assert listed(shelf("----"), ListPolicy(pin={"0": 4, "gone": 1}), top_k=2).ids == ["1", "2"]


def test_a_blocked_pin_is_gone_and_other_rules_let_a_pin_be() -> None:
    policy = ListPolicy(pin={"3": 2}, block=Block(ids=["3"]))
    assert listed(shelf("----"), policy).ids == ["0", "1", "2"]
    policy = ListPolicy(pin={"3": 2}, floor=0.4)
    assert listed(shelf("----"), policy).ids == ["0", "3"]


# --- caps


def test_a_hard_cap_leaves_out_what_goes_beyond() -> None:
    items = shelf("aaabb--")
    got = listed(items, ListPolicy(caps=[Cap("brand", most=1, hard=True)]))
    assert brands_of(items, got.ids) == "ab--"
    assert got.left_out == dict.fromkeys(["1", "2", "4"], ReasonCode.CAP)
    assert got.order.degraded == ()


def test_a_soft_cap_puts_it_behind_and_says_why() -> None:
    items = shelf("aaab-b-")
    got = listed(items, ListPolicy(caps=[Cap("brand", most=1)]))
    assert brands_of(items, got.ids) == "ab--aab"
    assert not got.left_out
    reasons = got.reasons()
    assert reasons["1"][ReasonCode.CAP].weight < 0
    assert ReasonCode.CAP not in reasons["0"]
    assert ReasonCode.CAP not in reasons["3"]


def test_caps_that_leave_too_little_say_so() -> None:
    items = shelf("aaaaaa")
    for hard, ids in ((True, ["0", "1"]), (False, ["0", "1", "2", "3"])):
        got = listed(items, ListPolicy(caps=[Cap("brand", most=2, hard=hard)]), top_k=4)
        assert got.ids == ids
        assert got.order.degraded == (Degradation.RULES_NOT_MET,)
        enough = listed(
            shelf("aaab-a"), ListPolicy(caps=[Cap("brand", most=2, hard=hard)]), top_k=4
        )
        assert enough.ids == ["0", "1", "3", "4"]
        assert enough.order.degraded == ()


def test_a_share_is_of_the_places_asked_for() -> None:
    items = shelf("aaaaabbbbbccccc")
    got = listed(items, ListPolicy(caps=[Cap("brand", share=0.4)]), top_k=5)
    assert brands_of(items, got.ids) == "aabbc"
    assert Cap("brand", share=0.1).room(5) == 1
    assert Cap("brand", share=0.3).room(10) == 3


def test_a_cap_of_one_value_lets_the_others_be() -> None:
    items = [Item(str(n), "x", fields={"ad": n % 2 == 0}) for n in range(6)]
    got = listed(items, ListPolicy(caps=[Cap("ad", most=1, hard=True, of=True)]))
    assert got.ids == ["0", "1", "3", "5"]


def test_caps_of_two_keys_are_counted_together() -> None:
    """What one cap turns away takes no room of the other."""
    items = [
        Item("q1", "x", ["X"], fields={"brand": "q"}),
        Item("p1", "x", ["X"], fields={"brand": "p"}),
        Item("p2", "x", ["Y"], fields={"brand": "p"}),
    ]
    caps = [Cap("brand", most=1, hard=True), Cap("category", most=1, hard=True)]
    assert listed(items, ListPolicy(caps=caps)).ids == ["q1", "p2"]


def test_what_has_no_value_never_shares_a_cap() -> None:
    items = [Item(str(n), "x", fields={"brand": None if n % 2 else float("nan")}) for n in range(6)]
    policy = ListPolicy(caps=[Cap("brand", most=1, hard=True)], spread=[Spread("brand")])
    assert listed(items, policy).ids == [item.id for item in items]


def test_pins_take_the_room_of_a_cap_first() -> None:
    items = shelf("aaab")
    got = listed(items, ListPolicy(pin={"2": 1}, caps=[Cap("brand", most=1, hard=True)]))
    assert got.ids == ["2", "3"]
    both = ListPolicy(pin={"2": 1, "1": 3}, caps=[Cap("brand", most=1, hard=True)])
    got = listed(items, both)
    assert got.ids == ["2", "3", "1"]
    assert got.order.degraded == (Degradation.RULES_NOT_MET,)


def test_category_is_the_first_and_subcategory_the_last() -> None:
    items = [Item("a", "x", ["Food", "Tea"]), Item("b", "x", ["Food", "Bread"])]
    hard = {"most": 1, "hard": True}
    assert listed(items, ListPolicy(caps=[Cap("category", **hard)])).ids == ["a"]  # type: ignore[arg-type]
    assert listed(items, ListPolicy(caps=[Cap("subcategory", **hard)])).ids == ["a", "b"]  # type: ignore[arg-type]


# --- spread


def test_a_spread_keeps_values_apart() -> None:
    items = shelf("aaabbc-")
    got = listed(items, ListPolicy(spread=[Spread("brand", distance=3)]))
    placed = brands_of(items, got.ids)
    assert placed == "abcab-a"
    assert got.reasons()["1"][ReasonCode.SPREAD].weight < 0
    assert ReasonCode.SPREAD not in got.reasons()["3"]


def test_a_spread_looks_at_pins_on_both_sides() -> None:
    items = shelf("aab-")
    got = listed(items, ListPolicy(pin={"1": 2}, spread=[Spread("brand")]))
    assert brands_of(items, got.ids) == "ba-a"


def test_a_spread_that_cannot_be_kept_yields() -> None:
    got = listed(shelf("aaa"), ListPolicy(spread=[Spread("brand")]), top_k=2)
    assert got.ids == ["0", "1"]
    assert got.order.degraded == (Degradation.RULES_NOT_MET,)


# --- decay


def test_repeats_count_less_by_the_formula() -> None:
    items = shelf("aaab")
    scores = {"0": 0.0, "1": -0.1, "2": -0.2, "3": -0.5}
    got = listed(items, ListPolicy(decay=[Decay("brand")]), scores=scores)
    assert got.ids == ["0", "3", "1", "2"]
    assert got.reasons()["1"][ReasonCode.DECAY].weight == pytest.approx(math.log(0.625))
    assert got.reasons()["2"][ReasonCode.DECAY].weight == pytest.approx(math.log(0.4375))
    assert log_decay(1000, factor=0.5, floor=0.25) == pytest.approx(math.log(0.25))


# --- fatigue, rotation, freshness


def test_what_was_shown_in_vain_is_hidden_and_then_let_back() -> None:
    items = shelf("---")
    policy = ListPolicy(fatigue=Fatigue(shown=3, hidden_days=10, back_days=10, least=0.2))

    def shown(days: float, chosen: int = 0, times: int = 3) -> object:
        return listed(items, policy, exposures={"0": Exposure(times, chosen, NOW - days * DAY)})

    hidden = shown(1)
    assert hidden.ids == ["1", "2"]  # type: ignore[attr-defined]
    assert hidden.left_out == {"0": ReasonCode.FATIGUE}  # type: ignore[attr-defined]
    back = shown(10)
    assert back.ids == ["1", "0", "2"]  # type: ignore[attr-defined]
    assert back.evidence["fatigue"][0] == pytest.approx(math.log(0.2))  # type: ignore[attr-defined]
    assert back.reasons()["0"][ReasonCode.FATIGUE].weight < 0  # type: ignore[attr-defined]
    assert shown(15).evidence["fatigue"][0] == pytest.approx(math.log(0.6))  # type: ignore[attr-defined]
    for other in (shown(21), shown(1, chosen=1), shown(1, times=2), listed(items, policy)):
        assert other.ids == ["0", "1", "2"]  # type: ignore[attr-defined]


def test_what_was_just_shown_is_lowered_for_a_while() -> None:
    items, scores = shelf("--"), {"0": 0.0, "1": -0.1}
    policy = ListPolicy(rotate=Rotate(rate=0.2, seconds=100))

    def after(seconds: float) -> list[str]:
        exposures = {"0": Exposure(1, last=NOW - seconds)}
        return listed(items, policy, scores=scores, exposures=exposures).ids

    assert after(1) == ["1", "0"]
    assert after(90) == after(101) == ["0", "1"]


def test_newer_items_count_more() -> None:
    ages = {"old": 700.0, "week": 7.0, "new": 0.0}
    items = [Item(name, "x", published=NOW - days * DAY) for name, days in ages.items()]
    items.append(Item("undated", "x"))
    got = listed(
        items, ListPolicy(fresh=Fresh(7, weight=2)), scores=dict.fromkeys([*ages, "undated"], 0.0)
    )
    assert got.ids == ["new", "week", "undated", "old"]
    assert got.evidence["fresh"].tolist() == pytest.approx([-2, -1, 0, -1])
    reasons = got.reasons()
    assert reasons["new"][ReasonCode.FRESH].weight > 0
    assert reasons["old"][ReasonCode.FRESH].weight < 0
    assert ReasonCode.FRESH not in reasons["undated"]


def test_what_is_off_adds_nothing() -> None:
    assert not listed(shelf("--"), exposures={"0": Exposure(99, last=NOW)}).evidence.values.any()


# --- floor, duplicates


def test_a_floor_leaves_out_what_fits_too_little() -> None:
    got = listed(shelf("----"), ListPolicy(floor=0.2))
    assert got.ids == ["0", "1"]
    assert got.left_out == dict.fromkeys(["2", "3"], ReasonCode.FLOOR)
    assert set(listed(shelf("----"), ListPolicy(floor=0.2), top_k=1).left_out) == set()


def test_of_duplicates_the_best_stays() -> None:
    texts = ["red enamel kettle", "red enamel kettle large", "blue pan", "kettle"]
    items = [Item(str(place), text) for place, text in enumerate(texts)]
    vectors = {
        "0": unit(1, 0, 0, 0),
        "1": unit(1, 0.1, 0, 0),
        "2": unit(1, 0, 0, 0.1),
        "3": unit(0, 1, 0, 0),
    }
    got = listed(items, ListPolicy(collapse=Collapse()), vectors=vectors)
    assert set(got.ids) == {"0", "2", "3"}  # alike by vector alone is no duplicate
    assert got.left_out == {"1": ReasonCode.COPY}
    pinned = listed(items, ListPolicy(collapse=Collapse(), pin={"1": 4}), vectors=vectors)
    assert pinned.left_out == {"0": ReasonCode.COPY}
    assert pinned.ids[-1] == "1"


# --- variety, calibration


@pytest.mark.parametrize("method", ["mmr", "dpp"])
def test_variety_brings_up_what_is_unlike_and_says_so(method: str) -> None:
    items = shelf("-----")
    same = unit(1, 0, 0, 0)
    vectors = {**dict.fromkeys("0123", same), "4": unit(0, 1, 0, 0)}
    scores = dict(zip("01234", (0.0, -0.1, -0.2, -0.3, -0.4), strict=True))
    got = listed(
        items, ListPolicy(diversity=Diversify(0.6, method)), scores=scores, vectors=vectors
    )
    assert got.ids[:2] == ["0", "4"]
    assert got.reasons()["4"][ReasonCode.VARIETY].weight == pytest.approx(0.3)
    assert got.reasons()["1"][ReasonCode.VARIETY].weight < 0
    assert ReasonCode.VARIETY not in got.reasons()["0"]
    assert listed(items, ListPolicy(diversity=Diversify(0.0, method)), vectors=vectors).ids == [
        *"01234"
    ]


def test_the_determinant_is_that_of_a_second_reading() -> None:
    """Greedy by numpy's determinant of what is chosen."""
    rng = np.random.default_rng(3)
    scores = np.sort(rng.normal(size=12))[::-1]
    vectors = rng.normal(size=(12, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for strength in (0.2, 0.5, 0.9):
        relevance = (1 - strength) / strength * (scores - scores.min()) / np.ptp(scores)
        kernel = (vectors @ vectors.T).astype(np.float64)
        chosen: list[int] = []
        for _ in range(5):
            best, worth = -1, -np.inf
            for one in set(range(12)) - set(chosen):
                some = [*chosen, one]
                value = relevance[some].sum() + np.linalg.slogdet(kernel[np.ix_(some, some)])[1]
                if value > worth:
                    best, worth = one, value
            chosen.append(best)
        got = determinantal(scores, vectors, strength=strength, places=5).tolist()
        assert got[:5] == chosen
        assert sorted(got) == list(range(12))


def test_more_places_than_directions_are_filled_by_score() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.linspace(1, 0, 60)
    with np.errstate(all="raise"):
        got = determinantal(scores, vectors, strength=0.5, places=50).tolist()
    assert sorted(got) == list(range(60))
    assert got[3:] == sorted(got[3:])


def test_a_zero_vector_is_unlike_all_others() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 0]], dtype=np.float32)
    got = determinantal(np.array([1.0, 0.9, 0.0]), vectors, strength=0.9, places=3)
    assert got.tolist() == [0, 2, 1]


def test_calibration_is_that_of_a_second_reading() -> None:
    """Steck's greedy choice, with the divergence written out."""
    rng = np.random.default_rng(5)
    names = ["a", "b", "c", "d"]
    categories = [
        tuple(rng.choice(names, int(rng.integers(0, 3)), replace=False)) for _ in range(15)
    ]
    target = {"a": 0.5, "b": 0.3, "c": 0.2}

    def divergence(some: list[int]) -> float:
        named = [categories[one] for one in some if categories[one]]
        total = 0.0
        for name, share in target.items():
            got = sum(1 / len(one) for one in named if name in one) / max(len(named), 1)
            total += share * math.log(share / ((1 - ALPHA) * got + ALPHA * share))
        return total

    chances = np.sort(rng.dirichlet(np.ones(15)))[::-1]
    chosen: list[int] = []
    for _ in range(12):
        left = [one for one in range(15) if one not in chosen]
        chosen.append(
            max(left, key=lambda one: 0.4 * chances[one] - 0.6 * divergence([*chosen, one]))
        )
    got = calibrate(chances, categories, target, strength=0.6, places=12).tolist()
    # Each page is chosen as a set, and the best of it stands first.
    assert got[:12] == sorted(chosen[:10]) + sorted(chosen[10:])
    assert chosen != sorted(chosen)
    assert sorted(got) == list(range(15))


def test_calibration_gives_categories_their_shares() -> None:
    items = [Item(f"f{n}", "x", ["Food"]) for n in range(6)]
    items += [Item(f"s{n}", "x", ["Sport"]) for n in range(6)]
    history = [
        Event("click", Item(f"h{n}", "x", ["Sport" if n < 3 else "Food"]), timestamp=NOW - 60 + n)
        for n in range(6)
    ]
    scores = {item.id: -place / 10 for place, item in enumerate(items)}
    plain = listed(items, scores=scores, history=history, top_k=6)
    got = listed(
        items, ListPolicy(calibrate=Calibrate(0.9)), scores=scores, history=history, top_k=6
    )
    sport = [name[0] for name in got.ids].count("s")
    assert sport >= [name[0] for name in plain.ids].count("s")
    assert 2 <= sport <= 4
    assert listed(items, ListPolicy(calibrate=Calibrate())).ids == [item.id for item in items]
    assert shares_of([], np.zeros(0)) == {}


# --- what was had


def test_what_was_bought_sinks() -> None:
    items = shelf("----")
    history = [Event("purchase", items[0], timestamp=NOW - 60)]
    got = listed(items, ListPolicy(had="sink"), history=history)
    assert got.ids == ["1", "2", "3", "0"]
    assert got.reasons()["0"][ReasonCode.REPEAT].weight < 0
    caps = ListPolicy(had="sink", caps=[Cap("text", most=1)], spread=[Spread("brand")])
    assert listed(items, caps, history=history).ids[-1] == "0"
