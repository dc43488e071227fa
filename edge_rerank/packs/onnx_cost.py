"""Cost bounds of an ONNX graph: memory and time of a run, before onnxruntime sees the model.

A model of 500 bytes can ask for 8 GiB, and 48,000 nodes can keep a processor busy. So the shape
of every tensor is bounded for all inputs that the runtime feeds, by the rules of
:mod:`~edge_rerank.packs.onnx_rules`, and the sums are compared with what a model of its size
needs. A small model may need little; one that brings many weights may work as much with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from edge_rerank.packs.onnx_media import EFFORTS, Effort
from edge_rerank.packs.onnx_nodes import (
    FLOAT,
    INT32,
    INT64,
    MAX_RANK,
    MAX_VALUES,
    UINT8,
    Node,
    Rule,
    Tensor,
)
from edge_rerank.packs.onnx_rules import MICROSOFT, PLAIN
from edge_rerank.packs.onnx_sizes import Shape, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed, Message

RULES: dict[str, dict[str, Rule]] = {"": PLAIN, "ai.onnx": PLAIN, "com.microsoft": MICROSOFT}
"""By domain and operator: all that a model may be made of."""

BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64}
BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4}
"""Bits of one element by ``TensorProto.DataType``; strings and complex numbers are missing."""

BYTES, BYTES_A_BYTE = 256 << 20, 128
"""Of all tensors of a run together, as if none were freed: which are alive at once depends on the
order that onnxruntime chooses."""

PEAK_BYTES, PEAK_A_BYTE = 256 << 20, 16
"""Of the tensors that are alive at once, in the graph's own order."""

WORK_S, WORK_S_A_MIB = 2.0, 1.0
"""Seconds of one thread."""

FOLDED = 4
"""Copies of a tensor that is computed when a model is loaded: as a result, as a weight, as a weight
laid out for products, and one more while it is converted."""

_ELEMENT_S = 20e-9
"""Of the slowest operators, and of broadcasting along short axes."""

_PRODUCT_S = 0.5e-9
_SLOW_PRODUCT_S = 2e-9
"""A multiplication and addition in a product of matrices; slow ones are those of types that have
no kernel of their own."""

_PRODUCTS = {
    *("DynamicQuantizeMatMul", "FusedMatMul", "Gemm", "MatMul", "MatMulInteger"),
    *("MatMulIntegerToFloat", "MatMulNBits"),
}
_FAST = {FLOAT, UINT8, 3}


class _Limit:
    """Adds up, and refuses what is too much."""

    def __init__(self, what: str, most: float) -> None:
        self._what = what
        self._most = most
        self.used: float = 0

    def add(self, amount: float) -> None:
        self.reach(self.used + amount)

    def reach(self, amount: float) -> None:
        self.used = max(self.used, amount)
        if self.used > self._most:
            raise Malformed(f"more {self._what} than a model of its size needs")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run costs at most.

    Attributes:
        bytes: of all its tensors together.
        peak_bytes: of those alive at once.
        work_s: seconds of one thread.
    """

    bytes: int
    peak_bytes: int
    work_s: float


Feeds: TypeAlias = Mapping[str, Shape | Size]
"""Shapes of the inputs that a model is given, by name; a size stands for a whole number without
axes, which lies within its bounds."""


def check_cost(model: bytes, feeds: Feeds, *, beside: int = 0) -> Cost:
    """Bound what a model costs, to load and to run once.

    Args:
        model: the bytes of an ONNX file, which :func:`~.onnx_check.check_model` has passed.
        feeds: the inputs that it will be given.
        beside: bytes of its weights in another file, see :mod:`~.external_data`.

    Raises:
        Malformed: when that is more than a model of its size needs, when a size cannot be
            bounded, or when the graph is no graph.
    """
    bound = _Bound(len(model) + beside, feeds)
    try:
        for graph in Message("model", memoryview(model)).messages(7, "graph"):
            bound.follow(graph)
    except Malformed:
        if bound.unknown:
            raise Malformed(
                f"expected a model with the inputs {', '.join(sorted(feeds))}"
            ) from None
        raise
    return Cost(int(bound.bytes.used), int(bound.peak.used), bound.work.used)


class _Bound:
    """Follows a graph from its inputs to its outputs."""

    def __init__(self, size: int, feeds: Feeds) -> None:
        self.bytes = _Limit("memory", BYTES + BYTES_A_BYTE * size)
        self.peak = _Limit("memory at once", PEAK_BYTES + PEAK_A_BYTE * size)
        self.work = _Limit("time", WORK_S + WORK_S_A_MIB * size / (1 << 20))
        self.unknown = False
        self._sizes = Sizes()
        self._feeds = feeds
        self._tensors: dict[str, Tensor] = {}

    def follow(self, graph: Message) -> None:
        """Follow it."""
        for weights in graph.messages(5, "tensor"):
            self._name(weights.text(8), constant_tensor(weights))
        for value in graph.messages(11, "value"):
            if value.text(1) not in self._tensors:
                fed = self._fed(value)
                self.bytes.add(_bytes_of(fed))
                self._name(value.text(1), fed)
        nodes = list(graph.messages(1, "node"))
        last = {name: at for at, node in enumerate(nodes) for name in node.texts(1)}
        last |= {value.text(1): len(nodes) for value in graph.messages(12, "value")}
        alive = 0.0
        freed: dict[int, float] = {}
        for at, node in enumerate(nodes):
            made, held = self._run(node)
            self.bytes.add(held)
            self.peak.reach(alive + held)
            for name, tensor in made:
                size = _bytes_of(tensor)
                if tensor.constant:
                    alive += FOLDED * size
                    self.bytes.add(FOLDED * size)
                    continue
                alive += size
                self.bytes.add(size)
                freed[last.get(name, at)] = freed.get(last.get(name, at), 0.0) + size
            self.peak.reach(alive)
            alive -= freed.pop(at, 0.0)

    def _name(self, name: str, tensor: Tensor) -> None:
        if name in self._tensors:
            raise Malformed("a name given twice")
        self._tensors[name] = tensor

    def _fed(self, value: Message) -> Tensor:
        """An input; one that is never fed cannot be run, and so costs nothing."""
        kind, shape = 0, None
        for type_ in value.messages(2, "type"):
            for tensor in type_.messages(1, "tensor_type"):
                kind = tensor.integer(1)
                for axes in tensor.messages(2, "shape"):
                    shape = [axis.integer(1) for axis in axes.messages(1, "dimension")]
        fed = self._feeds.get(value.text(1))
        if fed is None:
            self.unknown = True
            return Tensor(kind, tuple(Size(size or 1) for size in shape or ()))
        if isinstance(fed, Size):
            return Tensor(kind, (), (fed,) if kind in {INT32, INT64} else None)
        if shape is not None and len(shape) == len(fed):
            pairs = zip(shape, fed, strict=True)
            fed = tuple(Size(size) if size > 0 else axis for size, axis in pairs)
        return Tensor(kind, fed)

    def _run(self, message: Message) -> tuple[list[tuple[str, Tensor]], float]:
        """The outputs of a node with their names, and the bytes that it holds for itself."""
        operator = message.text(4)
        inputs = [self._input(name) for name in message.texts(1)]
        names = message.texts(2)
        node = _node(operator, inputs, len(names), message)
        made = RULES[message.text(7)][operator](node, self._sizes)
        constant = all(one is None or one.constant for one in inputs)
        outputs = []
        # Outputs that no rule speaks of are sums over the first.
        for at, name in enumerate(names):
            tensor = made[min(at, len(made) - 1)]
            shape = tuple(self._natural(size) for size in tensor.shape)
            if len(shape) > MAX_RANK:
                raise Malformed(f"a tensor of more than {MAX_RANK} axes")
            folded = constant or (
                operator in {"Shape", "Size"}
                and all(value.exact is not None for value in tensor.values or (Size(-1),))
            )
            tensor = replace(tensor, shape=shape, constant=folded)
            if name:
                self._name(name, tensor)
                outputs.append((name, tensor))
        self.work.add(_work(operator, inputs, [tensor for _, tensor in outputs]))
        effort = EFFORTS[operator](node, made[0]) if operator in EFFORTS else Effort()
        self.work.add(effort.products * _SLOW_PRODUCT_S + effort.elements * _ELEMENT_S)
        return outputs, effort.scratch * BITS[FLOAT] / 8

    def _input(self, name: str) -> Tensor | None:
        if not name:
            return None
        try:
            return self._tensors[name]
        except KeyError:
            raise Malformed("a node whose input no node before it makes") from None

    def _natural(self, size: Size) -> Size:
        if size.low >= 0:
            return size
        if size.high < 0:
            raise Malformed("a tensor of a negative size")
        return self._sizes.within(("natural", size), 0, size.high)


def _node(operator: str, inputs: list[Tensor | None], outputs: int, message: Message) -> Node:
    numbers: dict[str, int] = {}
    lists: dict[str, list[int]] = {}
    texts: dict[str, str] = {}
    tensor = None
    for attribute in message.messages(5, "attribute"):
        name = attribute.text(1)
        if name in numbers or name in lists or name in texts:
            raise Malformed("an attribute twice")
        if 8 in attribute:
            lists[name] = attribute.integers(8)
        elif 7 in attribute:
            lists[name] = [0] * attribute.count_fixed(7, 4)
        elif 3 in attribute:
            numbers[name] = attribute.integer(3)
        elif 4 in attribute:
            texts[name] = attribute.text(4)
        for found in attribute.messages(5, "tensor"):
            tensor = constant_tensor(found)
    return Node(operator, inputs, outputs, numbers=numbers, lists=lists, texts=texts, tensor=tensor)


def constant_tensor(tensor: Message) -> Tensor:
    """A tensor of the file, with its numbers where they are followed."""
    kind, dims = tensor.integer(2), tensor.integers(1)
    count = math.prod(dims)
    values: list[int] = []
    if kind in {INT32, INT64} and len(dims) <= 1 and count <= MAX_VALUES:
        width = 8 if kind == INT64 else 4
        raw = tensor.data(9).tobytes()
        parts = [raw[at : at + width] for at in range(0, len(raw), width)]
        values = [int.from_bytes(part, "little", signed=True) for part in parts]
        values = values or tensor.integers(7 if kind == INT64 else 5)
    found = len(values) == count and kind in {INT32, INT64} and len(dims) <= 1
    followed = tuple(map(Size, values)) if found else None
    return Tensor(kind, tuple(map(Size, dims)), followed, constant=True)


def _bytes_of(tensor: Tensor) -> float:
    bits = BITS.get(tensor.kind)
    if bits is None:
        raise Malformed("a tensor of a type that is not allowed")
    return tensor.elements * bits / 8


def _work(operator: str, inputs: list[Tensor | None], outputs: list[Tensor]) -> float:
    given = [one for one in inputs if one is not None]
    elements = sum(one.elements for one in outputs)
    if operator in _PRODUCTS and len(given) > 1 and given[0].shape:
        depth = given[0].shape[-1].high
        if operator in {"Gemm", "FusedMatMul"}:
            depth = max(size.high for size in given[0].shape)
        kind = given[0].kind
        return elements * depth * (_PRODUCT_S if kind in _FAST else _SLOW_PRODUCT_S)
    if operator in _WITHOUT_READING:
        return 0.0
    return _ELEMENT_S * (elements + sum(one.elements for one in given if operator in _READING))


_WITHOUT_READING = {"Constant", "Identity", "Shape", "Size", "Squeeze", "Unsqueeze"}
_READING = {
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
    *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin", "NonZero"),
    *("ScatterElements", "ScatterND", "GlobalAveragePool", "GlobalMaxPool"),
}
"""Operators whose work is that of their inputs; others look at no more than they make."""
