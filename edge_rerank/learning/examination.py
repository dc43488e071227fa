"""Examination of places: how likely a person looks at each, from clicks on swapped neighbours.

In a tried pair (:mod:`edge_rerank.learning.exploration`) both items are equally likely at both
places. Where a click is an item examined and liked, clicks at its upper and at its lower place are
then as the examination of the two places, whatever the items are worth: Joachims, Swaminathan and
Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017. Only those clicks are kept.

Few clicks tell little of many places, so they are weighed against what is usual: log θ_k falls by
η log((k + 1) / k) from place k to the next, η near 0.7, and by a deviation of each step near 0. The
estimate is the most likely one (a logistic regression with a normal prior).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer, check_label
from edge_rerank.errors import InvalidRequest

PLACES = 40
"""Places that are learnt of; below them the usual decline goes on."""

DECLINE = 0.7
"""Of the prior: θ_k = k^−0.7."""

DECLINE_SPREAD = 0.3
"""Standard deviation of the exponent."""

STEP_SPREAD = 0.1
"""Standard deviation of a single step of log θ beside the exponent's."""

MAX_WEIGHT = 10.0
"""The largest weight of a click, however seldom its place is examined."""

MAX_SURFACES = 16
"""Surfaces that are learnt of, which bounds the state to 10 KiB."""


@dataclass(frozen=True, slots=True, repr=False)
class SwapClicks:
    """Clicks on tried pairs of one surface. A value: each list gives the next.

    Attributes:
        counts: by pair, clicks at the upper and at the lower place, int64 of shape
            (2, PLACES − 1).
    """

    counts: NDArray[np.int64]

    @classmethod
    def none(cls) -> Self:
        """Before any list."""
        return cls(np.zeros((2, PLACES - 1), dtype=np.int64))

    def after(self, tried: Iterable[int], clicked: Collection[int]) -> Self:
        """With one more list.

        Args:
            tried: upper places of its tried pairs, from 0 at the top.
            clicked: places that were clicked, likewise.
        """
        counts = self.counts.copy()
        for place in tried:
            if 0 <= place < PLACES - 1:
                counts[0, place] += place in clicked
                counts[1, place] += place + 1 in clicked
        return type(self)(counts)

    def probabilities(self, places: int = PLACES) -> NDArray[np.float64]:
        """θ: the chance that each place is examined, of the one that is examined most.

        Args:
            places: how many, from the top.

        Returns:
            Above 0 and at most 1, float64 of shape (places,).
        """
        check_integer(places, "places", InvalidRequest, minimum=1)
        falls = np.log1p(1 / np.arange(1, max(places, PLACES)))
        steps = DECLINE * falls
        steps[: PLACES - 1] = _most_likely(self.counts, falls[: PLACES - 1])
        theta: NDArray[np.float64] = np.exp(-np.append(0.0, np.cumsum(steps)))[:places]
        return theta / float(theta.max())

    def weights(self, places: int = PLACES) -> NDArray[np.float64]:
        """What a click at each place counts: min(1 / θ, 10), float64 of shape (places,)."""
        return np.minimum(1 / self.probabilities(places), MAX_WEIGHT)


def _most_likely(counts: NDArray[np.int64], falls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Falls of log θ from each place to the next, float64 of shape (PLACES − 1,).

    Newton's method on the concave log posterior: of all clicks on a pair, the upper place has a
    share of 1 / (1 + exp(−fall)).

    Args:
        counts: clicks, as :class:`SwapClicks` keeps them.
        falls: log((k + 1) / k).
    """
    upper, total = counts[0], counts.sum(axis=0)
    usual = DECLINE * falls
    covariance = DECLINE_SPREAD**2 * np.outer(falls, falls) + STEP_SPREAD**2 * np.eye(len(falls))
    precision = np.linalg.inv(covariance)
    steps = usual.copy()
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.exp(-steps))
        gradient = upper - total * share - precision @ (steps - usual)
        move = np.linalg.solve(np.diag(total * share * (1 - share)) + precision, gradient)
        steps += move
        if np.abs(move).max() < _CLOSE:
            break
    return steps


_ROUNDS = 25
_CLOSE = 1e-9


class Examination:
    """Examination of places by surface, as home or search.

    Not safe from several threads.
    """

    def __init__(self) -> None:
        self._surfaces: dict[str, SwapClicks] = {}

    def learn(self, surface: str, tried: Iterable[int], clicked: Collection[int]) -> None:
        """Learn from a list whose clicks are known.

        Args:
            surface: where it was shown, a name of the host's.
            tried: upper places of its tried pairs, from 0 at the top.
            clicked: places that were clicked, likewise.

        Raises:
            InvalidRequest: the surface is no name, or one more than are learnt of.
        """
        check_label(surface, "surface", InvalidRequest)
        if surface not in self._surfaces and len(self._surfaces) == MAX_SURFACES:
            raise InvalidRequest(f"surface: expected at most {MAX_SURFACES} different ones")
        self._surfaces[surface] = self.of(surface).after(tried, clicked)

    def of(self, surface: str) -> SwapClicks:
        """What is known of a surface; what is usual where nothing is."""
        return self._surfaces.get(surface) or SwapClicks.none()

    def state(self) -> Mapping[str, NDArray[np.int64]]:
        """What is kept: by surface, in the order of their names, ``SwapClicks.counts``."""
        return {name: clicks.counts.copy() for name, clicks in sorted(self._surfaces.items())}

    @classmethod
    def load(cls, state: Mapping[str, NDArray[np.int64]]) -> Self:
        """What :meth:`state` gave.

        Raises:
            InvalidRequest: it is not that.
        """
        wanted = f"int64 of shape (2, {PLACES - 1})"
        if len(state) > MAX_SURFACES:
            raise InvalidRequest(f"state of examination: expected at most {MAX_SURFACES} surfaces")
        loaded = cls()
        for name, counts in state.items():
            check_label(name, "state of examination", InvalidRequest)
            if counts.shape != (2, PLACES - 1) or counts.dtype != np.int64 or (counts < 0).any():
                raise InvalidRequest(f"state of examination: expected counts, {wanted}")
            loaded._surfaces[name] = SwapClicks(counts.copy())
        return loaded
