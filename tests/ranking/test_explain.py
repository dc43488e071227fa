from __future__ import annotations

import numpy as np

from edge_rerank import Item, ReasonCode
from edge_rerank.ranking.evidence import Column, Evidence, blend, falling
from edge_rerank.ranking.explain import MAX_REASONS, explain
from edge_rerank.ranking.sources.history_model import PARTS
from edge_rerank.ranking.sources.rules import ALWAYS, UNTRAINED
from edge_rerank.ranking.sources.search import SearchSource
from edge_rerank.types import Reason

ITEMS = [Item("a", categories=["Food", "Baking"]), Item("b")]
EVERY = (
    *UNTRAINED,
    *ALWAYS,
    *SearchSource.columns,
    Column("scorer", 1.0, ReasonCode.MODEL),
    *PARTS,
)
PLAIN = [Column(column.name, 1.0, column.reason) for column in EVERY]
"""With weights of 1, so that contributions are what is filled in."""


def test_what_all_candidates_share_explains_nothing() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["popularity"][:] = 5.0
    evidence["query"][0] = 1.0
    first, second = explain(evidence, ITEMS, [0, 1])
    assert [(reason.code, reason.weight) for reason in first] == [(ReasonCode.QUERY, 0.5)]
    assert [(reason.code, reason.weight) for reason in second] == [(ReasonCode.QUERY, -0.5)]


def test_the_largest_come_first_and_similarity_names_its_item() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["similar-max"][0] = 2.0
    evidence["similar-mean"][0] = 2.0
    evidence["disliked"][0] = -6.0
    evidence["host"][0] = 1.0
    evidence["shown"][0] = 0.1
    evidence.truths.chosen, evidence.truths.nearest = ("near",), np.array([0, -1])
    (reasons,) = explain(evidence, ITEMS, [0])
    assert [reason.code for reason in reasons] == [
        ReasonCode.DISLIKED,
        ReasonCode.SIMILAR,
        ReasonCode.HOST,
    ]
    assert [reason.item_id for reason in reasons] == [None, "near", None]
    assert len(reasons) == MAX_REASONS


def test_what_weighs_next_to_nothing_is_no_reason() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["query"][0] = 0.018
    assert explain(evidence, ITEMS, [0, 1])[:] == [(), ()]
    evidence["query"][0] = 0.022
    assert [[one.code for one in said] for said in explain(evidence, ITEMS, [0, 1])] == [
        [ReasonCode.QUERY],
        [ReasonCode.QUERY],
    ]


def test_every_column_has_a_reason() -> None:
    for column in EVERY:
        evidence = Evidence(EVERY, 2)
        evidence[column.name][0] = 1.0
        (reason,) = explain(evidence, ITEMS, [0])[0]
        assert reason == Reason(column.reason, column.weight / 2, None)


def test_what_is_not_true_is_not_said_however_much_it_weighs() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["popularity"][0] = 9.0
    evidence["host"][0] = 1.0
    evidence.holds(ReasonCode.POPULAR, lifts=np.array([False, True]), lowers=False)
    first, second = explain(evidence, ITEMS, [0, 1])
    assert [reason.code for reason in first] == [ReasonCode.HOST]
    assert [reason.code for reason in second] == [ReasonCode.HOST]


def test_likeness_to_what_was_chosen_just_now_is_said_as_such() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["similar-max"][:] = [2.0, -2.0]
    evidence.truths.chosen, evidence.truths.nearest = ("near",), np.array([0, 0])
    evidence.truths.present[:] = True
    first, second = explain(evidence, ITEMS, [0, 1])
    assert first == (Reason(ReasonCode.SESSION, 2.0, "near"),)
    assert second == (Reason(ReasonCode.SIMILAR, -2.0),)


def test_the_category_that_was_chosen_is_named() -> None:
    evidence = Evidence(PLAIN, 2)
    evidence["category"][0] = 2.0
    evidence.truths.chosen_categories = frozenset({"Food"})
    assert list(explain(evidence, ITEMS, [0])) == [
        (Reason(ReasonCode.CATEGORY, 1.0, category="Food"),)
    ]


def test_names_of_columns_are_unique() -> None:
    names = [column.name for column in EVERY]
    assert len(set(names)) == len(names)


def test_a_score_is_the_sum_of_its_contributions_whatever_the_company() -> None:
    many, alone = Evidence(EVERY, 3), Evidence(EVERY, 1)
    for number, column in enumerate(EVERY, start=1):
        many[column.name][:] = [0.1 / number, 1.0, -number]
        alone[column.name][:] = [0.1 / number]
    assert many.scores()[0] == alone.scores()[0]
    assert abs(many.contributions().sum(axis=1) - many.scores()).max() < 1e-12


def test_a_score_is_to_the_last_bit_what_all_columns_add_up_to_from_left_to_right() -> None:
    rng = np.random.default_rng(5)
    for count in (1, 2, 100, 3_000):
        evidence = Evidence(EVERY, count)
        for column in EVERY[::2]:
            evidence[column.name] = rng.normal(size=count)
        assert (evidence.scores() == blend(evidence.contributions())).all()
        few = evidence.contributions_of([0, 2, 3])
        assert (few == evidence.contributions()[:, [0, 2, 3]]).all()


def test_equal_scores_keep_their_order_in_lists_of_any_length() -> None:
    rng = np.random.default_rng(6)
    for count in (1, 100, 5_000):
        for scores in (rng.normal(size=count), rng.integers(0, 9, count).astype(float)):
            assert (falling(scores) == np.argsort(-scores, kind="stable")).all()
