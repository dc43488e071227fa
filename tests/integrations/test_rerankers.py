"""The ranker in the library ``rerankers``."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from edge_rerank import Event, Item, Reranker
from tests.integrations.passages import CAPITAL, PASSAGES, QUESTION, TELESCOPE


@pytest.fixture(scope="module")
def library() -> Iterator[Any]:
    """Without the models that it brings itself, whose libraries take seconds to load."""
    with pytest.MonkeyPatch.context() as patch:
        for heavy in ("torch", "transformers"):
            patch.setitem(sys.modules, heavy, None)
        import rerankers

        import edge_rerank.integrations.rerankers as adapter

        assert adapter.EdgeRerankModel is rerankers.models.AVAILABLE_RANKERS["EdgeRerank"]
        yield rerankers


def test_it_is_made_by_name(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = library.Reranker("EdgeRerank", model_type="EdgeRerank", verbose=0)
    results = model.rank(QUESTION, PASSAGES)
    assert results[0].text == CAPITAL
    assert results[0].doc_id == 3
    assert [one.rank for one in results] == [1, 2, 3, 4, 5]
    scores = [one.score for one in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert results.top_k(1)[0].text == CAPITAL
    assert model.score(QUESTION, CAPITAL) > model.score(QUESTION, TELESCOPE)
    assert asyncio.run(model.rank_async(QUESTION, PASSAGES, None)).results_count() == 5
    assert model.rank(QUESTION, []).results == []
    assert capsys.readouterr().out == ""


def test_documents_stay_as_they_were_and_the_person_counts(
    library: Any, reranker: Reranker
) -> None:
    model = library.Reranker(
        "EdgeRerank", model_type="EdgeRerank", verbose=0, reranker=reranker, user="alice"
    )
    given = [
        library.Document(text, doc_id=f"d{place}", metadata={"score": float(place)})
        for place, text in enumerate(PASSAGES)
    ]
    kept = copy.deepcopy(given)
    results = model.rank("", given)
    assert [one.doc_id for one in results] == ["d4", "d3", "d2", "d1", "d0"]
    assert [vars(one) for one in given] == [vars(one) for one in kept]
    reranker.consent("alice", True)
    reranker.record(
        Event("like", Item("x", "Which telescope shows the stars"), ranking=results[0].ranking_id),
        user="alice",
    )
    named = model.rank("something for the evening", PASSAGES, doc_ids=[5, 6, 7, 8, 9])
    assert (named[0].text, named[0].doc_id) == (TELESCOPE, 7)
