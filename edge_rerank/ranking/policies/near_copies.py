"""Near-copies: two editions of one thing do not stand side by side at the top.

Unlike :mod:`~.diversity`, which a call asks for and which weighs likeness of any degree, this
looks only at items that are all but the same, and only at neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rerank.ranking.policies.policy import Arrangement, Policy
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.signals.words import words
from edge_rerank.types import Item

PLACES = 10
"""First places in which neighbours are kept apart."""

REACH = 10
"""Places from below which another item is brought up, at most."""

COPY_COSINE = 0.85
"""Cosine of text vectors from which on two items may be near-copies."""

COPY_WORDS = 0.7
"""Part of the shorter one's words that the other has from which on they are (the overlap
coefficient): a sentence encoder takes what is about one thing for one thing."""

MAX_GAP = 2.0
"""Log-odds by which the one brought up may be worse."""


_LATER = ~np.tri(PLACES + REACH, dtype=np.bool_)
"""Pairs of places whose second is the later, bool of shape (places, places)."""


class NearCopies(Policy):
    """On for every list that we may order freely."""

    def arrange(self, order: Arrangement, request: Request) -> Arrangement:
        """Bring another item between neighbours that are near-copies."""
        if order.settled:
            return order
        places = min(PLACES, request.keep)
        head = order.rows[: places + REACH].tolist()
        if not head:
            return order
        items = request.candidates.items
        copies = near_copies(request.comparisons.vectors[head], [items[row] for row in head])
        if not copies:
            return order
        left = list(range(len(head)))
        for place in range(1, min(places, len(head))):
            above, here = left[place - 1 : place + 1]
            if (above, here) not in copies:
                continue
            floor = order.scores[head[here]] - MAX_GAP
            for lower, other in enumerate(left[place + 1 :], start=place + 1):
                if order.scores[head[other]] >= floor and (above, other) not in copies:
                    left.insert(place, left.pop(lower))
                    break
        arranged = np.concatenate([order.rows[left], order.rows[len(head) :]])
        return order.moved(arranged, order.scores)


def near_copies(
    vectors: NDArray[np.float32],
    items: Sequence[Item],
    *,
    cosine: float = COPY_COSINE,
    overlap: float = COPY_WORDS,
) -> set[tuple[int, int]]:
    """Pairs of places, either way round, whose items are near-copies.

    Args:
        vectors: unit rows, float32 of shape (n, dim).
        items: n items.
        cosine: from which on two may be.
        overlap: part of the shorter one's words that the other has from which on they are.
    """
    alike = vectors @ vectors.T >= cosine
    few = len(items) <= len(_LATER)
    alike &= _LATER[: len(items), : len(items)] if few else ~np.tri(len(items), dtype=np.bool_)
    if not alike.any():
        return set()
    close = np.argwhere(alike)
    # Read once each: where all are alike, that is a tenth of reading them by pairs.
    said = {place: set(words(items[place].text)) for place in set(close.ravel().tolist())}
    found: set[tuple[int, int]] = set()
    for one, other in close.tolist():
        left, right = said[one], said[other]
        if len(left & right) >= overlap * min(len(left), len(right)):
            found |= {(one, other), (other, one)}
    return found
