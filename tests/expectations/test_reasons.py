"""Reasons are true of random lives, by a judge that reads events and items alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Event, Item, Reason, ReasonCode
from edge_rerank.formats.items import read_items
from edge_rerank.ranking.engine import RankingEngine
from tests.expectations.lives import lives
from tests.expectations.reasons import Case, Judge, Past

ROOT = Path(__file__).parents[2]
EXPECTATIONS = ROOT / "edge_rerank" / "evaluation" / "expectations"
CATALOGUES = [
    path
    for path in (
        ROOT / "examples" / "catalogue" / "items.jsonl",
        EXPECTATIONS / "catalogue.jsonl",
    )
    if path.exists()
]
PHRASES = 3_000

BREAD = Item("bread", "Rustic bread at home", ["Food", "Baking"], popularity=50)
ROLLS = Item("rolls", "Morning rolls with seeds", ["Food", "Baking"], popularity=5)
SOUP = Item("soup", "Carrot soup in half an hour", ["Food", "Soups"], popularity=0)
MOON = Item("moon", "Craters of the moon", ["Science", "Space"], popularity=20)
MARS = Item("mars", "Pictures from Mars", ["Science", "Space"], popularity=90)
GOAL = Item("goal", "Late goal decides the final", ["Sport", "Football"])
FIELDS = ("Baking", "Soups", "Space", "Football")
EVERY = (BREAD, ROLLS, SOUP, MOON, MARS, GOAL)


def vectors(items: Sequence[Item]) -> NDArray[np.float32]:
    """One axis for each field; what has no category lies in none."""
    return np.array(
        [[float(name in item.categories) for name in FIELDS] for item in items], dtype=np.float32
    )


def events(*said: tuple[str, Item] | tuple[str, Item, float]) -> tuple[Event, ...]:
    """A minute apart; the number is a rating's value, else a dwell time."""
    made = []
    for place, (kind, item, *number) in enumerate(said):
        value = number[0] if number else None
        rating = kind == "rating"
        made.append(
            Event(
                kind,
                item,
                timestamp=1e9 + 60.0 * place,
                value=value if rating else None,
                dwell_s=None if rating else value,
            )
        )
    return tuple(made)


def judge(*history: Event, query: str | None = None, later: float = 60.0) -> Judge:
    now = (history[-1].timestamp or 0.0) + later if history else 2e9
    return Judge(Case(EVERY, tuple(history), now, query=query), vectors)


@pytest.mark.parametrize(
    ("said", "chosen", "refused"),
    [
        ([("click", BREAD)], True, False),
        ([("click", BREAD, 1.0)], False, False),
        ([("click", BREAD), ("view", BREAD, 2.0)], False, False),
        ([("click", BREAD), ("view", BREAD, 200.0)], True, False),
        ([("click", BREAD, 90.0), ("view", BREAD, 2.0)], True, False),
        ([("impression", BREAD)], False, False),
        ([("purchase", BREAD), ("dislike", BREAD)], False, True),
        ([("dislike", BREAD), ("like", BREAD)], True, False),
        ([("dismiss", BREAD), ("click", BREAD, 60.0)], True, True),
        ([("dismiss", BREAD), ("click", BREAD, 1.0)], False, True),
        ([("rating", BREAD, 5.0)], True, False),
        ([("rating", BREAD, 3.0)], False, False),
        ([("click", BREAD), ("rating", BREAD, 1.0)], False, True),
    ],
)
def test_what_counts_as_chosen_and_as_turned_down(
    said: list[tuple[str, Item]], chosen: bool, refused: bool
) -> None:
    past = Past(Case(EVERY, events(*said), 2e9))
    assert ("bread" in past.chosen, "bread" in past.refused) == (chosen, refused)


BOUNCE = events(("click", BREAD, 1.0))
CHOICE = events(("click", BREAD))
REFUSAL = events(("dislike", BREAD))
TWO = events(("click", MOON), ("click", BREAD))


@pytest.mark.parametrize(
    ("history", "item", "reason", "true"),
    [
        (CHOICE, ROLLS, Reason(ReasonCode.SIMILAR, 1.0, "bread"), True),
        (CHOICE, GOAL, Reason(ReasonCode.SIMILAR, 1.0, "bread"), False),
        (CHOICE, BREAD, Reason(ReasonCode.SIMILAR, 1.0, "bread"), False),
        (BOUNCE, ROLLS, Reason(ReasonCode.SIMILAR, 1.0, "bread"), False),
        (REFUSAL, ROLLS, Reason(ReasonCode.SIMILAR, 1.0, "bread"), False),
        (TWO, ROLLS, Reason(ReasonCode.SIMILAR, 1.0, "moon"), False),
        (CHOICE, MOON, Reason(ReasonCode.SIMILAR, -1.0), True),
        (CHOICE, ROLLS, Reason(ReasonCode.SIMILAR, -1.0), False),
        (BOUNCE, MOON, Reason(ReasonCode.SIMILAR, -1.0), False),
        (CHOICE, ROLLS, Reason(ReasonCode.CATEGORY, 1.0), True),
        (CHOICE, MOON, Reason(ReasonCode.CATEGORY, 1.0), False),
        (BOUNCE, ROLLS, Reason(ReasonCode.CATEGORY, 1.0), False),
        (CHOICE, MOON, Reason(ReasonCode.CATEGORY, -1.0), True),
        (CHOICE, ROLLS, Reason(ReasonCode.CATEGORY, -1.0), False),
        (REFUSAL, ROLLS, Reason(ReasonCode.DISLIKED, -1.0), True),
        (REFUSAL, BREAD, Reason(ReasonCode.DISLIKED, -1.0), True),
        (REFUSAL, MOON, Reason(ReasonCode.DISLIKED, -1.0), False),
        (REFUSAL, MOON, Reason(ReasonCode.DISLIKED, 1.0), True),
        (CHOICE, MOON, Reason(ReasonCode.DISLIKED, 1.0), False),
        ((), MARS, Reason(ReasonCode.POPULAR, 1.0), True),
        ((), ROLLS, Reason(ReasonCode.POPULAR, 1.0), False),
        ((), GOAL, Reason(ReasonCode.POPULAR, 1.0), False),
        ((), ROLLS, Reason(ReasonCode.POPULAR, -1.0), True),
        ((), MARS, Reason(ReasonCode.POPULAR, -1.0), False),
        (events(("impression", BREAD)), BREAD, Reason(ReasonCode.SEEN, -1.0), True),
        (events(("impression", BREAD)), MOON, Reason(ReasonCode.SEEN, 1.0), True),
        (events(("impression", BREAD)), BREAD, Reason(ReasonCode.SEEN, 1.0), False),
        (CHOICE, MOON, Reason(ReasonCode.SEEN, -1.0), False),
        (CHOICE, MOON, Reason(ReasonCode.SEEN, 1.0), False),
        (CHOICE, MOON, Reason(ReasonCode.TOGETHER, 1.0), True),
        (BOUNCE, MOON, Reason(ReasonCode.TOGETHER, 1.0), False),
        (BOUNCE, MOON, Reason(ReasonCode.MODEL, 1.0), False),
        (CHOICE, ROLLS, Reason(ReasonCode.MODEL, -1.0), False),
        (CHOICE, ROLLS, Reason(ReasonCode.HOST, 1.0), False),
        (
            events(("click", MOON), ("click", BREAD), ("click", MARS)),
            ROLLS,
            Reason(ReasonCode.NEXT, 1.0),
            True,
        ),
        (
            events(("click", MOON), ("click", BREAD), ("click", MARS)),
            GOAL,
            Reason(ReasonCode.NEXT, 1.0),
            False,
        ),
    ],
)
def test_what_is_true_of_an_item(
    history: tuple[Event, ...], item: Item, reason: Reason, true: bool
) -> None:
    assert judge(*history).true(item, reason) is true


@pytest.mark.parametrize(
    ("query", "item", "lifts", "true"),
    [
        ("rustic bread", BREAD, True, True),
        ("rustci bread", BREAD, True, True),
        ("rustcs baking", BREAD, True, True),
        ("baked breads", BREAD, True, True),
        ("waking", BREAD, True, False),
        ("football", GOAL, True, True),
        ("football", BREAD, True, False),
        ("football", BREAD, False, True),
        ("rustic bread", BREAD, False, False),
    ],
)
def test_what_fits_a_search(query: str, item: Item, lifts: bool, true: bool) -> None:
    reason = Reason(ReasonCode.QUERY, 1.0 if lifts else -1.0)
    assert judge(query=query).true(item, reason) is true
    assert not judge().true(item, reason), "nothing was asked for"


def test_an_item_of_an_earlier_sitting_is_not_looked_at_now() -> None:
    assert judge(*CHOICE, later=60.0).past.now_chosen == {"bread"}
    assert judge(*CHOICE, later=7200.0).past.now_chosen == set()
    assert judge(*BOUNCE, later=60.0).past.now_chosen == set()


def test_the_host_is_quoted_rightly() -> None:
    scored = (Item("a", "Tea", score=1.0), Item("b", "Milk", score=3.0), Item("c", "Ale"))
    word = Judge(Case(scored, (), 1e9), vectors)
    said = [
        (
            word.true(item, Reason(ReasonCode.HOST, 1.0)),
            word.true(item, Reason(ReasonCode.HOST, -1)),
        )
        for item in scored
    ]
    assert said == [(False, True), (True, False), (False, False)]
    ordered = Judge(Case(EVERY, (), 1e9, host_order=True), vectors)
    assert ordered.true(BREAD, Reason(ReasonCode.HOST, 1.0))
    assert not ordered.true(BREAD, Reason(ReasonCode.HOST, -1.0))
    assert ordered.true(GOAL, Reason(ReasonCode.HOST, -1.0))
    assert not ordered.true(GOAL, Reason(ReasonCode.HOST, 1.0))


def test_every_code_is_known_to_the_judge() -> None:
    word = judge(*CHOICE, query="bread")
    for code in ReasonCode:
        for weight in (1.0, -1.0):
            assert word.true(MOON, Reason(code, weight)) in {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.name)
def test_every_phrase_of_random_lives_is_true(engine: RankingEngine, path: Path) -> None:
    said: Counter[str] = Counter()
    untrue: Counter[str] = Counter()
    for case in lives(list(read_items(path)), np.random.default_rng(0)):
        word = Judge(case, engine.vectors)
        ranking = engine.rank(
            case.candidates,
            history=case.history,
            now=case.now,
            query=case.query,
            host_order=case.host_order,
        )
        for one in ranking:
            said.update(map(_words, one.reasons))
            untrue.update(map(_words, word.untrue(one)))
        if said.total() >= PHRASES:
            break
    assert dict(untrue) == {}, f"of {said.total()}"
    assert len(said) >= 10, "many kinds of reasons were given"


def _words(reason: Reason) -> str:
    return reason.code.lifts if reason.weight > 0 else reason.code.lowers
