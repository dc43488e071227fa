"""The LlamaIndex postprocessor inside LlamaIndex's own query engine."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.llms import MockLLM
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from edge_rerank import Event, Item, Reranker
from edge_rerank.integrations.llamaindex import EdgeRerankPostprocessor
from tests.integrations.passages import CAPITAL, PASSAGES, QUESTION, TELESCOPE


def nodes() -> list[TextNode]:
    return [
        TextNode(text=text, id_=f"n{place}", metadata={"page": [place]})
        for place, text in enumerate(PASSAGES)
    ]


@pytest.fixture
def asked(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> BaseQueryEngine:
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    index = VectorStoreIndex(nodes(), embed_model=MockEmbedding(embed_dim=8))
    made = EdgeRerankPostprocessor(reranker=reranker, user=lambda: "alice", top_n=3)
    return index.as_query_engine(
        response_mode=ResponseMode.NO_TEXT,
        similarity_top_k=len(PASSAGES),
        node_postprocessors=[made],
    )


def test_the_query_engine_returns_what_fits(asked: BaseQueryEngine) -> None:
    found = asked.query(QUESTION).source_nodes
    assert len(found) == 3
    assert found[0].text == CAPITAL
    scores = [one.score or 0.0 for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    again = asyncio.run(asked.aquery(QUESTION)).source_nodes
    assert [one.node_id for one in again] == [one.node_id for one in found]
    # A model is not shown what is ours.
    assert "ranking_id" in found[0].node.metadata
    assert "ranking_id" not in found[0].node.get_content(MetadataMode.LLM)
    assert "ranking_id" not in found[0].node.get_content(MetadataMode.EMBED)


def test_what_the_person_chose_counts(asked: BaseQueryEngine, reranker: Reranker) -> None:
    reranker.consent("alice", True)
    reranker.record(
        Event("like", Item("other", "Which telescope shows the stars best")), user="alice"
    )
    found = asked.query("something for the evening").source_nodes
    assert found[0].text == TELESCOPE


def test_the_nodes_stay_as_they_were_and_their_scores_count(reranker: Reranker) -> None:
    given = [NodeWithScore(node=node, score=place) for place, node in enumerate(nodes())]
    postprocessor = EdgeRerankPostprocessor(reranker=reranker)
    found = postprocessor.postprocess_nodes(given, query_str=QUESTION)
    found[0].node.metadata["page"].append("changed")
    assert [one.node for one in given] == nodes()
    assert [one.score for one in given] == [0, 1, 2, 3, 4]
    unasked = postprocessor.postprocess_nodes(given)
    assert [one.node_id for one in unasked] == ["n4", "n3", "n2", "n1", "n0"]
    assert postprocessor.postprocess_nodes([], query_str=QUESTION) == []
    assert postprocessor.to_dict() == {
        "top_n": None,
        "class_name": "EdgeRerankPostprocessor",
    }
