"""The numbers by which a candidate is judged: one definition for training and run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.interests import SEARCH_STRENGTH, Interest, Interests
from edge_rerank.ranking.markov import MarkovChain
from edge_rerank.types import Item

RECENCY_FLOOR = 0.5
"""The oldest item of the history still counts half in the maximal similarity."""

FloatMatrix = NDArray[np.float64]


class Feature(IntEnum):
    """Columns of the feature matrix. A missing signal is 0 in its whole column."""

    SIMILAR_MAX = 0
    """Largest similarity to one liked item or search, times its recency and strength."""
    SIMILAR_MEAN = 1
    """Mean similarity to the liked items and searches, weighted likewise."""
    CATEGORY = 2
    """Share of the weighted history in the candidate's categories, 0 to 1 a category."""
    NEXT = 3
    """P(candidate's category | category of the last liked item), from the person's own
    Markov chain."""
    QUERY = 4
    """Cosine to the query of this call."""
    POPULARITY = 5
    """log(1 + popularity); the mean of the known ones where it is missing."""
    HOST = 6
    """The host's score, standardised over the candidates; 0 where it is missing."""
    DISLIKED = 7
    """Largest similarity to a disliked item, times its recency and strength."""
    REJECTED = 8
    """1 when this very item was disliked or dismissed."""
    SHOWN = 9
    """log(1 + times shown and not chosen)."""
    SCORER = 10
    """Log-odds by the scorer, against the mean of the candidates it refined; 0 for the others.
    Filled in after the rest, because the rest says which candidates are refined."""
    LEARNED_CONTENT = 11
    """Log-odds by the history encoder, from texts beside texts; like the next three 0 in
    packs without one."""
    LEARNED_CATEGORY = 12
    """Likewise from categories."""
    LEARNED_TOGETHER = 13
    """Likewise from what people of this catalogue chose together or one after the other."""
    LEARNED_POPULARITY = 14
    """Likewise from popularity, against the popularity of what the person chose before."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The feature matrix and what the explanations need.

    Attributes:
        values: float64 of shape (candidates, features), columns by :class:`Feature`.
        nearest: for each candidate the liked item that gave SIMILAR_MAX, if it was one.
    """

    values: FloatMatrix
    nearest: tuple[Item | None, ...]


@dataclass(frozen=True, slots=True)
class Similarities:
    """Cosines of every candidate with what the history and the query hold.

    Attributes:
        liked: float of shape (candidates, liked items), an item's own column set to 0.
        searches: float of shape (candidates, searches).
        disliked: float of shape (candidates, disliked items), own columns set to 0.
        query: float of shape (candidates,), or ``None`` without a query.
    """

    liked: FloatMatrix
    searches: FloatMatrix
    disliked: FloatMatrix
    query: NDArray[np.float64] | None


def compute_features(
    candidates: Sequence[Item],
    interests: Interests,
    similarities: Similarities,
    *,
    host_order: bool = False,
) -> Evidence:
    """Judge candidates.

    Args:
        candidates: n items.
        interests: the person's, empty for nobody.
        similarities: see there.
        host_order: whether the order of ``candidates`` is the host's own ranking; counts
            only where no candidate carries a score.
    """
    values = np.zeros((len(candidates), len(Feature)))
    nearest = _similarity(values, interests, similarities)
    if interests.liked:
        values[:, Feature.CATEGORY] = _category_share(candidates, interests.liked)
        values[:, Feature.NEXT] = _next_category(candidates, interests.liked)
    if similarities.query is not None:
        values[:, Feature.QUERY] = similarities.query
    values[:, Feature.POPULARITY] = _popularity(candidates)
    values[:, Feature.HOST] = _host(candidates, host_order=host_order)
    if interests.disliked:
        weights = np.array(
            [
                -one.strength * (RECENCY_FLOOR + (1 - RECENCY_FLOOR) * one.recency)
                for one in interests.disliked
            ]
        )
        values[:, Feature.DISLIKED] = np.maximum(similarities.disliked * weights, 0).max(axis=1)
        rejected = {one.item.id for one in interests.disliked}
        values[:, Feature.REJECTED] = [item.id in rejected for item in candidates]
    if interests.shown:
        shown = interests.shown
        values[:, Feature.SHOWN] = np.log1p([shown.get(item.id, 0) for item in candidates])
    return Evidence(values, nearest)


def _similarity(
    values: FloatMatrix, interests: Interests, similarities: Similarities
) -> tuple[Item | None, ...]:
    """Fill both similarity columns; return the liked item nearest to each candidate."""
    none: tuple[Item | None, ...] = (None,) * len(values)
    cosines = np.concatenate([similarities.liked, similarities.searches], axis=1)
    if not cosines.shape[1]:
        return none
    strength = np.sqrt(
        [one.strength for one in interests.liked] + [SEARCH_STRENGTH] * len(interests.searches)
    )
    recency = np.array(
        [one.recency for one in interests.liked] + [weight for _, weight in interests.searches]
    )
    weighted = cosines * (strength * (RECENCY_FLOOR + (1 - RECENCY_FLOOR) * recency))
    best = weighted.argmax(axis=1)
    values[:, Feature.SIMILAR_MAX] = weighted[np.arange(len(values)), best]
    share = strength * recency
    values[:, Feature.SIMILAR_MEAN] = cosines @ (share / share.sum())
    liked = interests.liked
    return tuple(liked[place].item if place < len(liked) else None for place in best.tolist())


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


def _popularity(candidates: Sequence[Item]) -> NDArray[np.float64]:
    logs = np.array(
        [np.nan if item.popularity is None else np.log1p(item.popularity) for item in candidates]
    )
    known = ~np.isnan(logs)
    return np.where(known, logs, logs[known].mean() if known.any() else 0.0)


def _host(candidates: Sequence[Item], *, host_order: bool) -> NDArray[np.float64]:
    scores = np.array([np.nan if item.score is None else item.score for item in candidates])
    known = ~np.isnan(scores)
    if not known.any():
        if not host_order:
            return np.zeros(len(candidates))
        # The discount of DCG: the first places differ most.
        scores = -np.log2(np.arange(len(candidates)) + 2.0)
        known = ~known
    # Halved first: the difference of two scores near the largest float must stay finite.
    halves = scores / 2
    centred = halves - halves[known].mean()
    spread = np.abs(centred[known]).max()
    if not spread > 0:
        return np.zeros(len(candidates))
    centred /= spread
    return np.where(known, centred / centred[known].std(), 0.0)
