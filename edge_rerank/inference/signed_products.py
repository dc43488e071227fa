"""Signed int8 weights: the form that this processor multiplies fastest.

Packs hold int8 weights unsigned, around 128, because onnxruntime multiplies unsigned by unsigned
exactly on every processor. But the instructions made for such products (AVX-VNNI, AVX-512 VNNI,
AMX) take unsigned by signed, and where they are missing, unsigned by signed overflows 16 bits
without a word. So the weights become signed when a model is loaded, if a trial product shows
that this processor gets it right. On one with AMX that measured seven times as fast. Both forms
stand for the same integers, and the sums are the same to the last bit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edge_rerank.packs.external_data import Extent, Model, extent_of, is_external
from edge_rerank.packs.onnx_wire import Malformed, Message, bytes_field, integer_field, split
from edge_rerank.packs.onnx_write import (
    INT8,
    INT32,
    UINT8,
    Pieces,
    input_field,
    model_bytes,
    node_field,
    output_field,
    tensor_field,
)

_SIGN = 0x80
"""Taken off an unsigned byte around 128 by turning this bit, and the same the other way."""

_ZERO_PLACES = {"MatMulInteger": 3, "MatMulIntegerToFloat": 5}
"""Where each product of integers has its weights' zero among its inputs."""

_TRIAL_DEPTH, _TRIAL_COLUMNS = 64, 48
_TRIAL_ROWS = (1, 2, 7, 40)
"""Kernels differ by the number of rows; a single one has its own."""


def signed_weights(model: Model) -> Model:
    """``model`` with its unsigned weights around 128 turned into signed ones around 0.

    Weights that anything but such a product reads stay as they are.

    Args:
        model: an ONNX file, with what lies beside it; anything else is given back as it came.
    """
    try:
        parts: Pieces = []
        changed = False
        outside: list[Extent] = []
        for number, _, value, raw in split(memoryview(model.graph)):
            graph = None
            if number == 7 and isinstance(value, memoryview):
                graph = _signed_graph(value, model.location, outside)
            changed |= graph is not None
            parts += [raw] if graph is None else bytes_field(7, *graph)
    except Malformed:
        return model
    if not changed:
        return model
    data = model.data
    if outside:
        data = bytearray(data)
        for extent in outside:
            weights = np.frombuffer(data, np.uint8, extent.end - extent.start, extent.start)
            np.bitwise_xor(weights, np.uint8(_SIGN), out=weights)
    return Model(b"".join(parts), data, model.location)


@lru_cache(maxsize=1)
def multiplies_signed() -> bool:
    """Whether onnxruntime multiplies unsigned by signed int8 exactly on this processor."""
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_trial(), options, providers=["CPUExecutionProvider"])
    # Every sum of two products exceeds 16 bits.
    expected = _TRIAL_DEPTH * 255 * 127
    return all(
        (
            session.run(None, {"x": np.full((rows, _TRIAL_DEPTH), 255, np.uint8)})[0] == expected
        ).all()
        for rows in _TRIAL_ROWS
    )


def _signed_graph(graph: memoryview, location: str, outside: list[Extent]) -> Pieces | None:
    """The graph with signed weights; where those of them lie that are beside it is added."""
    weights, zeros = _weights(Message("graph", graph))
    if not weights:
        return None
    parts: Pieces = []
    for number, _, value, raw in split(graph):
        if number == 1 and isinstance(value, memoryview):
            parts += _signed_node(value, raw, weights, zeros)
        elif number == 5 and isinstance(value, memoryview):
            parts += _signed_tensor(value, raw, weights, location, outside)
        else:
            parts.append(raw)
    return parts


def _weights(graph: Message) -> tuple[set[str], set[str]]:
    """Names of the tensors to be turned, and of those that say that their zero is 128."""
    unsigned = {
        tensor.text(8): tensor
        for tensor in graph.messages(5, "tensor")
        if tensor.integer(2) == UINT8 and (9 in tensor or is_external(tensor))
    }
    zeros = {name for name, tensor in unsigned.items() if tensor.data(9) == bytes([_SIGN])}
    turned: set[str] = set()
    # Whatever a caller may set or see has the type that the graph says.
    kept = {value.text(1) for number in (11, 12) for value in graph.messages(number, "value")}
    for node in graph.messages(1, "node"):
        inputs = node.texts(1)
        place = _ZERO_PLACES.get(node.text(4), len(inputs))
        product = place < len(inputs) and inputs[place] in zeros
        turned.update(inputs[1:2] if product else ())
        kept.update(name for at, name in enumerate(inputs) if not (product and at == 1))
        if any(6 in attribute for attribute in node.messages(5, "attribute")):
            return set(), set()  # a graph within reads by name what is not seen here
    return (turned & unsigned.keys()) - kept, zeros


def _signed_node(node: memoryview, raw: memoryview, weights: set[str], zeros: set[str]) -> Pieces:
    message = Message("node", node)
    inputs = message.texts(1)
    place = _ZERO_PLACES.get(message.text(4), len(inputs))
    if place >= len(inputs) or inputs[1] not in weights or inputs[place] not in zeros:
        return [raw]
    parts: Pieces = []
    for at, name in enumerate(inputs):
        # An input without a name is left out: a zero of 0.
        parts += bytes_field(1, b"" if at == place else name.encode())
    return bytes_field(1, *parts, *(field for number, _, _, field in split(node) if number != 1))


def _signed_tensor(
    tensor: memoryview, raw: memoryview, weights: set[str], location: str, outside: list[Extent]
) -> Pieces:
    message = Message("tensor", tensor)
    if message.text(8) not in weights:
        return [raw]
    if is_external(message):
        outside.append(extent_of(message, location))
    parts: Pieces = []
    for number, _, value, field in split(tensor):
        if number == 2:
            parts.append(integer_field(2, INT8))
        elif number == 9 and isinstance(value, memoryview):
            turned = np.frombuffer(value, np.uint8) ^ np.uint8(_SIGN)
            parts += bytes_field(9, turned.data)
        else:
            parts.append(field)
    return bytes_field(5, *parts)


def _trial() -> bytes:
    """The bytes of a model of one product, of unsigned rows with the largest signed weights."""
    shape = (_TRIAL_DEPTH, _TRIAL_COLUMNS)
    return model_bytes(
        "trial",
        21,
        node_field("MatMulInteger", ["x", "w"], "y"),
        tensor_field("w", INT8, shape, np.full(shape, 127, np.int8).tobytes()),
        input_field("x", UINT8, ("rows", _TRIAL_DEPTH)),
        output_field("y", INT32, ("rows", _TRIAL_COLUMNS)),
    )
