"""Learning curve: what the personal head gains, by how many choices it had to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import middle, resampled_means
from edge_rerank.evaluation.replay import Asked
from edge_rerank.evaluation.slices import Estimate

_STRETCHES = ((1, 9), (10, 24), (25, 49), (50, None))
"""Choices that a person had made before, the first and the last of each."""

WORSE = 0.01
"""NDCG@10 by which a person's mean is called worse."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was asked of people who had made so many choices before.

    Attributes:
        first, last: how many; no last one where the stretch has no end.
        before: in the mean of what was asked.
        people, asked: how many.
        frozen, learnt: NDCG@10 of the pack alone and with the head, in the mean of what was
            asked, 0 to 1.
        difference: of ``learnt`` to ``frozen``.
        gain: of ``learnt`` over ``frozen``, a share of ``frozen``; NaN where that is 0.
    """

    first: int
    last: int | None
    before: float
    people: int
    asked: int
    frozen: Estimate
    learnt: Estimate
    difference: Estimate
    gain: Estimate

    @property
    def label(self) -> str:
        """As "10 to 24" or "from 50"."""
        return f"from {self.first}" if self.last is None else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A replay in figures. Intervals are at 95 %, people drawn anew, the same for all figures.

    Attributes:
        whole: all that was asked.
        stretches: parts of it in which something was asked, the fewest choices first.
        worse: share of people whose mean falls by more than ``WORSE``.
        worst: lowest difference of a person's means.
    """

    whole: Stretch
    stretches: tuple[Stretch, ...]
    worse: float
    worst: float


def learning_curve(people: Sequence[Sequence[Asked]], *, seed: int = 0) -> LearningCurve:
    """The figures of a replay.

    Args:
        people: what was asked of each, somebody at least once.
        seed: of the bootstrap.
    """
    told = [one for one in people if one]
    ranges = [(0, None), *_STRETCHES]
    parts = [[_within(asked, *one) for asked in told] for one in ranges]
    sums = np.array([list(_sums(part)) for part in parts])
    counts, columns = sums.shape[1], sums.shape[2]
    flat = sums.transpose(1, 0, 2).reshape(counts, -1)
    drawn = resampled_means(flat, np.random.default_rng([seed, 6]))
    resampled = drawn.reshape(len(drawn), len(parts), columns).transpose(1, 0, 2)
    whole, *stretches = (
        _stretch(first, last, own, again)
        for (first, last), own, again in zip(ranges, sums, resampled, strict=True)
    )
    changes = [np.mean([one.learnt - one.frozen for one in asked]) for asked in told]
    return LearningCurve(
        whole=whole,
        stretches=tuple(one for one in stretches if one.asked),
        worse=float(np.mean([change < -WORSE for change in changes])),
        worst=float(min(changes)),
    )


def _within(asked: Sequence[Asked], first: int, last: int | None) -> list[Asked]:
    return [one for one in asked if one.number >= first and (last is None or one.number <= last)]


def _sums(people: Sequence[Sequence[Asked]]) -> Iterator[tuple[float, float, float, float]]:
    """Of each person what :func:`_stretch` divides: how much was asked, and sums over it."""
    for asked in people:
        yield (
            float(len(asked)),
            sum(one.frozen for one in asked),
            sum(one.learnt for one in asked),
            float(sum(one.number for one in asked)),
        )


def _stretch(
    first: int, last: int | None, sums: NDArray[np.float64], drawn: NDArray[np.float64]
) -> Stretch:
    """The figures of a part.

    Args:
        first: see :class:`Stretch`.
        last: likewise.
        sums: of :func:`_sums`, float64 of shape (people, 4).
        drawn: their means on resamples of the people, float64 of shape (resamples, 4).
    """
    total = sums.sum(axis=0, keepdims=True)
    own, again = _ratios(total), _ratios(drawn)
    estimates = [
        Estimate(float(mean), middle(column)) for mean, column in zip(own[0], again.T, strict=True)
    ]
    frozen, learnt, difference, gain = estimates
    asked = int(total[0, 0])
    return Stretch(
        first=first,
        last=last,
        before=float(total[0, 3]) / asked if asked else float("nan"),
        people=int(np.count_nonzero(sums[:, 0])),
        asked=asked,
        frozen=frozen,
        learnt=learnt,
        difference=difference,
        gain=gain,
    )


def _ratios(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of both orders, their difference and the gain, NaN where nothing was asked.

    Args:
        sums: float64 of shape (rows, 4), see :func:`_sums`.

    Returns:
        float64 of shape (rows, 4).
    """
    asked, before, after = sums[:, 0], sums[:, 1], sums[:, 2]
    frozen, learnt = _share(before, asked), _share(after, asked)
    return np.stack([frozen, learnt, learnt - frozen, _share(after, before) - 1], axis=1)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
