"""Int4: matrices of products in blocks of four bits, and tables of rows in four bits or eight.

Products are computed in floating point from weights that are widened on the way (MatMulNBits), so
a score does not depend on what else is in the batch. A matrix that came in blocks of four bits
keeps them; any other is rounded by :mod:`~.gptq` on the moments of its inputs.

Of a table the first rows, which are those of the commonest tokens, keep 8 bits, the others have 4.
Rows of 4 bits are kept turned, for a few of their columns are much larger than the rest, and are
turned back when they are looked up. A product with a table's first rows, as a likelihood's, takes
them from there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.outliers import block_size, hadamard
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.blocks import (
    BlockGrid,
    PackedBlocks,
    own_blocks,
)
from edge_rerank_export.quantize.calibrate import SecondMoments
from edge_rerank_export.quantize.gptq import one_thread, round_weights
from edge_rerank_export.quantize.products import looked_up, matrices_of, resolve_copies
from edge_rerank_export.quantize.rows import (
    EIGHT_SIZE,
    FOUR_SIZE,
    ZERO,
    EightBitRows,
    FourBitRows,
    block_of_column,
)

INT4_PRODUCT = "MatMulNBits"

COMMON_ROWS = 8192
"""Rows of a table that keep 8 bits; tokens are numbered by frequency."""

_CONTRIB = "com.microsoft"


def four_bits(matrix: NDArray[np.float32], moment: NDArray[np.float32] | None) -> PackedBlocks:
    """A product's matrix in blocks.

    Args:
        matrix: float32 (inputs, outputs).
        moment: of the product's inputs, (inputs, inputs); ``None`` where they were not seen, and
            weights go to the nearest value each.
    """
    own = own_blocks(np.ascontiguousarray(matrix.T))
    if own is not None:
        return own
    weight = torch.from_numpy(matrix.T.copy())
    with torch.no_grad(), one_thread():
        if moment is None:
            grid = BlockGrid.fit(weight)
            return grid.packed(weight)
        seen = torch.from_numpy(moment)
        grid = BlockGrid.fit(weight, seen.diagonal())
        return grid.packed(round_weights(weight, seen, grid))


def came_in_blocks(source: Path) -> bool:
    """Whether all matrices of the products of an ONNX file came in blocks of four bits."""
    graph = onnx_file.load(source).graph
    resolve_copies(graph)
    matrices, tables = matrices_of(graph), looked_up(graph)
    products = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    return all(
        own_blocks(np.ascontiguousarray(onnx_file.array_of(matrices[name]).T)) is not None
        for name in sorted(products & matrices.keys())
        if _table_with(matrices, tables, name) is None
    )


def rewrite_in_four_bits(
    graph: onnx.GraphProto, moments: SecondMoments, progress: Update
) -> tuple[int, int]:
    """Put the matrices of products and the tables of look-ups in 4 bits.

    Args:
        graph: changed in place; see :func:`~.products.resolve_copies`.
        moments: see :func:`~.calibrate.second_moments`.
        progress: called with (nodes done, nodes to do).

    Returns:
        How many products and how many look-ups.
    """
    writer = _Writer(graph, moments)
    tables = looked_up(graph)
    products = embeddings = 0
    nodes = list(graph.node)
    for done, node in enumerate(nodes, start=1):
        if node.op_type == "MatMul" and node.input[1] in writer.matrices:
            writer.product(node)
            products += 1
        elif node.op_type == "Gather" and node.input[0] in tables:
            writer.look_up(node)
            embeddings += 1
        else:
            writer.nodes.append(node)
        progress(done, len(nodes))
    writer.write()
    return products, embeddings


@dataclass(frozen=True, slots=True)
class _Weights:
    """Names of what stands for a matrix: the operator's inputs, and what is added to blocks."""

    parts: list[str]
    size: int
    offsets: str | None


class _Writer:
    """New nodes and constants of one graph."""

    def __init__(self, graph: onnx.GraphProto, moments: SecondMoments) -> None:
        self._graph = graph
        self._moments = moments
        self.matrices = matrices_of(graph)
        self.nodes: list[onnx.NodeProto] = []
        self._tables = looked_up(graph)
        self._new: dict[str, onnx.TensorProto] = {}
        self._made: set[str] = set()
        self._weights: dict[str, _Weights] = {}

    def write(self) -> None:
        """Put them into the graph, in place of what was there."""
        del self._graph.node[:]
        self._graph.node.extend(self.nodes)
        used = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend([*kept, *self._new.values()])
        del self._graph.value_info[:]

    def product(self, node: onnx.NodeProto) -> None:
        """X @ W, each block of W as (integers - zero) * scale, and an offset where it has one."""
        source, matrix, result = node.input[0], node.input[1], node.output[0]
        if (table := _table_with(self.matrices, self._tables, matrix)) is not None:
            self._node("MatMul", [source, self._first_rows(table, matrix)], result)
            return
        weights = self._blocks(matrix, source)
        inputs, outputs = self.matrices[matrix].dims
        scaled = result if weights.offsets is None else f"{result}.scaled"
        self._node(
            INT4_PRODUCT,
            [source, *weights.parts],
            scaled,
            domain=_CONTRIB,
            **{"K": inputs, "N": outputs, "bits": 4, "block_size": weights.size},
        )
        if weights.offsets is not None:
            sums = self._sums(source, inputs, weights.size)
            shift = self._node("MatMul", [sums, weights.offsets], f"{result}.shift")
            self._node("Add", [scaled, shift], result)

    def look_up(self, node: onnx.NodeProto) -> None:
        """Rows by their ids: from the first with 8 bits, or from the others with 4."""
        table, ids, result = node.input[0], node.input[1], node.output[0]
        if _common_count(self.matrices[table]) == self.matrices[table].dims[0]:
            self._eight_bits(table, ids, result)
            return
        first = self._constant("int4.common_rows", np.int64(COMMON_ROWS))
        last = self._constant("int4.last_common_row", np.int64(COMMON_ROWS - 1))
        none = self._constant("int4.none", np.int64(0))
        axis = self._constant("int4.last_axis", np.array([-1]))
        low = self._node("Min", [ids, last], f"{result}.common_ids")
        beyond = self._node("Sub", [ids, first], f"{result}.beyond")
        high = self._node("Max", [beyond, none], f"{result}.rare_ids")
        rare = self._node("GreaterOrEqual", [ids, first], f"{result}.is_rare")
        column = self._node("Unsqueeze", [rare, axis], f"{result}.rare_column")
        known = self._eight_bits(table, low, f"{result}.common")
        other = self._four_bits(table, high, f"{result}.rare")
        self._node("Where", [column, other, known], result)

    def _blocks(self, matrix: str, source: str) -> _Weights:
        if matrix not in self._weights:
            values = onnx_file.array_of(self.matrices[matrix])
            packed = four_bits(values, self._moments.get(source))
            parts = [
                self._constant(f"{matrix}.int4", packed.integers),
                self._widened(f"{matrix}.scales", packed.scales),
            ]
            if packed.zeros is not None:
                parts.append(self._constant(f"{matrix}.zeros", packed.zeros))
            offsets = None
            if packed.offsets is not None:
                offsets = self._widened(f"{matrix}.offsets", packed.offsets.T)
            self._weights[matrix] = _Weights(parts, packed.size, offsets)
        return self._weights[matrix]

    def _sums(self, source: str, inputs: int, size: int) -> str:
        """The sum over each block of ``source``, (..., inputs) to (..., blocks)."""
        members = np.arange(inputs)[:, None] // size == np.arange(-(-inputs // size))
        blocks = self._widened(f"int4.blocks.{inputs}.{size}", members.astype(np.float16))
        return self._node("MatMul", [source, blocks], f"{source}.sums.{size}")

    def _first_rows(self, table: str, matrix: str) -> str:
        """Rows of 8 bits as the columns of a float matrix, made as the model loads."""
        integers, scales = self._common(table)
        count = self.matrices[matrix].dims[1]
        if count < _common_count(self.matrices[table]):
            start = self._constant("int4.first_row", np.array([0]))
            end = self._constant(f"int4.end_row.{count}", np.array([count]))
            integers = self._node("Slice", [integers, start, end], f"{matrix}.int8")
            scales = self._node("Slice", [scales, start, end], f"{matrix}.scales")
        rows = self._scaled(table, integers, scales, EIGHT_SIZE, f"{matrix}.rows")
        return self._node("Transpose", [rows], f"{matrix}.columns", perm=[1, 0])

    def _eight_bits(self, table: str, ids: str, result: str) -> str:
        integers, scales = self._common(table)
        rows = self._node("Gather", [integers, ids], f"{result}.int8", axis=0)
        half = self._node("Gather", [scales, ids], f"{result}.half", axis=0)
        return self._scaled(table, rows, half, EIGHT_SIZE, result)

    def _four_bits(self, table: str, ids: str, result: str) -> str:
        rows = onnx_file.array_of(self.matrices[table])[COMMON_ROWS:]
        turn = np.sign(hadamard(block_size(rows.shape[1])).numpy())
        turned = rows.reshape(-1, len(turn)) @ turn / np.float32(len(turn))
        packed = FourBitRows.of(turned.reshape(rows.shape))
        pairs = self._constant(f"{table}.int4", packed.integers)
        scales = self._constant(f"{table}.rare_scales", packed.scales)
        taken = self._node("Gather", [pairs, ids], f"{result}.bytes", axis=0)
        half = self._node("Gather", [scales, ids], f"{result}.half", axis=0)
        both = self._node("Cast", [taken], f"{result}.both", to=TensorProto.FLOAT)
        sixteenth = self._constant("int4.sixteenth", np.float32(1 / 16))
        sixteen = self._constant("int4.sixteen", np.float32(16))
        high = self._node("Mul", [both, sixteenth], f"{result}.shifted")
        high = self._node("Floor", [high], f"{result}.high")
        whole = self._node("Mul", [high, sixteen], f"{result}.whole")
        low = self._node("Sub", [both, whole], f"{result}.low")
        integers = self._node("Concat", [low, high], f"{result}.integers", axis=-1)
        zero = self._constant("int4.zero", np.float32(ZERO))
        centred = self._node("Sub", [integers, zero], f"{result}.centred")
        kept = self._scaled(table, centred, half, FOUR_SIZE, f"{result}.turned")
        return self._turned_back(kept, turn, result)

    def _turned_back(self, rows: str, turn: NDArray[np.float32], result: str) -> str:
        """``turn`` is a Hadamard matrix of 1 and -1, which over its size is its own inverse."""
        size = len(turn)
        width = self._constant(f"int4.width.{size}", np.array([-1, size]))
        matrix = self._widened(f"int4.turn.{size}", turn.astype(np.float16))
        shape = self._node("Shape", [rows], f"{result}.shape")
        parts = self._node("Reshape", [rows, width], f"{result}.parts")
        back = self._node("MatMul", [parts, matrix], f"{result}.back")
        return self._node("Reshape", [back, shape], result, allowzero=1)

    def _scaled(self, table: str, integers: str, half: str, size: int, result: str) -> str:
        """Integers (..., width) times the scales (..., blocks) of their blocks."""
        width = self.matrices[table].dims[1]
        places = self._constant(f"int4.places.{width}.{size}", block_of_column(width, size))
        real = self._node("Cast", [integers], f"{result}.float", to=TensorProto.FLOAT)
        scale = self._node("Cast", [half], f"{result}.block_scales", to=TensorProto.FLOAT)
        spread = self._node("Gather", [scale, places], f"{result}.scale", axis=-1)
        return self._node("Mul", [real, spread], result)

    def _common(self, table: str) -> tuple[str, str]:
        """Names of a table's first rows in 8 bits, and of their scales."""
        name, scales = f"{table}.int8", f"{table}.common_scales"
        if name not in self._new:
            rows = onnx_file.array_of(self.matrices[table])[: _common_count(self.matrices[table])]
            packed = EightBitRows.of(rows)
            self._constant(name, packed.integers)
            self._constant(scales, packed.scales)
        return name, scales

    def _widened(self, name: str, value: NDArray[np.float16]) -> str:
        """A constant in half precision that is float32 from when the model is loaded."""
        half = self._constant(f"{name}.half", np.ascontiguousarray(value))
        return self._node("Cast", [half], name, to=TensorProto.FLOAT)

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        if name not in self._new:
            self._new[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        if output not in self._made:
            self._made.add(output)
            self.nodes.append(
                helper.make_node(op_type, inputs, [output], name=output, **attributes)
            )
        return output


def _table_with(
    matrices: Mapping[str, onnx.TensorProto], tables: Collection[str], name: str
) -> str | None:
    """The table whose first rows, in 8 bits, are the columns of a matrix."""
    inputs, outputs = matrices[name].dims
    for table in sorted(tables):
        if matrices[table].dims[1] == inputs and outputs <= _common_count(matrices[table]):
            first = onnx_file.array_of(matrices[table])[:outputs]
            if np.array_equal(first.T, onnx_file.array_of(matrices[name])):
                return table
    return None


def _common_count(table: onnx.TensorProto) -> int:
    """How many of a table's rows have 8 bits: all where they cannot be cut in halves."""
    rows, width = table.dims
    return int(rows if width % 2 else min(rows, COMMON_ROWS))
