from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank.packs.onnx_check import check_model
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.quantize.integers import quantize, scheme_of
from edge_rerank_export.quantize.rows import SIGNED_SIZE, SignedRows
from edge_rerank_export.quantize.scheme import Embedding, Scheme

RNG = np.random.default_rng(0)


def product(path: Path, matrix: NDArray[np.float32], *, opset: int = 21) -> Path:
    """y = x @ matrix as an ONNX file; x is (batch, tokens, k)."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "t", matrix.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "t", matrix.shape[1]])],
        [numpy_helper.from_array(matrix, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, str(path))
    return path


def run(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {"x": x})[0]
    return result


def test_a_product_by_hand(tmp_path: Path) -> None:
    """Values that int8 holds exactly: row scales 127/127 and 254/127, column scales 1 and 2."""
    source = product(tmp_path / "f.onnx", np.array([[127, 254], [1, -2]], np.float32))
    count = quantize(source, tmp_path / "q.onnx")
    assert (count.products, count.embeddings) == (1, 0)
    x = np.array([[[127, 3], [-254, 4]]], np.float32)
    expected = [[[127 * 127 + 3, 127 * 254 - 6], [-254 * 127 + 4, -254 * 254 - 8]]]
    assert run(tmp_path / "q.onnx", x).tolist() == expected


def test_extreme_values_do_not_saturate(tmp_path: Path) -> None:
    """Pairs of full-range products overflow 16 bits, where some processors add them."""
    source = product(tmp_path / "f.onnx", np.full((64, 8), 5.0, np.float32))
    quantize(source, tmp_path / "q.onnx")
    x = np.full((1, 3, 64), -2.0, np.float32)
    assert run(tmp_path / "q.onnx", x) == pytest.approx(np.full((1, 3, 8), -640.0), rel=1e-6)


def test_a_row_does_not_depend_on_the_others(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", RNG.normal(size=(48, 24)).astype(np.float32))
    quantize(source, tmp_path / "q.onnx")
    x = RNG.normal(size=(4, 7, 48)).astype(np.float32)
    x[2] *= 1000
    together = run(tmp_path / "q.onnx", x)
    for row in range(4):
        assert (run(tmp_path / "q.onnx", x[row : row + 1])[0] == together[row]).all()


def test_smoothing_tames_a_large_channel(tmp_path: Path) -> None:
    matrix = RNG.normal(size=(48, 24)).astype(np.float32)
    source = product(tmp_path / "f.onnx", matrix)
    x = RNG.normal(size=(1, 50, 48)).astype(np.float32)
    x[..., 5] *= 80
    exact = x @ matrix
    quantize(source, tmp_path / "plain.onnx")
    quantize(source, tmp_path / "smooth.onnx", maxima={"x": np.abs(x).max(axis=(0, 1))})
    plain = np.abs(run(tmp_path / "plain.onnx", x) - exact).mean()
    smooth = np.abs(run(tmp_path / "smooth.onnx", x) - exact).mean()
    assert smooth < plain / 2


def even_product(path: Path, matrix: NDArray[np.float32]) -> Path:
    """y = norm(x) @ matrix as an ONNX file; the norm's rows all have one length."""
    width, result = matrix.shape
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                ["x", "skip", "ones"],
                ["even"],
                domain="com.microsoft",
                epsilon=1e-6,
            ),
            helper.make_node("MatMul", ["even", "w"], ["y"], name="product"),
        ],
        "even",
        [helper.make_tensor_value_info(name, kind, ["b", "t", width]) for name in ("x", "skip")],
        [helper.make_tensor_value_info("y", kind, ["b", "t", result])],
        [
            numpy_helper.from_array(matrix, "w"),
            numpy_helper.from_array(np.ones(width, np.float32), "ones"),
        ],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("even", [False, True])
def test_fine_inputs_have_seven_bits_twice_and_signed_weights(tmp_path: Path, even: bool) -> None:
    """With these no processor overflows, and the runtime's fastest form is there everywhere."""
    matrix = RNG.normal(size=(64, 16)).astype(np.float32)
    make = even_product if even else product
    source = make(tmp_path / "f.onnx", matrix)
    quantize(source, tmp_path / "coarse.onnx")
    quantize(source, tmp_path / "q.onnx", fine=".")
    graph = onnx.load(str(tmp_path / "q.onnx")).graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert [kinds[node.input[1]] for node in products] == [TensorProto.INT8] * 2
    assert scheme_of(tmp_path / "q.onnx") is scheme_of(tmp_path / "coarse.onnx") is Scheme.INT8
    parts = [
        helper.make_tensor_value_info(node.input[0], TensorProto.UINT8, None) for node in products
    ]
    model = onnx.load(str(tmp_path / "q.onnx"))
    model.graph.output.extend(parts)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = RNG.normal(size=(1, 40, 64)).astype(np.float32)
    x[0, 0] = 0.0
    x[0, 0, 3] = -7.0  # the largest value that a row of one length can hold
    fed = {"x": x, "skip": np.zeros_like(x)} if even else {"x": x}
    got, first, second = session.run(None, fed)
    assert int(first.min()) == 1
    assert max(int(first.max()), int(second.max())) < 128
    rows = x / np.sqrt((x * x).mean(axis=-1, keepdims=True)) if even else x
    # Both keep the weights to eight bits: what is left of the error comes from those.
    weights = np.abs(matrix).max(axis=0) / 127
    exact = rows @ (np.rint(matrix / weights) * weights)
    assert np.abs(got - exact).max() < 4e-3 * np.abs(exact).max()


def test_rows_of_zeros_stay_zero(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", np.zeros((4, 2), np.float32))
    quantize(source, tmp_path / "q.onnx")
    assert not run(tmp_path / "q.onnx", np.zeros((2, 3, 4), np.float32)).any()


def test_models_that_cannot_be_quantised(tmp_path: Path) -> None:
    old = product(tmp_path / "old.onnx", np.ones((2, 2), np.float32), opset=17)
    with pytest.raises(UnsupportedModel, match="opset 21 or newer, got 17"):
        quantize(old, tmp_path / "q.onnx")
    other = product(tmp_path / "int.onnx", np.ones((2, 2), np.float32))
    model = onnx.load(str(other))
    model.graph.node[0].op_type = "Add"
    onnx.save(model, str(other))
    with pytest.raises(UnsupportedModel, match="no product"):
        quantize(other, tmp_path / "q.onnx")
    assert not (tmp_path / "q.onnx").exists()


def test_fine_inputs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", RNG.normal(size=(8, 8)).astype(np.float32))
    with pytest.raises(UnsupportedModel, match="fine"):
        quantize(source, tmp_path / "q.onnx", fine="/down/")


@pytest.mark.parametrize(("scheme", "error"), [(Scheme.FLOAT16, 2e-3), (Scheme.INT4, 0.2)])
def test_smaller_weights_give_nearly_the_same_rows_in_any_company(
    tmp_path: Path, scheme: Scheme, error: float
) -> None:
    matrix = RNG.normal(size=(64, 96)).astype(np.float32)
    source = product(tmp_path / "f.onnx", matrix)
    count = quantize(source, tmp_path / "q.onnx", scheme)
    assert count.products == 1
    x = RNG.normal(size=(5, 8, 64)).astype(np.float32)
    exact = x @ matrix
    got = run(tmp_path / "q.onnx", x)
    assert np.abs(got - exact).mean() < error * exact.std()
    assert np.abs(got - exact).max() > 0
    for place in range(5):
        alone = run(tmp_path / "q.onnx", x[place : place + 1])
        assert np.abs(alone[0] - got[place]).max() < 1e-4 * exact.std()


def test_four_bits_take_less_room_than_eight(tmp_path: Path) -> None:
    matrix = RNG.normal(size=(512, 512)).astype(np.float32)
    source = product(tmp_path / "f.onnx", matrix)
    sizes = {}
    for scheme in (Scheme.FLOAT16, Scheme.INT8, Scheme.INT4):
        quantize(source, tmp_path / scheme, scheme)
        sizes[scheme] = (tmp_path / scheme).stat().st_size / matrix.size
    assert sizes[Scheme.FLOAT16] == pytest.approx(2, abs=0.05)
    assert sizes[Scheme.INT8] == pytest.approx(1, abs=0.05)
    assert sizes[Scheme.INT4] == pytest.approx(0.5 + 2.5 / 64, abs=0.005)


def looked_up(path: Path, table: NDArray[np.float32], positions: NDArray[np.float32]) -> Path:
    """y = (table[ids] + positions[places]) @ I: tokens that are fed, positions that are not."""
    width = table.shape[1]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"]),
            helper.make_node("Shape", ["ids"], ["shape"]),
            helper.make_node("Range", ["none", "count", "one"], ["places"]),
            helper.make_node("Gather", ["positions", "places"], ["row"]),
            helper.make_node("Gather", ["shape", "none"], ["count"]),
            helper.make_node("Add", ["rows", "row"], ["sum"]),
            helper.make_node("MatMul", ["sum", "w"], ["y"]),
        ],
        "look-up",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", width])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(positions, "positions"),
            numpy_helper.from_array(np.eye(width, dtype=np.float32), "w"),
            numpy_helper.from_array(np.int64(0), "none"),
            numpy_helper.from_array(np.int64(1), "one"),
        ],
    )
    nodes = [graph.node[place] for place in (0, 1, 4, 2, 3, 5, 6)]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("end", [-8, 7])
def test_rows_that_came_in_blocks_of_four_bits_keep_them(tmp_path: Path, end: int) -> None:
    integers = RNG.integers(-7, 7, size=(2048, 2, 32))
    integers[..., 5] = end
    scales = RNG.normal(size=(2048, 2, 1)).astype(np.float16).astype(np.float32)
    table = (integers * scales).reshape(2048, 64).astype(np.float32)
    rows = SignedRows.of(table)
    steps = rows.scales.astype(np.float32).repeat(SIGNED_SIZE, axis=1)
    np.testing.assert_array_equal(rows.integers * steps, table)
    positions = RNG.normal(size=(1024, 64)).astype(np.float32)
    source = looked_up(tmp_path / "f.onnx", table, positions)
    count = quantize(source, tmp_path / "q.onnx", embedding=Embedding.INT4)
    assert (count.products, count.embeddings) == (1, 2)
    graph = onnx.load(str(tmp_path / "q.onnx")).graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    assert kinds["table.int4"] == TensorProto.INT4
    assert kinds["positions.int8"] == TensorProto.INT8, "a small table keeps its eight bits"
    check_model((tmp_path / "q.onnx").read_bytes())
    assert (tmp_path / "q.onnx").stat().st_size < 0.2 * source.stat().st_size + 80_000
    ids = np.array([3, 2047, 0, 3], dtype=np.int64)
    session = onnxruntime.InferenceSession(
        str(tmp_path / "q.onnx"), providers=["CPUExecutionProvider"]
    )
    (got,) = session.run(None, {"ids": ids})
    exact = table[ids] + positions[:4]
    assert np.abs(got - exact).max() < 0.03 * np.abs(exact).max()


def test_an_odd_number_of_values_is_packed_as_well() -> None:
    rows = SignedRows.of(np.array([[-8.0, 7.0, 3.0]], np.float32))
    assert rows.integers.tolist() == [[-8, 7, 3]]
    assert rows.packed == bytes([0x78, 0x03])
