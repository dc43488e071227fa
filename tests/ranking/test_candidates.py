"""Candidates as columns, and catalogues that are prepared."""

from __future__ import annotations

import gc
import random
import weakref

import numpy as np
import pytest

from edge_rerank import (
    Block,
    Cap,
    Catalogue,
    Event,
    Item,
    ListPolicy,
    RankingEngine,
    Reranker,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.candidates import NOBODY, Candidates
from edge_rerank.ranking.signals.categories import CategoryLists

WORDS = ("red", "blue", "green", "lamp", "scarf", "teapot", "novel", "garden", "night", "paper")


def things(count: int, seed: int = 0) -> list[Item]:
    """Items of all sorts: without text, category or count, with a vector, in another script."""
    rng = random.Random(seed)
    return [
        Item(
            f"{seed}-{n}",
            rng.choice(["", "  ", "红色的灯", " ".join(rng.choices(WORDS, k=3))]),
            rng.sample(WORDS, rng.randrange(3)),
            popularity=rng.choice([None, 0, 3, 700]),
            score=rng.choice([None, 1.0, 2.5]),
            vector=[float(n % 5), 1.0, 2.0] if n % 6 == 0 else None,
            published=rng.choice([None, 50.0]),
        )
        for n in range(count)
    ]


ITEMS = things(90)
POLICY = ListPolicy(
    block=Block(ids=["0-3"], categories=["scarf"]), caps=[Cap("category", most=2)], pin={"0-9": 1}
)


def history(seed: int) -> list[Event]:
    rng = random.Random(seed)
    kinds = ("click", "purchase", "dislike", "impression", "like")
    return [
        Event(rng.choice(kinds), rng.choice(ITEMS), timestamp=100.0 * n, dwell_s=9.0)
        for n in range(rng.randrange(25))
    ]


@pytest.mark.parametrize("seed", range(12))
def test_a_catalogue_ranks_as_the_same_items_do(engine: RankingEngine, seed: int) -> None:
    catalogue = engine.prepare(ITEMS)
    rng = random.Random(seed)
    some = rng.sample(ITEMS, rng.choice([1, 5, 40, 90]))
    told = history(seed)
    query = rng.choice([None, "red lamp"])
    policy = rng.choice([None, POLICY])
    plain = engine.rank(some, history=told, query=query, policy=policy, now=9_000.0)
    chosen = catalogue.select(item.id for item in some)
    assert engine.rank(chosen, history=told, query=query, policy=policy, now=9_000.0) == plain
    twice = chosen.select([item.id for item in some[::-1]])
    backwards = engine.rank(some[::-1], history=told, query=query, policy=policy, now=9_000.0)
    assert engine.rank(twice, history=told, query=query, policy=policy, now=9_000.0) == backwards


def test_a_catalogue_is_read_once(engine: RankingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = [Item(f"7-{n}", f"mine number {n}") for n in range(40)]
    catalogue = engine.prepare(mine)
    asked: list[int] = []
    encode = engine._encoder.encode
    monkeypatch.setattr(
        engine._encoder, "encode", lambda texts, **_: asked.append(len(texts)) or encode(texts)
    )
    engine.rank(catalogue)
    engine.rank(catalogue.select(["7-3", "7-5"]))
    assert sum(asked) == 0
    # A catalogue holds its vectors itself, and takes no room from those of other lists.
    engine.rank(mine)
    assert sum(asked) == len(mine)


def test_what_a_history_has_of_a_catalogue_is_not_read_again(
    engine: RankingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [Item(f"6-{n}", f"another thing number {n}") for n in range(12)]
    catalogue = engine.prepare(mine)
    asked: list[str] = []
    encode = engine._encoder.encode
    monkeypatch.setattr(
        engine._encoder, "encode", lambda texts, **_: asked.extend(texts) or encode(texts)
    )
    told = [Event("click", mine[2], timestamp=1.0), Event("dislike", mine[7], timestamp=2.0)]
    part = catalogue.select(["6-1", "6-3"]).select(["6-3"])
    engine.rank(part, history=told)
    assert asked == []
    # What an item was called when it was chosen may be something else.
    engine.rank(part, history=[*told, Event("click", Item("6-4", "as it was"), timestamp=3.0)])
    assert asked == ["as it was"]


def test_progress_of_preparing(engine: RankingEngine) -> None:
    steps: list[tuple[int, int]] = []
    engine.prepare(things(30, seed=8), progress=lambda done, total: steps.append((done, total)))
    assert steps
    assert steps[-1][0] == steps[-1][1] > 1


def test_a_person_ranks_a_catalogue() -> None:
    with Reranker.open() as reranker:
        reranker.consent("u", True)
        catalogue = reranker.prepare(ITEMS)
        first = reranker.rank(catalogue, "u")
        reranker.record(Event("click", first[4].item, ranking=first.id), user="u")
        (event,) = reranker.history.events("u")
        assert event.position == 5
        assert reranker.rank(catalogue, "u").personalised


def test_what_select_refuses(engine: RankingEngine) -> None:
    catalogue = engine.prepare(things(5, seed=9))
    with pytest.raises(InvalidRequest, match="got 2 that are not in it"):
        catalogue.select(["9-1", "other", "another"])
    with pytest.raises(InvalidRequest, match="each once"):
        catalogue.select(["9-1", "9-1"])
    with pytest.raises(InvalidRequest, match="ids: expected a sequence"):
        catalogue.select("9-1")
    with pytest.raises(InvalidRequest, match="index 0 and 2"):
        engine.prepare([ITEMS[0], ITEMS[1], ITEMS[0]])
    with pytest.raises(InvalidRequest, match="expected only Item"):
        engine.prepare([ITEMS[0], "a"])  # type: ignore[list-item]
    assert len(engine.prepare([])) == 0
    assert len(engine.rank(engine.prepare([]))) == 0


def test_a_catalogue_may_hold_more_than_is_ranked(engine: RankingEngine) -> None:
    many = Catalogue([Item(str(n), f"a {WORDS[n % 10]}") for n in range(10_001)])
    with pytest.raises(InvalidRequest, match="at most 10000 candidates, got 10001"):
        engine.rank(many)
    some = [many[row] for row in (3, 9_999, 10_000, 7)]
    clicked = [Event("click", many[4], timestamp=1.0)]
    chosen = many.select(item.id for item in some)
    assert engine.rank(chosen, history=clicked) == engine.rank(some, history=clicked)


def test_a_catalogue_is_a_sequence_that_says_nothing_of_its_items() -> None:
    catalogue = Catalogue(ITEMS)
    assert list(catalogue) == ITEMS
    assert catalogue[1] is ITEMS[1]
    assert catalogue[1:3] == tuple(ITEMS[1:3])
    assert ITEMS[4] in catalogue
    assert repr(catalogue) == "<Catalogue of 90 items>"


def test_rows_of_parts_of_parts() -> None:
    every = Candidates(ITEMS)
    part = every.part(np.array([5, 2, 8])).part(np.array([2, 0]))
    assert [item.id for item in part] == ["0-8", "0-5"]
    assert part.find.rows(["0-5", "0-2", "0-8", "strange"]).tolist() == [1, NOBODY, 0, NOBODY]
    assert part.find.row("0-8") == 0
    assert part.find.row("strange") == NOBODY
    kept = Catalogue(ITEMS)
    assert kept.part(np.array([5, 2, 8])).part(np.array([2, 0])).find.row("0-5") == 1


@pytest.mark.parametrize("kind", [Candidates, Catalogue])
def test_columns_of_a_part_are_those_of_its_items(kind: type[Candidates]) -> None:
    rows = np.array([7, 0, 33, 12])
    part = kind(ITEMS).part(rows)
    alone = Candidates([ITEMS[row] for row in rows])
    for name in ("popularity", "scores", "published", "keys", "carrying", "told", "ascii"):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))
    assert part.texts == alone.texts
    assert sorted(part.categories.different) == sorted(alone.categories.different)
    assert [part.categories.lists[n] for n in part.categories.of_item] == [
        item.categories for item in alone
    ]
    assert part.offer == alone.offer
    numbers = {name: place for place, name in enumerate(alone.categories.different)}
    for mine, own in zip(
        part.categories.rows(numbers), alone.categories.rows(numbers), strict=True
    ):
        np.testing.assert_array_equal(mine, own)


def test_what_is_derived_goes_with_its_owner() -> None:
    class Owner:
        pass

    catalogue, owner = Catalogue(ITEMS), Owner()
    made = catalogue.derived(owner, lambda own: np.arange(len(own)))
    with pytest.raises(ValueError, match="read-only"):
        made[0] = 1
    assert catalogue.derived(owner, lambda _: np.zeros(0)) is made
    assert catalogue.part(np.array([4, 2])).derived(owner, np.atleast_1d).tolist() == [4, 2]
    gone = weakref.ref(made)
    del owner, made
    gc.collect()
    assert gone() is None


def test_what_all_come_to_together_is_made_once_and_anew_for_a_part() -> None:
    class Owner:
        pass

    catalogue, owner = Catalogue(ITEMS), Owner()
    assert catalogue.together(owner, len) == len(ITEMS)
    assert catalogue.together(owner, lambda _: 0) == len(ITEMS)
    assert catalogue.part(np.array([4, 2])).together(owner, len) == 2
    assert catalogue.together(Owner(), lambda _: 0) == 0


def test_a_history_that_is_kept_is_read_beside_each_catalogue(engine: RankingEngine) -> None:
    items = [Item(str(n), " ".join(WORDS[n : n + 3]), ["a"]) for n in range(6)]
    renamed = [Item(str(n), " ".join(WORDS[9 - n : 12 - n]), ["b"]) for n in range(6)]
    past = tuple(Event("click", items[n], timestamp=100.0 + n) for n in range(4))
    catalogues = [engine.prepare(one) for one in (items, renamed)]
    for place in (0, 1, 0, 1):
        kept = engine.rank(catalogues[place], history=past, now=200.0)
        plain = engine.rank((items, renamed)[place], history=list(past), now=200.0)
        assert kept == plain


def test_lists_of_categories_by_name() -> None:
    lists = CategoryLists.of([["a", "b"], [], ["b", "b"], ["c"], ["a", "b"]])
    assert lists.any_of(["b", "unknown"]).tolist() == [True, False, True, False, True]
    assert lists.some.tolist() == [True, False, True, True, True]
    assert lists.part(np.array([3, 1])).any_of(["c"]).tolist() == [True, False]
    rows, leaves = lists.rows({"b": 0, "c": 1})
    np.testing.assert_allclose(rows[:, 0] ** 2, [0.5, 0, 1, 0, 0.5], rtol=1e-6)
    assert leaves.tolist() == [0, -1, 0, 1, 0]


def test_the_same_objects_are_looked_at_once(engine: RankingEngine) -> None:
    mine = things(6, seed=11)
    first = engine.candidates(mine)
    assert engine.candidates(list(mine)) is first
    assert engine.candidates(tuple(mine)) is first
    assert engine.candidates(mine[::-1]).items == tuple(mine[::-1])
    again = engine.candidates(things(6, seed=11))
    assert again is not first
    mine = list(again)
    mine[0] = Item("11-0", "something else")
    assert engine.candidates(mine)[0].text == "something else"
    engine.forget()
    assert engine.candidates(mine).items == tuple(mine)
    gone = weakref.ref(engine.candidates(mine))
    engine.forget("anybody")
    gc.collect()
    assert gone() is None


def test_what_the_last_list_was_is_not_asked_of_what_is_no_list(engine: RankingEngine) -> None:
    engine.candidates([ITEMS[0]])
    with pytest.raises(InvalidRequest, match="expected only Item, got str at index 0"):
        engine.candidates(["a"])  # type: ignore[list-item]
    assert list(engine.candidates(item for item in ITEMS[:3])) == ITEMS[:3]


def test_a_part_has_no_lists_of_categories_but_its_own() -> None:
    whole = Catalogue([Item(str(n), "", ["all", f"shelf {n}"]) for n in range(400)])
    part = whole.part(np.array([7, 3, 7 + 3])).categories
    assert sorted(part.different) == ["all", "shelf 10", "shelf 3", "shelf 7"]
    assert [part.lists[n][1] for n in part.of_item] == ["shelf 7", "shelf 3", "shelf 10"]
    rows, leaves = part.rows({"shelf 3": 0, "shelf 10": 1, "shelf 5": 2})
    assert leaves.tolist() == [-1, 0, 1]
    assert (rows[:, :3] > 0).tolist() == [[False] * 3, [True, False, False], [False, True, False]]
