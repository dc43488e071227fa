"""Figures of a replay: what learning gains, from when on, and whom it harms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from edge_rerank._resampling import Interval, middle, resampled_means
from edge_rerank_export.studies.replay.replay import Asked

EARLY, LATE = 10, 25
"""Choices before which a person counts as new, and from which on as known."""

WORSE = 0.01
"""NDCG@10 by which a person's mean is called worse."""


@dataclass(frozen=True, slots=True)
class Gains:
    """What learning gains on one data set. Gains are shares of the pack's own NDCG@10.

    Attributes:
        folder: name of the data set.
        people, asked: how many.
        frozen, learnt: NDCG@10 in the mean of all that was asked, 0 to 1.
        gain: of ``learnt`` over ``frozen``.
        interval: of the gain, 95 %, people drawn anew.
        early, middle, late: gain among the choices 1 to 9, 10 to 24, and from 25 on; NaN where
            there are none.
        worse: share of people whose mean falls by more than ``WORSE``.
        worst: lowest difference of a person's means.
    """

    folder: str
    people: int
    asked: int
    frozen: float
    learnt: float
    gain: float
    interval: Interval
    early: float
    middle: float
    late: float
    worse: float
    worst: float


def gains_of(folder: str, people: Sequence[Sequence[Asked]], *, seed: int = 0) -> Gains:
    """The figures of a replay.

    Args:
        folder: name of the data set.
        people: what was asked of each, somebody at least once.
        seed: of the bootstrap.
    """
    told = [one for one in people if one]
    every = [asked for one in told for asked in one]
    frozen = float(np.mean([one.frozen for one in every]))
    learnt = float(np.mean([one.learnt for one in every]))
    sums = np.array([_sums(one) for one in told])
    drawn = resampled_means(sums, np.random.default_rng([seed, 6]))
    changes = [np.mean([one.learnt - one.frozen for one in asked]) for asked in told]
    return Gains(
        folder=folder,
        people=len(told),
        asked=len(every),
        frozen=frozen,
        learnt=learnt,
        gain=learnt / frozen - 1,
        interval=middle(drawn[:, 1] / drawn[:, 0] - 1),
        early=_gain([one for one in every if one.number < EARLY]),
        middle=_gain([one for one in every if EARLY <= one.number < LATE]),
        late=_gain([one for one in every if one.number >= LATE]),
        worse=float(np.mean([change < -WORSE for change in changes])),
        worst=float(min(changes)),
    )


def as_json(every: Sequence[Gains]) -> str:
    """All figures as one JSON object."""
    return json.dumps({"replay": [asdict(one) for one in every]}, indent=2)


def _sums(asked: Sequence[Asked]) -> tuple[float, float]:
    return sum(one.frozen for one in asked), sum(one.learnt for one in asked)


def _gain(asked: Sequence[Asked]) -> float:
    before = sum(one.frozen for one in asked)
    return sum(one.learnt for one in asked) / before - 1 if before else float("nan")
