"""Rows of a table in eight bits or four, in blocks with a scale each, as they are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.quantize.scheme import LIMIT

ZERO = 8
"""What a value of 0 is in four bits."""

TOP = 15

EIGHT_SIZE = 32
"""Columns in a block of 8 bits, as in GGUF's Q8_0, whose blocks are kept so."""

FOUR_SIZE = 64
"""Columns in a block of 4 bits."""

SIGNED_SIZE = 32
"""Columns in a block of signed values, as in GGUF's Q4_0, whose blocks are kept so."""

_SMALLEST_SCALE = np.float16(2.0**-24)
_SHRINKAGES = tuple(1.0 - 0.02 * step for step in range(16))


@dataclass(frozen=True, slots=True)
class EightBitRows:
    """Rows as int8.

    Attributes:
        integers: int8 (rows, width).
        scales: float16 (rows, blocks).
    """

    integers: NDArray[np.int8]
    scales: NDArray[np.float16]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Self:
        """The rows, each value at the nearest of its block."""
        largest = np.abs(_blocks(rows, EIGHT_SIZE)).max(axis=-1)
        scales = np.maximum((largest / LIMIT).astype(np.float16), _SMALLEST_SCALE)
        steps = scales.astype(np.float32)[:, block_of_column(rows.shape[1], EIGHT_SIZE)]
        return cls(np.rint(rows / steps).clip(-LIMIT, LIMIT).astype(np.int8), scales)


@dataclass(frozen=True, slots=True)
class FourBitRows:
    """Rows as integers of 0 to 15 around ``ZERO``.

    Attributes:
        integers: uint8 (rows, width / 2), a column of the row's first half in the low half of a
            byte, and one of its second in the high.
        scales: float16 (rows, blocks), of either sign.
    """

    integers: NDArray[np.uint8]
    scales: NDArray[np.float16]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Self:
        """The rows, each value at the nearest of its block.

        Args:
            rows: float32 (rows, width), width even.
        """
        width = rows.shape[1]
        scales = _signed_scales(_blocks(rows, FOUR_SIZE))
        steps = scales.astype(np.float32)[:, block_of_column(width, FOUR_SIZE)]
        integers = np.rint(rows / steps + ZERO).clip(0, TOP).astype(np.uint8)
        low, high = integers[:, : width // 2], integers[:, width // 2 :]
        return cls(low | (high << 4), scales)


@dataclass(frozen=True, slots=True)
class SignedRows:
    """Rows as integers of -8 to 7, as onnxruntime's GatherBlockQuantized has them.

    Attributes:
        integers: int8 (rows, width).
        scales: float16 (rows, blocks), of either sign.
    """

    integers: NDArray[np.int8]
    scales: NDArray[np.float16]

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> Self:
        """The rows, each value at the nearest of its block; exact if they came in such blocks.

        Args:
            rows: float32 (rows, width).
        """
        # Blocks come with their largest value at -8 (Q4_0) or, where both ends are alike, at 7.
        shares = (*_SHRINKAGES, -ZERO / (TOP - ZERO))
        scales = _signed_scales(_blocks(rows, SIGNED_SIZE), shares)
        steps = scales.astype(np.float32)[:, block_of_column(rows.shape[1], SIGNED_SIZE)]
        return cls(np.rint(rows / steps).clip(-ZERO, TOP - ZERO).astype(np.int8), scales)

    @property
    def packed(self) -> bytes:
        """The integers two to a byte, row after row, the first in the low half."""
        halves = np.pad(self.integers.reshape(-1), (0, self.integers.size % 2)) & 15
        return (halves[0::2] | (halves[1::2] << 4)).astype(np.uint8).tobytes()


def block_of_column(width: int, size: int) -> NDArray[np.int64]:
    """The block that each column lies in, int64 (width,)."""
    return np.arange(width) // size


def _blocks(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Rows as (rows, blocks, size), the last block filled up with zeros."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % size)))
    return padded.reshape(len(rows), -1, size)


def _signed_scales(
    blocks: NDArray[np.float32], shares: Sequence[float] = _SHRINKAGES
) -> NDArray[np.float16]:
    """Scales (rows, blocks) with the least squared error; the largest value is at an end."""
    farthest = np.abs(blocks).argmax(axis=-1)[..., None]
    largest = np.take_along_axis(blocks, farthest, axis=-1)
    least = np.full(largest.shape, np.inf, dtype=np.float32)
    best = np.full(largest.shape, _SMALLEST_SCALE, dtype=np.float16)
    for share in shares:
        scale = (largest * np.float32(-share / ZERO)).astype(np.float16)
        scale = np.where(scale == 0, _SMALLEST_SCALE, scale)
        step = scale.astype(np.float32)
        errors = (np.rint(blocks / step).clip(-ZERO, TOP - ZERO) * step - blocks) ** 2
        error = errors.sum(axis=-1, keepdims=True)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    return best[..., 0]
