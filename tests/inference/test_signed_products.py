from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edge_rerank.inference import session
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.session import Session
from edge_rerank.inference.signed_products import (
    Exact,
    _largest_pairs,
    _trial,
    _trial_weights,
    exact_products,
    signed_weights,
)
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

from .tiny import CANDIDATES, HISTORY, make_pack

onnx = pytest.importorskip("onnx")

ROWS = np.random.default_rng(0).integers(0, 256, (5, 8), dtype=np.uint8)
WEIGHTS = np.random.default_rng(1).integers(0, 256, (8, 3), dtype=np.uint8)


def model(
    *, zero: int = 128, copy: bool = False, output: str = "y", weights: np.ndarray = WEIGHTS
) -> bytes:
    """One product of integers; ``copy`` shows the weights to another node as well."""
    helper, types = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("MatMulInteger", ["x", "w", "rows_zero", "zero"], ["y"])]
    kind, depth = types.INT32, len(weights)
    if copy:
        nodes.append(helper.make_node("Cast", ["w"], ["z"], to=types.INT32))
    tensors = {
        "w": weights,
        "rows_zero": np.array(128, np.uint8),
        "zero": np.array(zero, np.uint8),
    }
    if output == "w":
        kind = types.UINT8
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", types.UINT8, ["rows", depth])],
        [helper.make_tensor_value_info(output, kind, [depth if output == "w" else "rows", 3])],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 21)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def outside(graph: bytes) -> Model:
    """The same with the weights in a file beside it."""
    loaded = onnx.load_from_string(graph)
    (weights,) = (one for one in loaded.graph.initializer if one.name == "w")
    data = bytes(weights.raw_data)
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "beside"), ("offset", "0"), ("length", f"{len(data)}")):
        weights.external_data.add(key=key, value=value)
    return Model(bytes(loaded.SerializeToString()), data, "beside")


def expected() -> np.ndarray:
    return (ROWS.astype(np.int32) - 128) @ (WEIGHTS.astype(np.int32) - 128)


def test_signed_weights_stand_for_the_same_integers() -> None:
    turned = signed_weights(Model(model())).graph
    graph = onnx.load_from_string(turned).graph
    onnx.checker.check_model(onnx.load_from_string(turned), full_check=True)
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}["w"]
    assert weights.dtype == np.int8
    assert (weights == WEIGHTS.astype(np.int32) - 128).all()
    assert list(graph.node[0].input) == ["x", "w", "rows_zero", ""]
    if exact_products() == Exact():
        assert (Session(turned).run({"x": ROWS})[0] == expected()).all()


@pytest.mark.parametrize(
    "kept", [model(zero=127), model(copy=True), model(output="w"), b"not a model", b""]
)
def test_what_is_not_such_a_weight_stays_as_it_is(kept: bytes) -> None:
    whole = Model(kept)
    assert signed_weights(whole) is whole


def test_a_turned_model_is_not_turned_again() -> None:
    turned = signed_weights(Model(model()))
    assert signed_weights(turned) is turned


def test_where_the_processor_is_not_exact_weights_stay_unsigned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "exact_products", lambda: None)
    monkeypatch.setattr(session, "signed_weights", lambda _: pytest.fail("turned"))
    assert (Session(model()).run({"x": ROWS})[0] == expected()).all()


class Kernels:
    """What ``sums`` makes of rows and weights, in place of onnxruntime."""

    def __init__(self, sums: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self.weights = _trial_weights().astype(np.int32)
        self.sums = sums

    def run(self, _: None, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [self.sums(inputs["x"].astype(np.int32), self.weights)]


def pairs(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of two products, of shape (rows, depth / 2, columns)."""
    return rows[:, 0::2, None] * weights[None, 0::2] + rows[:, 1::2, None] * weights[None, 1::2]


def pairs_saturated(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """As AVX2 adds unsigned by signed, in 16 bits."""
    return pairs(rows, weights).clip(-(2**15), 2**15 - 1).sum(1)


def pairs_wrapped(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """As ARM without dot products adds signed by signed, in 16 bits."""
    signed = pairs(rows - 128, weights).astype(np.int16)
    return signed.sum(1, dtype=np.int32) + 128 * weights.sum(0)


def far_pairs_saturated(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """As a kernel would that adds products two apart in 16 bits."""
    order = np.arange(len(weights)).reshape(-1, 2, 2).swapaxes(1, 2).ravel()
    return pairs_saturated(rows[:, order], weights[order])


@pytest.mark.parametrize(
    ("sums", "exact"),
    [
        (np.matmul, Exact()),
        (pairs_wrapped, Exact(least=-127)),
        (pairs_saturated, Exact(in_pairs=True)),
        (far_pairs_saturated, None),
    ],
)
def test_the_trial_tells_kernels_apart(
    sums: Callable[[np.ndarray, np.ndarray], np.ndarray],
    exact: Exact | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: Kernels(sums))
    assert exact_products.__wrapped__() == exact


def test_the_trial_is_a_model_of_what_is_tried() -> None:
    weights = _trial_weights()
    proto = onnx.load_from_string(_trial(weights))
    onnx.checker.check_model(proto, full_check=True)
    (stored,) = (onnx.numpy_helper.to_array(one) for one in proto.graph.initializer)
    assert (stored == weights).all()


@pytest.mark.parametrize("beside", [False, True])
def test_a_matrix_with_a_weight_that_is_not_exact_stays_unsigned(beside: bool) -> None:
    for lowest, kept in [(0, True), (1, False)]:
        weights = WEIGHTS.clip(lowest)
        weights[3, 1] = lowest
        whole = Model(model(weights=weights))
        if beside:
            whole = outside(whole.graph)
        assert (signed_weights(whole, Exact(least=-127)) is whole) == kept
        assert signed_weights(whole, Exact()) is not whole


@pytest.mark.parametrize("small", [True, False])
def test_small_pairs_alone_become_signed_where_only_those_are_exact(small: bool) -> None:
    magnitudes = np.array([[127, 0, 64], [1, 128, 64], [100, 3, 127], [28, 5, 1]])
    magnitudes[3, 0] += not small
    weights = (128 + magnitudes * [1, -1, 1]).astype(np.uint8)
    whole = Model(model(weights=weights))
    assert signed_weights(whole) is not whole
    turned = signed_weights(whole, Exact(in_pairs=True))
    assert (turned is not whole) == small
    if small and exact_products() is not None:
        rows = np.full((2, 4), 255, np.uint8)
        wanted = 127 * (weights.astype(np.int32) - 128).sum(axis=0)
        assert (Session(turned.graph).run({"x": rows})[0] == wanted).all()


@pytest.mark.parametrize("apart", [2, 4, 8, 16, 32])
def test_the_trial_tells_other_pairs_from_neighbours(apart: int) -> None:
    rows = _largest_pairs().astype(np.int32)
    assert (np.abs(rows.reshape(-1, 2, rows.shape[1]).sum(axis=1)) == 128).all()
    others = rows.reshape(-1, 2, apart, rows.shape[1]).sum(axis=1)
    assert np.abs(255 * others).max() > 2**15 - 1
    shifted = rows[1:-1].reshape(-1, 2, rows.shape[1]).sum(axis=1)
    assert np.abs(255 * shifted).max() > 2**15 - 1


def test_packs_score_the_same_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, scorer = Pack.open(shipped_pack()), Pack.open(make_pack(tmp_path / "p", scheme="int8"))
    whole = scorer.model("scorer.onnx")
    assert signed_weights(whole) != whole
    results = []
    for exact in (exact_products(), None):
        monkeypatch.setattr(session, "exact_products", lambda exact=exact: exact)
        results.append(
            (TextEncoder(encoder).encode(CANDIDATES), Scorer(scorer).score(CANDIDATES, HISTORY))
        )
    for one, other in zip(*results, strict=True):
        assert (one == other).all()
