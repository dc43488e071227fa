"""GPTQ: weights rounded so that the products, not the weights, stay close.

GPTQ (Frantar et al., ICLR 2023): column by column, what rounding one weight costs is made up
for by those not yet rounded, measured on the inputs that the matrix really sees. The result
lies on the grid of :mod:`edge_rerank_export.quantize.integers`: one scale an output channel,
its largest weight at the end of the range, so that quantising it later rounds nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from onnx import numpy_helper

from edge_rerank_export.models import onnx_file
from edge_rerank_export.progress import Update
from edge_rerank_export.quantize.calibrate import SecondMoments, products_by_input

_DAMPING = 0.01
_BLOCK = 32


def round_products(
    source: Path,
    target: Path,
    moments: SecondMoments,
    *,
    limit: int,
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
        inline_bytes: see :func:`~edge_rerank_export.models.onnx_file.save`.
        progress: called with (inputs done, inputs to do).
    """
    model = onnx_file.load(source)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    groups = products_by_input(model)
    for done, (name, matrices) in enumerate(groups.items(), start=1):
        if name in moments:
            values = [onnx_file.array_of(constants[matrix]) for matrix in matrices]
            with torch.no_grad(), _one_thread():
                # As GPTQ has them: (out, in).
                stacked = torch.from_numpy(np.concatenate(values, axis=1).T.copy())
                rounded = _round(stacked, torch.from_numpy(moments[name]), limit).T.numpy()
            ends = np.cumsum([value.shape[1] for value in values])[:-1]
            for matrix, value in zip(matrices, np.split(rounded, ends, axis=1), strict=True):
                constants[matrix].CopyFrom(
                    numpy_helper.from_array(np.ascontiguousarray(value), matrix)
                )
        progress(done, len(groups))
    onnx_file.save(model, target, inline_bytes=inline_bytes)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of small steps in a row: handing each out to threads costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _round(weight: torch.Tensor, moment: torch.Tensor, limit: int) -> torch.Tensor:
    """Weights (out, in) on the grid, given the inputs' second moments (in, in)."""
    scale = weight.abs().amax(dim=1).clamp(min=1e-8) / limit
    anchors = weight.abs().argmax(dim=1)
    order = torch.argsort(moment.diagonal(), descending=True)
    back = torch.argsort(order)
    anchors = back[anchors]
    rest = weight[:, order].clone()
    moment = moment[order][:, order].clone()
    moment.diagonal().add_(_DAMPING * moment.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moment))
    factor = torch.linalg.cholesky(inverse, upper=True)
    rounded = torch.empty_like(rest)
    for start in range(0, rest.shape[1], _BLOCK):
        end = min(start + _BLOCK, rest.shape[1])
        block = rest[:, start:end].clone()
        errors = torch.empty_like(block)
        for place in range(end - start):
            column = start + place
            integers = (block[:, place] / scale).round().clamp(-limit, limit)
            # The largest weight keeps the end of the range, or the grid would change.
            ends = limit * rest[:, column].sign()
            integers = torch.where(anchors == column, ends, integers)
            rounded[:, column] = integers * scale
            error = (block[:, place] - rounded[:, column]) / factor[column, column]
            block[:, place:] -= error[:, None] * factor[column, column:end]
            errors[:, place] = error
        rest[:, end:] -= errors @ factor[start:end, end:]
    return rounded[:, back]
