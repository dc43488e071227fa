"""Prior of personal heads: where their weights begin, as a fleet of devices found it.

Mean and precision of each weight over people, and nothing of any of them: what devices send to make
it, and with what noise, is in :mod:`~edge_rerank.learning.share`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

import numpy as np
from numpy.typing import NDArray

MOST_MEAN = 10.0
"""Largest weight that a prior begins with, either way; people's own stay below 2."""

PRECISIONS = (0.5, 10_000.0)
"""Smallest and largest precision: what is learnt stays solvable, and can still be learnt."""


@dataclass(frozen=True, slots=True, repr=False)
class Prior:
    """Where the weights of a head begin. Equal numbers are an equal prior.

    Attributes:
        mean: of each weight over people, float32 of shape (width,).
        precision: how alike people are in it, float32 of shape (width,).
        mark: 16 bytes that are others for any other numbers.
    """

    mean: NDArray[np.float32] = field(compare=False)
    precision: NDArray[np.float32] = field(compare=False)
    mark: bytes

    @classmethod
    def of(cls, mean: NDArray[np.floating], precision: NDArray[np.floating]) -> Self:
        """The prior of these numbers, of shape (width,) each.

        Raises:
            ValueError: when they are not finite, not of one length or out of bounds.
        """
        numbers = np.array([mean, precision], dtype="<f4")
        if numbers.ndim != 2 or not np.isfinite(numbers).all():
            raise ValueError("expected finite numbers, a mean and a precision of each weight")
        lowest, highest = PRECISIONS
        begins, alike = numbers.astype(np.float32)
        if (
            np.abs(begins).max(initial=0.0) > MOST_MEAN
            or alike.min(initial=highest) < lowest
            or alike.max(initial=lowest) > highest
        ):
            raise ValueError(
                f"expected means of at most {MOST_MEAN:g} either way and precisions from "
                f"{lowest:g} to {highest:g}"
            )
        return cls(begins, alike, sha256(numbers.tobytes()).digest()[:16])

    def to_bytes(self) -> bytes:
        """Mean and precision, little-endian float32."""
        return np.array([self.mean, self.precision], dtype="<f4").tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self | None:
        """Read what :meth:`to_bytes` wrote; ``None`` where it is no prior."""
        if len(raw) % 8:
            return None
        mean, precision = np.frombuffer(raw, "<f4").reshape(2, -1)
        try:
            return cls.of(mean, precision)
        except ValueError:
            return None
