"""Evidence about candidates: columns of numbers, what they weigh, and which reason they give.

Whatever scores is a :class:`Source`. Each column's name, weight and reason stand together in
its source, a candidate's score is the sum of its weighted columns, and so every part of a
score can be explained.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InferenceError
from edge_rerank.ranking.relevance.relevance import Level
from edge_rerank.ranking.request import Request
from edge_rerank.types import LIST_RULES, Degradation, ReasonCode

CODES = tuple(code for code in ReasonCode if code not in LIST_RULES)
"""Codes that evidence gives."""

_MANY = 2_000


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of evidence.

    Attributes:
        name: by which a source fills it in, unique among all sources.
        weight: by which its values are multiplied; values in log-odds weigh 1.
        reason: what it says to the person.
        yields: whether it steps back behind what was asked for, see
            :meth:`Evidence.step_back`.
        adapts: whether a personal head may weigh it anew for one person, see
            :mod:`edge_rerank.learning.head`.
    """

    name: str
    weight: float
    reason: ReasonCode
    yields: bool = True
    adapts: bool = False


Likest: TypeAlias = tuple[tuple[str, ...], NDArray[np.intp]]
"""Ids of items of the history, and by candidate the place of one of them, -1 for none."""


class Truths:
    """Which reasons can be said of n candidates, and what with.

    Args:
        count: n.

    Attributes:
        chosen: ids of the items of the history that were chosen, see :mod:`~.truths`.
        nearest: the one of them that each candidate resembles most, intp of shape (n,); -1 for
            none.
        present: whether that was chosen in the present session, and others before, bool of
            shape (n,).
        chosen_categories: all that they have.
        likest: by what else items can be alike in, ids of items of the history, and which of them
            each candidate is most like, intp of shape (n,); -1 for none.
        lifts: whether a reason that moves a candidate up is true of it, by :data:`CODES`, bool of
            shape (n, codes).
        lowers: likewise down.
    """

    def __init__(self, count: int) -> None:
        self.chosen: tuple[str, ...] = ()
        self.nearest: NDArray[np.integer[Any]] = np.full(count, -1)
        self.present = np.zeros(count, dtype=np.bool_)
        self.chosen_categories: frozenset[str] = frozenset()
        self.likest: dict[ReasonCode, Likest] = {}
        self.lifts = np.ones((count, len(CODES)), dtype=np.bool_)
        self.lowers = self.lifts.copy()

    def holds(
        self, code: ReasonCode, *, lifts: NDArray[np.bool_] | bool, lowers: NDArray[np.bool_] | bool
    ) -> None:
        """Note of which candidates the words of a reason are true, see :meth:`Evidence.holds`."""
        place = CODES.index(code)
        self.lifts[:, place] = lifts
        self.lowers[:, place] = lowers


class Evidence:
    """The numbers by which n candidates are judged. A missing signal is 0 in its whole column.

    Args:
        columns: of all sources, in their order.
        count: n.

    Attributes:
        columns: as given.
        values: float64 of shape (n, columns).
        degraded: what a source could not do.
    """

    def __init__(self, columns: Iterable[Column], count: int) -> None:
        self.columns = tuple(columns)
        self._places = {column.name: place for place, column in enumerate(self.columns)}
        self._weights = np.array([column.weight for column in self.columns], dtype=np.float64)
        self._yielding = np.array([column.yields for column in self.columns], dtype=np.bool_)
        self._room = np.inf
        self._degree = 0.0
        # Column by column in memory, as they are filled in and added up.
        self.values = np.zeros((len(self.columns), count)).T
        self.degraded: tuple[Degradation, ...] = ()
        self._notes: list[tuple[ReasonCode, NDArray[np.bool_] | bool, NDArray[np.bool_] | bool]]
        self._notes = []
        self._likest: dict[ReasonCode, Likest] = {}
        self._judge: Callable[[Truths], None] | None = None
        self._truths: Truths | None = None
        self._level: Level | None = None
        self._level_room = np.inf

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """A column, float64 of shape (n,); changing it changes the evidence."""
        column: NDArray[np.float64] = self.values[:, self._places[name]]
        return column

    def has(self, name: str) -> bool:
        """Whether a source fills in such a column."""
        return name in self._places

    def __setitem__(self, name: str, values: NDArray[np.number]) -> None:
        """Fill a column in, shape (n,)."""
        self.values[:, self._places[name]] = values

    def holds(
        self, code: ReasonCode, *, lifts: NDArray[np.bool_] | bool, lowers: NDArray[np.bool_] | bool
    ) -> None:
        """Note of which candidates the words of a reason are true; of all where nothing is noted.

        Args:
            code: the reason.
            lifts: as a reason that moves up, for all or bool of shape (n,).
            lowers: likewise down.
        """
        self._notes.append((code, lifts, lowers))

    def likens(self, code: ReasonCode, names: tuple[str, ...], nearest: NDArray[np.intp]) -> None:
        """Note what candidates are most like, where that is not what texts say.

        Args:
            code: in which respect.
            names: ids of items of the history.
            nearest: which of them, intp of shape (n,); -1 for none.
        """
        self._likest[code] = names, nearest

    def judged_by(self, judge: Callable[[Truths], None]) -> None:
        """Note what else finds out which reasons hold: asked when they are first read.

        Args:
            judge: changes what sources noted; holds nothing that is still to be changed.
        """
        self._judge = judge

    @property
    def truths(self) -> Truths:
        """Which reasons hold: found when it is first read, after all sources."""
        judge, found = self._judge, self._truths  # in this order: another thread may be finding it
        if found is None:
            found = Truths(len(self.values))
            for code, lifts, lowers in self._notes:
                found.holds(code, lifts=lifts, lowers=lowers)
            found.likest = self._likest
            if judge is not None:
                judge(found)
            self._truths = found
            self._judge = None
        return found

    def but(self, values: NDArray[np.float64]) -> Self:
        """The same with other values, float64 of shape (n, columns): what is true stays so."""
        other = copy.copy(self)
        other.values = values
        return other

    def step_back(self, room: float, *, degree: float = 1.0) -> None:
        """Leave the columns that yield no more than some room, whatever they come to.

        What they add to the scores is then multiplied by one number, so that their sums differ
        by at most ``room`` between any two candidates; they keep their order and proportions,
        and every part of a score can still be explained.

        Args:
            room: log-odds.
            degree: 1 to do so, 0 to leave all as it is, or something in between.
        """
        self._room, self._degree = room, degree

    def asked(self, level: Level, *, room: float) -> None:
        """Note that there is a query.

        Args:
            level: what its log-odds are as a probability.
            room: log-odds by which what yields may move what is said of a candidate, where the
                query has no say in the scores because nothing may fit it.
        """
        self._level, self._level_room = level, room

    def relevance(self, scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Scores as probabilities that candidates fit the query; ``None`` without a query.

        What yields is taken against its mean, so that the order is that of the scores.

        Args:
            scores: as policies left them, float64 of shape (n,).

        Returns:
            float64 of shape (n,), 0 to 1.
        """
        if self._level is None:
            return None
        beside = self.contributions()[:, self._yielding].sum(axis=1)
        log_odds = scores - beside.mean()
        spread = float(np.ptp(beside))
        if not self._degree and spread > self._level_room:
            log_odds *= self._level_room / spread
        return self._level.of(log_odds)

    def contributions(self) -> NDArray[np.float64]:
        """What each column adds to each score, float64 of shape (n, columns)."""
        # Row by row in memory: the order in which numpy adds them up, and so their last bit.
        weighted: NDArray[np.float64] = np.multiply(self.values, self._weights, order="C")
        if self._degree:
            spread = float(np.ptp(weighted[:, self._yielding].sum(axis=1)))
            if spread > self._room:
                weighted[:, self._yielding] *= 1 - self._degree * (1 - self._room / spread)
        return weighted

    def contributions_of(self, places: Sequence[int]) -> NDArray[np.float64]:
        """:meth:`contributions` of some columns by their places, float64 of shape (n, places)."""
        if self._degree:
            return self.contributions()[:, places]
        return np.asarray(self.values[:, places] * self._weights[places])

    def scores(self) -> NDArray[np.float64]:
        """The blend: what the columns add up to, float64 of shape (n,).

        Raises:
            InferenceError: when one is no number, because a model or a table of a pack is broken.
        """
        scores = blend(self.contributions()) if self._degree else self._sums()
        if not np.isfinite(scores).all():
            raise InferenceError("a score came out as something that is no number")
        return scores

    def _sums(self) -> NDArray[np.float64]:
        """:func:`blend` of the contributions where nothing steps back: of columns with a value."""
        values, weights = self.values, self._weights
        scores = np.zeros(len(values))
        for place in np.flatnonzero(values.any(axis=0)).tolist():
            scores += values[:, place] * weights[place]
        return scores


def blend(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over columns, float64 of shape (n,), of what each adds, float64 of shape (n, columns).

    Added from left to right, so that a sum's last bit does not depend on how many rows there are.
    """
    return np.asarray(np.cumsum(contributions, axis=1)[:, -1])


def falling(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows by falling score, intp of shape (n,); equal scores keep their order."""
    negative = -scores
    if len(scores) < _MANY:
        return np.argsort(negative, kind="stable")
    # A sort that need not keep the order of equal ones takes a fifth of the time.
    order = np.argsort(negative)
    ordered = negative[order]
    return np.argsort(negative, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order


Call: TypeAlias = tuple[Request, Evidence]
"""A request, and what is found out about its candidates."""


class Source(Protocol):
    """Whatever scores candidates, to be derived from. Safe from several threads."""

    columns: tuple[Column, ...]

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Fill in the columns, given those of the sources before."""
        ...

    def fill_each(self, calls: Sequence[Call]) -> None:
        """:meth:`fill` for several people, to the last bit: where that takes less time, at once."""
        for request, evidence in calls:
            self.fill(request, evidence)

    def forget(self, user: str | None = None) -> None:
        """Drop what was derived from a person's history, or from everybody's."""
        ...
