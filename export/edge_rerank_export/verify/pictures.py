"""Made-up pictures to calibrate and to verify with: nothing is fetched, and no one's are needed.

Each has textures whose power falls with frequency as that of photographs does (Field, "Relations
between the statistics of natural images", 1987), behind and in shapes that lie over each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]

CALIBRATION, CHECK = 0, 1
"""Seeds of pictures to calibrate on, and to verify with."""

_ON_WHITE = 0.3
"""Share of pictures that show things before white, as those of shops do."""

SIZES = (
    (224, 224),
    (320, 240),
    (200, 300),
    (96, 128),
    (640, 480),
    (224, 224),
    (31, 57),
    (224, 500),
)
"""Heights and widths of pictures to verify with, in turn."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures to verify with.

    Attributes:
        images: each uint8 of shape (height, width, 3).
    """

    images: tuple[Pixels, ...]


def check_pictures(count: int) -> Pictures:
    """Pictures to verify with, of several sizes."""
    rng = np.random.default_rng(CHECK)
    return Pictures(tuple(picture(rng, *SIZES[at % len(SIZES)]) for at in range(count)))


def calibration_pictures(count: int, side: int) -> Pictures:
    """Squares of ``side`` to calibrate on, none of which is verified with."""
    rng = np.random.default_rng(CALIBRATION)
    return Pictures(tuple(picture(rng, side, side) for _ in range(count)))


def picture(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """One picture."""
    image = _texture(rng, height, width)
    if rng.random() < _ON_WHITE:
        image = np.full_like(image, 255.0)
    down, along = np.mgrid[0:height, 0:width].astype(np.float64)
    for _ in range(int(rng.integers(0, 7))):
        inside = _shape(rng, down / height, along / width)
        image = np.where(inside[..., None], _texture(rng, height, width), image)
    return np.clip(np.rint(_exposed(rng, image)), 0, 255).astype(np.uint8)


def _exposed(rng: np.random.Generator, image: Values) -> Values:
    """The picture as a camera may take it: pale or hard, dark or bright, tinged, grainy."""
    image = (image - 128) * rng.uniform(0.5, 1.4) + 128 + rng.uniform(-50, 50)
    grain = rng.normal(size=image.shape) * rng.uniform(0, 20)
    return np.asarray((image + grain) * rng.uniform(0.8, 1.2, 3))


def _texture(rng: np.random.Generator, height: int, width: int) -> Values:
    """Colours whose power falls with frequency, as numbers around 0 to 255."""
    down, along = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(down, along)
    frequency[0, 0] = 1 / max(height, width)
    fall = frequency ** -rng.uniform(0.8, 1.6)
    layers = []
    for _ in range(3):
        waves = rng.normal(size=(2, *frequency.shape))
        layer = np.fft.irfft2((waves[0] + 1j * waves[1]) * fall, s=(height, width))
        layers.append(layer / max(float(layer.std()), 1e-9))
    # The three colours of a thing grow bright together.
    mixed = np.stack([0.8 * layers[0] + 0.45 * layer for layer in layers], axis=-1)
    return np.asarray(mixed * rng.uniform(25, 60) + rng.uniform(60, 190, 3))


def _shape(rng: np.random.Generator, down: Values, along: Values) -> NDArray[np.bool_]:
    """Where an ellipse, a box or a star lies; places are from 0 to 1."""
    top, left = rng.uniform(0, 1, 2)
    size, flat = rng.uniform(0.08, 0.45), rng.uniform(0.4, 1)
    away = (down - top) / flat, along - left
    kind = int(rng.integers(3))
    if kind == 0:
        return np.asarray(np.hypot(*away) < size)
    if kind == 1:
        return np.asarray(np.maximum(np.abs(away[0]), np.abs(away[1])) < size)
    points, turned = int(rng.integers(3, 9)), rng.uniform(0, 2 * np.pi)
    waves = 1 + 0.4 * np.cos(points * np.arctan2(*away) + turned)
    return np.asarray(np.hypot(*away) < size * waves / 1.4)
