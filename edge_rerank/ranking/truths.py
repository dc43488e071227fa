"""Truth of reasons: which can be said of which candidates, besides what they weigh.

A contribution says how a number came about, not that the words for it are true: an item may
gain by popularity and be less known than most, or by likeness to something that was only
opened and left. So each reason has a condition here, read from events and items alone, and
:mod:`~.explain` says the strongest of those that hold. What only a source knows (whether words
of a query match), it notes in the evidence itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import CODES, Evidence
from edge_rerank.ranking.interests import Interest
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
)

SAME_SHARE = 0.5
"""Part of an item's categories above which it is from those that were chosen, whatever its most
specific one."""

_UPPER_QUARTER, _UPPER_THIRD = 3 / 4, 2 / 3


def note_truths(request: Request, evidence: Evidence) -> None:
    """Note in the evidence which reasons hold; what adds to no score is not looked at."""
    strengths = np.array([one.strength for one in request.interests.liked])
    chosen = (strengths >= CHOSEN) & (request.support >= SUPPORTED)
    _note_likeness(request, evidence, chosen)
    _note_categories(request, evidence, chosen)
    _note_popularity(request, evidence)
    some = bool(chosen.any())
    evidence.holds(ReasonCode.MODEL, lifts=some, lowers=some)
    if NEXT in evidence.columns:
        _note_next(request, evidence)
    _note_own_past(request, evidence)
    host = evidence[HOST.name]
    if host.any():
        # Above the mean and in the upper half: a few high scores lift the mean above most.
        middle = np.median(host)
        evidence.holds(
            ReasonCode.HOST, lifts=(host > 0) & (host > middle), lowers=(host < 0) & (host < middle)
        )


def _note_likeness(request: Request, evidence: Evidence, chosen: NDArray[np.bool_]) -> None:
    """Like what was chosen; which item it is most like, and whether just now."""
    if not chosen.any():
        for code in (ReasonCode.SIMILAR, ReasonCode.SESSION, ReasonCode.TOGETHER):
            evidence.holds(code, lifts=False, lowers=False)
        return
    liked = [request.interests.liked[place] for place in np.flatnonzero(chosen)]
    kin, cosines = request.kin[:, chosen], request.comparisons.liked[:, chosen]
    upper = _at(_UPPER_QUARTER, cosines)
    alike = (kin >= OF_A_KIND) | ((cosines >= ALIKE_COSINE) & (cosines >= upper))
    weights = pull_of(liked)
    numbers, before = request.numbers
    # That it was chosen itself is another thing.
    same = numbers[:, None] == before[: len(chosen)][chosen]
    alike &= ~same
    worth = np.where(alike, (kin + cosines) * weights, -1.0)
    nearest = worth.argmax(axis=1)
    holds = np.asarray(alike.any(axis=1))
    evidence.chosen = tuple(one.item.id for one in liked)
    evidence.nearest = np.where(holds, nearest, -1)
    # "Unlike what you chose" is said of nothing: of all that somebody chose, something is near.
    evidence.holds(ReasonCode.SIMILAR, lifts=holds, lowers=False)
    evidence.present = np.where(holds, _in_present_session(liked)[nearest], False)


def _in_present_session(liked: Sequence[Interest]) -> NDArray[np.bool_]:
    """Which items were chosen in the present session, as far as there were others before."""
    sessions = np.array([one.session for one in liked])
    return np.asarray((sessions == 0) & (sessions.max() > 0))


def _note_categories(request: Request, evidence: Evidence, chosen: NDArray[np.bool_]) -> None:
    """From a category of something that was chosen; or from none of them."""
    own, history = request.sorts
    rows, leaves = history.rows[: len(chosen)][chosen], history.leaves[: len(chosen)][chosen]
    known = rows.any(axis=0)
    # Rows have length 1 over all of an item's categories, known or not: squares are shares.
    share = (own.rows[:, known] ** 2).sum(axis=1)
    held = ((own.leaves[:, None] == leaves) & (leaves >= 0)).any(axis=1) | (share > SAME_SHARE)
    # Seldom chosen is what was met in nothing, liked in the end or not.
    past = (event.item for event in request.history if event.item is not None)
    met = {name for item in past for name in item.categories}
    lists = request.candidates.categories
    lowers = lists.some & ~lists.any_of(met) if known.any() else False
    liked = [request.interests.liked[place].item for place in np.flatnonzero(chosen)]
    times = Counter(name for item in liked for name in set(item.categories))
    if request.interests.disliked:
        # Of a category that was turned down as often nobody is told that they like it.
        refused = [one.item for one in request.interests.disliked]
        times.subtract(name for item in refused for name in set(item.categories))
        times = +times
        held &= lists.any_of(times)
    evidence.holds(ReasonCode.CATEGORY, lifts=held, lowers=lowers)
    evidence.chosen_categories = frozenset(times)


def _note_next(request: Request, evidence: Evidence) -> None:
    """Whether the candidate's category has come right after that of the last liked item."""
    path = [one.item.categories[-1] for one in request.interests.liked if one.item.categories]
    followed = {after for before, after in pairwise(path) if before == path[-1]}
    leaves = [item.categories[-1] if item.categories else None for item in request.candidates]
    lifts = np.array([leaf in followed for leaf in leaves], dtype=np.bool_)
    evidence.holds(ReasonCode.NEXT, lifts=lifts, lowers=~lifts if path else False)


def _note_popularity(request: Request, evidence: Evidence) -> None:
    """In the upper third of the candidates, or below their median."""
    counts = request.candidates.popularity
    known = counts[~np.isnan(counts)]
    if not len(known):
        evidence.holds(ReasonCode.POPULAR, lifts=False, lowers=False)
        return
    middle, upper = _at(1 / 2, known), _at(_UPPER_THIRD, known)
    # Comparisons with NaN are false.
    lifts = (counts > 0) & (counts >= upper) & (counts > middle)
    evidence.holds(ReasonCode.POPULAR, lifts=lifts, lowers=counts < middle)


def _at(part: float, values: NDArray[np.floating[Any]]) -> Any:
    """The value below which a part of the rows lies, of each column."""
    place = int(part * (len(values) - 1))
    return np.partition(values, place, axis=0)[place]


def _note_own_past(request: Request, evidence: Evidence) -> None:
    """What was said of this very item, and of ones like it that were turned down."""
    interests = request.interests
    if interests.disliked:
        turned_down = evidence[REJECTED.name] > 0
        for code in _OF_LIKING:
            # Nobody is told that they like what they said they do not.
            evidence.lifts[turned_down, CODES.index(code)] = False
        evidence.holds(ReasonCode.DISMISSED, lifts=False, lowers=turned_down)
        alike = request.disliked_kin.max(axis=1) >= OF_A_KIND
        evidence.holds(ReasonCode.DISLIKED, lifts=False, lowers=alike)
    if interests.visits:
        had = _among(request, interests.visits)
        evidence.holds(ReasonCode.REPEAT, lifts=had, lowers=had)
        evidence.holds(ReasonCode.HABIT, lifts=evidence[HABIT.name] > 0, lowers=False)
    if interests.shown:
        met = {event.item.id for event in request.history if event.item is not None}
        new = ~_among(request, met)
        evidence.holds(ReasonCode.SEEN, lifts=new, lowers=evidence[SHOWN.name] > 0)


def _among(request: Request, names: Iterable[str]) -> NDArray[np.bool_]:
    """Which candidates are of these ids, bool of shape (n,)."""
    among = np.zeros(len(request.candidates), dtype=np.bool_)
    rows = request.rows_of(names)
    among[rows[rows >= 0]] = True
    return among
