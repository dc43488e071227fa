"""What is done to a picture before a network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fit(StrEnum):
    """How a picture of any shape becomes a square one.

    ``SQUASH`` keeps all of it and bends its sides; ``CROP`` keeps the square in its middle.
    """

    SQUASH = "squash"
    CROP = "crop"


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes what a network looks at.

    Attributes:
        side: pixels along each side.
        fit: how it becomes a square.
        cubic: whether it is resized by cubic curves, or by straight lines.
        mean: of red, green and blue, taken off pixels of 0 to 255.
        scale: of red, green and blue, which they are then divided by.
    """

    side: int
    fit: Fit
    cubic: bool
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
