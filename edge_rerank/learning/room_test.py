"""Sequential test of the room beside the host's order: is more of it earned, or is it lost again.

A person's lists are held near the host's order at first. What is chosen of them tells, too, how
they would have fared with more room: an order is worth the discounted places of what is chosen,
each choice weighted by the reciprocal chance that its place is looked at, so that orders that were
not shown are judged as if they had been (inverse propensity scoring: Joachims, Swaminathan and
Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017). Every list of ours is so
a bet (see :mod:`~edge_rerank.learning.sequential_test`) on the room that it was not shown with.

Cutting weights and gains makes the order that was not shown win less, and so does a place that is
looked at more often than supposed: what was not shown has to be clearly better. Where nothing is
to be won, as beside a host that is right, nothing is ever earned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.examination import discounts
from edge_rerank.learning.sequential_test import REJECT_AT

STAKE = 0.5
"""Part of the wealth that is bet on each list."""

FLOOR = 1 / REJECT_AT**2
"""Wealth at which a try is given up: what was held against a room long ago does not count for ever.
Higher, tries would be many, and a twentieth of them errs where neither room is better."""

_LOWEST, _HIGHEST = math.log(FLOOR), math.log(REJECT_AT)


@dataclass(frozen=True, slots=True)
class RoomTest:
    """Whether a person's lists have more room beside the host's order.

    A try ends at a wealth of 20, with the other room, or of 1/400, with this one; the next begins
    from 1. A value: each list gives the next.

    Attributes:
        earned: whether they have.
        wealth: its logarithm in this try, of betting on the room that they have not; as a float32
            holds it.
    """

    earned: bool = False
    wealth: float = 0.0

    def __post_init__(self) -> None:
        if not _LOWEST <= self.wealth <= _HIGHEST:
            raise InvalidRequest(f"wealth of a room: expected {_LOWEST:.3f} to {_HIGHEST:.3f}")

    def after(self, gain: float) -> Self:
        """After a list.

        Args:
            gain: by which more room would have been better, cut to -1 and 1.
        """
        won = min(max(-gain if self.earned else gain, -1.0), 1.0)
        wealth = float(np.float32(self.wealth + math.log1p(STAKE * won)))
        if _LOWEST < wealth < _HIGHEST:
            return type(self)(self.earned, wealth)
        return type(self)(self.earned is (wealth < 0))


def lifts(narrow: NDArray[np.intp], wide: NDArray[np.intp]) -> NDArray[np.float64]:
    """By how much more a choice of each item is worth to one order than to the other.

    Args:
        narrow: rows of the candidates, best first, each once, intp of shape (n,).
        wide: the same in the order with more room.

    Returns:
        Of each candidate, 1 / log2(1 + place) in ``wide`` less that in ``narrow``, in between -1
        and 1, float64 of shape (n,).
    """
    worth = discounts(len(wide))
    lift = np.zeros(len(wide))
    lift[wide] += worth
    lift[narrow] -= worth
    return lift
