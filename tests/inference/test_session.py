from __future__ import annotations

import numpy as np
import pytest

from edge_rerank import Reranker
from edge_rerank.errors import InferenceError, InvalidRequest, PackInvalid, ProviderUnavailable
from edge_rerank.inference import arena
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.runtime import Runtime
from edge_rerank.inference.session import (
    MAX_DEFAULT_THREADS,
    Session,
    available_providers,
    default_threads,
    resolve_providers,
)
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack


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


def test_a_session_without_the_arena_computes_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack, texts = Pack.open(shipped_pack()), ["a title of a few words", "another"]
    within = TextEncoder(pack).encode(texts)
    monkeypatch.setattr(arena, "_arena", lambda: False)
    without = TextEncoder(pack)
    assert without._session._each_run is None
    assert np.array_equal(within, without.encode(texts))


def test_an_arena_that_onnxruntime_refuses_is_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("onnxruntime.create_and_register_allocator", refuse)
    assert arena._arena.__wrapped__() is False


def test_a_pack_lets_go_of_a_model_that_nobody_will_ask_for_again() -> None:
    pack = Pack.open(shipped_pack())
    assert pack.manifest.encoder is not None
    name = pack.manifest.encoder.model
    assert pack.model(name).graph == pack.read(name)
    assert pack.model(name, last=True).size > 0
    with pytest.raises(PackInvalid, match="not among the files"):
        pack.read(name)


def test_bytes_that_are_no_model() -> None:
    with pytest.raises(InferenceError, match="could not be loaded"):
        Session(b"not a model")
