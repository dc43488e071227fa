from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_rerank.inference import session
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.scorer import Scorer
from edge_rerank.inference.session import Session
from edge_rerank.inference.signed_products import _trial, multiplies_signed, signed_weights
from edge_rerank.packs.external_data import Model
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

from .tiny import CANDIDATES, HISTORY, make_pack

onnx = pytest.importorskip("onnx")

ROWS = np.random.default_rng(0).integers(0, 256, (5, 8), dtype=np.uint8)
WEIGHTS = np.random.default_rng(1).integers(0, 256, (8, 3), dtype=np.uint8)


def model(*, zero: int = 128, copy: bool = False, output: str = "y") -> bytes:
    """One product of integers; ``copy`` shows the weights to another node as well."""
    helper, types = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("MatMulInteger", ["x", "w", "rows_zero", "zero"], ["y"])]
    kind = types.INT32
    if copy:
        nodes.append(helper.make_node("Cast", ["w"], ["z"], to=types.INT32))
    tensors = {
        "w": WEIGHTS,
        "rows_zero": np.array(128, np.uint8),
        "zero": np.array(zero, np.uint8),
    }
    if output == "w":
        kind = types.UINT8
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", types.UINT8, ["rows", 8])],
        [helper.make_tensor_value_info(output, kind, [8 if output == "w" else "rows", 3])],
        [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 21)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


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
    if multiplies_signed():
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
    monkeypatch.setattr(session, "multiplies_signed", lambda: False)
    monkeypatch.setattr(session, "signed_weights", lambda _: pytest.fail("turned"))
    assert (Session(model()).run({"x": ROWS})[0] == expected()).all()


def test_the_trial_overflows_where_pairs_are_added_in_16_bits() -> None:
    graph = onnx.load_from_string(_trial()).graph
    onnx.checker.check_model(onnx.load_from_string(_trial()), full_check=True)
    (weights,) = (onnx.numpy_helper.to_array(one) for one in graph.initializer)
    assert 2 * 255 * int(weights.min()) > 2**15 - 1


def test_packs_score_the_same_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, scorer = Pack.open(shipped_pack()), Pack.open(make_pack(tmp_path / "p", scheme="int8"))
    whole = scorer.model("scorer.onnx")
    assert signed_weights(whole) != whole
    results = []
    for exact in (multiplies_signed(), False):
        monkeypatch.setattr(session, "multiplies_signed", lambda exact=exact: exact)
        results.append(
            (TextEncoder(encoder).encode(CANDIDATES), Scorer(scorer).score(CANDIDATES, HISTORY))
        )
    for one, other in zip(*results, strict=True):
        assert (one == other).all()
