from __future__ import annotations

import numpy as np

from edge_rerank import Item, ReasonCode
from edge_rerank.ranking.explain import MAX_REASONS, explain
from edge_rerank.ranking.sources.rules import Feature


def test_what_all_candidates_share_explains_nothing() -> None:
    contributions = np.zeros((2, len(Feature)))
    contributions[:, Feature.POPULARITY] = 5.0
    contributions[0, Feature.QUERY] = 1.0
    first, second = explain(contributions, [None, None], [0, 1])
    assert [(reason.code, reason.weight) for reason in first] == [(ReasonCode.QUERY, 0.5)]
    assert [(reason.code, reason.weight) for reason in second] == [(ReasonCode.QUERY, -0.5)]


def test_the_largest_come_first_and_similarity_names_its_item() -> None:
    contributions = np.zeros((2, len(Feature)))
    contributions[0, Feature.SIMILAR_MAX] = 2.0
    contributions[0, Feature.SIMILAR_MEAN] = 2.0
    contributions[0, Feature.DISLIKED] = -6.0
    contributions[0, Feature.HOST] = 1.0
    contributions[0, Feature.SHOWN] = 0.1
    (reasons,) = explain(contributions, [Item("near"), None], [0])
    assert [reason.code for reason in reasons] == [
        ReasonCode.DISLIKED,
        ReasonCode.SIMILAR,
        ReasonCode.HOST,
    ]
    assert [reason.item_id for reason in reasons] == [None, "near", None]
    assert len(reasons) == MAX_REASONS


def test_every_feature_has_a_reason() -> None:
    for feature in Feature:
        contributions = np.zeros((2, len(Feature)))
        contributions[0, feature] = 1.0
        assert len(explain(contributions, [None, None], [0])[0]) == 1
