"""Metrics of an order: NDCG, MRR, hit rate, AUC, coverage, diversity.

The accuracy metrics take ``clicked``, bool of shape (n,): whether the item in each place of
the list, best place first, was chosen. All answers lie between 0 and 1, higher is better.
A list without a click, the empty list among them, scores 0 (and 0.5 in :func:`auc`): leave
such lists out of an average, for no order of them is better than another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_rerank.learning.examination import discounts


def ndcg(clicked: ArrayLike, k: int) -> float:
    """Normalised discounted cumulative gain of the first ``k`` places, with gains 0 and 1.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
    """
    gains = np.asarray(clicked, dtype=bool)
    worth = discounts(min(k, gains.size))
    ideal = worth[: int(gains.sum())].sum()
    return float(worth @ gains[: worth.size] / ideal) if ideal > 0 else 0.0


def graded_ndcg(gains: ArrayLike, k: int) -> float:
    """:func:`ndcg` with any gains.

    Args:
        gains: float of shape (n,), ≥ 0, of the item in each place, best place first.
        k: places that count.

    Returns:
        0 where no item has a gain.
    """
    values = np.asarray(gains, dtype=np.float64)
    worth = discounts(min(k, values.size))
    ideal = float(worth @ np.sort(values)[::-1][: worth.size])
    return float(worth @ values[: worth.size] / ideal) if ideal > 0 else 0.0


def reciprocal_rank(clicked: ArrayLike) -> float:
    """One over the 1-based place of the first click; its mean is MRR."""
    places = np.flatnonzero(np.asarray(clicked, dtype=bool))
    return 1.0 / (int(places[0]) + 1) if places.size else 0.0


def hit_rate(clicked: ArrayLike, k: int) -> float:
    """1 when there is a click in the first ``k`` places, else 0."""
    return float(np.asarray(clicked, dtype=bool)[:k].any())


def auc(clicked: ArrayLike) -> float:
    """Chance that a chosen item stands above one that was not chosen.

    0.5 where there is nothing to compare: no click, or nothing but clicks.
    """
    chosen = np.asarray(clicked, dtype=bool)
    positives = int(chosen.sum())
    negatives = chosen.size - positives
    if not positives or not negatives:
        return 0.5
    above = np.cumsum(chosen)[~chosen].sum()
    return float(above / (positives * negatives))


def catalogue_coverage(shown: Iterable[Sequence[str]], available: Iterable[str]) -> float:
    """Share of the available items that stand in at least one of the lists.

    Args:
        shown: the visible part of each list, as item ids.
        available: every id that could have been shown.

    Returns:
        0 when nothing is available.
    """
    possible = set(available)
    seen = {item for items in shown for item in items}
    return len(seen & possible) / len(possible) if possible else 0.0


def intra_list_diversity(vectors: NDArray[np.floating]) -> float:
    """Mean of 1 - cosine over all pairs of a list; opposites count as merely unrelated.

    Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005.

    Args:
        vectors: unit (or zero) rows, shape (n, d).

    Returns:
        0 for fewer than two items: alike as can be.
    """
    count = len(vectors)
    if count < 2:
        return 0.0
    matrix = np.asarray(vectors, dtype=np.float64)
    cosines = np.clip(matrix @ matrix.T, 0.0, 1.0)
    above_diagonal = cosines[np.triu_indices(count, k=1)]
    return float(1.0 - above_diagonal.mean())
