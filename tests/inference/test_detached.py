"""Weights are taken out of a graph while it is loaded, and are the same bytes."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edge_rerank.inference import session as session_module
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.session import Session
from edge_rerank.inference.signed_products import signed_weights
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.onnx_check import check_model
from edge_rerank.packs.onnx_detach import LEAST_BYTES, detached
from edge_rerank.packs.onnx_write import (
    INT32,
    UINT8,
    input_field,
    model_bytes,
    node_field,
    output_field,
    tensor_field,
)
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

from .tiny import CANDIDATES, HISTORY, make_pack

DEPTH, PRODUCTS = 512, 3
ROWS = np.random.default_rng(0).integers(0, 256, (4, DEPTH), dtype=np.uint8)


def weights(place: int) -> np.ndarray:
    """Small enough that every processor with products of integers has them signed."""
    return np.random.default_rng(place).integers(64, 192, (DEPTH, DEPTH), dtype=np.uint8)


def products(count: int = PRODUCTS) -> bytes:
    """Products of the same rows with as many matrices, and one with a matrix that is small."""
    zero = tensor_field("zero", UINT8, [], bytes([128]))
    small = tensor_field("small", UINT8, [DEPTH, 1], bytes(DEPTH))
    nodes = [
        node_field("MatMulInteger", ["x", f"w{place}", "zero", "zero"], f"y{place}")
        for place in range(count)
    ]
    tensors = [
        tensor_field(f"w{place}", UINT8, [DEPTH, DEPTH], weights(place).tobytes())
        for place in range(count)
    ]
    outputs = [output_field(f"y{place}", INT32, ["rows", DEPTH]) for place in range(count)]
    return model_bytes(
        "products",
        21,
        *nodes,
        node_field("MatMulInteger", ["x", "small", "zero", "zero"], "y"),
        *tensors,
        zero,
        small,
        input_field("x", UINT8, ["rows", DEPTH]),
        *outputs,
        output_field("y", INT32, ["rows", 1]),
    )


def test_large_weights_lie_beside_the_graph_and_small_ones_in_it() -> None:
    whole = products()
    model = detached(Model(whole))
    assert len(model.graph) < len(whole) - PRODUCTS * DEPTH**2 + LEAST_BYTES
    assert bytes(model.data) == b"".join(weights(place).tobytes() for place in range(PRODUCTS))
    check_model(model.graph, location=model.location, size=len(model.data))


def test_what_has_nothing_to_take_out_comes_back_as_it_is() -> None:
    beside = detached(Model(products()))
    for model in (beside, Model(b"not a model"), Model(b""), Model(products(0))):
        assert detached(model) is model


def test_weights_in_bytes_of_their_own_are_turned_where_they_are() -> None:
    beside = detached(Model(products()))
    before = bytes(beside.data)
    turned = signed_weights(beside)
    assert turned.data is beside.data
    assert bytes(turned.data) == bytes(byte ^ 0x80 for byte in before)
    elsewhere = Model(detached(Model(products())).graph, before, beside.location)
    assert signed_weights(elsewhere).data == turned.data
    assert elsewhere.data == before


def test_a_session_computes_with_the_weights_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with a file that has the name which they have beside the graph."""
    location = detached(Model(products())).location
    (tmp_path / location).write_bytes(bytes(PRODUCTS * DEPTH**2))
    monkeypatch.chdir(tmp_path)
    found = Session(products()).run({"x": ROWS})
    for place in range(PRODUCTS):
        wanted = (ROWS.astype(np.int32) - 128) @ (weights(place).astype(np.int32) - 128)
        assert (found[place] == wanted).all()


@pytest.mark.parametrize("how", ["in the graph", "earlier onnxruntime"])
def test_scores_and_vectors_are_the_same_to_the_last_bit(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Pack.open(shipped_pack())
    scorer = Pack.open(make_pack(tmp_path / "p", scheme="int8"))
    results = []
    for as_it_was in (False, True):
        if as_it_was and how == "in the graph":
            monkeypatch.setattr(session_module, "detached", lambda model: model)
        elif as_it_was:
            monkeypatch.setattr(session_module, "_takes_data", lambda _: None)
            monkeypatch.setattr(session_module, "detached", lambda _: pytest.fail("taken out"))
        scores = Scorer(scorer).score(CANDIDATES, HISTORY)
        results.append((TextEncoder(encoder).encode(CANDIDATES), scores))
    assert all(np.array_equal(*both) for both in zip(*results, strict=True))


def test_loading_takes_one_copy_beside_the_model_and_no_parsed_one() -> None:
    """onnxruntime is given a graph without weights; given whole, twice its size lay beside."""
    whole = products(16)
    Session(products())  # what the first session imports
    tracemalloc.start()
    try:
        Session(whole)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * len(whole)
