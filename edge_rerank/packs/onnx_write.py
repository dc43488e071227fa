"""Small ONNX models as bytes: what the runtime makes for itself, without the onnx package.

Field numbers as in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; what is written here
is in the subset that :mod:`~.onnx_wire` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from edge_rerank.packs.onnx_wire import bytes_field, integer_field

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
"""Types of elements."""

Pieces: TypeAlias = list[bytes | memoryview]

_IR_VERSION = 9
_INT_ATTRIBUTE = 2


def text_field(number: int, value: str) -> Pieces:
    """A field that holds text."""
    return bytes_field(number, value.encode())


def node_field(op: str, inputs: Sequence[str], output: str, **integers: int) -> Pieces:
    """A node of a graph.

    Args:
        op: its operator.
        inputs: names of what it reads.
        output: name of what it writes.
        integers: its attributes.
    """
    parts = [piece for name in inputs for piece in text_field(1, name)]
    parts += [*text_field(2, output), *text_field(4, op)]
    for name, value in integers.items():
        kind = integer_field(20, _INT_ATTRIBUTE)
        parts += bytes_field(5, *text_field(1, name), integer_field(3, value), kind)
    return bytes_field(1, *parts)


def tensor_field(name: str, kind: int, sizes: Sequence[int], raw: bytes) -> Pieces:
    """A tensor of a graph, its elements little-endian."""
    shape = [integer_field(1, size) for size in sizes]
    return bytes_field(
        5, *shape, integer_field(2, kind), *text_field(8, name), *bytes_field(9, raw)
    )


def axes_field(name: str, values: Sequence[int]) -> Pieces:
    """A row of int64, such as the axes of an operator."""
    return tensor_field(name, INT64, [len(values)], np.array(values, dtype="<i8").tobytes())


def input_field(name: str, kind: int, sizes: Iterable[int | str]) -> Pieces:
    """An input of a graph; an axis that has a name has any size."""
    return _value(11, name, kind, sizes)


def output_field(name: str, kind: int, sizes: Iterable[int | str]) -> Pieces:
    """An output of a graph, likewise."""
    return _value(12, name, kind, sizes)


def model_bytes(name: str, opset: int, *graph: Pieces) -> bytes:
    """A model of one graph: nodes in the order in which they run, then the others."""
    parts = [piece for one in graph for piece in one]
    version = bytes_field(8, *text_field(1, ""), integer_field(2, opset))
    inner = bytes_field(7, *parts, *text_field(2, name))
    return b"".join([integer_field(1, _IR_VERSION), *inner, *version])


def _value(number: int, name: str, kind: int, sizes: Iterable[int | str]) -> Pieces:
    dimensions: Pieces = []
    for size in sizes:
        inner = text_field(2, size) if isinstance(size, str) else [integer_field(1, size)]
        dimensions += bytes_field(1, *inner)
    tensor = bytes_field(1, integer_field(1, kind), *bytes_field(2, *dimensions))
    return bytes_field(number, *text_field(1, name), *bytes_field(2, *tensor))
