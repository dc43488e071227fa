"""Swaps of neighbours: a list explored a little, with the exact propensities of what is shown.

From the top, a pair of neighbours is tried with a chance; a tried pair stands in either order with
chance ½ exactly, whichever stood first, and the next pair begins below it. A pair that is not
tried lets the next one begin a place further down. The two items of a tried pair are equally
likely at both places, so their clicks tell how much of a place's clicks is the place's: Joachims,
Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017.

The chances are those of the list, not of the coins that made it: a list says which pairs stand
swapped, not which were tried and stayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_rerank._check import check_integer
from edge_rerank.errors import InvalidRequest

MOST = 0.5
"""At 1 the second place would never be compared with the third."""


@dataclass(frozen=True, slots=True, repr=False)
class NeighbourSwaps:
    """All lists that swaps of neighbours can make of one, and their propensities.

    A list is an order: by place from 0, the place that the item had before, int64 of shape (n,).

    Attributes:
        pairs: by the upper place, the chance that a pair is tried where one may begin there,
            float64 of shape (n − 1,).
    """

    pairs: NDArray[np.float64]

    @classmethod
    def of(cls, places: int, *, epsilon: float, movable: ArrayLike | None = None) -> Self:
        """Swaps over a whole list.

        Args:
            places: of the list, at least 1.
            epsilon: chance that a pair is tried, from 0 to ½.
            movable: by place, whether the item may move, bool of shape (places,); a pair with a
                pinned item is never tried. All may if ``None``.

        Raises:
            InvalidRequest: an argument is out of range.
        """
        check_integer(places, "places", InvalidRequest, minimum=1)
        if not 0 <= epsilon <= MOST:
            raise InvalidRequest(f"epsilon: expected a number from 0 to {MOST}, got {epsilon}")
        free = np.ones(places, dtype=np.bool_) if movable is None else np.asarray(movable)
        if free.shape != (places,) or free.dtype != np.bool_:
            raise InvalidRequest(f"movable: expected {places} bools, got shape {free.shape}")
        return cls(np.where(free[:-1] & free[1:], float(epsilon), 0.0))

    @property
    def places(self) -> int:
        """Of the list."""
        return len(self.pairs) + 1

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """A list; equal generators draw equal lists.

        Args:
            rng: all chance there is; two numbers a place are drawn, whatever they decide.
        """
        tries, coins = rng.random((2, len(self.pairs)))
        order, place = np.arange(self.places), 0
        while place < len(self.pairs):
            if tries[place] >= self.pairs[place]:
                place += 1
                continue
            if coins[place] < 0.5:
                order[[place, place + 1]] = order[[place + 1, place]]
            place += 2
        return order

    def steps(self, order: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """By place, the chance of its item given what stands above, float64 of shape (n,).

        Their product is the chance of the list. From the first item on that cannot stand where it
        does, 0. It is a filter over where pairs may begin.
        """
        order = self._checked(order)
        steps = np.zeros(self.places)
        here, stayed, place = 1.0, 0.0, 0  # all above, and a pair may begin; or is in its midst
        so_far = 1.0
        while place < self.places:
            epsilon = self.pairs[place] if place < len(self.pairs) else 0.0
            reached = so_far
            if order[place] == place:
                here, stayed = here * (1 - epsilon) + stayed, here * epsilon / 2
                so_far = here + stayed
                steps[place] = so_far / reached
                place += 1
                continue
            if place == len(self.pairs) or (order[place], order[place + 1]) != (place + 1, place):
                break
            here, stayed = here * epsilon / 2, 0.0
            if not here:
                break
            so_far = here
            steps[place : place + 2] = so_far / reached, 1.0
            place += 2
        return steps

    def placements(self, order: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """By place, the chance of its item whatever stands elsewhere, float64 of shape (n,)."""
        before = self._checked(order)
        swapped = self._swapped()
        above, below = np.append(0.0, swapped), np.append(swapped, 0.0)
        moved = before - np.arange(self.places)
        stays = 1 - above - below
        return np.select([moved == 0, moved == 1, moved == -1], [stays, below, above], 0.0)

    def _swapped(self) -> NDArray[np.float64]:
        """By pair, the chance that it stands swapped, float64 of shape (n − 1,)."""
        chances = np.zeros(len(self.pairs))
        here, passed = 1.0, 0.0  # chances that a pair may begin here, or that one ends here
        for place, epsilon in enumerate(self.pairs):
            chances[place] = here * epsilon / 2
            here, passed = here * (1 - epsilon) + passed, here * epsilon
        return chances

    def _checked(self, order: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        array = np.asarray(order)
        if array.shape != (self.places,) or set(array.tolist()) != set(range(self.places)):
            raise InvalidRequest(f"order: expected each of {self.places} places once")
        return array.astype(np.int64)
