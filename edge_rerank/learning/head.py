"""Personal head: a Bayesian choice model over features of what was shown, learnt list by list.

Of the candidates that a person looked at, one is chosen with the softmax of
``base + features @ weights`` (the conditional logit of McFadden, "Conditional logit analysis of
qualitative choice behavior", 1974), where ``base`` is what everything else says of them. The
posterior over the weights is a Gaussian, of which a list updates precision and mean by one Newton
step, as in the assumed-density filtering of online Bayesian regression (Opper and Winther,
"A Bayesian approach to on-line learning", 1998); the past fades with every list and day.

A guard weighs none, half and all of what was learnt by how well each foretold the lists so far
(prequential log loss, with forgetting), so that whom learning does not help falls back to what
the pack says. A change of taste shows as a run of lists that all of it foretold worse than none
(Page, "Continuous inspection schemes", 1954), and makes the head forget most of what it knows.

What a head knows is counted from where its layout says that weights begin: from 0, or from the
prior of a fleet, which is then part of ``base``. With another prior it knows the same of the
person, to the letter: a Gaussian times what the lists said is divided by the one prior and
multiplied with the other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_rerank.learning.layout import Layout
from edge_rerank.learning.lessons import Lesson
from edge_rerank.learning.prior import Prior

FADES_LISTS, FADES_DAYS = 90.0, 60.0
"""After so many lists, or days, half of the certainty beyond the prior is left."""

TRUSTED = (0.0, 0.5, 1.0)
"""Parts of what was learnt that the guard chooses among."""

_TRUST_AT_FIRST = (0.8, 0.15, 0.05)
_FORGETS = 0.99
_LEAST_TRUST = 1e-4

_ALLOWANCE = 0.05
"""Log loss a list by which all of what was learnt may be worse than none."""

_ALARM = 3.0
_KEPT_AFTER_ALARM = 0.25
_DAY_S = 86_400.0

_VERSION, _VERSION_WITH_PRIOR = 1, 2
_START = struct.Struct("<B16sHIIddddd")


@dataclass(frozen=True, slots=True, repr=False)
class Head:
    """What was learnt of one person. Equal lessons give equal heads, in equal bytes.

    Attributes:
        layout: of the features that the weights belong to.
        mean: of the weights, counted from where the layout lets them begin, float32 of shape
            (width,).
        precision: inverse of their covariance, symmetric, float32 of shape (width, width).
        trust: weights of ``TRUSTED``, which sum to 1.
        strain: log loss by which what was learnt was worse than nothing, of late; ≥ 0.
        lists: how many it learnt from.
        alarms: how often a change of taste was noticed.
        at: UTC seconds of the last list, 0 before the first.
    """

    layout: Layout
    mean: NDArray[np.float32]
    precision: NDArray[np.float32]
    trust: tuple[float, float, float] = _TRUST_AT_FIRST
    strain: float = 0.0
    lists: int = 0
    alarms: int = 0
    at: float = 0.0

    @classmethod
    def blank(cls, layout: Layout) -> Head:
        """One that knows nothing, and changes no order."""
        prior = np.diag(layout.prior()).astype(np.float32)
        return cls(layout, np.zeros(layout.width, dtype=np.float32), prior)

    @property
    def share(self) -> float:
        """How much of what was learnt counts, 0 to 1."""
        return float(np.dot(self.trust, TRUSTED))

    @property
    def weights(self) -> NDArray[np.float64]:
        """What a unit of each feature adds to the log-odds, float64 of shape (width,).

        Counted from where the layout lets them begin.
        """
        return self.share * self.mean.astype(np.float64)

    def learn(self, lesson: Lesson) -> Head:
        """The head after another list; this one stays as it is.

        Args:
            lesson: its features are of the head's layout.
        """
        features = lesson.features.astype(np.float64)
        mean = self.mean.astype(np.float64)
        learnt = features @ mean
        trust, worse = self._judged(lesson, learnt)
        prior = np.diag(self.layout.prior())
        precision = self.precision - prior
        precision *= self._kept(lesson.at)
        strain = max(0.0, self.strain + worse - _ALLOWANCE)
        alarm = strain > _ALARM
        if alarm:
            precision *= _KEPT_AFTER_ALARM
            mean *= _KEPT_AFTER_ALARM
            learnt = features @ mean
            strain, trust = 0.0, _TRUST_AT_FIRST
        gradient, curvature = _slopes(lesson, features, lesson.base + learnt)
        precision += prior
        precision += curvature
        mean += np.linalg.solve(precision, gradient)
        return replace(
            self,
            mean=mean.astype(np.float32),
            precision=precision.astype(np.float32),
            trust=trust,
            strain=strain,
            lists=self.lists + 1,
            alarms=self.alarms + alarm,
            at=max(self.at, lesson.at),
        )

    def _kept(self, at: float) -> float:
        """What is left of the certainty at a later time."""
        days = max(at - self.at, 0.0) / _DAY_S if self.at else 0.0
        return float(0.5 ** (1 / FADES_LISTS + days / FADES_DAYS))

    def _judged(
        self, lesson: Lesson, learnt: NDArray[np.float64]
    ) -> tuple[tuple[float, float, float], float]:
        """The guard's weights after the list, and by how much all was worse than none."""
        losses = np.array([lesson.loss(lesson.base + part * learnt) for part in TRUSTED])
        trust = np.array(self.trust) ** _FORGETS * np.exp(losses.min() - losses)
        trust = np.maximum(trust / trust.sum(), _LEAST_TRUST)
        none, half, whole = (trust / trust.sum()).tolist()
        return (none, half, whole), float(losses[-1] - losses[0])

    def to_bytes(self) -> bytes:
        """The head for the vault, little-endian: a version, the layout's mark, and the numbers.

        Where it begins with a prior, that stands at the end.
        """
        width, prior = self.layout.width, self.layout.start
        version = _VERSION if prior is None else _VERSION_WITH_PRIOR
        start = _START.pack(
            version, self.layout.mark, width, self.lists, self.alarms, self.at, self.strain,
            *self.trust,
        )  # fmt: skip
        upper = self.precision.ravel()[_upper(width)]
        end = b"" if prior is None else prior.to_bytes()
        return start + self.mean.astype("<f4").tobytes() + upper.astype("<f4").tobytes() + end

    @classmethod
    def from_bytes(cls, raw: bytes, layout: Layout) -> Head | None:
        """Read what :meth:`to_bytes` wrote; ``None`` where it is of another layout or version.

        One that began elsewhere is counted from where the layout begins.
        """
        width = layout.width
        upper = _upper(width)
        size = _START.size + 4 * (width + len(upper))
        if len(raw) not in {size, size + 8 * width}:
            return None
        version, mark, wide, lists, alarms, at, strain, *trust = _START.unpack_from(raw)
        began = None if len(raw) == size else Prior.from_bytes(raw[size:])
        expected = _VERSION if len(raw) == size else _VERSION_WITH_PRIOR
        if (version, mark, wide) != (expected, layout.mark, width):
            return None
        if expected == _VERSION_WITH_PRIOR and began is None:
            return None
        numbers = np.frombuffer(raw[:size], "<f4", offset=_START.size).astype(np.float32)
        if not np.isfinite(numbers).all() or not np.isfinite((at, strain, *trust)).all():
            return None
        precision = np.zeros((width, width), dtype=np.float32)
        precision.ravel()[upper] = numbers[width:]
        precision = np.where(precision == 0, precision.T, precision)
        none, half, whole = trust
        of = replace(layout, start=began)
        head = cls(of, numbers[:width], precision, (none, half, whole), strain, lists, alarms, at)
        return head.begun_at(layout)

    def begun_at(self, layout: Layout) -> Head:
        """The same knowledge of the person, counted from where a layout begins.

        Args:
            layout: of the same features.
        """
        if layout == self.layout:
            return replace(self, layout=layout)
        known = self.precision - np.diag(self.layout.prior())
        moved = _start_of(self.layout) - _start_of(layout)
        precision = known + np.diag(layout.prior())
        pull = self.precision @ self.mean.astype(np.float64) + known @ moved
        return replace(
            self,
            layout=layout,
            mean=np.linalg.solve(precision, pull).astype(np.float32),
            precision=precision.astype(np.float32),
        )


def _start_of(layout: Layout) -> NDArray[np.float64]:
    """Where weights begin, float64 of shape (width,)."""
    if layout.start is None:
        return np.zeros(layout.width)
    return layout.start.mean.astype(np.float64)


@lru_cache(maxsize=4)
def _upper(width: int) -> NDArray[np.intp]:
    """Flat places of the upper triangle of a square matrix, row by row."""
    rows, columns = np.triu_indices(width)
    return rows * width + columns


def _slopes(
    lesson: Lesson, features: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient and curvature of the log-likelihood of a list, (width,) and (width, width)."""
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    weight = lesson.chosen.sum()
    expected = chances @ features
    gradient = lesson.chosen @ features - weight * expected
    curvature = (features * chances[:, None]).T @ features - np.outer(expected, expected)
    curvature *= weight
    for better, worse in lesson.preferred:
        apart = features[better] - features[worse]
        doubt = 1.0 / (1.0 + np.exp(scores[better] - scores[worse]))
        gradient += doubt * apart
        curvature += doubt * (1.0 - doubt) * np.outer(apart, apart)
    return gradient, curvature
