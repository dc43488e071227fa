"""Figures of a simulation: learning curves, gains, people who lose, time to recover.

The person is the unit of chance: arms are compared on the same people, and intervals are of
resampled people, paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval, bootstrap, middle, resampled_means
from edge_rerank_export.studies.simulate.plan import Plan
from edge_rerank_export.studies.simulate.play import Course

STRETCHES = 10
"""Parts of equal length into which the lists are cut for a table."""

WORSE = 0.01
"""NDCG@10, in the mean over the lists, by which somebody is worse off who counts as such."""

RECOVERED = 0.9
"""Share of the former level at which an arm has recovered from a switch."""

_LEVEL = 20
"""Lists before a switch whose mean is the former level, at most."""

_WINDOW = 5
"""Events that are looked at together after a switch: lists differ."""


class Measure(StrEnum):
    """What a list is judged by, see :class:`~.play.Course`."""

    NDCG = "ndcg"
    PLEASING = "pleasing"
    REGRET = "regret"
    CLICKS = "clicks"
    PLEASED = "pleased"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some lists in a row, in one arm.

    Attributes:
        first: its first list, from 1.
        last: its last.
        values: means over people and lists, by measure.
        interval: of NDCG@10.
        difference: of NDCG@10 to the first arm; ``None`` in that arm itself.
        difference_interval: its, paired; ``None`` likewise.
    """

    first: int
    last: int
    values: dict[Measure, float]
    interval: Interval
    difference: float | None
    difference_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Gain:
    """What an arm has more than the first one, as a share of that.

    Attributes:
        measure: in which.
        lists: how many, the last ones.
        relative: 0.08 for 8 % more.
        interval: paired.
    """

    measure: Measure
    lists: int
    relative: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Recovery:
    """How an arm follows a switch of taste.

    Attributes:
        before: NDCG@10 before the switch, in the mean of the last lists.
        after: of the first list after it.
        events: clicks after it until NDCG@10 is back at 90 % of ``before``; ``None`` where it
            was not in the lists that there were.
    """

    before: float
    after: float
    events: int | None


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """All that is known of an arm.

    Attributes:
        name: see :class:`~.plan.Arm`.
        curve: list by list.
        stretches: the same in at most :data:`STRETCHES` parts.
        gains: over the first arm, of the last stretch and of all lists; empty for the first.
        worse: share of people whose mean NDCG@10 is more than :data:`WORSE` below the first
            arm's; ``None`` for that one.
        worst: the largest such loss; 0 where nobody loses, ``None`` likewise.
        recovery: from the switch, if there is one.
        rank_ms: processor time of a call that ranks, in the mean: it depends on the machine.
        record_ms: of recording a list's events.
    """

    name: str
    curve: tuple[Stretch, ...]
    stretches: tuple[Stretch, ...]
    gains: tuple[Gain, ...]
    worse: float | None
    worst: float | None
    recovery: Recovery | None
    rank_ms: float
    record_ms: float


def figures_of(plan: Plan, played: Sequence[Sequence[Course]]) -> tuple[ArmFigures, ...]:
    """The figures of each arm.

    Args:
        plan: what was simulated.
        played: for each person a course an arm.
    """
    arms = [
        {
            measure: np.array([getattr(one[place], measure) for one in played], dtype=np.float64)
            for measure in Measure
        }
        for place in range(len(plan.arms))
    ]
    first = arms[0]
    parts = min(STRETCHES, plan.lists)
    edges = np.linspace(0, plan.lists, parts + 1).round().astype(int)
    found = []
    for place, (arm, values) in enumerate(zip(plan.arms, arms, strict=True)):
        beside = first if place else None
        loss = None if beside is None else (beside[Measure.NDCG] - values[Measure.NDCG]).mean(1)
        found.append(
            ArmFigures(
                name=arm.name,
                curve=_curve(values, beside, np.arange(plan.lists + 1), plan.seed),
                stretches=_curve(values, beside, edges, plan.seed),
                gains=() if beside is None else _gains(values, beside, plan, int(edges[-2])),
                worse=None if loss is None else float((loss > WORSE).mean()),
                worst=None if loss is None else max(float(loss.max()), 0.0),
                recovery=None if plan.switch_at is None else _recovery(values, plan.switch_at - 1),
                rank_ms=float(np.mean([one[place].rank_ms for one in played])),
                record_ms=float(np.mean([one[place].record_ms for one in played])),
            )
        )
    return tuple(found)


Values = dict[Measure, NDArray[np.float64]]
"""By measure, float64 of shape (people, lists)."""


def _curve(
    values: Values, beside: Values | None, edges: NDArray[np.int_], seed: int
) -> tuple[Stretch, ...]:
    cut = {measure: _means(one, edges) for measure, one in values.items()}
    ndcg = cut[Measure.NDCG]
    # The same resamples of people for each arm.
    intervals = bootstrap(ndcg, np.random.default_rng(seed))
    if beside is None:
        apart, apart_intervals = None, None
    else:
        apart = ndcg - _means(beside[Measure.NDCG], edges)
        apart_intervals = bootstrap(apart, np.random.default_rng(seed))
    return tuple(
        Stretch(
            first=int(begin) + 1,
            last=int(end),
            values={measure: float(one[:, place].mean()) for measure, one in cut.items()},
            interval=intervals[place],
            difference=None if apart is None else float(apart[:, place].mean()),
            difference_interval=None if apart_intervals is None else apart_intervals[place],
        )
        for place, (begin, end) in enumerate(pairwise(edges))
    )


def _means(values: NDArray[np.float64], edges: NDArray[np.int_]) -> NDArray[np.float64]:
    """Means of a person's lists between two edges, float64 of shape (people, edges - 1)."""
    return np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)


def _gains(values: Values, beside: Values, plan: Plan, last: int) -> tuple[Gain, ...]:
    gains = []
    for measure in (Measure.NDCG, Measure.PLEASING):
        for begin in dict.fromkeys((last, 0)):
            pair = np.column_stack(
                [values[measure][:, begin:].mean(1), beside[measure][:, begin:].mean(1)]
            )
            drawn = resampled_means(pair, np.random.default_rng(plan.seed))
            mean = pair.mean(0)
            gains.append(
                Gain(
                    measure,
                    plan.lists - begin,
                    _ratio(mean[None])[0].item(),
                    middle(_ratio(drawn)),
                )
            )
    return tuple(gains)


def _ratio(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """First over second, minus 1; 0 where both are 0."""
    above, below = pairs[:, 0], pairs[:, 1]
    return np.divide(above, below, out=np.ones_like(above), where=below > 0) - 1


def _recovery(values: Values, switch: int) -> Recovery:
    """See :class:`Recovery`.

    Lists are put together by how many clicks came since the switch, where half of the people have
    some: those who click most are not like all.
    """
    ndcg = values[Measure.NDCG]
    before = float(ndcg[:, max(switch - _LEVEL, 0) : switch].mean())
    since = np.cumsum(values[Measure.CLICKS][:, switch:], axis=1)
    since = np.column_stack([np.zeros(len(since)), since[:, :-1]])
    later = ndcg[:, switch:]
    events = None
    for count in range(int(since.max()) + 1):
        there = (since >= count) & (since < count + _WINDOW)
        if there.any(axis=1).mean() >= 0.5 and later[there].mean() >= RECOVERED * before:
            events = count
            break
    return Recovery(before, float(later[:, 0].mean()), events)
