"""Signed int8 weights: the form that this processor multiplies fastest.

Packs hold int8 weights unsigned, around 128, because onnxruntime multiplies unsigned by unsigned
exactly on every processor. But the instructions made for such products (AVX-VNNI, AVX-512 VNNI,
AMX) take unsigned by signed, and where they are missing, unsigned by signed overflows 16 bits
without a word. So the weights become signed when a model is loaded, as far as a trial product shows
that this processor gets it right. On one with AMX that measured seven times as fast. Both forms
stand for the same integers, and the sums are the same to the last bit.

With AVX2 only the pairs of products overflow that are added in 16 bits: those weights become signed
whose pairs are small enough, as the toolchain makes them for scorers, in 0.76 of the time.

On ARM, rows are signed, too, before they are multiplied. With dot products (Cortex-A76, and those
of 8-bit matrices) every form is exact and costs the same. Without (Cortex-A72) two products are
added in 16 bits, which -128 twice by -128 overflows, and nothing from -127 on: signed weights cost
two thirds of unsigned ones there, under emulation, and a matrix that has -128 keeps its unsigned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

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

LEAST = -128
"""The least signed byte."""

PAIR_LIMIT = 128
"""Largest sum of the magnitudes of two neighbouring weights of a column that 16 bits hold, whatever
they are multiplied by: 255 · 128 is 32,640."""

_FIRST_ROWS = 32
"""Where weights that were made without regard to pairs have some that are too large."""

_TRIAL_DEPTH, _TRIAL_COLUMNS = 64, 48
_TRIAL_WEIGHTS = (127, -127, LEAST)
"""Each fills as many columns; pairs fill as many more."""

_TRIAL_ROWS = (1, 2, 7, 40)
"""Kernels differ by the number of rows; a single one has its own."""

_TRIAL_BYTES = (0, 255)
"""The ends of a row's range; on ARM they become -128 and 127."""


@dataclass(frozen=True, slots=True)
class Exact:
    """Which matrices of signed weights a processor multiplies exactly by unsigned rows.

    Attributes:
        least: those without a weight below it, -128 or -127.
        in_pairs: those alone whose neighbours in a column come to at most :data:`PAIR_LIMIT`.
    """

    least: int = LEAST
    in_pairs: bool = False

    @property
    def every(self) -> bool:
        """Whether that is every matrix."""
        return self == Exact()

    def holds(self, weights: NDArray[np.uint8]) -> bool:
        """Whether a matrix of unsigned weights around 128 is one, uint8 of shape (depth, width)."""
        if self.in_pairs and not (_small_pairs(weights[:_FIRST_ROWS]) and _small_pairs(weights)):
            return False
        return self.least == LEAST or int(weights.min(initial=_SIGN)) - _SIGN >= self.least


def signed_weights(model: Model, exact: Exact = Exact()) -> Model:
    """``model`` with its unsigned weights around 128 turned into signed ones around 0.

    Weights that anything but such a product reads stay as they are.

    Args:
        model: an ONNX file, with what lies beside it; anything else is given back as it came.
            What lies beside it in a ``bytearray`` is turned where it is, and not copied.
        exact: which of them are turned.
    """
    if b"MatMulInteger" not in model.graph:
        return model  # the small graphs of a history model have no such product
    try:
        parts: Pieces = []
        changed = False
        outside: list[Extent] = []
        for number, _, value, raw in split(memoryview(model.graph)):
            graph = None
            if number == 7 and isinstance(value, memoryview):
                graph = _signed_graph(value, model, exact, outside)
            changed |= graph is not None
            parts += [raw] if graph is None else bytes_field(7, *graph)
    except Malformed:
        return model
    if not changed:
        return model
    data = model.data
    if outside:
        data = data if isinstance(data, bytearray) else bytearray(data)
        for extent in outside:
            weights = np.frombuffer(data, np.uint8, extent.end - extent.start, extent.start)
            np.bitwise_xor(weights, np.uint8(_SIGN), out=weights)
    return Model(b"".join(parts), data, model.location)


@lru_cache(maxsize=1)
def exact_products() -> Exact | None:
    """Which signed weights onnxruntime multiplies exactly on this processor, by a trial.

    Returns:
        ``None`` for none of them.
    """
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    weights = _trial_weights()
    session = onnxruntime.InferenceSession(
        _trial(weights), options, providers=["CPUExecutionProvider"]
    )
    sums = weights.astype(np.int64).sum(axis=0)
    right = np.ones(len(sums), dtype=np.bool_)
    for rows, byte in product(_TRIAL_ROWS, _TRIAL_BYTES):
        found = session.run(None, {"x": np.full((rows, _TRIAL_DEPTH), byte, np.uint8)})[0]
        right &= (found == byte * sums).all(axis=0)
    largest, smallest, least, pairs = (bool(part.all()) for part in np.split(right, 4))
    if largest and smallest:
        return Exact(LEAST if least else -127)
    return Exact(in_pairs=True) if pairs else None


def _trial_weights() -> NDArray[np.int8]:
    """Weights at both ends, then the largest pairs, int8 of shape (depth, 4 * columns)."""
    ends = np.repeat(np.array(_TRIAL_WEIGHTS, np.int8), _TRIAL_COLUMNS)
    return np.concatenate([np.tile(ends, (_TRIAL_DEPTH, 1)), _largest_pairs()], axis=1)


def _largest_pairs() -> NDArray[np.int8]:
    """Weights whose pairs all come to the limit, in columns of either sign.

    Which of a pair is the larger follows no rhythm (squares modulo 37), so that any other
    way to add in pairs meets two that are too large.
    """
    larger = np.linspace(PAIR_LIMIT // 2, PAIR_LIMIT - 1, _TRIAL_COLUMNS // 2).round().repeat(2)
    first = np.arange(_TRIAL_DEPTH // 2)[:, None, None] ** 2 % 37 > 18
    pair = np.stack([larger, PAIR_LIMIT - larger])
    rows = np.where(first, pair, pair[::-1]).reshape(_TRIAL_DEPTH, _TRIAL_COLUMNS)
    return np.asarray(rows * np.tile([1, -1], _TRIAL_COLUMNS // 2), dtype=np.int8)


def _small_pairs(rows: NDArray[np.uint8]) -> bool:
    zero = np.uint8(_SIGN)
    magnitudes = np.maximum(rows, zero) - np.minimum(rows, zero)
    return bool((magnitudes[:-1:2] <= PAIR_LIMIT - magnitudes[1::2]).all())


def _matrix(tensor: Message, model: Model) -> NDArray[np.uint8] | None:
    """A matrix of unsigned weights, ``None`` where it is none."""
    sizes = tensor.integers(1)
    raw = tensor.data(9)
    if is_external(tensor):
        extent = extent_of(tensor, model.location)
        raw = memoryview(model.data)[extent.start : extent.end]
    if len(sizes) != 2 or len(raw) != math.prod(sizes):
        return None
    return np.frombuffer(raw, np.uint8).reshape(sizes)


def _signed_graph(
    graph: memoryview, model: Model, exact: Exact, outside: list[Extent]
) -> Pieces | None:
    """The graph with signed weights; where those of them lie that are beside it is added."""
    weights, zeros = _weights(Message("graph", graph), model, exact)
    if not weights:
        return None
    parts: Pieces = []
    for number, _, value, raw in split(graph):
        if number == 1 and isinstance(value, memoryview):
            parts += _signed_node(value, raw, weights, zeros)
        elif number == 5 and isinstance(value, memoryview):
            parts += _signed_tensor(value, raw, weights, model.location, outside)
        else:
            parts.append(raw)
    return parts


def _weights(graph: Message, model: Model, exact: Exact) -> tuple[set[str], set[str]]:
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
        multiplied = place < len(inputs) and inputs[place] in zeros
        turned.update(inputs[1:2] if multiplied else ())
        kept.update(name for at, name in enumerate(inputs) if not (multiplied and at == 1))
        if any(6 in attribute for attribute in node.messages(5, "attribute")):
            return set(), set()  # a graph within reads by name what is not seen here
    turned &= unsigned.keys() - kept
    if not exact.every:
        matrices = {name: _matrix(unsigned[name], model) for name in turned}
        turned = {name for name, one in matrices.items() if one is not None and exact.holds(one)}
    return turned, zeros


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


def _trial(weights: NDArray[np.int8]) -> bytes:
    """The bytes of a model of one product, of unsigned rows with signed weights."""
    depth, width = weights.shape
    return model_bytes(
        "trial",
        21,
        node_field("MatMulInteger", ["x", "w"], "y"),
        tensor_field("w", INT8, weights.shape, weights.tobytes()),
        input_field("x", UINT8, ("rows", depth)),
        output_field("y", INT32, ("rows", width)),
    )
