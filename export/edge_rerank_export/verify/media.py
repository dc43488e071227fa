"""Verification of encoders of pictures and sounds: a pack's vectors beside those of its original.

The original runs in float32, the packed one as the runtime will run it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.recipes.bounds import MediaBounds
from edge_rerank_export.verify.figures import Figure, Verification

T = TypeVar("T")

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MediaVerification(Verification):
    """All figures of a comparison of pictures or sounds.

    Attributes:
        what: plural of what was compared.
        count: how many.
    """

    what: str = "pictures"
    count: int = 0

    @property
    def extent(self) -> str:
        """What took part, in words."""
        return f"{self.count} {self.what}"

    def for_manifest(self) -> dict[str, float]:
        """The figures by name, rounded to six digits, with the number of what was compared."""
        values = {figure.name: float(f"{figure.value:.6g}") for figure in self.figures}
        return {**values, self.what: float(self.count)}


def verify_media(
    things: Sequence[T],
    original: Callable[[T], Vectors],
    exact: Callable[[T], Vectors],
    packed: Callable[[T], Vectors],
    bounds: MediaBounds,
    *,
    what: str,
    told: Callable[[int, int], None],
) -> MediaVerification:
    """Compare vectors of the same things.

    Args:
        things: pictures or sounds.
        original: the model that the pack was made of.
        exact: what it was converted to, in float32.
        packed: the pack's model.
        bounds: what must be reached.
        what: plural of their kind.
        told: called with (done, to do).
    """
    cosines: list[float] = []
    errors: list[float] = []
    for at, thing in enumerate(things, start=1):
        reference, made = original(thing), packed(thing)
        cosines.append(cosine(reference, made))
        errors.append(1 - cosine(reference, exact(thing)))
        told(at, len(things))
    error = float(np.max(errors))
    figures = (
        Figure("min_cosine", float(np.min(cosines)), bounds.min_cosine, at_least=True),
        Figure("mean_cosine", float(np.mean(cosines)), bounds.min_mean_cosine, at_least=True),
        Figure("conversion_error", error, bounds.max_conversion_error, at_least=False),
    )
    return MediaVerification(figures, 0, 0, what=what, count=len(things))


def cosine(one: Vectors, other: Vectors) -> float:
    """Of two vectors; not a number where one has no length."""
    pair = [np.asarray(vector, dtype=np.float64).reshape(-1) for vector in (one, other)]
    lengths = [float(np.linalg.norm(vector)) for vector in pair]
    if not all(lengths):
        return float("nan")
    return float(pair[0] @ pair[1]) / (lengths[0] * lengths[1])
