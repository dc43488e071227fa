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
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.interleaving import Side

REJECT_AT = 20.0
"""Wealth at which the host's order returns: an error of at most 5 % a try."""

PAUSE = 200
"""Lists in the host's order before another try."""


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
    """Whether the host's order is better than ours, as far as interleaved lists have told.

    A value: each step gives the next. Kept as :meth:`state`, some bytes whatever was shown.

    Attributes:
        host_wins: interleaved lists of this try that the host's order won.
        our_wins: that ours won.
        paused: lists still to be shown in the host's order before another try; 0 while ours is
            shown.
        returns: how often the host's order has returned.
    """

    host_wins: int = 0
    our_wins: int = 0
    paused: int = 0
    returns: int = 0

    def __post_init__(self) -> None:
        if min(self.host_wins, self.our_wins, self.paused, self.returns) < 0:
            raise InvalidRequest("state of the order's test: expected counts of at least 0")

    @property
    def host_evidence(self) -> float:
        """Wealth of betting on the host's order in this try."""
        return wealth(self.host_wins, self.our_wins)

    @property
    def our_evidence(self) -> float:
        """Wealth of betting on ours in this try."""
        return wealth(self.our_wins, self.host_wins)

    @property
    def shown(self) -> Side:
        """Whose order is to be shown, but for lists that are interleaved."""
        return Side.HOST if self.paused else Side.OURS

    def credited(self, winner: Side | None) -> Self:
        """After an interleaved list; the host's order returns where it has been shown better.

        Args:
            winner: of ``Interleaved.winner()``. A tie, and what is won by a list that was shown
                before a pause began, change nothing.
        """
        if winner is None or self.paused:
            return self
        if winner is Side.OURS:
            return replace(self, our_wins=self.our_wins + 1)
        told = replace(self, host_wins=self.host_wins + 1)
        if told.host_evidence < REJECT_AT:
            return told
        return replace(told, paused=PAUSE, returns=self.returns + 1)

    def listed(self) -> Self:
        """After a list in the host's order; the last of a pause begins another try, from 1."""
        if not self.paused:
            return self
        if self.paused > 1:
            return replace(self, paused=self.paused - 1)
        return replace(self, host_wins=0, our_wins=0, paused=0)

    def state(self) -> Mapping[str, NDArray[np.int64]]:
        """What is kept: ``order_test``, int64 of shape (4,)."""
        counts = [self.host_wins, self.our_wins, self.paused, self.returns]
        return {"order_test": np.array(counts, dtype=np.int64)}

    @classmethod
    def load(cls, state: Mapping[str, NDArray[np.int64]]) -> Self:
        """What :meth:`state` gave.

        Raises:
            InvalidRequest: it is not that.
        """
        counts = state.get("order_test")
        if counts is None or counts.shape != (4,) or counts.dtype != np.int64:
            raise InvalidRequest("state of the order's test: expected int64 of shape (4,)")
        return cls(*counts.tolist())
