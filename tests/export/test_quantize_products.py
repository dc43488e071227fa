"""Every product whose weights the model brings along is found, or named as left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.packing import vectors
from edge_rerank_export.packing.build import builder_of
from edge_rerank_export.progress import silent
from edge_rerank_export.quantize.calibrate import products_by_input
from edge_rerank_export.quantize.integers import quantize
from edge_rerank_export.quantize.products import resolve_copies
from edge_rerank_export.recipes.read import read_recipe
from tests.export.encoders import recipe_file

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(16, 16)).astype(np.float32)


def model(path: Path, *nodes: onnx.NodeProto) -> Path:
    """Nodes from x to y over the matrix w, all 16 wide."""
    graph = helper.make_graph(
        list(nodes),
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 16])],
        [numpy_helper.from_array(MATRIX, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    made.ir_version = 10
    onnx.save(made, str(path))
    return path


def product(*inputs: str, output: str, kind: str = "MatMul") -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], name=f"/{output}/{kind}")


def shared(path: Path) -> Path:
    """A layer that is used twice, as the exporter writes it: the second time as a copy."""
    return model(
        path,
        helper.make_node("Identity", ["w"], ["w_again"]),
        product("x", "w", output="inner"),
        product("inner", "w_again", output="y"),
    )


def test_a_layer_that_is_used_twice_is_quantised_twice_and_kept_once(tmp_path: Path) -> None:
    source = shared(tmp_path / "f.onnx")
    count = quantize(source, tmp_path / "q.onnx")
    assert (count.products, count.left) == (2, ())
    graph = onnx.load(str(tmp_path / "q.onnx")).graph
    matrices = [tensor for tensor in graph.initializer if len(tensor.dims) == 2]
    # One of bytes, and its scales; no float one remains.
    assert [tensor.data_type for tensor in matrices] == [TensorProto.UINT8]
    x = RNG.normal(size=(5, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "q.onnx"))
    exact = x @ MATRIX @ MATRIX
    assert np.abs(session.run(None, {"x": x})[0] - exact).mean() < 0.03 * exact.std()


def test_calibration_watches_the_inputs_of_copies(tmp_path: Path) -> None:
    loaded = onnx.load(str(shared(tmp_path / "f.onnx")))
    assert products_by_input(loaded) == {"x": ["w"]}
    resolve_copies(loaded.graph)
    assert products_by_input(loaded) == {"x": ["w"], "inner": ["w"]}
    assert [node.op_type for node in loaded.graph.node] == ["MatMul", "MatMul"]


@pytest.mark.parametrize(
    "nodes",
    [
        [product("x", "w", output="y", kind="Gemm")],
        [
            helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
            product("x", "turned", output="y"),
        ],
    ],
)
def test_products_of_another_form_are_named_and_no_encoder_keeps_them(
    nodes: list[onnx.NodeProto],
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = product("x", "w", output="x2")
    for node in nodes:
        node.input[:] = ["x2" if name == "x" else name for name in node.input]
    source = model(tmp_path / "f.onnx", first, *nodes)
    count = quantize(source, tmp_path / "q.onnx")
    assert (count.products, count.left) == (1, (nodes[-1].name,))
    recipe = read_recipe(recipe_file(tiny_bert, tmp_path / "r.toml"))
    (tmp_path / "work").mkdir()
    builder = builder_of(recipe, tmp_path / "work")
    # As if the exporter had written such a product.
    monkeypatch.setattr(vectors, "channel_maxima", lambda *_, **__: None)
    with pytest.raises(UnsupportedModel, match=f"1 of 2 products.*{nodes[-1].name}"):
        builder.quantize(source, tmp_path / "e.onnx", steps=silent)
