"""Differences by layer: how far each product of a packed model is from the original's.

Both ONNX graphs read the same inputs, and what comes out of each product with weights is watched.
Its difference has two parts: what came in was off already, and what the product adds itself by
rounding its weights and its input. The second tells where to look, so it is measured apart: the
packed product's output against the original's weights times the packed input. Of the products that
add most it is tried what the model's result would gain if each alone were exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank.inference.session import Session
from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.products import resolve_copies
from edge_rerank_export.verify.readings import Reading

TRIED = 8
"""Products that are tried in float32, those that add most."""

_SWITCH = "exact_products"
_END = "/MatMul"
_HEADS = ("/backbone/", "/")

_Results: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
"""What the original and another form of it return for one reading."""


@dataclass(frozen=True, slots=True)
class LayerError:
    """A product with weights, and how far off it is.

    Attributes:
        name: of its node, without what all of them share; as a recipe's ``fine`` finds it.
        error: ‖packed − original‖ / ‖original‖ of its output, over all readings.
        added: what of it the product adds itself.
        gain: share of the error of the model's result that goes away when this product alone is
            exact; ``None`` where it was not tried.
        fine: whether it takes its input in two parts already.
    """

    name: str
    error: float
    added: float
    gain: float | None = None
    fine: bool = False


@dataclass(frozen=True, slots=True)
class LayerErrors:
    """All products of a model.

    Attributes:
        layers: in the order in which they are read.
        result: the same of what the model returns.
        readings: how many there were.
    """

    layers: tuple[LayerError, ...]
    result: float
    readings: int

    @property
    def worst(self) -> LayerError | None:
        """The product that costs most: by what it would gain, and what it adds where none gains."""
        if not self.layers:
            return None
        return max(self.layers, key=lambda one: (max(one.gain or 0.0, 0.0), one.added))


@dataclass(frozen=True, slots=True)
class _Product:
    """Names of a product in the original's graph, and its weights, float32 (in, out)."""

    name: str
    source: str
    result: str
    weights: NDArray[np.float32]


def layer_errors(
    exact: Path,
    packed: Path,
    readings: Sequence[Reading],
    *,
    progress: Update = lambda _done, _total: None,
) -> LayerErrors:
    """Compare the products of two forms of a model.

    Args:
        exact: the original as float32 ONNX.
        packed: what was made of it by :mod:`edge_rerank_export.quantize`, which keeps names; an
            ONNX file as well.
        readings: inputs of both.
        progress: called with (runs done, runs to do).

    Raises:
        InferenceError: when one of the two cannot be run.
    """
    products, original = _exact(exact)
    model = onnx_file.load(packed)
    made = {name for node in model.graph.node for name in node.output}
    products = [one for one in products if {one.source, one.result} <= made | _inputs(model)]
    total = len(readings) * (2 + min(TRIED, len(products)))
    done = 0
    names = list(dict.fromkeys(name for one in products for name in (one.source, one.result)))
    sums = _Sums()
    right, left = _watching(original, names), _watching(model, names)
    results: list[_Results] = []
    for reading in readings:
        wanted, found = _run(right, reading), _run(left, reading)
        results.append((wanted[0], found[0]))
        _compare(products, dict(zip(names, wanted[1:], strict=True)), found[1:], names, sums)
        done += 2
        progress(done, total)
    errors = [
        LayerError(_short(one.name), *sums.of(one.name), fine=_is_fine(model, one))
        for one in products
    ]
    tried = sorted(range(len(errors)), key=lambda at: -errors[at].added)[:TRIED]
    switched = _switched(model, [products[at] for at in tried])
    off = _distance(results)
    for number, at in enumerate(tried):
        flags = np.arange(len(tried)) == number
        again: list[_Results] = []
        for (result, _), reading in zip(results, readings, strict=True):
            again.append((result, _run(switched, {**reading, _SWITCH: flags})[0]))
            done += 1
            progress(done, total)
        errors[at] = replace(errors[at], gain=1 - _distance(again) / off if off else 0.0)
    size = _distance([(result, np.zeros_like(result)) for result, _ in results])
    return LayerErrors(tuple(errors), off / size if size else 0.0, len(readings))


class _Sums:
    """Squared lengths by product: of the original's output, of the error, of what is added."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, name: str, *arrays: NDArray[np.floating]) -> None:
        lengths = np.array([float(np.vdot(array, array)) for array in arrays])
        self._sums[name] = self._sums.get(name, np.zeros(len(arrays))) + lengths

    def of(self, name: str) -> tuple[float, float]:
        """Error, and what is added, as shares of the original."""
        size, error, added = np.sqrt(self._sums[name])
        return (float(error / size), float(added / size)) if size else (0.0, 0.0)


def _compare(
    products: Sequence[_Product],
    wanted: Mapping[str, NDArray[Any]],
    packed: Sequence[NDArray[Any]],
    names: Sequence[str],
    sums: _Sums,
) -> None:
    found = {name: one.astype(np.float32) for name, one in zip(names, packed, strict=True)}
    for one in products:
        by_itself = found[one.source] @ one.weights
        sums.add(
            one.name,
            wanted[one.result],
            found[one.result] - wanted[one.result],
            found[one.result] - by_itself,
        )


def _exact(path: Path) -> tuple[list[_Product], onnx.ModelProto]:
    model = onnx_file.load(path)
    resolve_copies(model.graph)
    matrices = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 2}
    products = [
        _Product(
            node.name,
            node.input[0],
            node.output[0],
            onnx_file.array_of(matrices[node.input[1]]),
        )
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in matrices
    ]
    return products, model


def _inputs(model: onnx.ModelProto) -> set[str]:
    return {entry.name for entry in model.graph.input}


def _watching(model: onnx.ModelProto, names: Sequence[str]) -> Session:
    """The model with its first output, and then what is called ``names``."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[1:]
    # Without a type: onnxruntime knows it, and it is another in half precision.
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return Session(onnx_file.in_memory(watched), threads=1)


def _switched(model: onnx.ModelProto, products: Sequence[_Product]) -> Session:
    """The model with a further input, bool (products,): which of these are exact."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    del graph.output[1:]
    flags = helper.make_tensor_value_info(_SWITCH, TensorProto.BOOL, [len(products)])
    graph.input.append(flags)
    by_result = {one.result: one for one in products}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        for place, result in enumerate(node.output):
            if result in by_result:
                node.output[place] = f"{result}.packed"
                nodes += _switch(graph, by_result[result], list(by_result).index(result))
    del graph.node[:]
    graph.node.extend(nodes)
    return Session(onnx_file.in_memory(changed), threads=1)


def _switch(graph: onnx.GraphProto, one: _Product, number: int) -> list[onnx.NodeProto]:
    """Nodes that choose between a packed product and the original's."""
    name = f"{one.result}.exact"
    weights, at = f"{name}.weights", f"{name}.number"
    graph.initializer.append(numpy_helper.from_array(one.weights, weights))
    graph.initializer.append(numpy_helper.from_array(np.array([number]), at))
    return [
        helper.make_node("Cast", [one.source], [f"{name}.input"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", [f"{name}.input", weights], [f"{name}.product"]),
        helper.make_node("CastLike", [f"{name}.product", f"{one.result}.packed"], [name]),
        helper.make_node("Gather", [_SWITCH, at], [f"{name}.flag"], axis=0),
        helper.make_node("Where", [f"{name}.flag", name, f"{one.result}.packed"], [one.result]),
    ]


def _run(session: Session, reading: Reading) -> list[NDArray[Any]]:
    return session.run({name: value for name, value in reading.items() if name in session.inputs})


def _distance(results: Sequence[_Results]) -> float:
    return float(np.sqrt(sum(float(((found - wanted) ** 2).sum()) for wanted, found in results)))


def _is_fine(model: onnx.ModelProto, one: _Product) -> bool:
    return any(node.output[0] == f"{one.source}.finer" for node in model.graph.node)


def _short(name: str) -> str:
    name = name.removesuffix(_END)
    head = next((one for one in _HEADS if name.startswith(one)), "")
    return name.removeprefix(head)
