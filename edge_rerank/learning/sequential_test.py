"""Sequential test of the host's order against ours: a betting e-process on interleaved wins.

Each list that one side won is a bet of the kind of Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 2024: wealth is multiplied by 1 + λ (x − ½), x = 1
where the bettor's side won, λ ≥ 0 chosen before. If that side is no more likely to win than to
lose, wealth is expected not to grow, and by Ville's inequality it ever reaches 20 with a chance of
at most 1/20, however often one looks and whenever one stops. λ = 2 (2p − 1), with p what the
wins so far make of a uniform prior over ½ to 1; the product then is a function of the two counts
(Robbins, "Statistical methods related to the law of the iterated logarithm", 1970), so they are
all that is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.interleaving import Side

REJECT_AT = 20.0
"""Wealth at which an order takes the place of the other: an error of at most 5 % a try."""

LONGEST = 100
"""Interleaved lists that somebody won after which a try ends undecided: what was won long ago
says little of orders that have changed since."""

LEANING = 2.0
"""Wealth from which on the other order is looked at closely: reached with a chance of at most one
half where it is no better, and then nothing is lost by it."""

CLOSELY = 0.5
"""Share of lists that are interleaved then."""

LOOKS = 40
"""Lists that a try interleaves so closely at most, those that nobody won counted: fewer where the
wealth does not grow, for it has to be on its way from :data:`LEANING` to :data:`REJECT_AT`. Two
orders that agree on what is chosen decide nothing, however many lists are spent on them."""

RESTING = 0.25
"""Part of the usual share while the host's order is shown: it was proven to be better, so each of
these lists costs something."""


def wealth(wins: int, losses: int) -> float:
    """What 1 has become by betting on the side with these wins; no less than 0.

    2 ∫ (2p)^wins (2 (1 − p))^losses dp over ½ to 1, which is 2^(n + 1) wins! losses! / (n + 1)!
    times the chance that n + 1 fair coins show at most ``wins`` heads, n = wins + losses.

    Args:
        wins: lists that the side won, at least 0.
        losses: lists that the other side won, at least 0.
    """
    tosses = wins + losses + 1
    # log C(tosses, i) for i up to wins: the chance times 2^tosses, by its largest term.
    heads = np.arange(wins + 1)
    logs = _log_factorials(tosses)
    terms = logs[tosses] - logs[heads] - logs[tosses - heads]
    largest = float(terms.max())
    total = largest + math.log(float(np.exp(terms - largest).sum()))
    exponent = float(logs[wins] + logs[losses] - logs[tosses]) + total
    return math.exp(min(exponent, _LARGEST))


_LARGEST = 700.0
"""Exponent that a float holds."""


def _log_factorials(upto: int) -> NDArray[np.float64]:
    """Logarithms of 0! to ``upto``!, float64 of shape (upto + 1,)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, upto + 1)))])


@dataclass(frozen=True, slots=True)
class OrderTest:
    """Which of two orders is shown, as far as interleaved lists have told which is better.

    A try ends when either order is shown to be better, or undecided: the next begins from 1, so
    that what is held against an order is never more than :data:`LONGEST` lists.
    A value: each interleaved list gives the next.

    Attributes:
        shown: whose order is shown, but for lists that are interleaved.
        host_wins: interleaved lists of this try that the host's order won.
        our_wins: that ours won.
        looks: interleaved lists of this try that came while it was looked at closely.
        returns: how often the host's order has returned.
    """

    shown: Side = Side.OURS
    host_wins: int = 0
    our_wins: int = 0
    looks: int = 0
    returns: int = 0

    def __post_init__(self) -> None:
        if min(self.host_wins, self.our_wins, self.looks, self.returns) < 0:
            raise InvalidRequest("test of the host's order: expected counts of at least 0")

    def evidence(self, side: Side) -> float:
        """Wealth of betting on an order in this try."""
        wins, losses = self.host_wins, self.our_wins
        return wealth(wins, losses) if side is Side.HOST else wealth(losses, wins)

    def share(self, usual: float) -> float:
        """Chance that the next list is interleaved; it depends on nothing but lists before.

        Args:
            usual: while nothing speaks for the order that is not shown, 0 to 1.
        """
        if usual and self.close:
            return max(usual, CLOSELY)
        return usual if self.shown is Side.OURS else usual * RESTING

    @property
    def close(self) -> bool:
        """Whether the order that is not shown leads, by as much as so many looks ask for."""
        asked = LEANING * (REJECT_AT / LEANING) ** (self.looks / LOOKS)
        return self.looks < LOOKS and self.evidence(self._other) >= asked

    def credited(self, won: Side | None) -> Self:
        """After an interleaved list.

        Args:
            won: whose items were worth more; where neither's were it was looked at in vain.
        """
        told = replace(
            self,
            host_wins=self.host_wins + (won is Side.HOST),
            our_wins=self.our_wins + (won is Side.OURS),
            looks=self.looks + self.close,
        )
        if told.evidence(told._other) >= REJECT_AT:
            back = told._other is Side.HOST
            return type(self)(shown=told._other, returns=self.returns + back)
        if told.evidence(told.shown) >= REJECT_AT or told.host_wins + told.our_wins >= LONGEST:
            return type(self)(shown=self.shown, returns=self.returns)
        return told

    @property
    def _other(self) -> Side:
        return Side.OURS if self.shown is Side.HOST else Side.HOST
