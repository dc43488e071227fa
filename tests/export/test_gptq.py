from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_rerank_export.quantize.calibrate import second_moments
from edge_rerank_export.quantize.gptq import round_products
from edge_rerank_export.quantize.integers import quantize
from tests.export.test_quantize import product, run

RNG = np.random.default_rng(0)


def correlated(rows: int, columns: int) -> np.ndarray:
    """Rows in which each column is mostly a mixture of a few others."""
    few = RNG.normal(size=(rows, 6)) @ RNG.normal(size=(6, columns))
    return (few + 0.1 * RNG.normal(size=(rows, columns))).astype(np.float32)


def test_moments_by_hand(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", np.eye(2, dtype=np.float32))
    rows = [np.array([[[3.0, 4.0]]], np.float32), np.array([[[0.0, -2.0]]], np.float32)]
    seen: list[int] = []
    moments = second_moments(source, ({"x": row} for row in rows), progress=seen.append)
    # Scaled to mean square 1: (3, 4) / sqrt(12.5) and (0, -2) / sqrt(2).
    assert moments["x"] == pytest.approx(
        np.array([[9, 12], [12, 16]]) / 12.5 + np.array([[0, 0], [0, 4]]) / 2
    )
    assert seen == [1, 2]


def test_products_come_closer_than_by_rounding_to_the_nearest(tmp_path: Path) -> None:
    matrix = RNG.normal(size=(48, 24)).astype(np.float32)
    source = product(tmp_path / "f.onnx", matrix)
    x = correlated(400, 48)[None]
    moments = second_moments(source, [{"x": x[:, :300]}])
    round_products(source, tmp_path / "r.onnx", moments, limit=7)
    scale = np.abs(matrix).max(axis=0) / 7
    nearest = np.rint(matrix / scale) * scale
    rounded = numpy_helper.to_array(onnx.load(tmp_path / "r.onnx").graph.initializer[0])
    steps = rounded / scale
    assert np.abs(steps - np.rint(steps)).max() < 1e-4
    assert np.abs(steps).max(axis=0) == pytest.approx(np.full(24, 7))
    unseen = x[0, 300:]
    error, plain = (np.abs(unseen @ other - unseen @ matrix).mean() for other in (rounded, nearest))
    assert error < 0.6 * plain


def test_quantising_rounds_nothing_more(tmp_path: Path) -> None:
    source = product(tmp_path / "f.onnx", RNG.normal(size=(32, 16)).astype(np.float32))
    moments = second_moments(source, [{"x": correlated(100, 32)[None]}])
    round_products(source, tmp_path / "r.onnx", moments, limit=127)
    quantize(tmp_path / "r.onnx", tmp_path / "q.onnx")
    # Rows with one value each are quantised exactly.
    x = np.eye(32, dtype=np.float32)[None]
    assert run(tmp_path / "q.onnx", x) == pytest.approx(run(tmp_path / "r.onnx", x), abs=1e-6)


@pytest.mark.parametrize("inputs", [32, 33])
def test_paired_weights_fit_in_pairs_and_quantising_rounds_nothing_more(
    tmp_path: Path, inputs: int
) -> None:
    matrix = RNG.normal(size=(inputs, 16)).astype(np.float32)
    matrix[:, 0] *= 0.01
    matrix[4, 0] = 5.0  # a column whose scale is its largest weight's
    matrix[:, 1] = 0.0
    source = product(tmp_path / "f.onnx", matrix)
    moments = second_moments(source, [{"x": correlated(100, inputs)[None]}])
    round_products(source, tmp_path / "r.onnx", moments, limit=127, paired=True)
    quantize(tmp_path / "r.onnx", tmp_path / "q.onnx")
    model = onnx.load(str(tmp_path / "q.onnx"))
    assert not model.metadata_props, "what was noted on the way"
    (weights,) = [
        numpy_helper.to_array(one) for one in model.graph.initializer if one.name == "w.uint8"
    ]
    sizes = np.abs(np.pad(weights.astype(np.int32) - 128, ((0, inputs % 2), (0, 0))))
    sums = sizes.reshape(-1, 2, 16).sum(axis=1)
    assert sums.max() == 128
    assert sizes[:, 0].max() == 127
    rows = np.eye(inputs, dtype=np.float32)[None]
    assert run(tmp_path / "q.onnx", rows) == pytest.approx(run(tmp_path / "r.onnx", rows), abs=1e-6)
    # Those of fine products, which take inputs of seven bits, keep their whole range.
    round_products(source, tmp_path / "w.onnx", moments, limit=127, paired=True, fine="product")
    round_products(source, tmp_path / "o.onnx", moments, limit=127)
    assert (tmp_path / "w.onnx").read_bytes() == (tmp_path / "o.onnx").read_bytes()


def test_matrices_of_one_input_keep_their_own_grids_and_others_stay(tmp_path: Path) -> None:
    left, right, other = (RNG.normal(size=(8, 4)).astype(np.float32) for _ in range(3))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "left"], ["y"]),
            helper.make_node("MatMul", ["x", "right"], ["z"]),
            helper.make_node("MatMul", ["u", "other"], ["v"]),
        ],
        "three",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["t", 8]) for name in "xu"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["t", 4]) for name in "yzv"],
        [
            numpy_helper.from_array(value, name)
            for name, value in (("left", left), ("right", right), ("other", other))
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    source, target = tmp_path / "f.onnx", tmp_path / "r.onnx"
    onnx.save(model, str(source))
    x = correlated(50, 8)
    moments = second_moments(source, [{"x": x, "u": x}])
    assert set(moments) == {"x", "u"}
    round_products(source, target, {"x": moments["x"]}, limit=15)
    found = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(target).graph.initializer
    }
    assert (found["other"] == other).all()
    for name, before in (("left", left), ("right", right)):
        steps = found[name] / (np.abs(before).max(axis=0) / 15)
        assert np.abs(steps - np.rint(steps)).max() < 1e-4
        assert (found[name] != before).any()
