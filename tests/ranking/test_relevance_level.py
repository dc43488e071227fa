"""Scores from 0 to 1: relevance with a query, a probability without one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge_rerank import Event, Item, RankedItem, Reranker
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.relevance.relevance import LEVEL, Level
from edge_rerank.types import ReasonCode

ANSWERS = {
    "What is the capital of France?": "The capital of France is Paris, on the river Seine.",
    "How long do I boil an egg?": "Boil an egg for six minutes if the yolk is to stay soft.",
    "Who painted the Mona Lisa?": "Leonardo da Vinci painted the Mona Lisa about 1503.",
    "How do I change a bicycle tyre?": "Take the wheel off the bicycle, lift the tyre with levers.",
    "Why is the sky blue?": "Air scatters blue light more than red, so the sky looks blue.",
    "When was the first moon landing?": "The first landing on the moon was on 20 July 1969.",
    "Which vaccines does a baby need?": "A baby gets vaccines against polio, measles and tetanus.",
    "How is cheese made?": "Cheese is made of milk that rennet and bacteria have curdled.",
}
TEXTS = list(ANSWERS.values())


def scores_of(ranking: Sequence[RankedItem]) -> list[float]:
    scores = [one.score for one in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    return scores


def test_answers_are_far_above_others(engine: RankingEngine) -> None:
    items = [Item(text, text) for text in TEXTS]
    right, wrong = [], []
    for question, answer in ANSWERS.items():
        ranking = engine.rank(items, query=question)
        assert ranking[0].item.text == answer, question
        right.append(scores_of(ranking)[0])
        wrong += scores_of(ranking)[1:]
    assert np.mean(right) > 0.6
    assert min(right) > max(wrong)
    assert np.mean(wrong) < 0.02


@pytest.mark.parametrize("query", ["xqzt vprw", "quarterly dividends of shipping companies"])
@pytest.mark.parametrize("popularity", [None, 1_000])
def test_where_nothing_fits_all_are_low(
    engine: RankingEngine, query: str, popularity: int | None
) -> None:
    items = [
        Item(text, text, popularity=popularity and popularity * place, score=place)
        for place, text in enumerate(TEXTS)
    ]
    assert max(scores_of(engine.rank(items, query=query))) < 0.05


def test_a_history_moves_items_and_the_scores_follow(reranker: Reranker) -> None:
    items = [Item(f"{text} {n}", f"{text} Part {n}") for n in range(3) for text in TEXTS]
    reranker.consent("alice", True)
    for item in items[3:8]:
        reranker.record(Event("like", Item(f"own {item.id}", item.text)), user="alice")
    for query in ("light", "milk and eggs", "the moon", "blue bicycle"):
        plain = reranker.rank(items, query=query)
        own = reranker.rank(items, "alice", query=query)
        assert [one.item.id for one in own] != [one.item.id for one in plain]
        scores_of(plain)
        scores_of(own)
        scores_of(reranker.rank(items, "alice", query=query, diversity=0.6))


def test_without_a_query_they_are_probabilities(engine: RankingEngine, shelf: list[Item]) -> None:
    for query in (None, " "):
        total = sum(scores_of(engine.rank(shelf, query=query)))
        assert 0.1 < total < 1.5


def test_a_level_by_hand() -> None:
    level = Level(constant=-2.0, slope=0.5)
    found = level.of(np.array([0.0, 4.0, 1e9, -1e9]))
    assert found.tolist() == pytest.approx([1 / (1 + np.exp(2)), 0.5, 1.0, 0.0])
    assert LEVEL.of(np.zeros(1))[0] < 0.01


def test_what_stands_beside_a_query_is_taken_against_its_mean() -> None:
    columns = [
        Column("query", 1.0, ReasonCode.QUERY, yields=False),
        Column("taste", 1.0, ReasonCode.SIMILAR),
    ]
    evidence = Evidence(columns, 3)
    assert evidence.relevance(evidence.scores()) is None
    evidence["query"] = np.array([5.0, 0.0, 1.0])
    evidence["taste"] = np.array([7.0, 9.0, 8.0])
    level = Level(-2.0, 1.0)
    evidence.asked(level, room=1.0)
    evidence.step_back(2.0)
    shown = evidence.relevance(evidence.scores())
    assert shown is not None
    assert shown.tolist() == pytest.approx(level.of(np.array([4.0, 1.0, 1.0])).tolist())
    # Where the query has no say, no taste makes anything relevant to it.
    unsure = Evidence(columns, 3)
    unsure["taste"] = np.array([0.0, 90.0, 45.0])
    unsure.asked(level, room=1.0)
    shown = unsure.relevance(unsure.scores())
    assert shown is not None
    assert shown.tolist() == pytest.approx(level.of(np.array([-0.5, 0.5, 0.0])).tolist())
