"""Int8 that does not depend on the batch, and what else a model can be packed in.

In int8 weights are quantised once, symmetrically, one scale per output channel. Activations are
quantised while the model runs, symmetrically, one scale per token (the row's largest
magnitude), so that an item's score is the same alone and among others: with one scale per
tensor, as in onnxruntime's own dynamic quantisation, it moves with every other row.

A few channels of a transformer are much larger than the rest, and a scale per token is
theirs alone. With ``maxima`` they are divided by a factor per channel before rounding, and
the rows of the matrix multiplied by it (SmoothQuant: Xiao et al., ICML 2023).

Only products with a constant matrix are touched; attention's own products stay float.
Embedding tables keep int8 rows with one scale each; that of the tokens may have four bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank_export.errors import UnsupportedModel
from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.calibrate import ChannelMaxima, SecondMoments
from edge_rerank_export.quantize.int4 import INT4_PRODUCT, rewrite_in_four_bits
from edge_rerank_export.quantize.paired import pair_scales, take_paired
from edge_rerank_export.quantize.products import (
    fine_inputs,
    looked_up,
    resolve_copies,
    weighty_products,
)
from edge_rerank_export.quantize.rows import SIGNED_SIZE, SignedRows
from edge_rerank_export.quantize.scheme import LIMIT, SAFE_LIMIT, Embedding, Scheme
from edge_rerank_export.quantize.weight_only import to_float16

MIN_OPSET = 21
"""QuantizeLinear names its output type from this operator set on."""

_SMALLEST_SCALE = 1e-8
_SMOOTHING = 0.6
"""The share of a channel's size that moves into the matrix: 0 for none, 1 for all. Measured
on the default encoder, mean Kendall τ to float32 on item lists of four data sets: 0.94 to
0.95 without, 0.956 to 0.967 at 0.5, 0.960 to 0.969 at 0.65."""
_TINY = 1e-5
_SPREAD = 4.0
"""Largest value, in standard deviations, of rows that all have one length and no outliers."""
_ZERO = np.array(128, dtype=np.uint8)
_FINE_ZERO = np.array(SAFE_LIMIT + 1, dtype=np.uint8)
_FINER = 2 * SAFE_LIMIT
"""What rounding leaves over is at most half a step, and a half is 63 of these steps."""
_CONTRIB = "com.microsoft"
_FINE_KEY = "fine"
"""Of the model's metadata: names of nodes do not outlive quantisation, the pattern does."""


@dataclass(frozen=True, slots=True)
class QuantizedCount:
    """What was quantised.

    Attributes:
        products: with a constant matrix.
        embeddings: tables whose rows are looked up.
        left: names of products with a constant matrix that stay in floating point, since they are
            not of the form that is quantised.
    """

    products: int
    embeddings: int
    left: tuple[str, ...] = ()


def quantize(
    source: Path,
    target: Path,
    scheme: Scheme = Scheme.INT8,
    *,
    maxima: ChannelMaxima | None = None,
    fine: str = "",
    moments: SecondMoments | None = None,
    embedding: Embedding = Embedding.INT8,
    inline_bytes: int = onnx_file.INLINE_BYTES,
    progress: Update | None = None,
) -> QuantizedCount:
    """Write a quantised version of the float32 ONNX model ``source`` to ``target``.

    Args:
        source: an ONNX file.
        target: the ONNX file to write.
        scheme: how the weights are quantised.
        maxima: see :func:`edge_rerank_export.quantize.calibrate.channel_maxima`; ``None`` for no
            smoothing.
        fine: for int8 and int7, a regular expression; products with a node of such a name take
            their inputs in two parts of seven bits, which is as good as 13, and twice the
            products. Empty for none.
        moments: for int4, see :func:`edge_rerank_export.quantize.calibrate.second_moments`; where
            there are none, weights go to the nearest value each.
        embedding: for int8 and int7, how the table of tokens is kept.
        inline_bytes: see :func:`~edge_rerank_export.models.onnx_file.save`.
        progress: called with (nodes done, nodes to do).

    Raises:
        UnsupportedModel: when the model's operator set is too old, or nothing in it can be
            quantised.
    """
    model = onnx_file.load(source)
    opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if opset < MIN_OPSET:
        raise UnsupportedModel(f"expected ONNX opset {MIN_OPSET} or newer, got {opset}")
    resolve_copies(model.graph)
    if scheme.limit is not None:
        rewriter = _Rewriter(model, scheme, maxima or {}, fine, embedding)
        if fine and not rewriter.fine:
            raise UnsupportedModel("fine: expected the name of a product, found none like it")
        if fine:
            model.metadata_props.add(key=_FINE_KEY, value=fine)
        count = rewriter.run(progress)
    else:
        model, count = _weight_only(model, scheme, moments or {}, progress or _unheard)
    if not count.products:
        raise UnsupportedModel("the model has no product with a constant matrix to quantise")
    if not any(o.domain == _CONTRIB for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    onnx_file.save(model, target, inline_bytes=inline_bytes)
    onnx_file.check(target)
    left = () if scheme is Scheme.FLOAT16 else tuple(weighty_products(model.graph))
    return replace(count, left=left)


def scheme_of(model: Path) -> Scheme:
    """How the ONNX file ``model`` was quantised by :func:`quantize`."""
    graph = onnx_file.load(model).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    kinds = {name: tensor.data_type for name, tensor in tensors.items()}
    for node in graph.node:
        if node.op_type == "MatMulIntegerToFloat":
            return _grid_of(tensors[node.input[1]])
        if node.op_type == INT4_PRODUCT:
            return Scheme.INT4
        if node.op_type == "Conv" and node.input[1] not in kinds:
            return Scheme.INT8  # of convolutions, whose weights are read from steps
        if node.op_type == "MatMul" and kinds.get(node.input[1]) == TensorProto.FLOAT16:
            return Scheme.FLOAT16
    return Scheme.NONE


def _grid_of(weights: onnx.TensorProto) -> Scheme:
    """The scheme of a product's weights: every column has one at the end of its range."""
    if weights.data_type == TensorProto.UINT8:
        return Scheme.INT8
    integers = onnx_file.array_of(weights).astype(np.int16)
    return Scheme.INT8 if np.abs(integers).max(initial=0) > SAFE_LIMIT else Scheme.INT7


def fine_of(model: Path) -> str:
    """Which products of ``model`` take finer inputs, as :func:`quantize` was told."""
    props = onnx_file.load(model).metadata_props
    return next((entry.value for entry in props if entry.key == _FINE_KEY), "")


def _weight_only(
    model: onnx.ModelProto, scheme: Scheme, moments: SecondMoments, progress: Update
) -> tuple[onnx.ModelProto, QuantizedCount]:
    if scheme is Scheme.INT4:
        return model, QuantizedCount(*rewrite_in_four_bits(model.graph, moments, progress))
    constants = {tensor.name for tensor in model.graph.initializer}
    products = sum(
        node.op_type == "MatMul" and node.input[1] in constants for node in model.graph.node
    )
    return to_float16(model), QuantizedCount(products, 0)


def _unheard(done: int, total: int) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """A quantised input.

    Attributes:
        parts: each with its step; two for a fine one.
        scale: those of rows that have their own.
        zero: what stands for 0.
    """

    parts: tuple[tuple[str, str], ...]
    scale: str | None
    zero: str


class _Rewriter:
    """Replaces MatMul and Gather nodes of one model; keeps the nodes in topological order."""

    def __init__(
        self,
        model: onnx.ModelProto,
        scheme: Scheme,
        maxima: ChannelMaxima,
        fine: str,
        embedding: Embedding,
    ) -> None:
        self._graph = graph = model.graph
        self._paired = take_paired(model)
        self._scheme = scheme
        self._fed = {entry.name for entry in graph.input} if embedding is Embedding.INT4 else set()
        self._maxima = maxima
        self._factors: dict[str, NDArray[np.float32]] = {}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self.fine = fine_inputs(graph, fine)
        # The exporter keeps equal constants once and names the others as copies.
        self._copies = {
            node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"
        }
        self._tables = looked_up(graph)
        self._even = {
            node.output[0]: width for node in graph.node if (width := self._even_width(node))
        }
        self._nodes: list[onnx.NodeProto] = []
        self._new: dict[str, onnx.TensorProto] = {}
        self._rows: dict[str, _Rows] = {}

    def run(self, progress: Update | None) -> QuantizedCount:
        products = embeddings = 0
        nodes = list(self._graph.node)
        self._choose_factors(nodes)
        for done, node in enumerate(nodes, start=1):
            if node.op_type == "MatMul" and self._is_matrix(node.input[1]):
                self._product(node)
                products += 1
            elif node.op_type == "Gather" and node.input[0] in self._tables:
                self._embedding(node)
                embeddings += 1
            else:
                self._nodes.append(node)
            if progress is not None:
                progress(done, len(nodes))
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for name, tensor in self._constants.items() if name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._new.values()])
        del self._graph.value_info[:]
        return QuantizedCount(products, embeddings)

    def _is_matrix(self, name: str) -> bool:
        tensor = self._constants.get(name)
        return (
            tensor is not None and len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT
        )

    def _even_width(self, node: onnx.NodeProto) -> int:
        """Channels of an RMS norm without weights, whose rows all have one length; 0 of others."""
        if node.op_type != "SkipSimplifiedLayerNormalization":
            return 0
        weights = self._constants.get(self._copies.get(node.input[2], node.input[2]))
        if weights is None or not (onnx_file.array_of(weights) == 1.0).all():
            return 0
        return math.prod(weights.dims)

    def _choose_factors(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """One factor per channel for each input, from it and all matrices it is multiplied by."""
        for source, largest in self._maxima.items():
            matrices = [
                onnx_file.array_of(self._constants[node.input[1]])
                for node in nodes
                if node.op_type == "MatMul"
                and node.input[0] == source
                and self._is_matrix(node.input[1])
            ]
            if matrices:
                rows = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0)
                factors = np.maximum(largest, _TINY) ** _SMOOTHING / np.maximum(rows, _TINY) ** (
                    1 - _SMOOTHING
                )
                factors /= np.exp(np.log(factors).mean())
                self._factors[source] = factors.astype(np.float32)

    def _product(self, node: onnx.NodeProto) -> None:
        """X @ W becomes (int8(x / s) @ int8(W / t)) · s · t, with s per row, t per column."""
        source, matrix, result = node.input[0], node.input[1], node.output[0]
        rows = self._quantised_rows(source)
        integers, scales = self._integers(matrix, axis=0, factors=self._factors.get(source))
        column_scale = self._constant(f"{matrix}.column_scales", scales[0])
        if self._scheme is Scheme.INT7 or source in self.fine:
            weights = [self._constant(f"{matrix}.int8", integers)]
            zeros = [rows.zero]
        else:
            # Unsigned by unsigned: see Scheme.
            weights = [self._constant(f"{matrix}.uint8", integers.view(np.uint8) ^ _ZERO)]
            zeros = [rows.zero, rows.zero]
        scaled = self._sum(
            [
                self._node(
                    "MatMulIntegerToFloat",
                    [part, *weights, step, column_scale, *zeros],
                    f"{result}.by_column.{place}",
                    domain=_CONTRIB,
                )
                for place, (part, step) in enumerate(rows.parts)
            ],
            f"{result}.by_column",
        )
        if rows.scale is not None:
            scaled = self._node("Mul", [scaled, rows.scale], f"{result}.scaled")
        self._nodes[-1].output[0] = result

    def _sum(self, terms: Sequence[str], output: str) -> str:
        return terms[0] if len(terms) == 1 else self._node("Add", list(terms), output)

    def _quantised_rows(self, source: str) -> _Rows:
        """``source`` in unsigned int8, made once for all its readers."""
        if source not in self._rows:
            values, scale, largest = self._scaled_rows(source)
            rounded = self._fine_parts if source in self.fine else self._coarse_part
            self._rows[source] = replace(rounded(source, values, largest), scale=scale)
        return self._rows[source]

    def _coarse_part(self, source: str, values: str, largest: float) -> _Rows:
        zero = self._constant("zero", _ZERO)
        step = self._constant(f"step.{largest:g}", np.float32(largest / LIMIT))
        part = self._node("QuantizeLinear", [values, step, zero], f"{source}.uint8")
        return _Rows(((part, step),), None, zero)

    def _fine_parts(self, source: str, values: str, largest: float) -> _Rows:
        """Two parts of seven bits: the second holds what the first leaves over.

        Pairs of their products with signed weights of eight bits fit 16 bits on any processor, so
        that fine products run in the form which is faster everywhere. ``largest`` bounds the
        values, for nothing else would keep the first part below 128.
        """
        zero = self._constant("fine_zero", _FINE_ZERO)
        step = self._constant(f"fine_step.{largest:g}", np.float32(largest / SAFE_LIMIT))
        first = self._node("QuantizeLinear", [values, step, zero], f"{source}.uint8")
        known = self._node("DequantizeLinear", [first, step, zero], f"{source}.known")
        rest = self._node("Sub", [values, known], f"{source}.rest")
        finer = self._constant(f"finer_step.{largest:g}", np.float32(largest / SAFE_LIMIT / _FINER))
        second = self._node("QuantizeLinear", [rest, finer, zero], f"{source}.finer")
        return _Rows(((first, step), (second, finer)), None, zero)

    def _scaled_rows(self, source: str) -> tuple[str, str | None, float]:
        """Rows fit for one step, what they were divided by, and the largest value in them."""
        if source in self._even:
            # No value of a row of one length is larger than that length.
            length = math.sqrt(self._even[source])
            return source, None, length if source in self.fine else _SPREAD
        smooth = source
        if source in self._factors:
            inverse = self._constant(f"{source}.inverse", 1 / self._factors[source])
            smooth = self._node("Mul", [source, inverse], f"{source}.smooth")
        size = self._node("Abs", [smooth], f"{source}.abs")
        axis = self._constant("row.axis", np.array([-1]))
        largest = self._node("ReduceMax", [size, axis], f"{source}.largest", keepdims=1)
        floor = self._constant("row.floor", np.float32(LIMIT * _SMALLEST_SCALE))
        scale = self._node("Max", [largest, floor], f"{source}.scale")
        return self._node("Div", [smooth, scale], f"{source}.rows"), scale, 1.0

    def _embedding(self, node: onnx.NodeProto) -> None:
        table, ids, result = node.input[0], node.input[1], node.output[0]
        if ids in self._fed:
            self._four_bits(table, ids, result)
            return
        integers, table_scales = self._integers(table, axis=1)
        weights = self._constant(f"{table}.int8", integers)
        scales = self._constant(f"{table}.scales", table_scales)
        rows = self._node("Gather", [weights, ids], f"{result}.int8", axis=0)
        real = self._node("Cast", [rows], f"{result}.float", to=TensorProto.FLOAT)
        scale = self._node("Gather", [scales, ids], f"{result}.scale", axis=0)
        self._node("Mul", [real, scale], result)

    def _four_bits(self, table: str, ids: str, result: str) -> None:
        """Rows of tokens, which the model is fed; other tables are small."""
        rows = SignedRows.of(onnx_file.array_of(self._constants[table]))
        name, shape = f"{table}.int4", rows.integers.shape
        if name not in self._new:
            self._new[name] = helper.make_tensor(
                name, TensorProto.INT4, shape, rows.packed, raw=True
            )
        # Widened as the model loads: half precision would round the rows once more.
        half = self._constant(f"{table}.half", rows.scales)
        scales = self._node("Cast", [half], f"{result}.scales", to=TensorProto.FLOAT)
        self._node(
            "GatherBlockQuantized",
            [name, ids, scales],
            result,
            domain=_CONTRIB,
            gather_axis=0,
            quantize_axis=1,
            block_size=SIGNED_SIZE,
        )

    def _integers(
        self, name: str, *, axis: int, factors: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """A matrix, its rows times ``factors``, as integers and scales shared along ``axis``."""
        matrix = onnx_file.array_of(self._constants[name])
        if factors is not None:
            matrix = matrix * factors[:, None]
        # The rows of a table are looked up, not multiplied.
        limit = LIMIT if axis else self._scheme.limit or LIMIT
        if name in self._paired:
            scales = pair_scales(matrix)
        else:
            largest = np.abs(matrix).max(axis=axis, keepdims=True)
            scales = (np.maximum(largest, limit * _SMALLEST_SCALE) / limit).astype(np.float32)
        return np.clip(np.rint(matrix / scales), -limit, limit).astype(np.int8), scales

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        if name not in self._new:
            self._new[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output
