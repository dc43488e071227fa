"""Four-bit weights in blocks, as onnxruntime's MatMulNBits has them.

A block is a few neighbouring inputs of one output channel. Its integers are 0 to 15, and a weight
is (integer - zero) * scale. Scales are kept in half precision and widened when the model is
loaded, which spares a twentieth of the room.

Many checkpoints come in such blocks (GGUF's Q4_0 and Q4_1, where a block's lowest weight is any
number): :func:`own_blocks` finds them again, and nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

TOP = 15
"""The largest of the integers that four bits hold."""

SIZE = 64
"""Inputs in a block of a matrix that is rounded."""

ZERO = 8
"""The operator's zero where it is given none."""

OWN_SIZE = 32
"""Inputs in a block of a checkpoint that comes in blocks."""

_FIRST = 8
"""Outputs that are looked at before all."""

_OWN_ERROR = 2e-3
"""Of a weight, as a share of its block's step: what half precision of the offsets can cost."""

_SMALLEST_SCALE = 2.0**-24
"""The smallest number above 0 in half precision."""

_SHRINKAGES = tuple(1.0 - 0.02 * step for step in range(16))
"""Shares of a block's range that are tried: a narrower one rounds most weights better and cuts off
the largest."""


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """The values that each block of a matrix can take.

    Attributes:
        size: inputs in a block; the last may have fewer.
        scales: float32 (outputs, blocks), exact in half precision.
        zeros: float32 (outputs, blocks), integers of 0 to ``TOP``.
    """

    size: int
    scales: torch.Tensor
    zeros: torch.Tensor

    @classmethod
    def fit(cls, weight: torch.Tensor, importance: torch.Tensor | None = None) -> Self:
        """The grid of blocks of :data:`SIZE` with the least squared error of rounding to nearest.

        Args:
            weight: float32 (outputs, inputs).
            importance: float32 (inputs,), what an input's errors count; ``None`` for the same.
        """
        outputs, inputs = weight.shape
        missing = -inputs % SIZE
        blocks = torch.nn.functional.pad(weight, (0, missing)).reshape(outputs, -1, SIZE)
        weighed = torch.ones(inputs) if importance is None else importance
        counts = torch.nn.functional.pad(weighed, (0, missing)).reshape(1, -1, SIZE)
        lowest = blocks.amin(dim=-1).clamp(max=0.0)
        highest = blocks.amax(dim=-1).clamp(min=0.0)
        least = torch.full(lowest.shape, torch.inf)
        scales, zeros = torch.ones_like(lowest), torch.zeros_like(lowest)
        for scale, zero in _candidates(lowest, highest):
            integers = _integers(blocks, scale[..., None], zero[..., None])
            errors = (integers - zero[..., None]) * scale[..., None] - blocks
            error = (errors.square() * counts).sum(dim=-1)
            better = error < least
            least = torch.where(better, error, least)
            scales = torch.where(better, scale, scales)
            zeros = torch.where(better, zero, zeros)
        return cls(SIZE, scales, zeros)

    def nearest(self, values: torch.Tensor, place: int) -> torch.Tensor:
        """The grid's values nearest to ``values``, float32 (outputs,), of the input ``place``."""
        scale, zero = self.scales[:, place // self.size], self.zeros[:, place // self.size]
        return (_integers(values, scale, zero) - zero) * scale

    def rounded(self, weight: torch.Tensor) -> torch.Tensor:
        """``weight``, float32 (outputs, inputs), each at the grid's nearest value."""
        scales, zeros = self._by_input(weight.shape[1])
        return (_integers(weight, scales, zeros) - zeros) * scales

    def packed(self, weight: torch.Tensor) -> PackedBlocks:
        """What the operator takes for ``weight``, float32 (outputs, inputs)."""
        outputs, inputs = weight.shape
        scales, zeros = self._by_input(inputs)
        # What fills up the last block is multiplied by nothing, and 0 is as good as anything.
        integers = np.zeros((outputs, self.scales.shape[1] * self.size), dtype=np.uint8)
        integers[:, :inputs] = _integers(weight, scales, zeros).numpy()
        blocks = in_pairs(integers).reshape(outputs, -1, self.size // 2)
        return PackedBlocks(
            blocks, self.scales.numpy().astype(np.float16), in_pairs(self.zeros.byte().numpy())
        )

    def _by_input(self, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
        scales = self.scales.repeat_interleave(self.size, dim=1)[:, :inputs]
        return scales, self.zeros.repeat_interleave(self.size, dim=1)[:, :inputs]


@dataclass(frozen=True, slots=True)
class PackedBlocks:
    """Inputs of MatMulNBits, and what is added to its weights.

    Attributes:
        integers: uint8 (outputs, blocks, size / 2), two to a byte, the first in the low half.
        scales: float16 (outputs, blocks).
        zeros: uint8 (outputs, blocks / 2, rounded up), likewise; ``None`` for ``ZERO``.
        offsets: float16 (outputs, blocks), added to every weight of a block; ``None`` for none.
    """

    integers: NDArray[np.uint8]
    scales: NDArray[np.float16]
    zeros: NDArray[np.uint8] | None = None
    offsets: NDArray[np.float16] | None = None

    @property
    def size(self) -> int:
        """Inputs in a block."""
        return 2 * int(self.integers.shape[2])


def own_blocks(matrix: NDArray[np.float32]) -> PackedBlocks | None:
    """The blocks that a matrix came in; ``None`` when it did not come in blocks of four bits.

    Args:
        matrix: (outputs, inputs).
    """
    outputs, inputs = matrix.shape
    if inputs % OWN_SIZE:
        return None
    if outputs > _FIRST and own_blocks(matrix[:_FIRST]) is None:
        return None
    blocks = matrix.reshape(outputs, -1, OWN_SIZE)
    lowest = blocks.min(axis=-1, keepdims=True)
    span = blocks.max(axis=-1, keepdims=True) - lowest
    scales = np.zeros_like(span)
    # The highest weight need not be the last step.
    for steps in range(TOP, 0, -1):
        scale = (span / steps).astype(np.float16).astype(np.float32)
        fits = _misfit(blocks, lowest, scale) <= _OWN_ERROR
        scales = np.where((scales == 0) & fits, scale, scales)
        if (scales > 0).all():
            integers = np.rint((blocks - lowest) / scales).astype(np.uint8)
            return PackedBlocks(
                in_pairs(integers.reshape(outputs, inputs)).reshape(outputs, -1, OWN_SIZE // 2),
                scales[..., 0].astype(np.float16),
                offsets=(lowest + ZERO * scales)[..., 0].astype(np.float16),
            )
    return None


def _misfit(
    blocks: NDArray[np.float32], lowest: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How far the worst weight of each block is from its nearest step, in steps."""
    steps = (blocks - lowest) / np.maximum(scale, np.float32(_SMALLEST_SCALE))
    misfit: NDArray[np.float32] = np.abs(steps - np.rint(steps).clip(0, TOP)).max(
        axis=-1, keepdims=True
    )
    return misfit


def in_pairs(integers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Integers of four bits, (rows, n), as bytes (rows, n / 2 rounded up): low half, high half."""
    even = np.pad(integers, ((0, 0), (0, integers.shape[1] % 2)))
    return (even[:, 0::2] | (even[:, 1::2] << 4)).astype(np.uint8)


def _candidates(
    lowest: torch.Tensor, highest: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Scales and zeros for ranges from the whole of a block's down."""
    for share in _SHRINKAGES:
        low, high = lowest * share, highest * share
        scale = ((high - low) / TOP).half().float().clamp(min=_SMALLEST_SCALE)
        yield scale, (-low / scale).round().clamp(0, TOP)


def _integers(values: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor) -> torch.Tensor:
    return (values / scale + zero).round().clamp(0, TOP)
