"""What somebody who has the prior could tell of who took part: membership inference.

Members and others may differ by chance, and an attack that finds that has found no membership. So
each is turned on priors in which nobody who is judged took part, too: what it says there is how the
two groups differ, and what it says beyond that is what the prior gives away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rerank._resampling import Interval
from edge_rerank.learning.head import Head
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.share import vector_of

_DECIMALS = 6
"""Of a difference of scores: what is smaller is rounding."""

_Attack = Callable[[Prior, Head], float]

_TWO_SIDED = 1.959963984540054
"""Standard deviations of a normal distribution between which 95 % lie."""


@dataclass(frozen=True, slots=True)
class Told:
    """How well an attack tells who took part.

    Attributes:
        auc: area under its curve, 0.5 for a guess.
        interval: of that, at 95 %.
        control: the area of the same attack on priors in which nobody who is judged took part.
        more: how much the area is above that.
        more_interval: of the difference, at 95 %.
    """

    auc: float
    interval: Interval
    control: float
    more: float
    more_interval: Interval


class Places(NamedTuple):
    """Where scores stand among those of the other group; areas are means of these.

    Attributes:
        members: of each the share of others below, float64 of shape (members,).
        others: of each the share of members above, float64 of shape (others,).
    """

    members: NDArray[np.float64]
    others: NDArray[np.float64]

    @classmethod
    def of(cls, members: NDArray[np.float64], others: NDArray[np.float64]) -> Places:
        """Of scores, float64 of shape (members,) and (others,); ties count by half."""
        above = members[:, None] - others[None, :]
        won = (above > 0) + 0.5 * (above == 0)
        return cls(won.mean(axis=1), won.mean(axis=0))

    def minus(self, other: Places) -> Places:
        """The same people by one score against another."""
        return Places(self.members - other.members, self.others - other.others)

    def area(self) -> tuple[float, Interval]:
        """Area under a curve with its interval at 95 %, by DeLong and others.

        The area is the chance that a member scores above somebody else (Mann and Whitney, 1947).
        "Comparing the areas under two or more correlated receiver operating characteristic
        curves", Biometrics 1988.
        """
        area = float(self.members.mean())
        variance = sum(float(one.var(ddof=1)) / len(one) for one in self)
        reach = _TWO_SIDED * variance**0.5
        return area, Interval(area - reach, area + reach)


def membership(
    prior: Prior,
    members: Sequence[Head],
    others: Sequence[Head],
    common: Callable[[Sequence[Head]], Prior],
) -> dict[str, Told]:
    """How well four attacks tell who took part, by whole heads of people and the prior alone.

    Along the mean: the vector that the person would have sent points where the prior went
    (Homer and others, 2008). By likelihood: the person's weights are likely under the prior
    beside the runtime's own. By distance: they are near its mean. Beside others: along the mean,
    minus what that says of the other prior, for who knows how alike the person is to everybody
    (Watson and others, "On the importance of difficulty calibration in membership inference
    attacks", ICLR 2022); on that by itself a guess.

    Args:
        prior: what was released.
        members: heads of two people or more who took part, as if they began with no prior.
        others: heads of four people or more who did not. Each half of them is judged beside the
            prior that comes of the other half.
        common: gives that, or one that comes of nobody.
    """
    halves = others[::2], others[1::2]
    controls = common(halves[1]), common(halves[0])

    def by(attack: _Attack, priors: Sequence[Prior]) -> Places:
        """Each half of the others by its own prior."""
        pairs = zip(priors, halves, strict=True)
        return _pooled([_places(attack, one, members, half) for one, half in pairs])

    def beside(control: Prior, head: Head) -> float:
        return round(_along(prior, head) - _along(control, head), _DECIMALS)

    found = {}
    for name, attack in _ATTACKS.items():
        told, control = by(attack, (prior, prior)), by(attack, controls)
        more, beyond = told.minus(control).area()
        found[name] = Told(*told.area(), control.area()[0], more, beyond)
    area, interval = by(beside, controls).area()
    beyond = Interval(interval.low - 0.5, interval.high - 0.5)
    return {**found, "beside": Told(area, interval, 0.5, area - 0.5, beyond)}


def _places(
    attack: _Attack, prior: Prior, members: Sequence[Head], others: Sequence[Head]
) -> Places:
    inside, outside = (np.array([attack(prior, head) for head in one]) for one in (members, others))
    return Places.of(inside, outside)


def _pooled(halves: Sequence[Places]) -> Places:
    """Halves of the others, each judged by itself beside all members, as one."""
    others = np.concatenate([one.others for one in halves])
    members = sum(len(one.others) / len(others) * one.members for one in halves)
    return Places(np.asarray(members), others)


def _along(prior: Prior, head: Head) -> float:
    return float(vector_of(head)[: len(prior.mean)].astype(np.float64) @ prior.mean)


def _likelihood(prior: Prior, head: Head) -> float:
    usual = head.layout.prior()
    mean = head.mean.astype(np.float64)
    by_prior = prior.precision * (mean - prior.mean) ** 2 - np.log(prior.precision)
    return float(0.5 * (usual * mean**2 - np.log(usual) - by_prior).sum())


def _distance(prior: Prior, head: Head) -> float:
    return -float(np.linalg.norm(head.mean.astype(np.float64) - prior.mean))


_ATTACKS = {"along": _along, "likelihood": _likelihood, "distance": _distance}
