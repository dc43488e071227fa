"""A first-order Markov chain of behaviour: what is chosen next depends on the last choice.

With states A, B, C, ... (items or categories) the chain holds

- the click probability Q(A): how often A was chosen, over all choices;
- the transition matrix P(B | A): how often B came right after A, over all that came after A.

A path's joint probability is Q of its first state times the transitions along it:
P(A, B, C) = Q(A) · P(B | A) · P(C | B).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import InvalidInput

MAX_STATES = 200_000
MAX_SUCCESSORS = 1_000


class MarkovChain:
    """Counts transitions as they come; sparse, bounded, without forgetting.

    Args:
        smoothing: weight ≥ 0 of Q in P; with 0 a transition never seen has probability 0.
            P(B | A) = (n(A, B) + smoothing · Q(B)) / (n(A, ·) + smoothing), the Dirichlet
            prior of Zhai and Lafferty (SIGIR 2001) with Q as the background.
        max_states: distinct states kept; the rarest go first.

    Raises:
        InvalidInput: when an argument is out of range.
    """

    def __init__(self, *, smoothing: float = 1.0, max_states: int = MAX_STATES) -> None:
        if not smoothing >= 0 or max_states < 2:
            raise InvalidInput("expected smoothing ≥ 0 and max_states ≥ 2")
        self._smoothing = smoothing
        self._max_states = max_states
        self._chosen: Counter[Hashable] = Counter()
        self._total = 0.0
        self._next: dict[Hashable, Counter[Hashable]] = {}
        self._left: Counter[Hashable] = Counter()

    @classmethod
    def from_probabilities(
        cls,
        chosen: Mapping[Hashable, float],
        transitions: Mapping[Hashable, Mapping[Hashable, float]],
    ) -> Self:
        """A chain with given Q and P, unsmoothed.

        Args:
            chosen: Q by state, each in 0..1.
            transitions: P by state and next state, each in 0..1.

        Raises:
            InvalidInput: when a value is outside 0..1 or a distribution exceeds 1.
        """
        for row in (chosen, *transitions.values()):
            if any(not 0 <= value <= 1 for value in row.values()) or sum(row.values()) > 1 + 1e-9:
                raise InvalidInput("expected probabilities from 0 to 1 that add up to at most 1")
        chain = cls(smoothing=0.0)
        chain._chosen.update(chosen)
        chain._total = 1.0
        for state, row in transitions.items():
            chain._next[state] = Counter(row)
            chain._left[state] = 1
        return chain

    def observe(self, path: Sequence[Hashable]) -> None:
        """Count one person's choices in the order in which they were made."""
        self._chosen.update(path)
        self._total += len(path)
        for previous, following in itertools.pairwise(path):
            successors = self._next.setdefault(previous, Counter())
            successors[following] += 1
            self._left[previous] += 1
            if len(successors) > MAX_SUCCESSORS:
                rarest = min(successors, key=successors.__getitem__)
                del successors[rarest]
        if len(self._chosen) > self._max_states:
            self._shrink()

    def chosen(self, state: Hashable) -> float:
        """Q(state), 0 for a state never seen."""
        return self._chosen[state] / self._total if self._total else 0.0

    def probability(self, previous: Hashable, following: Hashable) -> float:
        """P(following | previous); Q(following) after a state never left."""
        left = self._left[previous]
        background = self.chosen(following)
        if left + self._smoothing == 0:
            return background
        successors = self._next.get(previous)
        count = successors[following] if successors is not None else 0
        return (count + self._smoothing * background) / (left + self._smoothing)

    def joint(self, path: Sequence[Hashable]) -> float:
        """P(path) = Q(first) times the transitions along it; 1 for the empty path."""
        if not path:
            return 1.0
        probability = self.chosen(path[0])
        for previous, following in itertools.pairwise(path):
            probability *= self.probability(previous, following)
        return probability

    def conditional(self, path: Sequence[Hashable], given: Iterable[int]) -> float:
        """P(path | some of its factors) = P(path) over the product of those factors.

        Args:
            path: states s0, s1, ..., sn.
            given: positions of the factors that are taken as given: 0 stands for Q(s0),
                i ≥ 1 for P(s_i | s_{i-1}).

        Raises:
            InvalidInput: when a position lies outside the path.
        """
        known = 1.0
        for position in given:
            if not 0 <= position < len(path):
                raise InvalidInput(f"given: expected positions from 0 to {len(path) - 1}")
            known *= (
                self.probability(path[position - 1], path[position])
                if position
                else self.chosen(path[0])
            )
        return self.joint(path) / known if known else 0.0

    def scores(self, previous: Hashable, candidates: Sequence[Hashable]) -> NDArray[np.float64]:
        """P(candidate | previous) of each candidate, float64 of shape (n,)."""
        return np.array([self.probability(previous, one) for one in candidates], dtype=np.float64)

    def __len__(self) -> int:
        """Distinct states."""
        return len(self._chosen)

    def _shrink(self) -> None:
        """Drop the rarest tenth of the states, so that it is not done at every step."""
        surplus = len(self._chosen) - int(0.9 * self._max_states)
        for state, count in self._chosen.most_common()[: -surplus - 1 : -1]:
            del self._chosen[state]
            self._total -= count
            self._next.pop(state, None)
            self._left.pop(state, None)
