"""Truth of reasons: which can be said of which candidates, besides what they weigh.

A contribution says how a number came about, not that the words for it are true: an item may
gain by popularity and be less known than most, or by likeness to something that was only
opened and left. So each reason has a condition here, read from events and items alone, and
:mod:`~.explain` says the strongest of those that hold. What only a source knows (whether words
of a query match), it notes in the evidence itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.evidence import CODES, Evidence, Truths
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.kinship import CategoryRows, kinship
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.repeats import HABIT
from edge_rerank.ranking.sources.rules import HOST, NEXT, REJECTED, SHOWN, pull_of
from edge_rerank.ranking.strength import CHOSEN
from edge_rerank.types import ReasonCode

SUPPORTED = 0.5
"""Of what was said of a chosen item's kind, the part that has to be for it."""

OF_A_KIND = 0.5
"""Kinship from which on two items are called alike."""

ALIKE_COSINE = 0.3
"""Cosine of texts from which on they are, if they stand in the upper quarter as well."""

_OF_LIKING = (
    ReasonCode.SIMILAR,
    ReasonCode.SESSION,
    ReasonCode.CATEGORY,
    ReasonCode.NEXT,
    ReasonCode.TOGETHER,
    ReasonCode.MODEL,
    ReasonCode.LOOKS,
    ReasonCode.SOUNDS,
)

SAME_SHARE = 0.5
"""Part of an item's categories above which it is from those that were chosen, whatever its most
specific one."""

_COLUMNS = (HOST.name, REJECTED.name, HABIT.name, SHOWN.name, NEXT.name)

_UPPER_QUARTER, _UPPER_THIRD = 3 / 4, 2 / 3


def note_truths(request: Request, evidence: Evidence) -> None:
    """Let the evidence find, when it is first asked, which reasons hold."""
    evidence.judged_by(_Facts.of(request, evidence).judge)


@dataclass(frozen=True, slots=True, repr=False)
class _Past:
    """What truths are found in of a history alone, and no words but those of categories.

    Attributes:
        chosen: places of the liked items that were chosen, intp of shape (c,).
        ids: of these.
        pull: how much likeness to each counts, float64 of shape (c,).
        sessions: how many sessions ago each was chosen, int64 of shape (c,).
        liked: categories of each liked item, oldest first.
        disliked: likewise.
        met: categories of all that the history has.
        known: ids of all that the history has, where something was shown in vain; else none.
        had: ids of what the person had before.
    """

    chosen: NDArray[np.intp]
    ids: tuple[str, ...]
    pull: NDArray[np.float64]
    sessions: NDArray[np.int64]
    liked: tuple[tuple[str, ...], ...]
    disliked: tuple[tuple[str, ...], ...]
    met: frozenset[str]
    known: frozenset[str] | None
    had: tuple[str, ...]

    @classmethod
    def of(cls, interests: Interests, support: NDArray[np.float64]) -> Self:
        """Of what a history says, and what of each liked item's strength is left."""
        strengths = np.array([one.strength for one in interests.liked])
        (chosen,) = np.nonzero((strengths >= CHOSEN) & (support >= SUPPORTED))
        liked = [interests.liked[place] for place in chosen.tolist()]
        return cls(
            chosen=chosen,
            ids=tuple(one.item.id for one in liked),
            pull=pull_of(liked),
            sessions=np.array([one.session for one in liked], dtype=np.int64),
            liked=tuple(one.item.categories for one in interests.liked),
            disliked=tuple(one.item.categories for one in interests.disliked),
            met=interests.met.categories,
            known=interests.met.ids if interests.shown else None,
            had=tuple(interests.visits),
        )


@dataclass(frozen=True, slots=True, repr=False)
class _Facts:
    """What truths are found in, after the call.

    Attributes:
        candidates: n of them.
        columns: of the evidence that say something here, by name, float64 of shape (n,).
        past: the history.
        sorts: categories of candidates, and of liked and then disliked items.
        numbers: of candidates, and of liked and then disliked items.
        cosines: with the liked, and with the disliked items.
    """

    candidates: Candidates
    columns: Mapping[str, NDArray[np.float64]]
    past: _Past
    sorts: tuple[CategoryRows, CategoryRows]
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]]
    cosines: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def of(cls, request: Request, evidence: Evidence) -> Self:
        """Of a call, once all sources have filled in the evidence."""
        interests = request.interests
        return cls(
            candidates=request.candidates,
            columns={name: evidence[name] for name in _COLUMNS if evidence.has(name)},
            past=interests.derived(_Past, lambda: _Past.of(interests, request.support)),
            sorts=request.sorts,
            numbers=request.numbers,
            cosines=(request.comparisons.liked, request.comparisons.disliked),
        )

    def judge(self, truths: Truths) -> None:
        """Note which reasons hold; what adds to no score is not looked at."""
        self._note_likeness(truths)
        self._note_categories(truths)
        self._note_popularity(truths)
        some = bool(len(self.past.chosen))
        truths.holds(ReasonCode.MODEL, lifts=some, lowers=some)
        if NEXT.name in self.columns:
            self._note_next(truths)
        self._note_own_past(truths)
        host = self.columns[HOST.name]
        if host.any():
            # Above the mean and in the upper half: a few high scores lift the mean above most.
            middle = np.median(host)
            lifts, lowers = (host > 0) & (host > middle), (host < 0) & (host < middle)
            truths.holds(ReasonCode.HOST, lifts=lifts, lowers=lowers)

    def _kin(self, part: slice, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much candidates and some items of the history are of one kind, shape (n, items)."""
        own, history = self.sorts
        numbers, before = self.numbers
        return kinship(own, history[part], cosines, numbers[:, None] == before[part])

    def _note_likeness(self, truths: Truths) -> None:
        """Like what was chosen; which item it is most like, and whether just now."""
        chosen = self.past.chosen
        if not len(chosen):
            for code in (ReasonCode.SIMILAR, ReasonCode.SESSION, ReasonCode.TOGETHER):
                truths.holds(code, lifts=False, lowers=False)
            return
        liked = self.cosines[0]
        kin, cosines = self._kin(slice(len(self.past.liked)), liked)[:, chosen], liked[:, chosen]
        upper = _at(_UPPER_QUARTER, cosines)
        alike = (kin >= OF_A_KIND) | ((cosines >= ALIKE_COSINE) & (cosines >= upper))
        numbers, before = self.numbers
        # That it was chosen itself is another thing.
        alike &= ~(numbers[:, None] == before[chosen])
        worth = np.where(alike, (kin + cosines) * self.past.pull, -1.0)
        nearest = worth.argmax(axis=1)
        holds = np.asarray(alike.any(axis=1))
        truths.chosen = self.past.ids
        truths.nearest = np.where(holds, nearest, -1)
        # "Unlike what you chose" is said of nothing: of all that somebody chose, something is near.
        truths.holds(ReasonCode.SIMILAR, lifts=holds, lowers=False)
        # Just now, as far as there were others before.
        present = (self.past.sessions == 0) & (self.past.sessions.max() > 0)
        truths.present = np.where(holds, present[nearest], False)

    def _note_categories(self, truths: Truths) -> None:
        """From a category of something that was chosen; or from none of them."""
        chosen, (own, history) = self.past.chosen, self.sorts
        rows, leaves = history.rows[chosen], history.leaves[chosen]
        known = rows.any(axis=0)
        # Rows have length 1 over all of an item's categories, known or not: squares are shares.
        share = (own.rows[:, known] ** 2).sum(axis=1)
        held = ((own.leaves[:, None] == leaves) & (leaves >= 0)).any(axis=1) | (share > SAME_SHARE)
        # Seldom chosen is what was met in nothing, liked in the end or not.
        lists = self.candidates.categories
        lowers = lists.some & ~lists.any_of(self.past.met) if known.any() else False
        times = Counter(name for place in chosen.tolist() for name in set(self.past.liked[place]))
        if self.past.disliked:
            # Of a category that was turned down as often nobody is told that they like it.
            times.subtract(name for one in self.past.disliked for name in set(one))
            times = +times
            held &= lists.any_of(times)
        truths.holds(ReasonCode.CATEGORY, lifts=held, lowers=lowers)
        truths.chosen_categories = frozenset(times)

    def _note_next(self, truths: Truths) -> None:
        """Whether the candidate's category has come right after that of the last liked item."""
        path = [one[-1] for one in self.past.liked if one]
        followed = {after for before, after in pairwise(path) if before == path[-1]}
        leaves = [item.categories[-1] if item.categories else None for item in self.candidates]
        lifts = np.array([leaf in followed for leaf in leaves], dtype=np.bool_)
        truths.holds(ReasonCode.NEXT, lifts=lifts, lowers=~lifts if path else False)

    def _note_popularity(self, truths: Truths) -> None:
        """In the upper third of the candidates, or below their median."""
        counts = self.candidates.popularity
        known = counts[~np.isnan(counts)]
        if not len(known):
            truths.holds(ReasonCode.POPULAR, lifts=False, lowers=False)
            return
        middle, upper = _at(1 / 2, known), _at(_UPPER_THIRD, known)
        # Comparisons with NaN are false.
        lifts = (counts > 0) & (counts >= upper) & (counts > middle)
        truths.holds(ReasonCode.POPULAR, lifts=lifts, lowers=counts < middle)

    def _note_own_past(self, truths: Truths) -> None:
        """What was said of this very item, and of ones like it that were turned down."""
        if self.past.disliked:
            turned_down = self.columns[REJECTED.name] > 0
            for code in _OF_LIKING:
                # Nobody is told that they like what they said they do not.
                truths.lifts[turned_down, CODES.index(code)] = False
            truths.holds(ReasonCode.DISMISSED, lifts=False, lowers=turned_down)
            kin = self._kin(slice(len(self.past.liked), None), self.cosines[1])
            truths.holds(ReasonCode.DISLIKED, lifts=False, lowers=kin.max(axis=1) >= OF_A_KIND)
        if self.past.had:
            had = self._among(self.past.had)
            truths.holds(ReasonCode.REPEAT, lifts=had, lowers=had)
            truths.holds(ReasonCode.HABIT, lifts=self.columns[HABIT.name] > 0, lowers=False)
        if self.past.known is not None:
            new = ~self._among(self.past.known)
            truths.holds(ReasonCode.SEEN, lifts=new, lowers=self.columns[SHOWN.name] > 0)

    def _among(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which candidates are of these ids, bool of shape (n,)."""
        among = np.zeros(len(self.candidates), dtype=np.bool_)
        rows = self.candidates.find.rows(names)
        among[rows[rows >= 0]] = True
        return among


def _at(part: float, values: NDArray[np.floating[Any]]) -> Any:
    """The value below which a part of the rows lies, of each column."""
    place = int(part * (len(values) - 1))
    return np.partition(values, place, axis=0)[place]
