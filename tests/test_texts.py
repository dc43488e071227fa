"""rank_texts: strings and dictionaries in, indices and scores out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_rerank import Event, Item, RankedText, RankedTexts, Reranker
from edge_rerank.errors import ClosedError, InvalidInput, InvalidItem, InvalidRequest

PASSAGES = [
    "Berlin has about 3.7 million inhabitants.",
    "The capital of France is Paris.",
    "Bread is made of flour, water and yeast.",
    "A telescope gathers light from distant stars.",
]
QUESTION = "What is the capital of France?"


def test_texts_come_back_by_index_best_first(reranker: Reranker) -> None:
    ranked = reranker.rank_texts(QUESTION, PASSAGES)
    assert isinstance(ranked, RankedTexts)
    assert ranked[0][:2] == (1, PASSAGES[1])
    assert sorted(one.index for one in ranked) == [0, 1, 2, 3]
    assert all(one.text == PASSAGES[one.index] for one in ranked)
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] <= scores[0] <= 1
    assert ranked.id == ranked.ranking.id
    assert not ranked.personalised
    assert ranked.degraded == ()
    assert ranked.took_ms > 0
    assert ranked[1:] == tuple(ranked)[1:]
    assert len(ranked) == len(PASSAGES)


def test_the_order_is_that_of_rank(reranker: Reranker, shelf: list[Item]) -> None:
    reranker.consent("alice", True)
    reranker.record(Event("click", shelf[3]), user="alice")
    ranking = reranker.rank(shelf, "alice", query="bread", now=4e9)
    ranked = reranker.rank_texts("bread", shelf, "alice", now=4e9)
    assert ranked.ranking == ranking
    assert [one.id for one in ranked] == [one.item.id for one in ranking]
    assert ranked.personalised
    assert len(reranker.rank_texts("bread", shelf, top_k=2)) == 2


def test_ids_are_made_of_the_texts(reranker: Reranker) -> None:
    def ids(texts: list[Any]) -> list[str]:
        ranked = sorted(reranker.rank_texts(None, texts), key=lambda one: one.index)
        return [one.id for one in ranked]

    first = ids(["tea", "coffee", "tea", "tea"])
    assert len(set(first)) == 4
    assert first[2:] == [f"{first[0]}-2", f"{first[0]}-3"]
    assert ids(["coffee", "tea"]) == [first[1], first[0]]
    # What is given stays, wherever it stands.
    taken = ids(["tea", {"id": first[0], "text": "water"}, {"id": 7, "text": "tea"}])
    assert taken == [f"{first[0]}-2", first[0], "7"]


def test_what_a_person_chose_counts_for_texts(reranker: Reranker) -> None:
    texts = ["How to bake rustic bread at home", "Choosing your first telescope"]
    reranker.consent("alice", True)
    for chosen in (1, 0):
        shown = reranker.rank_texts(None, texts, "alice")
        place = next(one for one in shown if one.index == chosen)
        event = Event("like", Item(place.id, place.text), ranking=shown.id)
        reranker.record(event, user="alice")
    stored = reranker.history.events("alice")
    assert [event.position is not None for event in stored] == [True, True]
    like = ["Ten goals in one cup final", "Rustic sourdough bread to bake at home"]
    assert reranker.rank_texts(None, like, "alice")[0].index == 1
    assert reranker.rank_texts(None, like[::-1], "alice")[0].index == 0


def test_dictionaries_say_what_items_say(reranker: Reranker) -> None:
    given = {"id": "a", "text": "Green tea", "categories": ["Tea"], "popularity": 3, "score": 0.5}
    ranked = reranker.rank_texts(None, [{**given, "url": "x", "meta": {"page": 3}}])
    assert ranked.ranking[0].item == Item("a", "Green tea", ["Tea"], 3, 0.5)
    absent = dict.fromkeys(("id", "categories", "popularity", "score", "vector", "fields"))
    assert reranker.rank_texts(None, [{"text": "tea", **absent}])[0].id.startswith("text-")
    scored = [{"text": text, "score": place} for place, text in enumerate(PASSAGES)]
    assert [one.index for one in reranker.rank_texts(None, scored)] == [3, 2, 1, 0]


def test_any_ordered_iterable_will_do(reranker: Reranker) -> None:
    ranked = reranker.rank_texts(QUESTION, PASSAGES)
    for same in (tuple(PASSAGES), iter(PASSAGES), np.array(PASSAGES)):
        assert reranker.rank_texts(QUESTION, same) == ranked


def test_blank_texts_come_last_and_none_is_lost(reranker: Reranker) -> None:
    ranked = reranker.rank_texts(QUESTION, ["", *PASSAGES, " \n"])
    assert len(ranked) == 6
    assert ranked[0].index == 2
    assert len(reranker.rank_texts(QUESTION, [])) == 0
    assert len(reranker.rank_texts("  ", PASSAGES)) == 4


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (None, InvalidRequest, "texts: expected a sequence of strings, .*, got NoneType"),
        ("secret", InvalidRequest, "got str"),
        (b"secret", InvalidRequest, "got bytes"),
        ({"text": "secret"}, InvalidRequest, "got dict"),
        ({"secret"}, InvalidRequest, "got set"),
        (["secret", None], InvalidRequest, "got NoneType at index 1"),
        ([b"secret"], InvalidRequest, "got bytes at index 0"),
        ([["secret"]], InvalidRequest, "got list at index 0"),
        ([3.5], InvalidRequest, "got float at index 0"),
        ([{"content": "secret"}], InvalidItem, "a mapping with a text, got none at index 0"),
        ([{"text": 5}], InvalidItem, "at index 0: item text: expected a string, got int"),
        ([{"text": "secret", "id": ""}], InvalidItem, "at index 0: item id: expected 1 to 512"),
        ([{"text": "secret", "popularity": -1}], InvalidItem, "at index 0: popularity: expected"),
        ([{"text": "secret", "score": "high"}], InvalidItem, "at index 0: score: expected"),
        (
            [{"id": "secret", "text": "a"}, "b", Item("secret")],
            InvalidRequest,
            "expected each id once, got the same at index 0 and 2",
        ),
        (["secret"] * 10_001, InvalidRequest, "expected at most 10000, got 10001"),
    ],
)
def test_what_is_none_of_these_is_refused(
    reranker: Reranker, texts: Any, error: type[InvalidInput], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        reranker.rank_texts("anything", texts)
    assert "secret" not in str(caught.value)


def test_an_endless_iterable_is_refused(reranker: Reranker) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "tea"

    with pytest.raises(InvalidRequest, match="at most 10000"):
        reranker.rank_texts("tea", endless())
    with pytest.raises(InvalidRequest, match="query: expected a string or None, got bytes"):
        reranker.rank_texts(b"tea", ["tea"])  # type: ignore[arg-type]


def test_a_guest_ranks_texts_as_well(reranker: Reranker) -> None:
    with reranker.guest_session() as guest:
        ranked = guest.rank_texts(QUESTION, PASSAGES, top_k=1)
        assert ranked[0].index == 1
        assert ranked.personalised is False
        guest.record(Event("like", Item("x", "Flour and yeast for bread")))
        assert guest.rank_texts(None, PASSAGES)[0].index == 2
        assert asyncio.run(guest.rank_texts_async(QUESTION, PASSAGES))[0].index == 1
    with pytest.raises(ClosedError):
        guest.rank_texts(QUESTION, PASSAGES)


def test_in_a_worker_thread(reranker: Reranker) -> None:
    ranked = asyncio.run(reranker.rank_texts_async(QUESTION, PASSAGES, top_k=2))
    assert ranked == reranker.rank_texts(QUESTION, PASSAGES, top_k=2)


def test_nothing_shows_a_text(reranker: Reranker) -> None:
    ranked = reranker.rank_texts(QUESTION, PASSAGES)
    assert "Paris" not in repr(ranked) + repr(ranked[0])
    assert repr(RankedText(0, "Paris", 0.5, "a")) == (
        "RankedText(index=0, text=<5 characters>, score=0.5000, id='a')"
    )
