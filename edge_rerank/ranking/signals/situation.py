"""From a request's items and interests to the raw comparisons of :mod:`~.inputs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.interests import SEARCH_STRENGTH, Interests
from edge_rerank.ranking.signals.counts import Record
from edge_rerank.ranking.signals.inputs import EVENTS, Situation
from edge_rerank.ranking.signals.pairs import Together
from edge_rerank.ranking.signals.sequence import Succession
from edge_rerank.ranking.signals.table import UNKNOWN, item_keys
from edge_rerank.types import Item


def describe(
    candidates: Sequence[Item],
    interests: Interests,
    *,
    cosine: NDArray[np.float64],
    lexical: NDArray[np.float64],
    likeness: NDArray[np.float64],
    together: Together | None,
    record: Record | None,
    succession: Succession | None,
    now: float,
) -> Situation:
    """Lay out one request; the history is the liked items, then the searches.

    Args:
        candidates: n items.
        interests: the person's, with h liked items and searches; see :func:`newest`.
        cosine: of text vectors, shape (n, h); 0 for an item with itself.
        lexical: of word vectors, likewise.
        likeness: cosines within the history, shape (h, h).
        together: the pack's table of pairs, if it has one.
        record: the pack's record of single items, likewise.
        succession: the pack's table of successions, likewise.
        now: UTC seconds; 0 where unknown.
    """
    liked, searches = interests.liked, interests.searches
    count, length = len(candidates), len(liked) + len(searches)
    category, leaf = np.zeros((count, length)), np.zeros((count, length))
    if liked:
        items = [one.item for one in liked]
        category[:, : len(liked)], leaf[:, : len(liked)] = _categories(candidates, items)
    ages = [one.age_s for one in liked] + [None] * len(searches)
    strength = np.array(
        [one.strength for one in liked]
        + [SEARCH_STRENGTH * (0.5 + 0.5 * recency) for _, recency in searches]
    )
    popular = [one.item.popularity for one in liked] + [None] * len(searches)
    # Hashing costs more than looking up: once for all tables, and only where there is one.
    keys = before = np.zeros(0, dtype=np.uint64)
    if together is not None or record is not None or succession is not None:
        keys = item_keys(item.id for item in candidates)
        before = item_keys(one.item.id for one in liked)
    return Situation(
        cosine=cosine,
        lexical=lexical,
        category=category,
        leaf=leaf,
        together=None if together is None else _together(together, keys, before, length),
        record=None
        if record is None
        else record.signals(record.rows(keys), np.array(now or np.nan)),
        succession=None
        if succession is None
        else succession.signals(
            succession.rows(keys), succession.rows(before), strength[: len(liked)]
        ),
        likeness=likeness,
        strength=strength,
        place=np.array([*range(len(liked))[::-1], *range(len(searches))[::-1]], dtype=np.float32),
        age_s=_or_nan(ages),
        popularity=_or_nan([item.popularity for item in candidates]),
        liked_popularity=_or_nan(popular),
        present=np.ones(count, dtype=np.bool_),
    )


def newest(interests: Interests) -> Interests:
    """The same with no more liked items than the history encoder looks at."""
    return replace(interests, liked=interests.liked[-EVENTS:])


def _or_nan(values: Sequence[float | None]) -> NDArray[np.float32]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


def _together(
    table: Together, keys: NDArray[np.uint64], before: NDArray[np.uint64], length: int
) -> NDArray[np.float32]:
    padded = np.full(length, UNKNOWN, dtype=np.int64)
    padded[: len(before)] = table.rows(before)
    return table.signals(table.rows(keys), padded)


def _categories(
    candidates: Sequence[Item], liked: Sequence[Item]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines of the sets of categories, and whether the most specific ones agree."""
    numbers: dict[str, int] = {}
    for item in liked:
        for name in item.categories:
            numbers.setdefault(name, len(numbers))
    if not numbers:
        nothing = np.zeros((len(candidates), len(liked)), dtype=np.float32)
        return nothing, nothing
    own, others = _sets(candidates, numbers), _sets(liked, numbers)
    leaves = [_leaf(item, numbers) for item in candidates]
    liked_leaves = np.array([_leaf(item, numbers) for item in liked])
    agree = (np.array(leaves)[:, None] == liked_leaves) & (liked_leaves >= 0)
    return own @ others.T, agree.astype(np.float32)


def _sets(items: Sequence[Item], numbers: dict[str, int]) -> NDArray[np.float32]:
    """A unit row an item over the history's categories; others count in its length only."""
    rows = np.zeros((len(items), len(numbers)), dtype=np.float32)
    for row, item in enumerate(items):
        names = set(item.categories)
        for name in names:
            if name in numbers:
                rows[row, numbers[name]] = len(names) ** -0.5
    return rows


def _leaf(item: Item, numbers: dict[str, int]) -> int:
    return numbers.get(item.categories[-1], -1) if item.categories else -1
