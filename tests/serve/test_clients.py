"""Clients of others, unchanged, against the server."""

from __future__ import annotations

from collections.abc import Iterator

import cohere
import pytest

from edge_rerank.serve.service import Service
from tests.serve.conftest import CAPITALS, Serving, running

QUERY = "What is the capital of France?"


@pytest.fixture(scope="module")
def shared(shared_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with running(shared_service, tmp_path_factory.mktemp("serving")) as up:
        yield up


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_official_client_of_cohere(shared: Serving, version: str) -> None:
    kind = {"v1": cohere.Client, "v2": cohere.ClientV2}[version]
    client = kind(shared.token, base_url=shared.url)
    answer = client.rerank(model="rerank-v3.5", query=QUERY, documents=CAPITALS, top_n=2)
    assert answer.results[0].index == 1
    assert len(answer.results) == 2
    assert 0.5 < answer.results[0].relevance_score <= 1


def test_what_is_refused_reaches_the_official_client(shared: Serving) -> None:
    client = cohere.ClientV2("another token", base_url=shared.url)
    with pytest.raises(cohere.UnauthorizedError) as refused:
        client.rerank(model="m", query=QUERY, documents=CAPITALS)
    assert refused.value.body["message"].startswith("authorization: expected")


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("cohere", "/v1/rerank"),
        ("jina", "/v1/rerank"),
        ("text-embeddings-inference", "/rerank"),
    ],
)
def test_the_api_clients_of_rerankers(shared: Serving, provider: str, path: str) -> None:
    from rerankers.models.api_rankers import APIRanker

    ranker = APIRanker("any", shared.token, provider, verbose=0, url=shared.url + path)
    ranked = ranker.rank(QUERY, CAPITALS)
    assert ranked.top_k(1)[0].text == CAPITALS[1]
    assert 0.5 < ranked.top_k(1)[0].score <= 1
