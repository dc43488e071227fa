"""Int8 convolutions: weights and what they look at on grids that are fixed beforehand.

A picture is looked at alone, so nothing depends on company, and grids may be fixed: each tensor has
one, found on pictures to calibrate with, and each output channel's weights have one of their own.
Written are QuantizeLinear and DequantizeLinear around float nodes; onnxruntime makes one integer
convolution of them.

Processors without VNNI add pairs of unsigned-by-signed products in 16 bits, where they overflow
from 128 on: the steps of a channel are chosen such that no pair of its weights adds up to more. For
that 8 bits lose less than half a bit, where 7 bits, which are safe too, lose one.

Weights of convolutions that look at one place (most of the work) are rounded by GPTQ on what they
look at, less its mean: see :mod:`~.gptq`. What rounding the weights adds to the mean of a channel
is taken off its bias (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias
Correction", ICCV 2019).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edge_rerank.inference.session import Session
from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.quantize.gptq import one_thread, round_weights
from edge_rerank_export.quantize.scheme import LIMIT

PAIR_LIMIT = 128
"""Most that two weights of one sign may add up to: 255 times it is below 2^15."""

MARGIN = 1.5
"""By which the grid of an unbounded tensor is wider than what calibration shows. The largest values
of photographs were up to 2.4 times those of made-up pictures; the smallest cosine of eight cuts of
photographs was 0.9942 with 1, 0.9981 with 1.25, 1.5 and 2, rounding activations alone."""

_LEVELS = 255
_SMALLEST = 1e-8
_LEAST_MOMENT = 1e-4

Array = NDArray[Any]
Feed = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Grid:
    """Unsigned 8-bit steps of a tensor.

    Attributes:
        scale: of a step.
        zero: the step that stands for 0.
    """

    scale: np.float32
    zero: int

    @classmethod
    def between(cls, low: float, high: float) -> Grid:
        """The grid from ``low`` to ``high``, which holds 0 exactly."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = np.float32(max((high - low) / _LEVELS, _SMALLEST))
        return cls(scale, int(np.clip(np.rint(-low / float(scale)), 0, _LEVELS)))


@dataclass(slots=True)
class _Seen:
    """What calibration shows of a tensor.

    Attributes:
        low, high: its smallest and largest value.
        sums: of what each weight of the convolution that reads it is multiplied by, the edges that
            are put on included, (channels, kernel, kernel).
        products: sums of products of two channels, (channels, channels); empty where not asked for.
        count: how many values each sum is of.
    """

    low: float = 0.0
    high: float = 0.0
    sums: Array = field(default_factory=lambda: np.zeros(0))
    products: Array = field(default_factory=lambda: np.zeros(0))
    count: int = 0

    def add(self, values: Array, reader: onnx.NodeProto | None) -> None:
        """Look at values (1, channels, height, width) that a convolution reads, if one does."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        if reader is None:
            return
        sums, count = _sums(values[0], reader)
        self.sums = sums + (self.sums if len(self.sums) else 0)
        self.count += count
        if sums.shape[1:] == (1, 1):
            rows = values.reshape(len(sums), -1)
            made = (rows @ rows.T).astype(np.float64)
            self.products = made + (self.products if len(self.products) else 0)

    @property
    def means(self) -> Array:
        """Of what weights are multiplied by, (channels, kernel, kernel)."""
        return np.asarray(self.sums / max(self.count, 1))

    @property
    def moments(self) -> Array:
        """Of its channels less their means, (channels, channels)."""
        means = self.means.reshape(-1)
        moments = self.products / max(self.count, 1) - np.outer(means, means)
        return np.asarray(moments, dtype=np.float32)


def quantize_convolutions(
    source: Path, target: Path, feeds: Iterable[Feed], *, exact: str = ""
) -> int:
    """Write ``source`` to ``target`` with its convolutions in int8.

    Args:
        source: a float32 ONNX file with one-sample inputs.
        target: the ONNX file to write.
        feeds: inputs to calibrate with.
        exact: a regular expression; convolutions of such a name stay in float32. Empty for none.

    Returns:
        How many convolutions there are.

    Raises:
        UnsupportedModel: when there are none.
    """
    model = onnx_file.load(source)
    rewriter = _Rewriter(model, exact)
    if not rewriter.convolutions:
        raise UnsupportedModel("the model has no convolution with constant weights to quantise")
    rewriter.calibrate(feeds)
    rewriter.rewrite()
    onnx_file.save(model, target)
    onnx_file.check(target)
    return len(rewriter.convolutions)


def rounded(weights: Array, *, grouped: bool) -> tuple[Array, Array]:
    """Weights as int8 and the scale of each output channel.

    Args:
        weights: (outputs, inputs of a group, ...).
        grouped: whether each output looks at inputs of its own, which are not added in pairs.
    """
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    scales = np.abs(rows).max(1) / LIMIT
    if not grouped:
        plain = weights.ndim > 2 and all(length == 1 for length in weights.shape[2:])
        scales = np.maximum(scales, _largest_pair(rows, neighbours=plain) / PAIR_LIMIT)
    scales = np.maximum(scales, _SMALLEST)
    steps = np.clip(np.rint(rows / scales[:, None]), -LIMIT, LIMIT)
    if not grouped:
        # Rounding may carry a pair over the limit by one.
        over = _largest_pair(steps, neighbours=plain) > PAIR_LIMIT
        scales[over] *= (PAIR_LIMIT + 1) / (PAIR_LIMIT - 1)
        steps = np.clip(np.rint(rows / scales[:, None]), -LIMIT, LIMIT)
    return steps.astype(np.int8).reshape(weights.shape), scales.astype(np.float32)


def _largest_pair(rows: Array, *, neighbours: bool) -> Array:
    """The largest sum of two numbers of one sign in each row.

    Args:
        rows: (rows, numbers).
        neighbours: whether only the first and second, third and fourth and so on are added.
    """
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    signed = np.stack([np.maximum(rows, 0), np.maximum(-rows, 0)])
    if neighbours:
        return np.asarray(signed.reshape(2, len(rows), -1, 2).sum(3).max((0, 2)))
    return np.asarray(np.sort(signed, axis=2)[:, :, -2:].sum(2).max(0))


class _Rewriter:
    """Finds a model's convolutions, and puts grids around them."""

    def __init__(self, model: onnx.ModelProto, exact: str) -> None:
        self._model = model
        self._graph = model.graph
        self._tensors = {one.name: one for one in self._graph.initializer}
        self._makers = {name: node for node in self._graph.node for name in node.output}
        self.convolutions = [
            node
            for node in self._graph.node
            if node.op_type == "Conv"
            and len(node.input) == 3
            and {*node.input[1:]} <= {*self._tensors}
            and node.input[0] in self._makers
            and not (exact and re.search(exact, node.name))
        ]
        self._bounded = self._bounds()
        self._seen: dict[str, _Seen] = {}

    def calibrate(self, feeds: Iterable[Feed]) -> None:
        """Run the float model and look at what goes into and comes out of convolutions."""
        read = (node.input[0] for node in self.convolutions)
        names = list(dict.fromkeys([*read, *self._made()]))
        watched = onnx.ModelProto()
        watched.CopyFrom(self._model)
        del watched.graph.output[:]
        kind = onnx.TensorProto.FLOAT
        watched.graph.output.extend(
            helper.make_tensor_value_info(name, kind, None) for name in names
        )
        session = Session(watched.SerializeToString())
        self._seen = {name: _Seen() for name in names}
        readers = {node.input[0]: node for node in self.convolutions}
        for feed in feeds:
            for name, values in zip(names, session.run(feed), strict=True):
                self._seen[name].add(values, readers.get(name))

    def rewrite(self) -> None:
        """Put grids around every convolution."""
        grids = {name: self._grid(name) for name in self._made()}
        inputs = {node.input[0] for node in self.convolutions}
        for name in inputs - {*grids}:
            if (known := self._known(name)) is not None:
                grids[name] = known
        whole = {node.output[0] for node in self.convolutions}
        # What bounds the output of a convolution; its grid does as well.
        dropped = {self._final(name) for name in whole} - whole
        nodes: list[onnx.NodeProto] = []
        renamed: dict[str, str] = {}
        for node in self._graph.node:
            if node.output[0] in dropped:
                continue
            for at, name in enumerate(node.input):
                node.input[at] = renamed.get(name, name)
            made = node.output[0]
            if made in whole:
                nodes += self._rounded(node, grids)
                made = self._final(made)
            else:
                nodes.append(node)
            if made in grids and node.op_type != "DequantizeLinear":
                nodes += self._stepped(node.output[0], made, grids[made])
                renamed[made] = f"{made}.values"
        used = {name for node in nodes for name in node.input}
        kept = [one for one in self._graph.initializer if one.name in used]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(nodes)
        self._graph.initializer.extend(kept)

    def _made(self) -> list[str]:
        """Tensors that get a grid: what convolutions read and make, and sums."""
        read = [node.input[0] for node in self.convolutions]
        made = [name for name in read if self._known(name) is None]
        made += [self._final(node.output[0]) for node in self.convolutions]
        sums = [
            node.output[0]
            for node in self._graph.node
            if node.op_type == "Add" and not {*node.input} & {*self._tensors}
        ]
        return list(dict.fromkeys(made + sums))

    def _grid(self, name: str) -> Grid:
        if name in self._bounded:
            return Grid.between(*self._bounded[name])
        seen = self._seen[name]
        return Grid.between(MARGIN * seen.low, MARGIN * seen.high)

    def _bounds(self) -> dict[str, tuple[float, float]]:
        """Tensors that a Clip bounds by constants, by name."""
        found = {}
        for node in self._graph.node:
            if node.op_type == "Clip" and {*node.input[1:]} <= {*self._tensors}:
                low, high = (self._number(name) for name in node.input[1:3])
                found[node.output[0]] = low, high
        return found

    def _known(self, name: str) -> Grid | None:
        """The grid of what was made from whole numbers."""
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        return Grid(np.float32(self._number(maker.input[1])), int(self._number(maker.input[2])))

    def _number(self, name: str) -> float:
        return float(numpy_helper.to_array(self._tensors[name]))

    def _final(self, name: str) -> str:
        """The bounded form of a tensor, where it has one."""
        readers = [node for node in self._graph.node if name in node.input]
        bounded = len(readers) == 1 and readers[0].output[0] in self._bounded
        return str(readers[0].output[0]) if bounded else name

    def _rounded(self, node: onnx.NodeProto, grids: Mapping[str, Grid]) -> list[onnx.NodeProto]:
        """A convolution with its weights and bias on grids, behind the nodes that read these."""
        came = node.input[0].removesuffix(".values")
        weights = numpy_helper.to_array(self._tensors[node.input[1]])
        bias = numpy_helper.to_array(self._tensors[node.input[2]]).astype(np.float64)
        group = next((one.i for one in node.attribute if one.name == "group"), 1)
        steps, scales = rounded(weights, grouped=group == len(weights) > 1)
        if self._is_plain(node):
            steps = _round_on(weights, scales, self._seen[came].moments)
        off = weights - steps * scales.reshape(-1, *[1] * (weights.ndim - 1))
        bias = bias + _mean_error(off, self._seen[came].means, group)
        by = (scales * grids[came].scale).astype(np.float32)
        whole = np.clip(np.rint(bias / by), -(2**31), 2**31 - 1).astype(np.int32)
        parts = {"weights": (steps, scales, np.int8), "bias": (whole, by, np.int32)}
        nodes = []
        for at, (part, (values, scale, kind)) in enumerate(parts.items(), start=1):
            name = f"{node.name}.{part}"
            names = [f"{name}.steps", f"{name}.scale", f"{name}.zero"]
            for one, array in zip(names, (values, scale, np.zeros(len(scale), kind)), strict=True):
                self._graph.initializer.append(numpy_helper.from_array(array, one))
            nodes.append(helper.make_node("DequantizeLinear", names, [name], name=name, axis=0))
            node.input[at] = name
        return [*nodes, node]

    def _is_plain(self, node: onnx.NodeProto) -> bool:
        """Whether a convolution looks at one place, and at all channels."""
        shape = list(self._tensors[node.input[1]].dims)
        return all(length == 1 for length in shape[2:]) and not any(
            one.name == "group" and one.i != 1 for one in node.attribute
        )

    def _stepped(self, name: str, made: str, grid: Grid) -> list[onnx.NodeProto]:
        """Nodes that put ``name`` on a grid, as ``made``.values."""
        scale, zero = f"{made}.scale", f"{made}.zero"
        self._graph.initializer.append(numpy_helper.from_array(np.array(grid.scale), scale))
        self._graph.initializer.append(numpy_helper.from_array(np.array(grid.zero, np.uint8), zero))
        steps, values = f"{made}.steps", f"{made}.values"
        return [
            helper.make_node("QuantizeLinear", [name, scale, zero], [steps], name=steps),
            helper.make_node("DequantizeLinear", [steps, scale, zero], [values], name=values),
        ]


class _PairGrid:
    """Steps of one scale an output, no two neighbours of which add up to more than is safe."""

    def __init__(self, scales: torch.Tensor, inputs: int) -> None:
        self._scales = scales
        self._steps = torch.zeros(len(scales), inputs + inputs % 2)

    def nearest(self, values: torch.Tensor, place: int) -> torch.Tensor:
        """See :class:`~edge_rerank_export.quantize.gptq.Grid`."""
        steps = (values / self._scales).round().clamp(-LIMIT, LIMIT)
        beside = self._steps[:, place ^ 1]
        low = -PAIR_LIMIT - beside.clamp(max=0)
        high = PAIR_LIMIT - beside.clamp(min=0)
        self._steps[:, place] = steps = torch.minimum(torch.maximum(steps, low), high)
        return steps * self._scales


def _round_on(weights: Array, scales: Array, moments: Array) -> Array:
    """Steps of weights (outputs, inputs, 1, 1), rounded so that products stay close."""
    with torch.no_grad(), one_thread():
        rows = torch.from_numpy(weights.reshape(len(weights), -1).astype(np.float32))
        by = torch.from_numpy(scales)
        moment = torch.from_numpy(moments)
        # A channel that never changes is looked at by no one; without it no square root is lost.
        moment.diagonal().clamp_(min=float(moment.diagonal().mean()) * _LEAST_MOMENT + _SMALLEST)
        made = round_weights(rows, moment, _PairGrid(by, rows.shape[1]))
        return (made / by[:, None]).round().to(torch.int8).numpy().reshape(weights.shape)


def _mean_error(off: Array, means: Array, group: int) -> Array:
    """What rounding takes off the mean of each output.

    Args:
        off: weights less the rounded ones, (outputs, inputs of a group, kernel, kernel).
        means: of what they are multiplied by, (inputs, kernel, kernel).
        group: parts that channels are dealt with in.
    """
    parts = off.reshape(group, -1, *off.shape[1:])
    dealt = means.reshape(group, -1, *means.shape[1:])
    return np.asarray(np.einsum("goikl,gikl->go", parts, dealt).reshape(-1))


def _sums(values: Array, node: onnx.NodeProto) -> tuple[Array, int]:
    """Of what each weight of a convolution is multiplied by, and how many places it is put at.

    Args:
        values: what it reads, (channels, height, width).
        node: the convolution.
    """
    given = {one.name: list(one.ints) for one in node.attribute}
    kernel, steps = given["kernel_shape"], given.get("strides", [1, 1])
    top, left, bottom, right = given.get("pads", [0, 0, 0, 0])
    padded = np.pad(values, ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
    windows = windows[:, :: steps[0], :: steps[1]]
    return windows.sum(axis=(1, 2), dtype=np.float64), windows.shape[1] * windows.shape[2]
