"""Made-up families of pictures: a shape, two colours and a texture each, which pictures vary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 224
SHAPES = (
    "disc",
    "square",
    "triangle",
    "ring",
    "cross",
    "stripes",
    "dots",
    "checks",
    "waves",
    "star",
)


@dataclass(frozen=True)
class Family:
    """What the pictures of a family have in common.

    Attributes:
        shape: of :data:`SHAPES`.
        colours: of what is shown, and behind it, from 0 to 1.
        grain: how coarse the texture behind it is, in waves over the picture.
    """

    shape: str
    colours: NDArray[np.float64]
    grain: float

    @classmethod
    def of(cls, number: int) -> Family:
        """One of any number of families."""
        rng = np.random.default_rng([22, number])
        colours = rng.uniform(0.1, 0.95, size=(2, 3))
        while np.abs(colours[0] - colours[1]).sum() < 0.8:
            colours = rng.uniform(0.1, 0.95, size=(2, 3))
        return cls(SHAPES[number % len(SHAPES)], colours, float(rng.uniform(2, 30)))

    def picture(self, seed: int, side: int = SIDE) -> NDArray[np.uint8]:
        """One of its pictures: moved, turned, larger or smaller, in another light; with noise."""
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
        turn = rng.uniform(-0.4, 0.4)
        middle = rng.uniform(-0.12, 0.12, 2)
        size = rng.uniform(0.75, 1.3)
        down = (np.cos(turn) * (rows - middle[0]) + np.sin(turn) * (columns - middle[1])) / size
        across = (np.cos(turn) * (columns - middle[1]) - np.sin(turn) * (rows - middle[0])) / size
        shown = _shown(self.shape, down, across)[..., None]
        front, back = (self.colours + rng.normal(0, 0.04, (2, 3))).clip(0, 1)
        texture = 0.5 + 0.5 * np.sin(
            2 * np.pi * self.grain * (columns + 0.6 * rows) + rng.uniform(0, 6)
        )
        made = np.where(shown, front, back * (0.75 + 0.25 * texture[..., None]))
        made = made * rng.uniform(0.8, 1.15) + rng.normal(0, 0.03, made.shape)
        return (255 * made.clip(0, 1)).astype(np.uint8)


def _shown(shape: str, down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.bool_]:
    far, angle = np.hypot(down, across), np.arctan2(down, across)
    return {
        "disc": lambda: far < 0.27,
        "square": lambda: np.maximum(abs(down), abs(across)) < 0.24,
        "triangle": lambda: (down < 0.22) & (abs(across) < (down + 0.3) * 0.6),
        "ring": lambda: (far < 0.3) & (far > 0.18),
        "cross": lambda: (np.minimum(abs(down), abs(across)) < 0.08) & (far < 0.34),
        "stripes": lambda: np.sin(2 * np.pi * 7 * across) > 0.2,
        "dots": lambda: np.sin(2 * np.pi * 5 * down) * np.sin(2 * np.pi * 5 * across) > 0.45,
        "checks": lambda: (np.floor(down * 8) + np.floor(across * 8)) % 2 == 0,
        "waves": lambda: (
            np.sin(2 * np.pi * (6 * down + 0.5 * np.sin(2 * np.pi * 2 * across))) > 0.1
        ),
        "star": lambda: far < 0.2 + 0.1 * np.cos(5 * angle),
    }[shape]()
