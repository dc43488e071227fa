"""Evidence by rule: likeness, categories, popularity, the host's word, what was turned down.

What needs no training. Where a pack has a history model, that model judges likeness,
categories and popularity, and only the rules that its training data cannot teach stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.evidence import Column, Evidence, Source
from edge_rerank.ranking.interests import Interest, weights_of
from edge_rerank.ranking.markov import MarkovChain
from edge_rerank.ranking.request import Request
from edge_rerank.types import Item, ReasonCode

RECENCY_FLOOR = 0.5
"""The oldest item of the history still counts half in the maximal similarity."""

SIMILAR_MAX = Column("similar-max", 4.0, ReasonCode.SIMILAR, adapts=True)
"""Largest similarity to one liked item, times its recency and strength."""

SIMILAR_MEAN = Column("similar-mean", 2.0, ReasonCode.SIMILAR, adapts=True)
"""Mean similarity to the liked items, weighted likewise."""

CATEGORY = Column("category", 2.0, ReasonCode.CATEGORY, adapts=True)
"""Share of the weighted history in the candidate's categories, 0 to 1 a category."""

NEXT = Column("next", 0.5, ReasonCode.NEXT, adapts=True)
"""P(candidate's category | category of the last liked item), from the person's own Markov
chain."""

POPULARITY = Column("popularity", 0.5, ReasonCode.POPULAR, adapts=True)
"""log(1 + popularity); the mean of the known ones where it is missing."""

HOST = Column("host", 1.0, ReasonCode.HOST, yields=False, adapts=True)
"""The host's score, standardised over the candidates; 0 where it is missing."""

DISLIKED = Column("disliked", -2.0, ReasonCode.DISLIKED)
"""What was said against the candidate's kind, in clicks, by what was said for it and one more; at
most :data:`MOST_AGAINST`. Straight up to there, so that another word against a kind lowers it more
than what only resembles it."""

MOST_AGAINST = 4.0

REJECTED = Column("rejected", -12.0, ReasonCode.DISMISSED, yields=False)
"""1 when this very item was disliked or dismissed, and that was the last word."""

SHOWN = Column("shown", -0.25, ReasonCode.SEEN)
"""Times shown since it was last chosen, if ever, at most :data:`MOST_SHOWN`."""

MOST_SHOWN = 12.0

UNTRAINED = (SIMILAR_MAX, SIMILAR_MEAN, CATEGORY, NEXT, POPULARITY)
"""What a history model knows better. Similarity, category and popularity were weighed on
validation requests of shop, film, game and news data; the other weights by reason alone."""

ALWAYS = (HOST, DISLIKED, REJECTED, SHOWN)
"""What a history model's training data cannot teach; :data:`DISLIKED` leaves it to a model that
judges dislikes itself."""


class Rules(Source):
    """The source of all evidence by rule.

    Args:
        beside_model: whether a history model judges what it knows better.
        dislikes: whether likeness to disliked items is judged here, and not by that model.
    """

    def __init__(self, *, beside_model: bool = False, dislikes: bool = True) -> None:
        every = ALWAYS if beside_model else (*UNTRAINED, *ALWAYS)
        self.columns: tuple[Column, ...] = tuple(
            column for column in every if dislikes or column is not DISLIKED
        )
        self._alone = not beside_model
        self._dislikes = dislikes

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Judge the candidates."""
        candidates, interests = request.candidates, request.interests
        if self._alone:
            if interests.liked:
                liked, cosines = interests.liked, request.comparisons.liked
                evidence[SIMILAR_MAX.name] = (cosines * pull_of(liked)).max(axis=1)
                evidence[SIMILAR_MEAN.name] = _mean_similarity(liked, cosines)
                evidence[CATEGORY.name] = _category_share(candidates, liked)
                evidence[NEXT.name] = _next_category(candidates, liked)
            evidence[POPULARITY.name] = _popularity(candidates.popularity)
        evidence[HOST.name] = _host(candidates.scores, host_order=request.host_order)
        if interests.disliked:
            if self._dislikes:
                evidence[DISLIKED.name] = _against(request)
            rejected = request.rows_of(one.item.id for one in interests.disliked)
            evidence[REJECTED.name][rejected[rejected >= 0]] = 1.0
        if interests.shown:
            rows = request.rows_of(interests.shown)
            times = np.array(list(interests.shown.values()))[rows >= 0]
            evidence[SHOWN.name][rows[rows >= 0]] = np.minimum(times, MOST_SHOWN)

    def forget(self, user: str | None = None) -> None:
        """Nothing is kept."""


def pull_of(liked: Sequence[Interest]) -> NDArray[np.float64]:
    """How much likeness to each liked item counts, float64 of shape (liked,)."""
    strength, recency = _strengths(liked)
    return np.asarray(strength * (RECENCY_FLOOR + (1 - RECENCY_FLOOR) * recency))


def _strengths(liked: Sequence[Interest]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root of the strength, and recency."""
    return np.sqrt([one.strength for one in liked]), np.array([one.recency for one in liked])


def _mean_similarity(
    liked: Sequence[Interest], cosines: NDArray[np.float64]
) -> NDArray[np.float64]:
    strength, recency = _strengths(liked)
    share = strength * recency
    return np.asarray(cosines @ (share / share.sum()))


def _against(request: Request) -> NDArray[np.float64]:
    """What was said against each candidate's kind, by what was said for it."""
    against = request.disliked_kin @ weights_of(request.interests.disliked)
    liked = request.kin @ weights_of(request.interests.liked)
    return np.minimum(against / (1 + liked), MOST_AGAINST)


def _category_share(candidates: Sequence[Item], liked: Sequence[Interest]) -> NDArray[np.float64]:
    shares: dict[str, float] = {}
    total = 0.0
    for one in liked:
        weight = one.recency * one.strength
        total += weight
        for category in one.item.categories:
            shares[category] = shares.get(category, 0.0) + weight / len(one.item.categories)
    return (
        np.array(
            [sum(shares.get(category, 0.0) for category in item.categories) for item in candidates]
        )
        / total
    )


def _next_category(candidates: Sequence[Item], liked: Sequence[Interest]) -> NDArray[np.float64]:
    path = [one.item.categories[-1] for one in liked if one.item.categories]
    if len(path) < 2:
        return np.zeros(len(candidates))
    chain = MarkovChain()
    chain.observe(path)
    leaves = [item.categories[-1] if item.categories else "" for item in candidates]
    return np.asarray(chain.scores(path[-1], leaves))


def _popularity(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    logs = np.log1p(counts)
    known = ~np.isnan(logs)
    return np.where(known, logs, logs[known].mean() if known.any() else 0.0)


def _host(scores: NDArray[np.float64], *, host_order: bool) -> NDArray[np.float64]:
    known = ~np.isnan(scores)
    if not known.any():
        if not host_order:
            return np.zeros(len(scores))
        # The discount of DCG: the first places differ most.
        scores = -np.log2(np.arange(len(scores)) + 2.0)
        known = ~known
    # Halved first: the difference of two scores near the largest float must stay finite.
    halves = scores / 2
    centred = halves - halves[known].mean()
    spread = np.abs(centred[known]).max()
    if not spread > 0:
        return np.zeros(len(scores))
    centred /= spread
    return np.where(known, centred / centred[known].std(), 0.0)
