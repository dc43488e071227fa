"""Models whose weights lie beside them: every step of a build gives what it gives in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_rerank.inference.session import Session
from edge_rerank.packs.external_data import ALIGNMENT
from edge_rerank.packs.onnx_check import check_model
from edge_rerank_export.errors import RecipeError, UnsupportedModel
from edge_rerank_export.files import data_file
from edge_rerank_export.models import onnx_file
from edge_rerank_export.quantize.calibrate import maxima_of, second_moments
from edge_rerank_export.quantize.gptq import round_products
from edge_rerank_export.quantize.integers import quantize, scheme_of
from edge_rerank_export.quantize.scheme import Scheme

WIDTH, ROWS = 64, 40
X = np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(np.float32)
IDS = np.arange(ROWS) % 7


def proto() -> Any:
    """An embedding, two products, a bias, and a small constant in a node."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(1100, WIDTH)).astype(np.float32)
    weights = [rng.normal(size=(WIDTH, WIDTH)).astype(np.float32) for _ in range(2)]
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], name="rows"),
            helper.make_node("Add", ["rows", "x"], ["sum"], name="sum"),
            helper.make_node("MatMul", ["sum", "w0"], ["first"], name="first"),
            helper.make_node("Add", ["first", "bias"], ["biased"], name="biased"),
            helper.make_node("Constant", [], ["two"], value=two),
            helper.make_node("Div", ["biased", "two"], ["half"], name="half"),
            helper.make_node("MatMul", ["half", "w1"], ["y"], name="second"),
        ],
        "g",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(weights[0], "w0"),
            numpy_helper.from_array(weights[1], "w1"),
            numpy_helper.from_array(rng.normal(size=WIDTH).astype(np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.onnx"
    onnx_file.save(proto(), path)
    return path


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    path = tmp_path / "beside.onnx"
    onnx_file.save(proto(), path, inline_bytes=0)
    return path


def run(path: Path) -> np.ndarray:
    return Session(onnx_file.read(path)).run({"ids": IDS, "x": X})[0]


def test_a_model_is_one_file_as_long_as_one_holds_it(whole: Path, tmp_path: Path) -> None:
    assert whole.read_bytes() == proto().SerializeToString()
    assert not data_file(whole).exists()
    size = sum(4 * int(np.prod(one.dims)) for one in proto().graph.initializer)
    for bytes_, parted in ((size, False), (size - 1, True)):
        path = tmp_path / f"{bytes_}.onnx"
        onnx_file.save(proto(), path, inline_bytes=bytes_)
        assert data_file(path).exists() is parted


def test_weights_beside_it_are_as_the_runtime_wants_them(whole: Path, beside: Path) -> None:
    data = data_file(beside)
    check_model(beside.read_bytes(), location=data.name, size=data.stat().st_size)
    onnx_file.check(beside)
    assert len(beside.read_bytes()) < 2_000
    graph = onnx.load(str(beside), load_external_data=False).graph
    outside = [one for one in graph.initializer if one.external_data]
    assert [one.name for one in outside] == ["table", "w0", "w1"]  # the bias is too small
    for one in outside:
        said = {entry.key: entry.value for entry in one.external_data}
        assert int(said["offset"]) % ALIGNMENT == 0
    assert (run(beside) == run(whole)).all()


def made(name: str, change: Callable[[Path, Path], object]) -> Any:
    return pytest.param(change, id=name)


def _moments(path: Path) -> Any:
    return second_moments(path, [{"ids": IDS, "x": X}])


STEPS = [
    made("int8", lambda source, target: quantize(source, target, Scheme.INT8)),
    made(
        "int8 of large channels",
        lambda source, target: quantize(
            source, target, Scheme.INT8, maxima=maxima_of(source, [{"ids": IDS, "x": X}])
        ),
    ),
    made("int7", lambda source, target: quantize(source, target, Scheme.INT7, fine="second")),
    made("int4", lambda source, target: quantize(source, target, Scheme.INT4)),
    made("float16", lambda source, target: quantize(source, target, Scheme.FLOAT16)),
    made(
        "rounding",
        lambda source, target: round_products(source, target, _moments(source), limit=127),
    ),
    made("a copy", onnx_file.copy),
]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_gives_the_same_bytes_wherever_the_weights_lie(
    step: Callable[[Path, Path], object], whole: Path, beside: Path, tmp_path: Path
) -> None:
    step(whole, tmp_path / "a.onnx")
    step(beside, tmp_path / "b.onnx")
    for name in ("a", "b"):
        settled = onnx_file.load(tmp_path / f"{name}.onnx")
        onnx_file.save(settled, tmp_path / f"{name}-in-one.onnx")
    assert (tmp_path / "a-in-one.onnx").read_bytes() == (tmp_path / "b-in-one.onnx").read_bytes()


@pytest.mark.parametrize("scheme", list(Scheme)[1:])
def test_what_is_quantised_may_lie_beside_its_model(
    scheme: Scheme, beside: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    quantize(beside, one, scheme)
    quantize(beside, two, scheme, inline_bytes=0)
    data = data_file(two)
    check_model(two.read_bytes(), location=data.name, size=data.stat().st_size)
    assert not data_file(one).exists()
    assert scheme_of(one) is scheme_of(two) is scheme
    assert (run(one) == run(two)).all()


def test_what_an_exporter_left_is_laid_out_anew(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    path = folder / "m.onnx"
    onnx.save(
        proto(),
        str(path),
        save_as_external_data=True,
        location="m.onnx_data",
        size_threshold=0,
        convert_attribute=True,
    )
    with pytest.raises(Exception, match="outside the file"):
        check_model(path.read_bytes())
    onnx_file.settle(path)
    assert sorted(one.name for one in folder.iterdir()) == ["m.onnx"]
    assert (run(path) == run(whole)).all()
    onnx_file.settle(path, inline_bytes=0)
    assert sorted(one.name for one in folder.iterdir()) == ["m.onnx", "m.onnx.data"]
    check_model(
        path.read_bytes(),
        location="m.onnx.data",
        size=(folder / "m.onnx.data").stat().st_size,
    )
    assert (run(path) == run(whole)).all()
    onnx_file.remove(path)
    assert not list(folder.iterdir())


def test_a_draft_becomes_a_model_with_what_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"
    with onnx_file.new_model(target) as draft:
        onnx_file.save(proto(), draft, inline_bytes=0)
        assert not target.exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    run(target)
    for there in (target, data_file(target)):
        with (
            pytest.raises(RecipeError, match=f"found {there.name}"),
            onnx_file.new_model(target),
        ):
            pass
        there.unlink()
    with pytest.raises(ZeroDivisionError), onnx_file.new_model(target) as draft:
        onnx_file.save(proto(), draft, inline_bytes=0)
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("location", ["../beside.onnx.data", "/etc/passwd", "a/b"])
def test_weights_elsewhere_are_not_read(location: str, beside: Path) -> None:
    model = onnx.load(str(beside), load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    beside.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModel, match="in it or beside it"):
        quantize(beside, beside.with_name("q.onnx"))


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_weights_that_are_not_there(damage: str, beside: Path) -> None:
    data = data_file(beside)
    if damage == "missing":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UnsupportedModel, match="cannot be read"):
        quantize(beside, beside.with_name("q.onnx"))
