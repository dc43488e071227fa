"""Evidence by repeat consumption: what the person had before, how often and how long ago.

The chance that the next choice is a thing had before is learnt from the person's own choices and
divided among those things by how often and how lately each was chosen, a sum of powers of the
age (Anderson and Schooler, "Reflections of the environment in memory", 1991; Anderson, Kumar,
Tomkins and Vassilvitskii, "The dynamics of repeat consumption", WWW 2014). Against it stands the
chance of a thing that is new, which depends on how many of either kind the host lists: one
item in twenty that was had before is a find, ten are the host's way to make lists.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import Column, Evidence, Source
from edge_rerank.ranking.list_rules import Had
from edge_rerank.ranking.options import Repeats
from edge_rerank.ranking.request import Request
from edge_rerank.types import ReasonCode

HABIT = Column("habit", 1.0, ReasonCode.HABIT)
"""Log-odds for what was chosen in several sessions, above 0, see :meth:`Familiar.log_odds`."""

HAD = Column("had", 1.0, ReasonCode.REPEAT)
"""Log-odds for what was chosen in one, and those below 0 of what was chosen in several."""

DONE = Column("done", -6.0, ReasonCode.REPEAT)
"""1 when this very item was bought, completed or rated just now, see
:attr:`~edge_rerank.ranking.interests.Interests.done`."""

BEHIND = Column("behind", -4.0, ReasonCode.REPEAT, yields=False)
"""1 for what was had before where the host wants none of it; the policy
:class:`~edge_rerank.ranking.policies.behind.Behind` puts it last."""

LEAST, MOST = -3.0, 8.0
"""Log-odds at which what is said of repeats ends."""


@dataclass(frozen=True, slots=True)
class RepeatRate:
    """How often people of a catalogue choose what they had before: a beta distribution.

    Attributes:
        repeats: choices of something had before that count as if the person had made them.
        fresh: choices of something new, likewise.
    """

    repeats: float
    fresh: float

    def with_choices(self, visits: Mapping[str, tuple[int, ...]]) -> float:
        """Log-odds that the person's next choice is a thing had before.

        Args:
            visits: of one item at least, see
                :attr:`~edge_rerank.ranking.interests.Interests.visits`.
        """
        repeats = fresh = 0.0
        # Before the oldest session nothing is known to have been had.
        first = [sessions[-1] for sessions in visits.values()]
        oldest = max(first)
        for sessions, session in zip(visits.values(), first, strict=True):
            if session < oldest:
                fresh += _weight(session)
            if sessions[0] != session:
                repeats += sum(map(_weight, sessions[:-1]))
        return math.log((self.repeats + repeats) / (self.fresh + fresh))


NEW_CATALOGUE = RepeatRate(repeats=0.03, fresh=0.5)
"""Before anything is known of a catalogue: one choice in eighteen, and weak. Ten times as many
repeats change NDCG@10 x 100 on groceries by 0.6 at most."""

_HALF_LIFE_SESSIONS = 10.0
"""Sessions after which a choice counts half for how much somebody repeats: of the oldest ones it
is not known what was had before. Log loss of "the next one is a repeat" on groceries, with a beta
prior fitted to each: 0.528 with 5 and with 10, 0.529 with 20, 0.531 without end."""

_DECAY = 0.5
"""Power of the age in sessions by which having chosen a thing counts less."""

_STEEPNESS = 1.4
"""Power of what all sessions in which a thing was chosen come to. NDCG@10 x 100 on groceries,
half of the negatives had before: 41.6 with 1, 43.2 with 1.4, 44.2 with 1.7; powers of the age
from 0.3 to 0.7 differ by less than 1. What was bought once is in the next basket 1.0 % of the time,
twice 3.0 %, four times 8.2 %, eight times 21 %; bought once, one basket ago, 2.4 %, five to eight
ago 1.3 %, 17 to 32 ago 0.7 %."""

_OWN_LIKENESS = 1.6
"""Times that the log-odds of what was chosen in three sessions and more count, if they speak for
it: its like gains by its likeness to it, and the thing itself does not."""

_HABIT_TIMES = 3

_LEVEL = -0.5
"""Log-odds of a thing as familiar as most, where the person repeats half of the time and the list
holds as many things that are new as others that are not."""

_BY_CHANCE = 0.05
"""Things had before that a list made without looking at the person holds besides the one wanted;
where it holds all the things that were had, it says nothing that they are there."""

_UNSURE = 3.0
"""Things had by which a history must be longer before what a list lacks of it says much."""


class RepeatSource(Source):
    """The source of what is said for and against things had before.

    Args:
        rate: of the catalogue.
    """

    columns: tuple[Column, ...] = (HABIT, HAD, DONE, BEHIND)

    def __init__(self, rate: RepeatRate = NEW_CATALOGUE) -> None:
        self._rate = rate

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Judge the candidates that the person had before."""
        interests, visits = request.interests, request.interests.visits
        known = request.rows_of(visits)
        (had,) = np.nonzero(known >= 0)
        if not len(had):
            return
        # In the order of the candidates, in which sums are made.
        had = had[np.argsort(known[had])]
        rows = known[had]
        done = _by_id(interests.done, visits)[had]
        stays = request.policy.had is Had.STAY
        evidence[DONE.name][rows] = 0.0 if stays else done
        if request.repeats is Repeats.NEVER:
            evidence[BEHIND.name][rows] = 1.0
        # Who asks wants something else, and may be only half understood.
        if request.repeats is not Repeats.LEARN or request.query is not None:
            return
        familiar = interests.derived(self, lambda: Familiar.of(visits, self._rate))
        odds = familiar.log_odds(had, of=len(request.candidates))
        left = 1 - done
        if interests.disliked:
            # Of a kind that was turned down nobody is taken back to as much.
            mine = zip(interests.liked, request.support.tolist(), strict=True)
            support = {one.item.id: part for one, part in mine}
            left *= np.maximum(2 * _by_id(support, visits, 1.0)[had] - 1, 0.0)
        odds = np.where(odds > 0, odds * left, odds)
        back = (odds > 0) & familiar.again[had]
        evidence[HABIT.name][rows] = np.where(back, odds, 0.0)
        if stays:
            own = np.array([name in interests.done for name in visits])[had]
            odds = np.where(own, np.maximum(odds, 0.0), odds)
        evidence[HAD.name][rows] = np.where(back, 0.0, odds)

    def forget(self, user: str | None = None) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True, repr=False)
class Familiar:
    """What v things that were chosen say before any of them is listed.

    Attributes:
        returning: log-odds that the person's next choice is one of them.
        share: log of how present each is, by how present they are in the mean, float64 of shape
            (v,).
        again: whether each was chosen in several sessions, bool of shape (v,).
        habit: whether in so many that it is one, likewise.
        before: whether before the present session, likewise.
    """

    returning: float
    share: NDArray[np.float64]
    again: NDArray[np.bool_]
    habit: NDArray[np.bool_]
    before: NDArray[np.bool_]

    @classmethod
    def of(cls, visits: Mapping[str, tuple[int, ...]], rate: RepeatRate = NEW_CATALOGUE) -> Self:
        """Of the sessions in which each was chosen.

        Args:
            visits: of one item at least, see
                :attr:`~edge_rerank.ranking.interests.Interests.visits`.
            rate: of the catalogue.
        """
        familiar = [
            _once(sessions[0]) if len(sessions) == 1 else _activation(sessions)
            for sessions in visits.values()
        ]
        typical = sum(familiar) / len(familiar)
        times = np.array(list(map(len, visits.values())))
        first = np.array([sessions[-1] for sessions in visits.values()])
        return cls(
            returning=rate.with_choices(visits),
            share=np.log([one / typical for one in familiar]),
            again=times > 1,
            habit=times >= _HABIT_TIMES,
            before=first > 0,
        )

    def log_odds(self, had: NDArray[np.intp], *, of: int) -> NDArray[np.float64]:
        """Log-odds of things had before against a thing that is new.

        Args:
            had: those of them that are candidates, intp of shape (h,).
            of: how many candidates there are, h or more.

        Returns:
            float64 of shape (h,), within :data:`LEAST` to :data:`MOST`; 0 for what was chosen in
            the present session alone, which is no coming back yet.
        """
        by_chance = max(_BY_CHANCE, (len(had) + _UNSURE) / (len(self.share) + _UNSURE))
        crowd = math.log((of - len(had) + 1) / (len(had) - 1 + by_chance))
        odds = _LEVEL + self.returning + crowd + self.share[had]
        odds = np.where(self.habit[had] & (odds > 0), odds * _OWN_LIKENESS, odds)
        return np.where(self.before[had], odds.clip(LEAST, MOST), 0.0)


def _by_id(
    numbers: Mapping[str, float], names: Collection[str], default: float = 0.0
) -> NDArray[np.float64]:
    """The number of each name, float64 of shape (names,)."""
    if not numbers:
        return np.full(len(names), default)
    return np.array([numbers.get(name, default) for name in names])


def _activation(sessions: tuple[int, ...]) -> float:
    """How present a thing is by the sessions in which it was chosen, several of them."""
    return float(sum(map(_recency, sessions)) ** _STEEPNESS)


# Sessions are small numbers, and looking one up takes a quarter of the time of a power.
@lru_cache(maxsize=512)
def _weight(session: int) -> float:
    return float(2.0 ** (-session / _HALF_LIFE_SESSIONS))


@lru_cache(maxsize=512)
def _recency(session: int) -> float:
    return float(max(session, 1) ** -_DECAY)


@lru_cache(maxsize=512)
def _once(session: int) -> float:
    return float(_recency(session) ** _STEEPNESS)
