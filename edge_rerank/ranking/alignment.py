"""Alignment of pictures with texts: text-like vectors for items that have a picture and no text.

A ridge regression (Hoerl and Kennard, Technometrics 1970) from vectors of pictures to vectors of
texts, on the host's own items that have both: those of a pack's training, or of a catalogue where
the pack has none. How strong the ridge is, each pair left out in turn says; where pictures tell
nothing of the texts, there is none.

Where both encoders are towers of one model, pictures and texts have one space already, but lie in
two cones of it (Liang et al., "Mind the Gap", NeurIPS 2022). There a picture is moved from the mean
of the one to that of the other, and no regression is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid
from edge_rerank.packs.array_files import read_array
from edge_rerank.packs.pack import Pack

LEAST_PAIRS = 200
"""Fewer items with both say too little of the others."""

MOST_PAIRS = 4_000
"""More take seconds and bring little; they are spread evenly over the catalogue."""

LEAST_EXPLAINED = 0.02
"""Part of the texts' variance that pictures have to tell, of pairs that were left out."""

_LONGEST_MEAN = 1.01
"""Of vectors of length 1, and rounded."""

_MEANS = 2
"""Rows of an array that holds means alone."""

RIDGES = tuple(10.0**power for power in range(-4, 2))
"""Strengths that are tried, by the sum of the variances of the pictures over their number."""


@dataclass(frozen=True, slots=True, repr=False)
class Alignment:
    """A map from pictures to texts.

    Attributes:
        picture: mean vector of the pictures, float32 of shape (p,).
        text: of the texts, float32 of shape (t,).
        weights: float32 of shape (p, t); ``None`` where pictures and texts have one space.
        explained: part of the texts' variance that it tells of pairs that were left out; 0 where
            none were needed.
    """

    picture: NDArray[np.float32]
    text: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    explained: float = 0.0

    @property
    def shared(self) -> bool:
        """Whether pictures and texts have one space."""
        return self.weights is None

    @classmethod
    def of(cls, pictures: NDArray[np.float32], texts: NDArray[np.float32]) -> Self | None:
        """Fit one.

        Args:
            pictures: unit rows, float32 of shape (n, p).
            texts: of the same items, float32 of shape (n, t).

        Returns:
            ``None`` where there are too few, or pictures tell nothing of the texts.
        """
        if len(pictures) < LEAST_PAIRS:
            return None
        some = np.linspace(0, len(pictures) - 1, min(len(pictures), MOST_PAIRS)).astype(np.intp)
        left, right = pictures[some].astype(np.float64), texts[some].astype(np.float64)
        picture, text = left.mean(axis=0), right.mean(axis=0)
        left, right = left - picture, right - text
        whole = float((right**2).sum())
        variances, rows = _directions(left)
        if not len(variances) or not whole:
            return None
        told = rows.T @ right
        unit = float(variances.sum()) / len(variances)
        errors = [
            _error_left_out(right, rows, told, variances / (variances + ridge * unit))
            for ridge in RIDGES
        ]
        best = int(np.argmin(errors))
        explained = 1 - errors[best] / whole
        if explained < LEAST_EXPLAINED:
            return None
        weights = left.T @ (rows @ (told / (variances + RIDGES[best] * unit)[:, None]))
        means = picture.astype(np.float32), text.astype(np.float32)
        return cls(*means, weights.astype(np.float32), explained)

    @classmethod
    def of_pack(cls, pack: Pack) -> Self | None:
        """That of a pack; ``None`` where it has none.

        Raises:
            PackInvalid: when its file is no such array.
        """
        manifest = pack.manifest
        spec, seen, read = manifest.alignment, manifest.image_encoder, manifest.encoder
        if spec is None or seen is None or read is None:
            return None
        array = read_array(pack.read(spec.file), np.float16, what="alignment")
        shapes = [(seen.dim + 1, read.dim + 1)]
        if seen.dim == read.dim:
            shapes.append((_MEANS, read.dim))
        if array.shape not in shapes or not np.isfinite(array).all():
            known = " or ".join(map(str, shapes))
            raise PackInvalid(f"alignment: expected finite numbers of shape {known}")
        made = cls.of_array(array) if array.shape == shapes[0] else cls.of_means(array)
        if max(np.linalg.norm(made.picture), np.linalg.norm(made.text)) > _LONGEST_MEAN:
            raise PackInvalid("alignment: expected means of vectors of length 1")
        return made

    @classmethod
    def of_means(cls, array: NDArray[np.float16]) -> Self:
        """That of one space: shape (2, t), the mean of the pictures and that of the texts."""
        picture, text = array.astype(np.float32)
        return cls(picture, text, None)

    @classmethod
    def of_array(cls, array: NDArray[np.float16]) -> Self:
        """See :class:`edge_rerank.packs.specs.AlignmentSpec`."""
        numbers = array.astype(np.float32)
        corner = float(numbers[-1, -1])
        return cls(numbers[:-1, -1], numbers[-1, :-1], numbers[:-1, :-1].copy(), corner)

    def to_array(self) -> NDArray[np.float16]:
        """Likewise."""
        if self.weights is None:
            return np.stack([self.picture, self.text]).astype(np.float16)
        below = np.append(self.text, np.float32(self.explained))
        return np.vstack([np.column_stack([self.weights, self.picture]), below]).astype(np.float16)

    def texts(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors of texts that would go with pictures.

        As far from the mean of all texts as those are: what a ridge gives lies nearer to it, and so
        would be like everything.

        Args:
            pictures: unit rows, float32 of shape (n, p).

        Returns:
            Unit rows, float32 of shape (n, t).
        """
        away = pictures - self.picture
        if self.weights is not None:
            away = away @ self.weights
        # Of |text + scale * away| = 1 the positive root.
        size = np.maximum((away**2).sum(axis=1), np.finfo(np.float32).tiny)
        along = away @ self.text
        missing = max(1 - float(self.text @ self.text), 0.0)
        scale = (np.sqrt(along**2 + size * missing) - along) / size
        made = self.text + scale[:, None] * away
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return np.asarray(made, dtype=np.float32)


def _directions(left: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances along the axes of centred rows, and the rows along them, each of length 1."""
    count, dim = left.shape
    small = left @ left.T if count <= dim else left.T @ left
    variances, axes = np.linalg.eigh(small)
    there = variances > variances.max(initial=0.0) * 1e-9
    variances, axes = variances[there], axes[:, there]
    return variances, axes if count <= dim else left @ axes / np.sqrt(variances)


def _error_left_out(
    right: NDArray[np.float64],
    rows: NDArray[np.float64],
    told: NDArray[np.float64],
    kept: NDArray[np.float64],
) -> float:
    """Sum of squares of what each pair is missed by, if all others were fitted (PRESS)."""
    missed = right - rows @ (kept[:, None] * told)
    leverage = (rows**2) @ kept + 1 / len(rows)
    return float(((missed / (1 - leverage).clip(1e-6)[:, None]) ** 2).sum())
