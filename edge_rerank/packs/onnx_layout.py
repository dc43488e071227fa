"""Size rules of ONNX operators that lay out: shapes made, changed, put together and taken apart."""

from __future__ import annotations

from edge_rerank.packs.onnx_nodes import (
    FLOAT,
    FLOAT16,
    INT4,
    INT32,
    INT64,
    MAX_RANK,
    MAX_VALUES,
    UINT4,
    Node,
    Tensor,
    tensors,
    without,
)
from edge_rerank.packs.onnx_sizes import ONE, ZERO, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed


def constant(node: Node, sizes: Sizes) -> list[Tensor]:
    """A constant of the node itself."""
    del sizes
    if node.tensor is not None:
        return [node.tensor]
    if "value_int" in node.numbers:
        return tensors(INT64, (), [Size(node.numbers["value_int"])])
    if "value_ints" in node.lists:
        numbers = node.lists["value_ints"]
        return tensors(INT64, [Size(len(numbers))], [Size(number) for number in numbers])
    if "value_floats" in node.lists:
        return tensors(FLOAT, [Size(len(node.lists["value_floats"]))])
    return tensors(FLOAT, ())


def constant_of_shape(node: Node, sizes: Sizes) -> list[Tensor]:
    """One number all over a shape that is computed."""
    del sizes
    shape = node.known(0)
    filled = node.tensor
    kind = FLOAT if filled is None else filled.kind
    values = None
    if filled is not None and filled.values and len(shape) <= 1:
        count = shape[0].exact if shape else 1
        if count is not None and 0 <= count <= MAX_VALUES:
            values = [filled.values[0]] * count
    return tensors(kind, shape, values)


def expand(node: Node, sizes: Sizes) -> list[Tensor]:
    """An array repeated to a shape that is computed."""
    first = node.input(0)
    return tensors(first.kind, sizes.broadcast([first.shape, node.known(1)]))


def tile(node: Node, sizes: Sizes) -> list[Tensor]:
    """An array put beside itself."""
    first, times = node.input(0), node.known(1)
    if len(times) != len(first.shape):
        raise Malformed("Tile: expected one number an axis")
    return tensors(
        first.kind, [sizes.times(*pair) for pair in zip(first.shape, times, strict=True)]
    )


def range_(node: Node, sizes: Sizes) -> list[Tensor]:
    """Whole numbers from a start to a limit."""
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
    return tensors(kind, [length], values)


def shape(node: Node, sizes: Sizes) -> list[Tensor]:
    """The axes of an input, as numbers."""
    del sizes
    shape = node.input(0).shape
    part = shape[slice(node.numbers.get("start", 0), node.numbers.get("end", len(shape)))]
    return tensors(INT64, [Size(len(part))], part)


def size(node: Node, sizes: Sizes) -> list[Tensor]:
    """The number of elements, as a number."""
    return tensors(INT64, (), [sizes.product(node.input(0).shape)])


def reshape(node: Node, sizes: Sizes) -> list[Tensor]:
    """The same elements in another shape: 0 takes an axis over, -1 takes the rest."""
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
    return tensors(first.kind, shape, values)


def flatten(node: Node, sizes: Sizes) -> list[Tensor]:
    """The same elements as a matrix."""
    first = node.input(0)
    axis = node.numbers.get("axis", 1)
    axis = axis if axis >= 0 else axis + len(first.shape)
    rows, columns = first.shape[: max(axis, 0)], first.shape[max(axis, 0) :]
    return tensors(first.kind, [sizes.product(rows), sizes.product(columns)])


def squeeze(node: Node, sizes: Sizes) -> list[Tensor]:
    """Axes of length 1 taken out."""
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    axes = node.exactly(1, "axes")
    if axes is None:
        if any(size.exact is None for size in first.shape):
            raise Malformed("Squeeze: axes that depend on data")
        axes = [at for at, size in enumerate(first.shape) if size == ONE]
    gone = {node.place(axis, rank) for axis in axes}
    return tensors(first.kind, without(first.shape, gone, keep=0), first.values)


def unsqueeze(node: Node, sizes: Sizes) -> list[Tensor]:
    """Axes of length 1 put in."""
    del sizes
    first = node.input(0)
    axes = node.exactly(1, "axes") or []
    rank = len(first.shape) + len(axes)
    if rank > MAX_RANK:
        raise Malformed(f"Unsqueeze: more than {MAX_RANK} axes")
    new = {node.place(axis, rank) for axis in axes}
    old = iter(first.shape)
    shape = [ONE if at in new else next(old, ONE) for at in range(rank)]
    return tensors(first.kind, shape, first.values)


def transpose(node: Node, sizes: Sizes) -> list[Tensor]:
    """Axes in another order."""
    del sizes
    first = node.input(0)
    rank = len(first.shape)
    order = node.lists.get("perm", list(range(rank))[::-1])
    if sorted(order) != list(range(rank)):
        raise Malformed("Transpose: expected each axis once")
    return tensors(first.kind, [first.shape[axis] for axis in order], first.values)


def concat(node: Node, sizes: Sizes) -> list[Tensor]:
    """Arrays put together along an axis."""
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
    return tensors(given[0].kind, [*shape[:axis], length, *shape[axis:]], values)


def split(node: Node, sizes: Sizes) -> list[Tensor]:
    """An array taken apart along an axis."""
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


def slice_(node: Node, sizes: Sizes) -> list[Tensor]:
    """A part of an array; all of it where the bounds are not known."""
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
    return tensors(first.kind, shape, values)


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


def gather(node: Node, sizes: Sizes) -> list[Tensor]:
    """Entries by their places along an axis."""
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
    return tensors(first.kind, shape, values)


_SMALLEST_BLOCK = 16


def gather_in_blocks(node: Node, sizes: Sizes) -> list[Tensor]:
    """Rows of a table of four bits by their places, each block of a row with a scale of its own.

    Taken is the one form that tables of tokens have: a constant matrix whose rows are looked up,
    blocks along them, and scales and zero points for each block. A place beside the table is
    refused by older kernels and a row of zeros in newer ones.
    """
    del sizes
    table, places, scales = (node.input(at) for at in range(3))
    rank = len(table.shape)
    block = node.numbers.get("block_size", 128)
    if table.kind not in {INT4, UINT4} or node.numbers.get("bits", 4) != 4 or rank != 2:
        raise Malformed(f"{node.operator}: expected a matrix of four bits")
    axes = (("gather_axis", 0), ("quantize_axis", 1))
    if any(node.place(node.numbers.get(name, axis), rank) != axis for name, axis in axes):
        raise Malformed(f"{node.operator}: expected rows that are looked up, and blocks along them")
    if block < _SMALLEST_BLOCK or block & (block - 1):
        raise Malformed(f"{node.operator}: expected a power of two from {_SMALLEST_BLOCK} on")
    if places.kind not in {INT32, INT64} or scales.kind not in {FLOAT, FLOAT16}:
        raise Malformed(f"{node.operator}: places or scales of another type")
    rows, width = table.shape
    if not (table.constant and scales.constant) or None in {rows.exact, width.exact}:
        raise Malformed(f"{node.operator}: a table that is not constant")
    counts = (rows, Size(-(-width.high // block)))
    zeros = [node.input(3)] if node.has(3) else []
    if any(one.shape != counts for one in (scales, *zeros)):
        raise Malformed(f"{node.operator}: expected a scale and a zero point for each block")
    if any(one.kind != table.kind or not one.constant for one in zeros):
        raise Malformed(f"{node.operator}: zero points of another type")
    return tensors(scales.kind, (*places.shape, width))


def gather_elements(node: Node, sizes: Sizes) -> list[Tensor]:
    """Elements by their places, one for each place."""
    del sizes
    return tensors(node.input(0).kind, node.input(1).shape)


def gather_nd(node: Node, sizes: Sizes) -> list[Tensor]:
    """Entries by their places along several axes."""
    del sizes
    first, places = node.input(0), node.input(1)
    depth = places.shape[-1].exact if places.shape else None
    batches = node.numbers.get("batch_dims", 0)
    if depth is None or batches < 0 or batches + depth > len(first.shape):
        raise Malformed("GatherND: places that depend on data")
    return tensors(first.kind, (*places.shape[:-1], *first.shape[batches + depth :]))


def not_zero(node: Node, sizes: Sizes) -> list[Tensor]:
    """Places of what is not zero, all at most."""
    first = node.input(0)
    count = sizes.within(("not zero", first.shape), 0, first.elements)
    return tensors(INT64, [Size(max(len(first.shape), 1)), count])
