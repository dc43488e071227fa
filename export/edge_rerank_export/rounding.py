"""Rounds weights so that the products, not the weights, stay close.

GPTQ (Frantar et al., ICLR 2023): column by column, what rounding one weight costs is made up
for by those not yet rounded, measured on the inputs that the matrix really sees. The result
lies on the grid of :mod:`edge_rerank_export.quantize`: one scale an output channel, its largest
weight at the end of the range, so that quantising it later rounds nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

_DAMPING = 0.01
_BLOCK = 32


def round_weights(
    groups: Sequence[Sequence[torch.nn.Linear]],
    run: Callable[[], object],
    *,
    limit: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Round weights in place to ``limit`` steps on each side of 0.

    Args:
        groups: layers that have one input, float32 (..., in), which they see when ``run`` is
            called.
        run: runs the model over the calibration text.
        limit: the largest integer of the grid.
        progress: called after each group.
    """
    moments = _second_moments([group[0] for group in groups], run)
    for done, group in enumerate(groups, start=1):
        with torch.no_grad(), _one_thread():
            stacked = torch.cat([layer.weight.detach() for layer in group])
            rounded = _round(stacked, moments[group[0]], limit)
            first = 0
            for layer in group:
                layer.weight.copy_(rounded[first : first + layer.out_features])
                first += layer.out_features
        progress(done, len(groups))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Thousands of small steps in a row: handing each out to threads costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _second_moments(
    layers: Sequence[torch.nn.Linear], run: Callable[[], object]
) -> dict[torch.nn.Linear, torch.Tensor]:
    moments: dict[torch.nn.Linear, torch.Tensor] = {}

    def note(layer: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        rows = inputs[0].detach().reshape(-1, inputs[0].shape[-1])
        # Every row is quantised with a scale of its own, so every row counts the same.
        rows = rows / rows.pow(2).mean(dim=1, keepdim=True).sqrt().clamp(min=1e-8)
        moments[layer] = moments.get(layer, 0.0) + rows.t() @ rows

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.inference_mode():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return moments


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
