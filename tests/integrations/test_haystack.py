"""The Haystack component inside a Haystack pipeline."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.core.errors import SerializationError
from haystack.core.serialization import allow_deserialization_module
from haystack.document_stores.in_memory import InMemoryDocumentStore

from edge_rerank import Event, History, Item, KeyEnv, Reranker
from edge_rerank.integrations.haystack import EdgeRerankRanker
from tests.integrations.passages import CAPITAL, PASSAGES, QUESTION, TELESCOPE

KEY = bytes(range(32))


def somebody() -> str:
    return "alice"


def documents() -> list[Document]:
    return [
        Document(content=text, score=float(place), meta={"page": place})
        for place, text in enumerate(PASSAGES)
    ]


def pipeline(ranker: EdgeRerankRanker) -> Pipeline:
    store = InMemoryDocumentStore()
    store.write_documents(documents())
    made = Pipeline()
    made.add_component("retriever", InMemoryBM25Retriever(store, top_k=len(PASSAGES)))
    made.add_component("ranker", ranker)
    made.connect("retriever.documents", "ranker.documents")
    return made


def ask(made: Pipeline, query: str) -> list[Document]:
    found: list[Document] = made.run({"retriever": {"query": query}, "ranker": {"query": query}})[
        "ranker"
    ]["documents"]
    return found


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A history file of somebody who likes telescopes."""
    monkeypatch.setenv("EDGE_RERANK_TEST_KEY", KEY.hex())
    path = str(tmp_path / "history.db")
    with History.open(path, KeyEnv("EDGE_RERANK_TEST_KEY")) as history:
        history.consent("alice", True)
        history.record(Event("like", Item("x", "Which telescope shows the stars")), user="alice")
    yield path


def test_a_pipeline_finds_what_fits(reranker: Reranker) -> None:
    found = ask(pipeline(EdgeRerankRanker(reranker=reranker, top_k=3)), QUESTION)
    assert len(found) == 3
    assert found[0].content == CAPITAL
    scores = [one.score or 0.0 for one in found]
    assert scores == [one.meta["relevance_score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_a_pipeline_read_from_its_text_knows_the_person(kept: str) -> None:
    ranker = EdgeRerankRanker(history=kept, key_env="EDGE_RERANK_TEST_KEY", user=somebody, top_k=2)
    text = pipeline(ranker).dumps()
    assert KEY.hex() not in text
    for module in ("edge_rerank.integrations", somebody.__module__):
        allow_deserialization_module(module)
    again = Pipeline.loads(text)
    assert again.dumps() == text
    found = ask(again, "something of light and water")
    assert found[0].content == TELESCOPE
    named = EdgeRerankRanker.from_dict(EdgeRerankRanker(user="alice", top_k=2).to_dict())
    assert (named.user, named.top_k, named.history) == ("alice", 2, None)


def test_an_open_reranker_is_not_written(reranker: Reranker) -> None:
    with pytest.raises(SerializationError, match="give pack, history and key_env"):
        EdgeRerankRanker(reranker=reranker).to_dict()


def test_the_documents_stay_as_they_were_and_their_scores_count(reranker: Reranker) -> None:
    given = documents()
    kept = deepcopy(given)
    ranker = EdgeRerankRanker(reranker=reranker)
    found = asyncio.run(ranker.run_async(QUESTION, given))["documents"]
    assert given == kept
    assert found[0].id == given[3].id
    unasked = ranker.run("", [*given, given[0]])["documents"]
    assert [one.meta["page"] for one in unasked] == [4, 3, 2, 1, 0, 0]
    assert len(ranker.run(QUESTION, [*given, Document(content=None)])["documents"]) == 6
    assert ranker.run(QUESTION, []) == {"documents": []}
