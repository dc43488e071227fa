"""Size and cost rules of ONNX operators of pictures and sounds: windows, resizing, spectra."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_rerank.packs.onnx_nodes import FLOAT, INT32, INT64, Node, Rule, Tensor, tensors
from edge_rerank.packs.onnx_sizes import ONE, ZERO, Shape, Size, Sizes
from edge_rerank.packs.onnx_wire import Malformed

_WEIGHTS = {"QLinearConv": 3}
"""Place of a convolution's weights among its inputs, where it is not the second."""


def convolve(node: Node, sizes: Sizes) -> list[Tensor]:
    """Products of a kernel with every window of a picture or sound."""
    first, kernel = node.input(0), _kernel(node)
    kind = INT32 if node.operator == "ConvInteger" else first.kind
    if node.operator == "QLinearConv":
        kind = node.input(7).kind  # of the zero point of what it makes
    windows = _windows(node, sizes, first.shape, kernel[2:])
    return tensors(kind, (first.shape[0], Size(kernel[0]), *windows))


def pool(node: Node, sizes: Sizes) -> list[Tensor]:
    """The mean or the largest of every window; of the largest the places, too."""
    first = node.input(0)
    kernel = node.lists.get("kernel_shape")
    if kernel is None:
        raise Malformed(f"{node.operator}: expected a kernel")
    shape = (*first.shape[:2], *_windows(node, sizes, first.shape, kernel))
    return [*tensors(first.kind, shape), *tensors(INT64, shape)]


def pool_all(node: Node, sizes: Sizes) -> list[Tensor]:
    """One number for a whole channel."""
    del sizes
    first = node.input(0)
    return tensors(first.kind, (*first.shape[:2], *[ONE] * len(first.shape[2:])))


def _kernel(node: Node) -> list[int]:
    """Axes of a convolution's weights: outputs, inputs of a group, and along each other axis."""
    shape = node.input(_WEIGHTS.get(node.operator, 1)).shape
    kernel = [size.exact for size in shape]
    group = node.numbers.get("group", 1)
    if None in kernel or len(kernel) != len(node.input(0).shape) or len(kernel) < 3:
        raise Malformed(f"{node.operator}: expected weights of as many axes as the input has")
    if group < 1 or (kernel[0] or 0) % group:
        raise Malformed(f"{node.operator}: outputs that do not make whole groups")
    return [size for size in kernel if size is not None]


def _windows(node: Node, sizes: Sizes, shape: Shape, kernel: Sequence[int]) -> list[Size]:
    """How many places a kernel has along each axis behind the first two."""
    count = len(shape) - 2
    steps = node.lists.get("strides", [1] * count)
    spread = node.lists.get("dilations", [1] * count)
    padding = node.lists.get("pads", [0] * (2 * count))
    lengths = {len(kernel), len(steps), len(spread), len(padding) // 2}
    if count < 1 or lengths != {count} or min(*kernel, *steps, *spread) < 1 or min(padding) < 0:
        raise Malformed(f"{node.operator}: expected windows along each axis behind the first two")
    places = []
    for at, length in enumerate(shape[2:]):
        reach = (kernel[at] - 1) * spread[at] + 1
        if node.texts.get("auto_pad", "NOTSET") in {"SAME_UPPER", "SAME_LOWER"}:
            edge = reach - 1
        elif node.texts.get("auto_pad") == "VALID":
            edge = 0
        else:
            edge = padding[at] + padding[at + count]
        # Rounded up, the last window may lie partly outside.
        edge += steps[at] - 1 if node.numbers.get("ceil_mode") else 0
        places.append(_places(sizes, sizes.plus(length, Size(edge)), reach, steps[at]))
    return places


def _places(sizes: Sizes, length: Size, reach: int, step: int) -> Size:
    """How many windows of ``reach`` lie in a ``length``, one every ``step``."""
    if length.high < reach:
        return ZERO
    low, high = ((end - reach) // step + 1 for end in (max(length.low, 0), length.high))
    return sizes.within(("windows", length, reach, step), max(low, 0), high)


def pad(node: Node, sizes: Sizes) -> list[Tensor]:
    """An array with edges put on, or taken off."""
    first = node.input(0)
    rank = len(first.shape)
    edges = node.known(1) if node.has(1) else [Size(one) for one in node.lists.get("pads", [])]
    axes = node.exactly(3, "axes") or list(range(rank))
    if len(edges) != 2 * len(axes):
        raise Malformed("Pad: expected two numbers an axis")
    shape = list(first.shape)
    for at, axis in enumerate(axes):
        place = node.place(axis, rank)
        shape[place] = sizes.plus(sizes.plus(shape[place], edges[at]), edges[at + len(axes)])
    return tensors(first.kind, shape)


def resize(node: Node, sizes: Sizes) -> list[Tensor]:
    """A picture or sound of another size, which has to be a number: not a factor, nor a fit."""
    del sizes
    first = node.input(0)
    factors = node.input(2).shape if node.has(2) else (ZERO,)
    if factors != (ZERO,) or not node.has(3):
        raise Malformed("Resize: expected sizes, not factors")
    if node.texts.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Malformed("Resize: a size that depends on data")
    if node.texts.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise Malformed("Resize: a part that depends on data")
    wanted, shape = node.known(3), list(first.shape)
    axes = [node.place(one, len(shape)) for one in node.lists.get("axes", range(len(shape)))]
    if len(wanted) != len(axes) or len({*axes}) != len(axes):
        raise Malformed("Resize: expected one size an axis")
    for axis, size in zip(axes, wanted, strict=True):
        shape[axis] = size
    return tensors(first.kind, shape)


def spectrum(node: Node, sizes: Sizes) -> list[Tensor]:
    """Spectra of the windows of a sound, the real and the imaginary part of each frequency."""
    first = node.input(0)
    step, reach = node.only(1).exact, _reach(node)
    if step is None or step < 1 or len(first.shape) != 3:
        raise Malformed("STFT: expected a sound, and a step of 1 or more")
    length = first.shape[1]
    bins = reach // 2 + 1 if node.numbers.get("onesided", 1) else reach
    return tensors(
        first.kind, (first.shape[0], _places(sizes, length, reach, step), Size(bins), Size(2))
    )


def _reach(node: Node) -> int:
    """How many samples a window of a spectrum has."""
    size = node.only(3) if node.has(3) else (node.input(2).shape or (ZERO,))[0]
    weights = node.input(2).shape if node.has(2) else (size,)
    if size.exact is None or size.exact < 1 or weights != (size,):
        raise Malformed("STFT: a window whose length is not known")
    return size.exact


def mel_weights(node: Node, sizes: Sizes) -> list[Tensor]:
    """What each frequency of a spectrum adds to each band."""
    del sizes
    bands, reach = node.only(0), node.only(1)
    if bands.exact is None or reach.exact is None:
        raise Malformed("MelWeightMatrix: a size that depends on data")
    return tensors(node.numbers.get("output_datatype", FLOAT), (Size(reach.exact // 2 + 1), bands))


def window(node: Node, sizes: Sizes) -> list[Tensor]:
    """A window's weights."""
    del sizes
    return tensors(node.numbers.get("output_datatype", FLOAT), (node.only(0),))


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run of a node takes beside making its outputs.

    Attributes:
        products: multiplications and additions.
        elements: operations of the slow kind, such as a look at a number.
        scratch: elements that it holds for itself while it runs.
    """

    products: float = 0
    elements: float = 0
    scratch: float = 0


def _of_convolution(node: Node, made: Tensor) -> Effort:
    kernel = _kernel(node)
    depth = math.prod(kernel[1:])
    places = Tensor(FLOAT, (ONE, *made.shape[2:])).elements
    # Windows laid out as the rows of a matrix, for one group at a time.
    return Effort(made.elements * depth, made.elements, places * depth)


def _of_pool(node: Node, made: Tensor) -> Effort:
    return Effort(elements=made.elements * math.prod(node.lists["kernel_shape"]))


def _of_resize(node: Node, made: Tensor) -> Effort:
    # One axis after the other: between, it is large along one and not yet small along another.
    given = node.input(0).shape
    pairs = list(zip(given, made.shape, strict=True))
    between = math.prod(max(one.high, other.high) for one, other in pairs)
    return Effort(elements=4 * between, scratch=between)


def _of_spectrum(node: Node, made: Tensor) -> Effort:
    reach = _reach(node)
    frames = Tensor(FLOAT, made.shape[:2]).elements
    # A length that is no power of two is transformed as one of more than twice its length.
    depth = 2 * math.ceil(math.log2(2 * reach) + 1)
    return Effort(elements=frames * reach * depth, scratch=8 * reach)


EFFORTS: dict[str, Callable[[Node, Tensor], Effort]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv"), _of_convolution),
    **dict.fromkeys(("AveragePool", "MaxPool"), _of_pool),
    "Resize": _of_resize,
    "STFT": _of_spectrum,
}
"""By operator, from a node and its first output."""

MEDIA: dict[str, Rule] = {
    **dict.fromkeys(("AveragePool", "MaxPool"), pool),
    **dict.fromkeys(("Conv", "ConvInteger", "QLinearConv"), convolve),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), pool_all),
    **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow"), window),
    "MelWeightMatrix": mel_weights,
    "Pad": pad,
    "Resize": resize,
    "STFT": spectrum,
}
"""Rules by operator."""
