"""ONNX checks: what a model may contain, on its bytes, before onnxruntime sees them.

Refused: data outside the file (also onnxruntime's way of naming a memory address), custom
domains, operators that are not plain arithmetic (loops, files, images, Python, compiled
contexts), dimensions that the file cannot hold or that a constant blows up, deep nesting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge_rerank.packs.onnx_wire import Malformed, Message

MAX_NODES = 50_000
MAX_DEPTH = 4
MAX_RANK = 8
MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**28
"""Of a tensor whose shape is a constant of the graph; a GiB of float32."""

_SHAPE_CONSTANT_MAX_ELEMENTS = 64
_SMALLEST_ORT_FORMAT = 8
_INT64 = 7

_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64}
_BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4}
"""Bits of one element by ``TensorProto.DataType``; strings and complex numbers are missing."""

_PLAIN_NAMES = """
    Abs Acos Add And ArgMax ArgMin Asin Atan Attention AveragePool BatchNormalization Cast
    CastLike Ceil Clip Concat Constant ConstantOfShape Conv Cos Cosh CumSum DequantizeLinear Div
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    GroupNormalization HardSigmoid HardSwish Identity If InstanceNormalization IsInf IsNaN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul MatMulInteger Max MaxPool
    Mean Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pow QLinearMatMul QuantizeLinear
    RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape RotaryEmbedding Round
    ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
    Softsign Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
    Unsqueeze Where Xor
    """
_MICROSOFT_NAMES = """
    Attention BiasAdd BiasGelu BiasSplitGelu DequantizeLinear DynamicQuantizeMatMul
    EmbedLayerNormalization FastGelu FusedGemm FusedMatMul Gelu GroupQueryAttention
    MatMulInteger16 MatMulIntegerToFloat MatMulNBits MultiHeadAttention
    PackedMultiHeadAttention QAttention QLinearAdd QLinearMul QLinearSigmoid QLinearSoftmax
    QuantizeLinear QuickGelu RelativePositionBias RotaryEmbedding SimplifiedLayerNormalization
    SkipLayerNormalization SkipSimplifiedLayerNormalization
    """
# onnxruntime's optimiser writes SimplifiedLayerNormalization into the default domain.
_PLAIN = frozenset([*_PLAIN_NAMES.split(), "SimplifiedLayerNormalization"])
_OPERATORS = {
    "": _PLAIN,
    "ai.onnx": _PLAIN,
    "com.microsoft": frozenset(_MICROSOFT_NAMES.split()),
}


def check_model(model: bytes) -> None:
    """Check the bytes of an ONNX model.

    Raises:
        Malformed: with a reason that repeats nothing of the model but operator names.
    """
    if len(model) >= _SMALLEST_ORT_FORMAT and model[4:8] == b"ORTM":
        raise Malformed("onnxruntime's own format, which cannot be checked")
    top = Message("model", memoryview(model))
    if 7 not in top:
        raise Malformed("no graph")
    for opset in top.messages(8, "opset"):
        if opset.text(1) not in _OPERATORS:
            raise Malformed("operators of a domain that is not allowed")
    for graph in top.messages(7, "graph"):
        _Graph(budget=_Budget()).check(graph, depth=1)


class _Budget:
    """Counts nodes over all nested graphs."""

    def __init__(self) -> None:
        self._nodes = 0

    def spend(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Malformed(f"more than {MAX_NODES} nodes")


class _Graph:
    """One graph, with the shape constants that it and the graphs around it define."""

    def __init__(self, *, budget: _Budget, outer: dict[str, list[int]] | None = None) -> None:
        self._budget = budget
        self._constants = dict(outer or {})

    def check(self, graph: Message, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Malformed(f"graphs nested more than {MAX_DEPTH} deep")
        for tensor in graph.messages(5, "tensor"):
            self._remember(tensor.text(8), tensor)
        for number in (11, 12, 13):
            for value in graph.messages(number, "value"):
                _check_type(value)
        for node in graph.messages(1, "node"):
            self._budget.spend()
            self._check_node(node, depth)

    def _check_node(self, node: Message, depth: int) -> None:
        domain, operator = node.text(7), node.text(4)
        allowed = _OPERATORS.get(domain)
        if allowed is None:
            raise Malformed("a node of a domain that is not allowed")
        if operator not in allowed:
            raise Malformed("an operator that is not allowed")
        for attribute in node.messages(5, "attribute"):
            for tensor in attribute.messages(5, "tensor"):
                name = node.texts(2)[0] if operator == "Constant" and 2 in node else ""
                self._remember(name, tensor)
            for graph in attribute.messages(6, "graph"):
                if operator != "If":
                    raise Malformed("a graph inside a node that is not an If")
                inner = _Graph(budget=self._budget, outer=self._constants)
                inner.check(graph, depth=depth + 1)
        if operator in {"ConstantOfShape", "Expand", "Tile", "Range"}:
            self._check_growth(operator, node.texts(1))

    def _remember(self, name: str, tensor: Message) -> None:
        elements = _check_tensor(tensor)
        if tensor.integer(2) == _INT64 and elements <= _SHAPE_CONSTANT_MAX_ELEMENTS:
            raw = tensor.data(9).tobytes() if 9 in tensor else b""
            parts = [raw[at : at + 8] for at in range(0, len(raw), 8)]
            values = [int.from_bytes(part, "little", signed=True) for part in parts]
            self._constants[name] = values or tensor.integers(7)

    def _check_growth(self, operator: str, inputs: list[str]) -> None:
        """Whether constants alone make a tensor that no honest model needs."""
        if operator == "Range":
            known = [self._constants.get(name, [0]) for name in inputs]
            too_large = any(abs(value) > MAX_ELEMENTS for values in known for value in values)
        else:
            shape = self._constants.get(inputs[-1], []) if inputs else []
            too_large = math.prod(max(abs(size), 1) for size in shape) > MAX_ELEMENTS
        if too_large:
            raise Malformed(f"a constant shape of more than {MAX_ELEMENTS} elements")


def _check_tensor(tensor: Message) -> int:
    """Compare the dimensions with the data that is there; returns the number of elements."""
    if 13 in tensor or tensor.integer(14) != 0:
        raise Malformed("data outside the file")
    elements = _elements(tensor.integers(1))
    bits = _BITS.get(tensor.integer(2))
    if bits is None:
        raise Malformed("a tensor of a type that is not allowed")
    counts = [
        tensor.count_fixed(4, 4),
        len(tensor.integers(5)),
        len(tensor.integers(7)),
        tensor.count_fixed(10, 8),
        len(tensor.integers(11)),
    ]
    filled = sum(count > 0 for count in counts)
    if 9 in tensor:
        there = len(tensor.data(9)) == (elements * bits + 7) // 8 and filled == 0
    else:
        values = -(-elements // 2) if bits == 4 else elements
        there = filled <= 1 and sum(counts) == values
    if not there:
        raise Malformed("a tensor whose dimensions are not those of its data")
    return elements


def _check_type(value: Message) -> None:
    for kind in value.messages(2, "type"):
        for tensor in kind.messages(1, "tensor_type"):
            if tensor.integer(1) not in _BITS:
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
