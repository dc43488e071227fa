"""The LangChain compressor inside LangChain's own retriever."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from edge_rerank import Event, Item, Reranker
from edge_rerank.integrations.langchain import EdgeRerankCompressor
from tests.integrations.passages import CAPITAL, PASSAGES, QUESTION, TELESCOPE


@pytest.fixture
def store() -> InMemoryVectorStore:
    opened = InMemoryVectorStore(DeterministicFakeEmbedding(size=16))
    opened.add_documents(
        [Document(text, id=str(n), metadata={"n": [n]}) for n, text in enumerate(PASSAGES)]
    )
    return opened


@pytest.fixture
def retriever(
    store: InMemoryVectorStore, reranker: Reranker
) -> Iterator[ContextualCompressionRetriever]:
    yield ContextualCompressionRetriever(
        base_compressor=EdgeRerankCompressor(reranker=reranker, user="alice", top_n=3),
        base_retriever=store.as_retriever(search_kwargs={"k": len(PASSAGES)}),
    )


def test_the_retriever_returns_what_fits(retriever: ContextualCompressionRetriever) -> None:
    found = retriever.invoke(QUESTION)
    assert len(found) == 3
    assert found[0].page_content == CAPITAL
    scores = [one.metadata["relevance_score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    again = asyncio.run(retriever.ainvoke(QUESTION))
    assert [one.id for one in again] == [one.id for one in found]


def test_what_the_person_chose_counts(
    retriever: ContextualCompressionRetriever, reranker: Reranker
) -> None:
    before = retriever.invoke("something for the evening")
    reranker.consent("alice", True)
    chosen = Document("Which telescope shows the stars best", id="other")
    event = Event(
        "like",
        Item(chosen.id or "", chosen.page_content),
        ranking=before[0].metadata["ranking_id"],
    )
    reranker.record(event, user="alice")
    assert retriever.invoke("something for the evening")[0].page_content == TELESCOPE


def test_the_documents_stay_as_they_were(reranker: Reranker) -> None:
    given = [
        Document(text, metadata={"n": [n], "score": float(n)}) for n, text in enumerate(PASSAGES)
    ]
    kept = copy.deepcopy(given)
    compressor = EdgeRerankCompressor(reranker=reranker, user=lambda: None, score_key="score")
    found = compressor.compress_documents(given, QUESTION)
    found[0].metadata["n"].append("changed")
    assert given == kept
    assert len({one.id for one in found}) == len(PASSAGES)
    # With nothing asked for, the retriever's own score decides.
    assert [one.metadata["score"] for one in compressor.compress_documents(given, "")] == [
        float(n) for n in reversed(range(len(PASSAGES)))
    ]


def test_one_document_twice_and_none_at_all(reranker: Reranker) -> None:
    with reranker.guest_session() as guest:
        compressor = EdgeRerankCompressor(reranker=guest)
        twice = [Document(CAPITAL, id="a"), Document(CAPITAL, id="a")]
        assert len({one.id for one in compressor.compress_documents(twice, QUESTION)}) == 2
        assert compressor.compress_documents([], QUESTION) == []


def test_without_a_reranker_it_opens_one() -> None:
    compressor = EdgeRerankCompressor(top_n=1)
    assert isinstance(compressor.reranker, Reranker)
    with compressor.reranker:
        found = compressor.compress_documents([Document(text) for text in PASSAGES], QUESTION)
        assert [one.page_content for one in found] == [CAPITAL]
