"""Verification of packs whose texts and pictures share a space: the figures of both parts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.media import MediaVerification

PICTURES = "picture_"
"""What the names of the pictures' figures begin with."""


@dataclass(frozen=True, slots=True)
class DualVerification(Verification):
    """All figures of both parts.

    Attributes:
        pictures: those of pictures by themselves.
    """

    pictures: MediaVerification = field(default_factory=lambda: MediaVerification((), 0, 0))

    @property
    def extent(self) -> str:
        """What took part, in words."""
        return f"{self.texts} texts and {self.pictures.extent}"

    def for_manifest(self) -> dict[str, float]:
        """The figures by name, rounded to six digits, with the numbers of what was compared."""
        return {**Verification.for_manifest(self), self.pictures.what: float(self.pictures.count)}


def dual_verification(texts: Verification, pictures: MediaVerification) -> DualVerification:
    """Both together; the names of the pictures' figures tell whose they are."""
    seen = tuple(replace(one, name=f"{PICTURES}{one.name}") for one in pictures.figures)
    figures = (*texts.figures, *seen)
    return DualVerification(figures, texts.texts, texts.rankings, texts.orders, pictures)
