"""Size rules of ONNX operators: the shapes of a node's outputs from those of its inputs.

Every operator that a model may have has a rule here, or it is refused. A rule also follows the
numbers that graphs compute shapes with; where a size depends on numbers that are not known, the
model is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edge_rerank.packs.onnx_sizes import ONE, ZERO, Shape, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed

FLOAT, UINT8, INT32, INT64, BOOL = 1, 2, 6, 7, 9
_INTEGERS = frozenset({2, 3, 4, 5, INT32, INT64, 12, 13})
MAX_VALUES = 64
"""Numbers of a tensor that are followed: a shape has eight."""
MAX_RANK = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a tensor before a model runs.

    Attributes:
        kind: type of an element, by ``TensorProto.DataType``.
        shape: bounds of its axes.
        values: its numbers, where they are followed: integers and booleans of at most one axis.
        constant: whether it does not depend on any input.
    """

    kind: int
    shape: Shape
    values: tuple[Size, ...] | None = None
    constant: bool = False

    @property
    def elements(self) -> int:
        """Most elements it may have."""
        return Size(
            math.prod(size.factor for size in self.shape),
            [symbol for size in self.shape for symbol in size.symbols],
        ).high


class Node:
    """One node, with what is known of its inputs.

    Attributes:
        operator, domain: its kind.
        outputs: how many it has.
        numbers, lists: its attributes of integers, and of several.
        tensor: of an attribute, if there is one.
    """

    def __init__(
        self,
        operator: str,
        inputs: Sequence[Tensor | None],
        outputs: int,
        *,
        numbers: dict[str, int],
        lists: dict[str, list[int]],
        tensor: Tensor | None,
    ) -> None:
        self.operator = operator
        self.outputs = outputs
        self.numbers = numbers
        self.lists = lists
        self.tensor = tensor
        self._inputs = inputs

    def has(self, place: int) -> bool:
        """Whether there is an input at ``place``."""
        return place < len(self._inputs) and self._inputs[place] is not None

    def input(self, place: int) -> Tensor:
        """The input at ``place``, which has to be there."""
        found = self._inputs[place] if place < len(self._inputs) else None
        if found is None:
            raise Malformed(f"{self.operator}: an input is missing")
        return found

    @property
    def given(self) -> list[Tensor]:
        """The inputs that are there."""
        return [one for one in self._inputs if one is not None]

    def axis(self, rank: int, default: int = 0) -> int:
        """The attribute ``axis``, from the beginning."""
        return self.place(self.numbers.get("axis", default), rank)

    def place(self, axis: int, rank: int) -> int:
        """``axis`` from the beginning."""
        if not -rank <= axis < max(rank, 1):
            raise Malformed(f"{self.operator}: an axis out of range")
        return axis % rank if rank else 0

    def known(self, place: int) -> tuple[Size, ...]:
        """The numbers of an input that a size depends on."""
        values = self.input(place).values
        if values is None:
            raise Malformed(f"{self.operator}: a size that depends on data")
        return values

    def only(self, place: int) -> Size:
        """The one number of an input that a size depends on."""
        values = self.known(place)
        if len(values) != 1:
            raise Malformed(f"{self.operator}: expected a single number")
        return values[0]

    def exactly(self, place: int, name: str) -> list[int] | None:
        """Numbers that are an input of newer operators and an attribute of older ones."""
        if not self.has(place):
            return self.lists.get(name)
        values = [value.exact for value in self.known(place)]
        if None in values:
            raise Malformed(f"{self.operator}: {name} that depend on data")
        return [value for value in values if value is not None]


Rule: TypeAlias = Callable[[Node, Sizes], list[Tensor]]


def _of(kind: int, shape: Sequence[Size], values: Sequence[Size] | None = None) -> list[Tensor]:
    return [Tensor(kind, tuple(shape), _followed(kind, len(shape), values))]


def _followed(kind: int, rank: int, values: Sequence[Size] | None) -> tuple[Size, ...] | None:
    """Values, or ``None`` where they may have wrapped or are not followed."""
    if values is None or kind not in {INT32, INT64, BOOL} or rank > 1 or len(values) > MAX_VALUES:
        return None
    limit = 2**31 if kind == INT32 else 2**63
    if any(value.low < -limit or value.high >= limit for value in values):
        return None
    return tuple(values)


def _as_first(node: Node, sizes: Sizes) -> list[Tensor]:
    """Every output like the first input."""
    del sizes
    first = node.input(0)
    return _of(first.kind, first.shape) * max(node.outputs, 1)


def _passed_on(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    return _of(first.kind, first.shape, first.values)


def _truth(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    return _of(BOOL, node.input(0).shape)


def _cast(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    kind = node.input(1).kind if node.operator == "CastLike" else node.numbers.get("to", 0)
    values = first.values if kind in {INT32, INT64} else None
    return _of(kind, first.shape, values)


def _quantize(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    default = node.input(2).kind if node.has(2) else UINT8
    return _of(node.numbers.get("output_dtype", 0) or default, node.input(0).shape)


def _dequantize(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    return _of(node.input(1).kind, node.input(0).shape)


def _quantize_by_range(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    return [*_of(UINT8, first.shape), *_of(FLOAT, ()), *_of(UINT8, ())]


def _pairwise(node: Node, sizes: Sizes) -> list[Tensor]:
    """Operators element by element, with the numbers of those that compute shapes."""
    given = node.given
    shape = sizes.broadcast(one.shape for one in given) if given else ()
    kind = given[0].kind if given else 0
    if node.operator in {"Div", "Mod"} and kind in _INTEGERS:
        # The lowest integer over -1 ends the process.
        divisor = given[-1].values
        if divisor is None or any(value.low < 1 for value in divisor):
            raise Malformed(f"{node.operator}: whole numbers over one that may be 0 or less")
    if node.operator in _COMPARISONS:
        kind = BOOL
    compute = _NUMBERS.get(node.operator)
    values = None
    if compute is not None and len(given) == 2:
        values = _each(sizes, compute, given[0], given[1])
    return _of(kind, shape, values)


def _each(
    sizes: Sizes, compute: Callable[[Sizes, Size, Size], Size | None], one: Tensor, other: Tensor
) -> list[Size] | None:
    left, right = one.values, other.values
    if left is None or right is None or max(len(one.shape), len(other.shape)) > 1:
        return None
    count = max(len(left), len(right))
    if {len(left), len(right)} - {1, count} or not left or not right:
        return None
    values = [compute(sizes, left[at % len(left)], right[at % len(right)]) for at in range(count)]
    return None if None in values else [value for value in values if value is not None]


def _quotient(sizes: Sizes, one: Size, other: Size) -> Size | None:
    return sizes.over(one, other) if one.low >= 0 and other.low >= 1 else None


_NUMBERS: dict[str, Callable[[Sizes, Size, Size], Size | None]] = {
    "Add": Sizes.plus,
    "Sub": lambda sizes, one, other: sizes.plus(one, other, -1),
    "Mul": Sizes.times,
    "Div": _quotient,
    "Max": Sizes.larger,
    "Min": Sizes.smaller,
    "Equal": Sizes.same,
}
_COMPARISONS = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"}


def _where(node: Node, sizes: Sizes) -> list[Tensor]:
    which, one, other = (node.input(place) for place in range(3))
    shape = sizes.broadcast([which.shape, one.shape, other.shape])
    values = None
    if which.values and one.values and other.values:
        count = max(len(which.values), len(one.values), len(other.values))
        if {len(which.values), len(one.values), len(other.values)} <= {1, count}:
            values = [
                _chosen(sizes, *(part[at % len(part)] for part in parts))
                for at in range(count)
                for parts in [(which.values, one.values, other.values)]
            ]
    return _of(one.kind, shape, values)


def _chosen(sizes: Sizes, which: Size, one: Size, other: Size) -> Size:
    if which.exact is not None:
        return one if which.exact else other
    return sizes.either(one, other)


def _matmul(kind: int = 0) -> Rule:
    def rule(node: Node, sizes: Sizes) -> list[Tensor]:
        first, second = node.input(0), node.input(1)
        if any(node.numbers.get(name) for name in ("transBatchA", "transBatchB")):
            raise Malformed(f"{node.operator}: batches that are turned")
        left = _turned(first.shape, turn=node.numbers.get("transA", 0))
        right = _turned(second.shape, turn=node.numbers.get("transB", 0))
        if not left or not right:
            raise Malformed(f"{node.operator}: a single number")
        batches = sizes.broadcast([left[:-2], right[:-2]])
        rows = left[-2:-1] if len(left) > 1 else ()
        columns = right[-1:] if len(right) > 1 else ()
        return _of(kind or first.kind, (*batches, *rows, *columns))

    return rule


def _turned(shape: Shape, *, turn: int) -> Shape:
    return (*shape[:-2], *reversed(shape[-2:])) if turn else shape


def _product_of_bits(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first, weights = node.input(0), node.input(1)
    columns = node.numbers.get("N", 0)
    if not first.shape or not weights.shape or not 0 < columns <= weights.shape[0].high:
        raise Malformed(f"{node.operator}: more columns than weights")
    return _of(first.kind, (*first.shape[:-1], Size(columns)))


def _reduce(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    axes = node.exactly(1, "axes")
    if not axes:
        axes = [] if node.numbers.get("noop_with_empty_axes") else list(range(rank))
    gone = {node.place(axis, rank) for axis in axes}
    return _of(first.kind, _without(first.shape, gone, keep=node.numbers.get("keepdims", 1)))


def _place_of_largest(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    shape = node.input(0).shape
    gone = {node.axis(len(shape))}
    return _of(INT64, _without(shape, gone, keep=node.numbers.get("keepdims", 1)))


def _without(shape: Shape, gone: set[int], *, keep: int) -> list[Size]:
    return [ONE if at in gone else size for at, size in enumerate(shape) if keep or at not in gone]


def _constant(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    if node.tensor is not None:
        return [node.tensor]
    if "value_int" in node.numbers:
        return _of(INT64, (), [Size(node.numbers["value_int"])])
    if "value_ints" in node.lists:
        numbers = node.lists["value_ints"]
        return _of(INT64, [Size(len(numbers))], [Size(number) for number in numbers])
    if "value_floats" in node.lists:
        return _of(FLOAT, [Size(len(node.lists["value_floats"]))])
    return _of(FLOAT, ())


def _constant_of_shape(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    shape = node.known(0)
    filled = node.tensor
    kind = FLOAT if filled is None else filled.kind
    values = None
    if filled is not None and filled.values and len(shape) <= 1:
        count = shape[0].exact if shape else 1
        if count is not None and 0 <= count <= MAX_VALUES:
            values = [filled.values[0]] * count
    return _of(kind, shape, values)


def _expand(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    return _of(first.kind, sizes.broadcast([first.shape, node.known(1)]))


def _tile(node: Node, sizes: Sizes) -> list[Tensor]:
    first, times = node.input(0), node.known(1)
    if len(times) != len(first.shape):
        raise Malformed("Tile: expected one number an axis")
    return _of(first.kind, [sizes.times(*pair) for pair in zip(first.shape, times, strict=True)])


def _range(node: Node, sizes: Sizes) -> list[Tensor]:
    kind = node.input(0).kind
    if kind not in {INT32, INT64}:
        raise Malformed("Range: expected whole numbers")
    start, limit, step = (node.only(place) for place in range(3))
    if step.exact is None or step.exact == 0:
        raise Malformed("Range: a step that is not known")
    if step.exact < 0:
        start, limit = limit, start
    length = sizes.plus(limit, start, -1)
    if step.exact not in {1, -1}:
        length = sizes.within(
            ("range", length, step), 0, max(length.high, 0) // abs(step.exact) + 1
        )
    values = None
    count = length.exact
    if count is not None and start.exact is not None and step.exact == 1:
        values = [Size(start.exact + at) for at in range(min(max(count, 0), MAX_VALUES + 1))]
    return _of(kind, [length], values)


def _shape(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    shape = node.input(0).shape
    part = shape[slice(node.numbers.get("start", 0), node.numbers.get("end", len(shape)))]
    return _of(INT64, [Size(len(part))], part)


def _size(node: Node, sizes: Sizes) -> list[Tensor]:
    return _of(INT64, (), [sizes.product(node.input(0).shape)])


def _reshape(node: Node, sizes: Sizes) -> list[Tensor]:
    first, wanted = node.input(0), node.known(1)
    whole = sizes.product(first.shape)
    shape: list[Size] = []
    for at, size in enumerate(wanted):
        taken = first.shape[at] if at < len(first.shape) else ZERO
        if size.exact == 0 and not node.numbers.get("allowzero"):
            shape.append(taken)
        elif size.exact is None and size.low <= 0:
            # It may turn out to be 0, which takes the axis over, or -1, which takes the rest.
            high = max(size.high, taken.high, whole.high if size.low < 0 else 0)
            shape.append(sizes.within(("reshape", size, taken, whole), 0, high))
        else:
            shape.append(size)
    rest = [at for at, size in enumerate(wanted) if size.exact == -1]
    if rest:
        others = sizes.product(size for at, size in enumerate(shape) if at not in rest)
        shape[rest[0]] = sizes.over(whole, others)
    values = first.values if len(shape) <= 1 else None
    return _of(first.kind, shape, values)


def _flatten(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    axis = node.numbers.get("axis", 1)
    axis = axis if axis >= 0 else axis + len(first.shape)
    rows, columns = first.shape[: max(axis, 0)], first.shape[max(axis, 0) :]
    return _of(first.kind, [sizes.product(rows), sizes.product(columns)])


def _squeeze(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    axes = node.exactly(1, "axes")
    if axes is None:
        if any(size.exact is None for size in first.shape):
            raise Malformed("Squeeze: axes that depend on data")
        axes = [at for at, size in enumerate(first.shape) if size == ONE]
    gone = {node.place(axis, rank) for axis in axes}
    return _of(first.kind, _without(first.shape, gone, keep=0), first.values)


def _unsqueeze(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    axes = node.exactly(1, "axes") or []
    rank = len(first.shape) + len(axes)
    if rank > MAX_RANK:
        raise Malformed(f"Unsqueeze: more than {MAX_RANK} axes")
    new = {node.place(axis, rank) for axis in axes}
    old = iter(first.shape)
    shape = [ONE if at in new else next(old, ONE) for at in range(rank)]
    return _of(first.kind, shape, first.values)


def _transpose(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    order = node.lists.get("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)):
        raise Malformed("Transpose: expected each axis once")
    return _of(first.kind, [first.shape[axis] for axis in order], first.values)


def _concat(node: Node, sizes: Sizes) -> list[Tensor]:
    given = node.given
    ranks = {len(one.shape) for one in given}
    if len(ranks) != 1 or 0 in ranks:
        raise Malformed("Concat: expected inputs of equal ranks")
    axis = node.axis(ranks.pop())
    length = ZERO
    for one in given:
        length = sizes.plus(length, one.shape[axis])
    parts = [one.values for one in given]
    values = None
    if sum(len(part or ()) for part in parts) <= MAX_VALUES and None not in parts:
        values = [value for part in parts for value in part or ()]
    shape = sizes.broadcast([one.shape[:axis] + one.shape[axis + 1 :] for one in given])
    return _of(given[0].kind, [*shape[:axis], length, *shape[axis:]], values)


def _split(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    axis = node.axis(len(first.shape))
    length = first.shape[axis]
    count = max(node.outputs, 1)
    wanted = node.exactly(1, "split")
    parts = [Size(part) for part in wanted or ()]
    if wanted is None:
        even = length.factor % count == 0
        high = -(-length.high // count)
        part = (
            sizes.over(length, Size(count))
            if even
            else sizes.within(("split", length, count), 0, high)
        )
        parts = [part] * count
    if len(parts) != count or any(part.low < 0 for part in parts):
        raise Malformed("Split: expected one length an output")
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    return [Tensor(first.kind, (*before, part, *after)) for part in parts]


def _slice(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    rank = len(first.shape)
    starts, ends = node.input(1), node.input(2)
    count = len(starts.values or ends.values or ()) or (starts.shape or (ONE,))[0].high
    axes = node.exactly(3, "axes") or list(range(min(count, rank)))
    steps = node.exactly(4, "steps") or [1] * len(axes)
    shape = list(first.shape)
    values = first.values
    for at, (axis, step) in enumerate(zip(axes, steps, strict=False)):
        place = node.place(axis, rank)
        start = starts.values[at] if starts.values and at < len(starts.values) else None
        end = ends.values[at] if ends.values and at < len(ends.values) else None
        length = shape[place]
        if step == 1 and start is not None and end is not None:
            shape[place] = _sliced(sizes, length, start, end)
        else:
            shape[place] = sizes.within(("slice", length, start, end, step), 0, length.high)
        bounds = (start.exact, end.exact) if start is not None and end is not None else (None, None)
        if values is not None and rank == 1 and None not in bounds and step != 0:
            values = values[slice(bounds[0], bounds[1], step)] if step > 0 else None
        else:
            values = None
    return _of(first.kind, shape, values)


def _sliced(sizes: Sizes, length: Size, start: Size, end: Size) -> Size:
    """The length of a slice by ones."""
    if start.exact is not None and end.exact is not None and length.exact is not None:
        return Size(len(range(length.exact)[start.exact : end.exact]))
    if start.exact == 0 and end.low >= 0:
        return sizes.smaller(length, end)
    if start.exact is not None and start.exact < 0 and end.low >= length.high:
        return sizes.smaller(length, Size(-start.exact))
    if start.low >= 0 and (end == length or end.low >= length.high):
        rest = sizes.plus(length, start, -1)
        return rest if rest.low >= 0 else sizes.within(("rest", rest), 0, length.high)
    return sizes.within(("slice", length, start, end), 0, length.high)


def _gather(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first, places = node.input(0), node.input(1)
    axis = node.axis(len(first.shape))
    shape = (*first.shape[:axis], *places.shape, *first.shape[axis + 1 :])
    values = None
    if first.values is not None and places.values is not None and len(first.shape) == 1:
        wanted = [place.exact for place in places.values]
        count = len(first.values)
        if all(place is not None and -count <= place < count for place in wanted):
            values = [first.values[place] for place in wanted if place is not None]
    return _of(first.kind, shape, values)


def _gather_elements(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    return _of(node.input(0).kind, node.input(1).shape)


def _gather_nd(node: Node, sizes: Sizes) -> list[Tensor]:
    del sizes
    first, places = node.input(0), node.input(1)
    depth = places.shape[-1].exact if places.shape else None
    batches = node.numbers.get("batch_dims", 0)
    if depth is None or batches < 0 or batches + depth > len(first.shape):
        raise Malformed("GatherND: places that depend on data")
    return _of(first.kind, (*places.shape[:-1], *first.shape[batches + depth :]))


def _not_zero(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    count = sizes.within(("not zero", first.shape), 0, first.elements)
    return _of(INT64, [Size(max(len(first.shape), 1)), count])


def _negative(node: Node, sizes: Sizes) -> list[Tensor]:
    first = node.input(0)
    values = first.values
    turned = None if values is None else [sizes.plus(ZERO, value, -1) for value in values]
    return _of(first.kind, first.shape, turned)


_AS_FIRST = """
    Abs Acos Asin Atan Ceil Celu Clip Cos Cosh CumSum Elu Erf Exp Floor Gelu HardSigmoid HardSwish
    LayerNormalization LeakyRelu Log LogSoftmax Mish PRelu RMSNormalization Reciprocal Relu Round
    ScatterElements ScatterND Selu Sigmoid Sign SimplifiedLayerNormalization Sin Sinh Softmax
    Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu
    """
_PAIRWISE = """
    Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum
    Xor
    """
_REDUCTIONS = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare
    """

PLAIN: dict[str, Rule] = {
    **dict.fromkeys(_AS_FIRST.split(), _as_first),
    **dict.fromkeys(_PAIRWISE.split(), _pairwise),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin"), _place_of_largest),
    **dict.fromkeys(("Cast", "CastLike"), _cast),
    **dict.fromkeys(("IsInf", "IsNaN", "Not"), _truth),
    **dict.fromkeys(("Gemm", "MatMul"), _matmul()),
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _quantize_by_range,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Identity": _passed_on,
    "MatMulInteger": _matmul(INT32),
    "Neg": _negative,
    "NonZero": _not_zero,
    "QuantizeLinear": _quantize,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""Rules of ONNX's own operators."""

MICROSOFT: dict[str, Rule] = {
    **dict.fromkeys(("FastGelu", "Gelu", "QuickGelu", "RotaryEmbedding"), _as_first),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _as_first),
    **dict.fromkeys(("SimplifiedLayerNormalization",), _as_first),
    **dict.fromkeys(("BiasGelu",), _pairwise),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), _matmul(FLOAT)),
    "DequantizeLinear": _dequantize,
    "FusedMatMul": _matmul(),
    "MatMulNBits": _product_of_bits,
    "QuantizeLinear": _quantize,
}
"""Rules of onnxruntime's own."""
