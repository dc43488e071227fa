"""Proportions: several interests share the top of the list near their shares of recent strength.

Scores alone let the strongest taste take every place. Here each interest of the history may
have as many of the first places as its share of the strength, and what goes beyond costs
log-odds, in the manner of PM-2 (Dang and Croft, "Diversity by proportionality", SIGIR 2012)
with a smooth quotient: of two candidates that are about as good the one whose interest has
been served less comes first, and one that is clearly better comes first all the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.grouping import places_by
from edge_rerank.ranking.interests import Interest
from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request

PLACES = 20
"""Places that are shared out; what follows stands by score."""

POOL = 200
"""Best candidates that these places are filled from."""

COST = 4.0
"""Log-odds that each place beyond an interest's share, and :data:`SLACK`, costs the next candidate
of it."""

SLACK = 0.75
"""Places beyond the share that cost nothing."""

GAIN, MOST_GAIN = 0.5, 2.0
"""Log-odds that each place still due to an interest is worth to the next candidate of it, and at
most. On 500 validation requests each of eleven data sets all four together change NDCG@10 by
-0.02 % in the mean (worst -0.69 %, best +0.54 %); without slack and with twice the gain, -0.40 %
(worst -1.06 %)."""

OPEN = 0.75
"""Clicks' worth of the list that belong to no interest: after a single click
nearly half of the places, after thirty next to none."""

_FAST_SHARE = 0.65
_FAST_LATER, _FAST_SESSIONS = 1.25, 1.0
_SLOW_LATER, _SLOW_SESSIONS = 20.0, 20.0
_TINY = 1e-12

# As arrays: numpy would make one of a number at each place.
_FREE, _EVEN, _GAINED, _LEAST = map(np.array, (COST * SLACK, 0.0, GAIN / COST, -MOST_GAIN))


class Proportions(Policy):
    """On for people with a history where we may order freely, but for a query that has answers."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Share out the first places."""
        return self.arrange_each([order], [request])[0]

    def arrange_each(
        self, orders: Sequence[Arrangement], requests: Sequence[Request]
    ) -> list[Arrangement]:
        """Share out the first places of several lists, those of one shape at once."""
        arranged = list(orders)
        found = map(_Sharing.of, orders, requests)
        sharing = [(place, one) for place, one in enumerate(found) if one is not None]
        for places in places_by(one.shape for _, one in sharing):
            group = [sharing[place] for place in places]
            every = [one for _, one in group]
            shared = share_out(
                np.stack([one.scores for one in every]),
                np.stack([one.belongs for one in every]),
                np.stack([one.shares for one in every]),
                places=every[0].places,
            )
            for (place, one), picked, worth in zip(group, *shared, strict=True):
                arranged[place] = one.shared_out(orders[place], picked, worth)
        return arranged


@dataclass(frozen=True, slots=True, repr=False)
class _Sharing:
    """A list whose first places are to be shared out.

    Attributes:
        pool: rows that they are filled from, intp of shape (n,).
        scores: of these, float64 of shape (n,).
        belongs: how much each is of the kind of each liked item, float64 of shape (n, h).
        shares: of the liked items, float64 of shape (h,).
        places: how many to fill.
    """

    pool: NDArray[np.intp]
    scores: NDArray[np.float64]
    belongs: NDArray[np.float64]
    shares: NDArray[np.float64]
    places: int

    @classmethod
    def of(cls, order: Arrangement, request: Request) -> Self | None:
        """Of a call; ``None`` where nothing is to be shared out."""
        interests = request.interests
        if not interests.liked or order.asked or order.settled or len(order.rows) < 2:
            return None
        pool = order.rows[:POOL]
        belongs = request.kin_of(pool)
        done = interests.done
        if done:
            # What somebody has already does not stand for its kind, however much that is due.
            rows = request.rows_of(done)
            fresh = np.zeros(len(request.candidates) + 1)  # the last is for what is no candidate
            fresh[rows] = list(done.values())
            belongs = belongs * (1 - fresh[pool])[:, None]
        shares = interests.derived("shares", lambda: shares_of(interests.liked, request.support))
        return cls(pool, order.scores[pool], belongs, shares, min(request.keep, PLACES))

    @property
    def shape(self) -> Hashable:
        """Lists with the same are shared out at once."""
        return self.belongs.shape, self.places

    def shared_out(
        self, order: Arrangement, picked: NDArray[np.intp], worth: NDArray[np.float64]
    ) -> Arrangement:
        """The list with these candidates of the pool in its first places, see :func:`share_out`."""
        if (picked == np.arange(len(picked))).all():
            return order
        left = np.ones(len(self.pool), dtype=np.bool_)
        left[picked] = False
        first = self.pool[picked]
        arranged = np.concatenate([first, self.pool[left], order.rows[POOL:]])
        scores = order.scores.copy()
        scores[first] = worth
        return order.moved(arranged, scores)


def shares_of(liked: Sequence[Interest], support: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each liked item's share of the list.

    Two thirds of the list go by what was said just now, halved with every click or so and
    with every session, the rest by what is said again and again, halved every twenty clicks and
    sessions.
    So a switch is followed within a few clicks, and what was liked for long is not gone.

    Args:
        liked: h items of the history.
        support: what of their strengths is left, float64 of shape (h,), see
            :attr:`~edge_rerank.ranking.request.Request.support`.

    Returns:
        float64 of shape (h,), > 0, summing to less than 1: the rest is nobody's.
    """
    strength = support * np.array([one.strength for one in liked])
    later = np.array([one.later for one in liked])
    session = np.array([one.session for one in liked], dtype=np.float64)
    fast = strength * np.exp2(-later / _FAST_LATER - session / _FAST_SESSIONS)
    slow = strength * np.exp2(-later / _SLOW_LATER - session / _SLOW_SESSIONS)
    said = slow.sum()
    now, always = fast / max(fast.sum(), _TINY), slow / max(said, _TINY)
    shares = _FAST_SHARE * now + (1 - _FAST_SHARE) * always
    return np.asarray(shares * said / (said + OPEN))


def share_out(
    scores: NDArray[np.float64],
    belongs: NDArray[np.float64],
    shares: NDArray[np.float64],
    *,
    places: int,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Fill the first places of P lists one by one.

    Args:
        scores: log-odds of n candidates each, float64 of shape (P, n).
        belongs: how much each is of the kind of each of h liked items, 0 to 1, float64 of
            shape (P, n, h).
        shares: of the liked items, float64 of shape (P, h), see :func:`shares_of`.
        places: how many to fill.

    Returns:
        The candidates in the first places, intp of shape (P, min(places, n)), and the scores
        less what they cost there, float64 of the same shape.
    """
    places = min(places, scores.shape[1])
    lists = np.arange(len(scores))
    responsible = belongs * shares[:, None]
    nobody = (1 - belongs.max(axis=2)) * (1 - shares.sum(axis=1, keepdims=True))
    responsible /= (responsible.sum(axis=2) + nobody + _TINY)[..., None]
    # By how many places each is ahead of what is due to it, times what one costs.
    ahead = np.zeros(scores.shape)
    due, serves = COST * np.matmul(belongs, shares[..., None])[..., 0], COST * belongs
    left = scores + COST * SLACK
    picked = np.empty((len(scores), places), dtype=np.intp)
    worth = np.empty(picked.shape)
    value, gain = np.empty((2, *left.shape))
    for place in range(places):
        np.maximum(ahead, _FREE, out=value)
        np.subtract(left, value, value)
        np.minimum(ahead, _EVEN, out=gain)
        np.multiply(gain, _GAINED, gain)
        np.maximum(gain, _LEAST, out=gain)
        np.subtract(value, gain, value)
        best = value.argmax(axis=1)
        picked[:, place] = best
        worth[:, place] = value[lists, best]
        left[lists, best] = -np.inf
        # By how much this pick serves what each other candidate belongs to.
        np.matmul(serves, responsible[lists, best][..., None], out=gain[..., None])
        np.add(ahead, gain, ahead)
        np.subtract(ahead, due, ahead)
    return picked, worth
