"""Products of an ONNX graph that hold weights: all that a quantiser has to find."""

from __future__ import annotations

import math
import re

import onnx
from onnx import TensorProto

MIN_TABLE_VALUES = 1 << 16
"""Values of the smallest table whose rows are worth quantising."""

_PRODUCTS = {"MatMul", "Gemm"}
_SAME_VALUES = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast"}


def resolve_copies(graph: onnx.GraphProto) -> None:
    """Let nodes read matrices by their own names.

    The exporter keeps equal constants once and names the others as copies of it, also the weights
    of a layer that is used several times; a product with a copy is one with a matrix all the same.
    """
    matrices = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    copies = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Identity" and node.input[0] in matrices
    }
    if not copies:
        return
    kept = [node for node in graph.node if node.output[0] not in copies]
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = copies.get(name, name)
    del graph.node[:]
    graph.node.extend(kept)


def matrices_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The float32 matrices that a model brings along, by name."""
    return {
        tensor.name: tensor
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT
    }


def fine_inputs(graph: onnx.GraphProto, fine: str) -> set[str]:
    """What the products with a node of a name like ``fine`` multiply; nothing for an empty one."""
    return {
        node.input[0]
        for node in graph.node
        if fine and node.op_type == "MatMul" and re.search(fine, node.name) is not None
    }


def looked_up(graph: onnx.GraphProto) -> set[str]:
    """Names of the tables whose rows are looked up and are worth quantising."""
    matrices = matrices_of(graph)
    return {
        node.input[0]
        for node in graph.node
        if node.op_type == "Gather"
        and next((entry.i for entry in node.attribute if entry.name == "axis"), 0) == 0
        and node.input[0] in matrices
        and math.prod(matrices[node.input[0]].dims) >= MIN_TABLE_VALUES
    }


def weighty_products(graph: onnx.GraphProto) -> list[str]:
    """Names of the products one side of which is a float matrix that the model brings along."""
    constant = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and sum(size > 1 for size in tensor.dims) > 1
    }
    found = []
    for node in graph.node:
        if node.op_type in _SAME_VALUES and node.input[0] in constant:
            constant.update(node.output)
        elif node.op_type in _PRODUCTS and not constant.isdisjoint(node.input[:2]):
            found.append(node.name or node.output[0])
    return found
