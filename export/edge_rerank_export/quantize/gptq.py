"""GPTQ: weights rounded so that the products, not the weights, stay close.

GPTQ (Frantar et al., ICLR 2023): column by column, what rounding one weight costs is made up
for by those not yet rounded, measured on the inputs that the matrix really sees. The result of
:func:`round_products` lies on the grid of :mod:`edge_rerank_export.quantize.integers`: one scale an
output channel, its largest weight at the end of the range, so that quantising it later rounds
nothing more. Paired weights have a grid of :mod:`~.paired`, four bits one of :mod:`~.blocks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from onnx import numpy_helper

from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.calibrate import SecondMoments, products_by_input
from edge_rerank_export.quantize.paired import PairGrid, mark_paired
from edge_rerank_export.quantize.products import fine_inputs

_DAMPING = 0.01
_BLOCK = 32


class Grid(Protocol):
    """The values that weights are rounded to."""

    def nearest(self, values: torch.Tensor, place: int) -> torch.Tensor:
        """The grid's values for the weights ``values``, (outputs,), of the input ``place``."""
        ...


def round_products(
    source: Path,
    target: Path,
    moments: SecondMoments,
    *,
    limit: int,
    paired: bool = False,
    fine: str = "",
    inline_bytes: int = onnx_file.INLINE_BYTES,
    progress: Update = lambda _done, _total: None,
) -> None:
    """Write ``source`` to ``target``, its matrices rounded to ``limit`` steps each side of 0.

    Matrices that are multiplied by the same input are rounded together.

    Args:
        source: a float32 ONNX file.
        target: the ONNX file to write.
        moments: see :func:`~.calibrate.second_moments`; a product whose input is not among
            them stays as it is.
        limit: the largest integer of the grid.
        paired: whether matrices lie on a grid of :mod:`~.paired`, all but those of products that
            are to be ``fine``; for 127 alone.
        fine: see :func:`~edge_rerank_export.quantize.integers.quantize`.
        inline_bytes: see :func:`~edge_rerank_export.models.onnx_file.save`.
        progress: called with (inputs done, inputs to do).
    """
    model = onnx_file.load(source)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    groups = products_by_input(model)
    coarse = set(groups) - fine_inputs(model.graph, fine) if paired else set()
    for done, (name, matrices) in enumerate(groups.items(), start=1):
        if name in moments:
            values = [onnx_file.array_of(constants[matrix]) for matrix in matrices]
            with torch.no_grad(), one_thread():
                # As GPTQ has them: (out, in).
                stacked = torch.from_numpy(np.concatenate(values, axis=1).T.copy())
                grid: Grid = (
                    PairGrid.fit(stacked) if name in coarse else _ChannelGrid.fit(stacked, limit)
                )
                moment = torch.from_numpy(moments[name])
                rounded = round_weights(stacked, moment, grid).T.numpy()
            ends = np.cumsum([value.shape[1] for value in values])[:-1]
            for matrix, value in zip(matrices, np.split(rounded, ends, axis=1), strict=True):
                constants[matrix].CopyFrom(
                    numpy_helper.from_array(np.ascontiguousarray(value), matrix)
                )
        progress(done, len(groups))
    mark_paired(model, [one for name in coarse & moments.keys() for one in groups[name]])
    onnx_file.save(model, target, inline_bytes=inline_bytes)


@contextmanager
def one_thread() -> Iterator[None]:
    """Thousands of small steps in a row: handing each out to threads costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class _ChannelGrid:
    """One scale an output channel; its largest weight keeps the end of the range.

    Otherwise the scale that is found later, when the model is quantised, would be another.

    Attributes:
        scale: float32 (outputs,).
        anchors: int64 (outputs,), the input of the largest weight.
        ends: float32 (outputs,), its integer.
        limit: the largest integer.
    """

    scale: torch.Tensor
    anchors: torch.Tensor
    ends: torch.Tensor
    limit: int

    @classmethod
    def fit(cls, weight: torch.Tensor, limit: int) -> Self:
        """The grid of a matrix (outputs, inputs)."""
        scale = weight.abs().amax(dim=1).clamp(min=1e-8) / limit
        anchors = weight.abs().argmax(dim=1)
        ends = limit * weight.gather(1, anchors[:, None])[:, 0].sign()
        return cls(scale, anchors, ends, limit)

    def nearest(self, values: torch.Tensor, place: int) -> torch.Tensor:
        integers = (values / self.scale).round().clamp(-self.limit, self.limit)
        return torch.where(self.anchors == place, self.ends, integers) * self.scale


def round_weights(weight: torch.Tensor, moment: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Weights on a grid, such that products with inputs of these moments stay close.

    Args:
        weight: float32 (outputs, inputs).
        moment: float32 (inputs, inputs), see :func:`~.calibrate.second_moments`.
        grid: of that matrix.
    """
    order = torch.argsort(moment.diagonal(), descending=True)
    rest = weight[:, order].clone()
    moment = moment[order][:, order].clone()
    moment.diagonal().add_(_DAMPING * moment.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moment))
    factor = torch.linalg.cholesky(inverse, upper=True)
    rounded = torch.empty_like(rest)
    places: list[int] = order.tolist()
    for start in range(0, rest.shape[1], _BLOCK):
        end = min(start + _BLOCK, rest.shape[1])
        block = rest[:, start:end].clone()
        errors = torch.empty_like(block)
        for at in range(end - start):
            column = start + at
            rounded[:, column] = grid.nearest(block[:, at], places[column])
            error = (block[:, at] - rounded[:, column]) / factor[column, column]
            block[:, at:] -= error[:, None] * factor[column, column:end]
            errors[:, at] = error
        rest[:, end:] -= errors @ factor[start:end, end:]
    return rounded[:, torch.argsort(order)]
