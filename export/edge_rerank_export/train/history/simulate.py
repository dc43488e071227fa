"""Simulated events in training requests: bounces, unsure reads, dislikes, switches, brevity.

Data sets of choices hold no event that was weak, taken back or by somebody else, so a model that
learnt from them alone would take every event for a choice. Each simulation changes a request such
that what was chosen stays right; what a person did not do is marked as invented.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.domain import Batch, Domain

_LOOKED_AT = 400
"""Items of the catalogue among which one is looked for that is like another."""

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated: shares of the training requests, each request changed in one way at most.

    Attributes:
        bounces: one to three items that were left at once, strength 0.02 to 0.1; every other one
            resembles a candidate that was not chosen.
        reads: strengths of 0.3 to 2 instead of 1; the weaker, the more often another item
            instead of the one that was chosen.
        dislikes: one to six items with a strength of -1.5 to -1 that resemble a candidate which
            was not chosen, and the chosen one less; every other time that candidate is put there
            because it resembles an item of the history.
        switches: somebody else's history, and the last two to four choices after it: every other
            time on a later day, else within hours.
        short: the last one or two events alone.
        unread: texts that the encoder cannot read, in a script it does not know: every other time
            all of them, else those of some kinds, or of some items where no kinds are known.
        rated: requests made from the ratings in the histories of the validation requests, in
            addition to the others, as a share of these; a folder without ratings gives none.
    """

    bounces: float = 0.0
    reads: float = 0.0
    dislikes: float = 0.0
    switches: float = 0.0
    short: float = 0.0
    unread: float = 0.0
    rated: float = 0.0

    def __post_init__(self) -> None:
        shares = [getattr(self, entry.name) for entry in fields(self)]
        if not all(0 <= share <= 1 for share in shares) or sum(shares[:-1]) > 1:
            raise RecipeError("simulate: expected shares from 0 to 1, together 1 at most")


@dataclass(slots=True)
class _History:
    """One history, oldest first, to change in place."""

    items: list[int]
    strength: list[float]
    ages: list[float]
    invented: list[bool]

    def put(self, place: int, item: int, strength: float, age: float) -> None:
        self.items.insert(place, item)
        self.strength.insert(place, strength)
        self.ages.insert(place, age)
        self.invented.insert(place, True)

    def swap(self, place: int, item: int) -> None:
        self.items[place] = item
        self.invented[place] = True

    def keep(self, most: int) -> None:
        for values in (self.items, self.strength, self.ages, self.invented):
            del values[: max(len(values) - most, 0)]


def simulate(
    domain: Domain, batch: Batch, settings: Simulation, *, rng: np.random.Generator
) -> Batch:
    """Change a share of a batch's requests.

    Args:
        domain: gives items and other people.
        batch: any number of requests; stays as it is.
        settings: what is simulated.
        rng: all chance there is.
    """
    return _Simulator(domain, rng).change(batch, settings)


class _Simulator:
    def __init__(self, domain: Domain, rng: np.random.Generator) -> None:
        self._domain = domain
        self._rng = rng
        self._items = len(domain.ids)

    def change(self, batch: Batch, settings: Simulation) -> Batch:
        count, width = batch.history.shape
        changed = replace(
            batch,
            candidates=batch.candidates.copy(),
            history=np.full_like(batch.history, -1),
            strength=np.zeros_like(batch.strength),
            age_s=np.full_like(batch.age_s, np.nan),
            invented=np.zeros((count, width), dtype=np.bool_),
        )
        ways = (self._bounce, self._read, self._dislike, self._switch, self._shorten)
        shares = [
            settings.bounces,
            settings.reads,
            settings.dislikes,
            settings.switches,
            settings.short,
        ]
        lots = self._rng.random((count, 1))
        drawn: list[int] = (lots >= np.cumsum(shares)).sum(axis=1).tolist()
        for row, way in enumerate(drawn):
            there = batch.history[row] >= 0
            history = _History(
                batch.history[row, there].tolist(),
                batch.strength[row, there].tolist(),
                batch.age_s[row, there].tolist(),
                [False] * int(there.sum()),
            )
            assert changed.invented is not None  # noqa: S101
            if way < len(ways) and history.items:
                ways[way](history, changed.candidates[row], batch.clicked[row])
                history.keep(width)
            last = slice(width - len(history.items), width)
            changed.history[row, last] = history.items
            changed.strength[row, last] = history.strength
            changed.age_s[row, last] = history.ages
            changed.invented[row, last] = history.invented
        unread = (lots[:, 0] >= sum(shares)) & (lots[:, 0] < sum(shares) + settings.unread)
        return replace(changed, unread=self._unread(changed, unread))

    def _unread(self, batch: Batch, some: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which items of some requests are not read, as a batch says it."""
        share = np.where(self._rng.random(len(some)) < 0.5, 1.0, self._rng.random(len(some)))
        leaves = self._domain.leaves
        lots = self._rng.random(len(leaves))
        lots = np.where(leaves >= 0, lots[leaves], lots)
        rows = np.concatenate([batch.candidates, batch.history], axis=1)
        return np.asarray((rows >= 0) & (lots[rows] < (share * some)[:, None]))

    def _bounce(
        self, history: _History, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> None:
        for _ in range(self._rng.integers(1, 4)):
            item = self._unrelated(candidates, clicked)
            self._put(history, item, self._rng.uniform(0.02, 0.1), last=0.5)

    def _read(
        self, history: _History, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> None:
        for place in range(len(history.items)):
            if history.strength[place] <= 0:
                continue
            strength = self._rng.uniform(0.3, 2.0)
            history.strength[place] = strength
            if self._rng.random() < 0.5 * (1 - strength / 2):
                history.swap(place, self._unrelated(candidates, clicked))

    def _dislike(
        self, history: _History, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> None:
        wrong = self._wrong(candidates, clicked)
        if not wrong.size:
            return
        turned = self._rng.choice(wrong)
        if self._rng.random() < 0.5:
            # Of a kind that the person liked until now.
            liked = self._rng.choice(history.items)
            (like,) = self._like(liked, candidates[clicked], 1)
            if like not in candidates and like not in history.items:
                candidates[turned] = like
        most = 1 if self._rng.random() < 0.5 else int(self._rng.integers(2, 7))
        for item in self._like(int(candidates[turned]), candidates[clicked], most):
            if item not in history.items:
                self._put(history, item, self._rng.uniform(-1.5, -1.0), last=0.7)

    def _switch(
        self, history: _History, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> None:
        starts = self._domain.starts
        if len(starts) < 3:
            return
        other = self._rng.integers(0, len(starts) - 1)
        own = int(self._rng.integers(2, 5))
        history.keep(own)
        # An hour for the last choices, another time for what somebody else did before.
        newest = history.ages[-1]
        history.ages = [min(age, newest + _DAY_S / 24) for age in history.ages]
        soon = self._rng.random() < 0.5
        age = history.ages[0] + _DAY_S * self._rng.uniform(*((0.0, 0.3) if soon else (1.5, 30.0)))
        chosen = candidates[clicked]
        for item in self._domain.choices[starts[other] : starts[other + 1]][::-1].tolist():
            if item not in chosen and item not in history.items:
                history.put(0, item, 1.0, age)
                age += _DAY_S * self._rng.exponential(0.01 if soon else 3.0)

    def _shorten(
        self, history: _History, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> None:
        del candidates, clicked
        history.keep(int(self._rng.integers(1, 3)))

    def _put(self, history: _History, item: int, strength: float, *, last: float) -> None:
        """At the end with a chance of ``last``, anywhere otherwise."""
        count = len(history.items)
        place = count if self._rng.random() < last else int(self._rng.integers(0, count + 1))
        age = history.ages[place] if place < count else history.ages[-1] * self._rng.random()
        history.put(place, item, strength, age)

    def _unrelated(self, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]) -> int:
        """Any item but the chosen one, or one like a candidate that was not chosen."""
        wrong = self._wrong(candidates, clicked)
        if wrong.size and self._rng.random() < 0.5:
            (item,) = self._like(int(candidates[self._rng.choice(wrong)]), candidates[clicked], 1)
        else:
            item = int(self._rng.integers(0, self._items))
        return item if item not in candidates[clicked] else int(candidates[wrong[0]])

    def _wrong(
        self, candidates: NDArray[np.int64], clicked: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Where there are candidates of the catalogue that were not chosen."""
        return np.flatnonzero(~clicked & (candidates >= 0) & (candidates < self._items))

    def _like(self, item: int, unlike: NDArray[np.int64], count: int) -> list[int]:
        """Of some items of the catalogue those that are like one, and less like others."""
        vectors = self._domain.vectors
        some = self._rng.integers(0, self._items, _LOOKED_AT)
        some = np.unique(some[(some != item) & ~np.isin(some, unlike)])
        alike = vectors[some] @ vectors[item] - (vectors[some] @ vectors[unlike].T).max(axis=1)
        return [int(one) for one in some[np.argsort(-alike, kind="stable")[:count]]]
