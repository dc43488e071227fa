"""ONNX checks: what a model may contain, on its bytes, before onnxruntime sees them.

Refused: data outside the file (also onnxruntime's way of naming a memory address), except in the
one that the manifest names, see :mod:`~edge_rerank.packs.external_data`; custom domains; operators
that are not plain arithmetic (loops, branches, files, images, Python, compiled contexts);
dimensions that the file cannot hold; more nodes than a model of its size needs. What a run costs
depends on what is fed: see :mod:`~edge_rerank.packs.onnx_cost`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge_rerank.packs.external_data import Extent, check_extents, extent_of, is_external
from edge_rerank.packs.onnx_cost import BITS, RULES
from edge_rerank.packs.onnx_nodes import MAX_RANK
from edge_rerank.packs.onnx_wire import Malformed, Message

NODES, NODES_A_MIB = 4_000, 2_000
"""onnxruntime takes up to 0.35 ms a node to load a model (10,000 products of constants: 3.5 s);
a language model of 30 layers has 5,000 nodes, and 130 MiB."""

MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**28
"""Of a tensor that the graph declares; a GiB of float32."""

_SMALLEST_ORT_FORMAT = 8

_FIELDS = {1: 4, 7: 7, 11: 10, 12: 11, 13: 11}
"""In which field of ``TensorProto`` numbers stand one by one, by ``TensorProto.DataType``; those of
all other types in the fifth."""


def check_model(model: bytes, *, location: str = "", size: int = 0) -> None:
    """Check the bytes of an ONNX model.

    Args:
        model: the ONNX file.
        location: name of the file beside it that its weights may lie in; empty for none.
        size: bytes of that file.

    Raises:
        Malformed: with a reason that repeats nothing of the model but operator names.
    """
    if len(model) >= _SMALLEST_ORT_FORMAT and model[4:8] == b"ORTM":
        raise Malformed("onnxruntime's own format, which cannot be checked")
    top = Message("model", memoryview(model))
    if 7 not in top:
        raise Malformed("no graph")
    for opset in top.messages(8, "opset"):
        if opset.text(1) not in RULES:
            raise Malformed("operators of a domain that is not allowed")
    most = NODES + (NODES_A_MIB * (len(model) + size) >> 20)
    for graph in top.messages(7, "graph"):
        check_extents(_check_graph(graph, most, location), size)


def _check_graph(graph: Message, most: int, location: str) -> list[Extent]:
    """Where in the file beside it the graph's tensors lie; it is sound otherwise."""
    # onnxruntime takes time with the square of tensors that no node uses.
    for what, number in (("tensors", 5), ("inputs", 11), ("outputs", 12), ("values", 13)):
        if graph.count(number) > most:
            raise Malformed(f"more than {most} {what}")
    outside = []
    for tensor in graph.messages(5, "tensor"):
        if location and is_external(tensor):
            outside.append(_check_external(tensor, location))
        else:
            _check_tensor(tensor)
    for number in (11, 12, 13):
        for value in graph.messages(number, "value"):
            _check_type(value)
    for count, node in enumerate(graph.messages(1, "node"), start=1):
        if count > most:
            raise Malformed(f"more than {most} nodes")
        _check_node(node)
    return outside


def _check_node(node: Message) -> None:
    allowed = RULES.get(node.text(7))
    if allowed is None:
        raise Malformed("a node of a domain that is not allowed")
    if node.text(4) not in allowed:
        raise Malformed("an operator that is not allowed")
    for attribute in node.messages(5, "attribute"):
        if 6 in attribute:
            raise Malformed("a graph inside a node")
        for tensor in attribute.messages(5, "tensor"):
            _check_tensor(tensor)


def _check_tensor(tensor: Message) -> None:
    """Compare the dimensions with the data that is there."""
    if is_external(tensor):
        raise Malformed("data outside the file")
    elements, bits = _elements(tensor.integers(1)), _bits(tensor)
    counts = {
        4: tensor.count_fixed(4, 4),
        5: len(tensor.integers(5)),
        7: len(tensor.integers(7)),
        10: tensor.count_fixed(10, 8),
        11: len(tensor.integers(11)),
    }
    filled = sum(count > 0 for count in counts.values())
    if 9 in tensor:
        there = len(tensor.data(9)) == (elements * bits + 7) // 8 and filled == 0
    else:
        values = -(-elements // 2) if bits == 4 else elements
        # In the field of its type alone: others are read by nobody.
        own = counts[_FIELDS.get(tensor.integer(2), 5)]
        there = filled <= 1 and own == values and sum(counts.values()) == values
    if not there:
        raise Malformed("a tensor whose dimensions are not those of its data")


def _check_external(tensor: Message, location: str) -> Extent:
    """Compare the dimensions with the data that should lie beside the graph."""
    extent = extent_of(tensor, location)
    if any(number in tensor for number in (4, 5, 7, 9, 10, 11)):
        raise Malformed("a tensor with data in two places")
    size = (_elements(tensor.integers(1)) * _bits(tensor) + 7) // 8
    if not size or extent.end - extent.start != size:
        raise Malformed("a tensor whose dimensions are not those of its data")
    return extent


def _bits(tensor: Message) -> int:
    """Of an element."""
    bits = BITS.get(tensor.integer(2))
    if bits is None:
        raise Malformed("a tensor of a type that is not allowed")
    return bits


def _check_type(value: Message) -> None:
    for kind in value.messages(2, "type"):
        for tensor in kind.messages(1, "tensor_type"):
            if tensor.integer(1) not in BITS:
                raise Malformed("a value of a type that is not allowed")
            for shape in tensor.messages(2, "shape"):
                sizes = [size.integer(1) for size in shape.messages(1, "dimension")]
                if _elements(size or 1 for size in sizes) > MAX_ELEMENTS:
                    raise Malformed(f"a value of more than {MAX_ELEMENTS} elements")


def _elements(dimensions: Iterable[int]) -> int:
    sizes = list(dimensions)
    if len(sizes) > MAX_RANK or not all(0 <= size <= MAX_DIMENSION for size in sizes):
        raise Malformed("dimensions out of range")
    return math.prod(sizes)
