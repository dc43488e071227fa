from __future__ import annotations

import pytest

from edge_rerank import Reranker
from edge_rerank.errors import InferenceError, InvalidRequest, ProviderUnavailable
from edge_rerank.inference.runtime import Runtime
from edge_rerank.inference.session import (
    MAX_DEFAULT_THREADS,
    Session,
    available_providers,
    default_threads,
    resolve_providers,
)


def test_the_cpu_is_the_default_whatever_else_is_there() -> None:
    assert resolve_providers(None) == ("CPUExecutionProvider",)
    assert resolve_providers(["cpu"]) == resolve_providers(["CPUExecutionProvider"])


def test_a_provider_that_is_missing_is_named_and_so_are_those_present() -> None:
    assert "QNNExecutionProvider" not in available_providers()
    with pytest.raises(ProviderUnavailable, match=r"QNN.*CPUExecutionProvider"):
        Reranker.open(runtime=Runtime(providers=["qnn", "cpu"]))


@pytest.mark.parametrize("wanted", ["cpu", [], [1], [None]])
def test_malformed_providers(wanted: object) -> None:
    with pytest.raises(InvalidRequest):
        resolve_providers(wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -1, 257, True, 1.0, "2"])
def test_malformed_threads(threads: object) -> None:
    with pytest.raises(InvalidRequest):
        Reranker.open(runtime=Runtime(threads=threads))  # type: ignore[arg-type]


def test_threads_are_what_was_asked_for() -> None:
    assert 1 <= default_threads() <= MAX_DEFAULT_THREADS
    with Reranker.open(runtime=Runtime(threads=1)) as reranker:
        assert reranker.engine.threads == 1
        assert reranker.engine.providers[0] == "CPUExecutionProvider"


def test_bytes_that_are_no_model() -> None:
    with pytest.raises(InferenceError, match="could not be loaded"):
        Session(b"not a model")
