"""Size rules of ONNX operators that compute: element by element, products, reductions, types."""

from __future__ import annotations

from collections.abc import Callable

from edge_rerank.packs.onnx_nodes import (
    BOOL,
    FLOAT,
    INT32,
    INT64,
    UINT8,
    Node,
    Rule,
    Tensor,
    tensors,
    without,
)
from edge_rerank.packs.onnx_sizes import ZERO, Shape, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed

_INTEGERS = frozenset({2, 3, 4, 5, INT32, INT64, 12, 13})


def as_first(node: Node, sizes: Sizes) -> list[Tensor]:
    """Every output like the first input."""
    del sizes
    first = node.input(0)
    return tensors(first.kind, first.shape) * max(node.outputs, 1)


def passed_on(node: Node, sizes: Sizes) -> list[Tensor]:
    """Unchanged, numbers included."""
    del sizes
    first = node.input(0)
    return tensors(first.kind, first.shape, first.values)


def truth(node: Node, sizes: Sizes) -> list[Tensor]:
    """A truth for each element."""
    del sizes
    return tensors(BOOL, node.input(0).shape)


def cast(node: Node, sizes: Sizes) -> list[Tensor]:
    """Another type."""
    del sizes
    first = node.input(0)
    kind = node.input(1).kind if node.operator == "CastLike" else node.numbers.get("to", 0)
    values = first.values if kind in {INT32, INT64} else None
    return tensors(kind, first.shape, values)


def quantize(node: Node, sizes: Sizes) -> list[Tensor]:
    """Whole numbers for numbers, of the type of the zero point or the one asked for."""
    del sizes
    default = node.input(2).kind if node.has(2) else UINT8
    return tensors(node.numbers.get("output_dtype", 0) or default, node.input(0).shape)


def dequantize(node: Node, sizes: Sizes) -> list[Tensor]:
    """Numbers for whole numbers, of the type of the scale."""
    del sizes
    return tensors(node.input(1).kind, node.input(0).shape)


def quantize_by_range(node: Node, sizes: Sizes) -> list[Tensor]:
    """Bytes for numbers, with their scale and zero point."""
    del sizes
    first = node.input(0)
    return [*tensors(UINT8, first.shape), *tensors(FLOAT, ()), *tensors(UINT8, ())]


def pairwise(node: Node, sizes: Sizes) -> list[Tensor]:
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
    return tensors(kind, shape, values)


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


def where(node: Node, sizes: Sizes) -> list[Tensor]:
    """One of two, element by element."""
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
    return tensors(one.kind, shape, values)


def _chosen(sizes: Sizes, which: Size, one: Size, other: Size) -> Size:
    if which.exact is not None:
        return one if which.exact else other
    return sizes.either(one, other)


def matmul(kind: int = 0) -> Rule:
    """Products of matrices, of a type of their own where one is given."""

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
        return tensors(kind or first.kind, (*batches, *rows, *columns))

    return rule


def _turned(shape: Shape, *, turn: int) -> Shape:
    return (*shape[:-2], *reversed(shape[-2:])) if turn else shape


def product_of_bits(node: Node, sizes: Sizes) -> list[Tensor]:
    """A product with weights of a few bits, whose columns an attribute counts."""
    del sizes
    first, weights = node.input(0), node.input(1)
    columns = node.numbers.get("N", 0)
    if not first.shape or not weights.shape or not 0 < columns <= weights.shape[0].high:
        raise Malformed(f"{node.operator}: more columns than weights")
    return tensors(first.kind, (*first.shape[:-1], Size(columns)))


def reduce(node: Node, sizes: Sizes) -> list[Tensor]:
    """Sums, means and extremes along axes."""
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    axes = node.exactly(1, "axes")
    if not axes:
        axes = [] if node.numbers.get("noop_with_empty_axes") else list(range(rank))
    gone = {node.place(axis, rank) for axis in axes}
    return tensors(first.kind, without(first.shape, gone, keep=node.numbers.get("keepdims", 1)))


def place_of_largest(node: Node, sizes: Sizes) -> list[Tensor]:
    """Places along an axis."""
    del sizes
    shape = node.input(0).shape
    gone = {node.axis(len(shape))}
    return tensors(INT64, without(shape, gone, keep=node.numbers.get("keepdims", 1)))


def negative(node: Node, sizes: Sizes) -> list[Tensor]:
    """The opposite, numbers included."""
    first = node.input(0)
    values = first.values
    turned = None if values is None else [sizes.plus(ZERO, value, -1) for value in values]
    return tensors(first.kind, first.shape, turned)
