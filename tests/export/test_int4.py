"""Four bits: what the runtime's operator makes of the blocks is what they were rounded to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank_export.quantize import int4
from edge_rerank_export.quantize.blocks import BlockGrid, own_blocks
from edge_rerank_export.quantize.calibrate import second_moments
from edge_rerank_export.quantize.integers import quantize, scheme_of
from edge_rerank_export.quantize.scheme import Scheme
from tests.export.test_gptq import correlated
from tests.export.test_quantize import product, run

RNG = np.random.default_rng(4)


def weights(inputs: int, outputs: int) -> NDArray[np.float32]:
    return RNG.normal(size=(inputs, outputs)).astype(np.float32)


def in_blocks(outputs: int, inputs: int, *, lowest: float | None) -> NDArray[np.float32]:
    """A matrix (outputs, inputs) as GGUF's Q4_1 holds it, or Q4_0 where blocks lie around 0."""
    blocks = inputs // 32
    scales = RNG.uniform(0.01, 0.02, size=(outputs, blocks, 1)).astype(np.float16)
    integers = RNG.integers(0, 16, size=(outputs, blocks, 32))
    if lowest is None:
        shifted = (integers.clip(0, 12) - 8) * scales.astype(np.float32)
    else:
        low = (lowest * RNG.uniform(0.5, 1.0, size=scales.shape)).astype(np.float16)
        shifted = integers * scales.astype(np.float32) + low.astype(np.float32)
    return shifted.astype(np.float32).reshape(outputs, inputs)


@pytest.mark.parametrize("inputs", [128, 96])
def test_the_operator_holds_the_weights_of_the_grid(tmp_path: Path, inputs: int) -> None:
    matrix = weights(inputs, 24) + 0.5
    source = product(tmp_path / "f.onnx", matrix)
    quantize(source, tmp_path / "q.onnx", Scheme.INT4)
    weight = torch.from_numpy(matrix.T.copy())
    expected = BlockGrid.fit(weight).rounded(weight).T.numpy()
    got = run(tmp_path / "q.onnx", np.eye(inputs, dtype=np.float32)[None])[0]
    assert got == pytest.approx(expected, abs=1e-6)
    # Sixteen values a block: an error of a step at most, and none of the weights is kept as it is.
    assert 0 < np.abs(expected - matrix).max() < np.ptp(matrix) / 15
    assert scheme_of(tmp_path / "q.onnx") is Scheme.INT4


def test_products_come_closer_than_by_rounding_to_the_nearest(tmp_path: Path) -> None:
    matrix = weights(128, 48)
    source = product(tmp_path / "f.onnx", matrix)
    x = correlated(500, 128)[None]
    moments = second_moments(source, [{"x": x[:, :400]}])
    quantize(source, tmp_path / "nearest.onnx", Scheme.INT4)
    quantize(source, tmp_path / "gptq.onnx", Scheme.INT4, moments=moments)
    unseen = x[:, 400:]
    nearest, gptq = (
        np.abs(run(tmp_path / f"{name}.onnx", unseen) - unseen @ matrix).mean()
        for name in ("nearest", "gptq")
    )
    assert gptq < 0.6 * nearest


def test_an_outlier_that_hardly_counts_is_cut_off() -> None:
    weight = torch.from_numpy(weights(64, 1).T.copy()) * 0.1
    weight[0, 7] = 0.4
    importance = torch.ones(64)
    widest = BlockGrid.fit(weight, importance)
    importance[7] = 1e-3
    cut = BlockGrid.fit(weight, importance)
    assert float(cut.scales[0, 0]) < float(widest.scales[0, 0])
    others = importance == 1
    errors = [((grid.rounded(weight) - weight)[0, others] ** 2).sum() for grid in (cut, widest)]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("lowest", [-0.3, 0.1, None])
def test_blocks_that_a_model_came_in_are_kept(tmp_path: Path, lowest: float | None) -> None:
    matrix = in_blocks(24, 64, lowest=lowest).T.copy()
    source = product(tmp_path / "f.onnx", matrix)
    # Not even the moments of its inputs move a weight.
    x = correlated(200, 64)[None]
    quantize(source, tmp_path / "q.onnx", Scheme.INT4, moments=second_moments(source, [{"x": x}]))
    exact = x @ matrix
    assert np.abs(run(tmp_path / "q.onnx", x) - exact).max() < 2e-3 * exact.std()


def test_other_matrices_have_no_blocks_of_their_own() -> None:
    assert own_blocks(weights(64, 8).T.copy()) is None
    assert own_blocks(in_blocks(8, 64, lowest=-0.3)[:, :40]) is None
    nearly = in_blocks(8, 64, lowest=-0.3)
    nearly[3, 5] += 0.004
    assert own_blocks(nearly) is None


def looking_up(path: Path, table: NDArray[np.float32], first: int) -> Path:
    """Rows of ``table`` by ids, and the products of x with its first rows."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], name="/rows"),
            helper.make_node("MatMul", ["x", "head"], ["y"], name="/head"),
        ],
        "tied",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"]),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", table.shape[1]]),
        ],
        [
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["b", "t", table.shape[1]]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", first]),
        ],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.ascontiguousarray(table[:first].T), "head"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("first", [300, 512])
def test_common_rows_keep_eight_bits_and_the_head_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(int4, "COMMON_ROWS", 512)
    table = weights(2048, 96)
    source = looking_up(tmp_path / "f.onnx", table, first)
    count = quantize(source, tmp_path / "q.onnx", Scheme.INT4)
    assert (count.products, count.embeddings, count.left) == (1, 1, ())
    session = onnxruntime.InferenceSession(str(tmp_path / "q.onnx"))
    ids = np.array([[0, 511, 512], [2047, 7, 513]])
    x = weights(5, 96)
    rows, y = session.run(None, {"ids": ids, "x": x})
    errors = (rows - table[ids]).std(axis=-1) / table[ids].std(axis=-1)
    common = ids < 512
    assert errors[common].max() < 0.01
    assert 0.05 < errors[~common].min() <= errors[~common].max() < 0.13
    every = session.run(["rows"], {"ids": np.arange(first)[None], "x": x})[0][0]
    assert y == pytest.approx(x @ every.T, abs=1e-4)
    size = (tmp_path / "q.onnx").stat().st_size
    assert size == pytest.approx(512 * (96 + 4) + 1536 * (48 + 2 * 2), rel=0.1)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", weights(128, 32))
    moments = second_moments(source, [{"x": correlated(100, 128)[None]}])
    for name in "ab":
        quantize(source, tmp_path / f"{name}.onnx", Scheme.INT4, moments=moments)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
