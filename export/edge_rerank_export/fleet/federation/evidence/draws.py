"""Who took part, told in fleets that are drawn at random from the same people.

One fleet's members and the others who stand beside it differ by chance: of 200 and 60 people an
area of 0.58 says nothing. Where lots say who is a member, the two differ by nothing but that, an
attack that finds nothing has an area of 0.5 in the mean over fleets, and the interval over them
says how well that is known. What the same attacks find in a plain mean of the members' heads stands
beside it, so that an attack that finds nothing anywhere shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from edge_rerank._resampling import CONFIDENCE, Interval
from edge_rerank.learning.head import Head
from edge_rerank.learning.layout import Layout
from edge_rerank.learning.prior import Prior
from edge_rerank_export.fleet.federation.evidence.membership import membership
from edge_rerank_export.fleet.federation.evidence.rehearsal import rehearsed
from edge_rerank_export.fleet.federation.server.ledger import Promise


@dataclass(frozen=True, slots=True)
class Drawn:
    """How well an attack tells who took part, over fleets.

    Attributes:
        auc: area under its curve in the mean, 0.5 for a guess.
        interval: of that over fleets, at 95 %.
        more: how much the area is above that on a prior in which nobody who is judged took part.
        more_interval: of that, likewise.
        plain: the area on a plain mean of the members' heads, without clip, noise or directions.
        plain_interval: of that, likewise.
    """

    auc: float
    interval: Interval
    more: float
    more_interval: Interval
    plain: float
    plain_interval: Interval


def membership_of_drawn(
    people: Sequence[Head],
    layout: Layout,
    promise: Promise,
    known: NDArray[np.float64] | None,
    *,
    members: int,
    fleets: int,
    seed: int,
    on_fleet: Callable[[int], object] = lambda _: None,
) -> dict[str, Drawn]:
    """The attacks of :func:`~.membership.membership` on priors of fleets drawn at random.

    Args:
        people: heads of all, begun with no prior.
        layout: of the heads.
        promise: of each fleet's rounds.
        known: see :func:`~edge_rerank_export.fleet.federation.server.prior.prior_of`.
        members: of each fleet; four people or more are left.
        fleets: how many, two or more.
        seed: of all chance.
        on_fleet: told how many were judged.

    Returns:
        By the names of the attacks.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    for number in range(fleets):
        rng = np.random.default_rng([seed, number])
        drawn = [people[place] for place in rng.permutation(len(people)).tolist()]
        inside, outside = drawn[:members], drawn[members:]
        released = rehearsed(inside, layout, promise, known, rng)
        told = membership(
            released, inside, outside, lambda some: rehearsed(some, layout, promise, known)
        )
        plain = membership(plain_mean(inside), inside, outside, plain_mean)
        for name, one in told.items():
            found.setdefault(name, []).append((one.auc, one.more, plain[name].auc))
        on_fleet(number + 1)
    return {name: _over(np.array(areas)) for name, areas in found.items()}


def plain_mean(people: Sequence[Head]) -> Prior:
    """What a fleet without clip and noise would release: the mean of heads, as they are."""
    return Prior.of(np.mean([one.mean for one in people], axis=0), people[0].layout.prior())


def _over(areas: NDArray[np.float64]) -> Drawn:
    """Means over fleets, (fleets, 3), with Student's intervals."""
    count = len(areas)
    means = areas.mean(axis=0)
    reach = stdtrit(count - 1, (1 + CONFIDENCE) / 2) * areas.std(axis=0, ddof=1) / count**0.5
    auc, more, plain = map(float, means)
    spans = [
        Interval(float(low), float(high))
        for low, high in zip(means - reach, means + reach, strict=True)
    ]
    return Drawn(auc, spans[0], more, spans[1], plain, spans[2])
