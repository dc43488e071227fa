"""Interests: what a history says a person likes, dislikes and searches for.

Many events may concern one item; they come to one signed strength, in which an ordinary click
counts 1, see :mod:`~.strength`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edge_rerank._lazy import cached_property
from edge_rerank.inference.encoders.cache import text_keys
from edge_rerank.types import Item

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class Interest:
    """One item of the history with what the person thinks of it.

    Attributes:
        item: as it was when the person last touched it.
        strength: signed, at most 2.5 in size; an ordinary click is 1.
        recency: 1 for the newest, halved every 20 items and every 20 sessions, or 6 of what was
            turned down.
        when: UTC seconds at which the person last touched it; ``None`` where no time is known.
        session: how many sessions ago that was, 0 for the present one.
        later: how much the person turned to others that are liked since, in clicks.
    """

    item: Item
    strength: float
    recency: float
    when: float | None = None
    session: int = 0
    later: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Met:
    """What a history has anything of, whatever that says.

    Attributes:
        ids: of items.
        categories: that these have.
    """

    ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()


NOTHING_MET = Met()


@dataclass(frozen=True, repr=False)
class Interests:
    """What the ranker knows of a person.

    Attributes:
        liked: items with positive strength, oldest first.
        disliked: items with negative strength, oldest first.
        searches: the words of the last searches, oldest first.
        shown: how often an item was shown since it was last chosen, if ever, by item id;
            halved every five sessions.
        done: items that the person had, and not only saw (bought, completed, rated), by id:
            1 for just now, halved every seven days, sooner for who repeats, or every tenth of the
            time between where it was bought or completed in three sessions and more; not what was
            rated and come back to.
        visits: the sessions in which each item was chosen, by id, as for :attr:`Interest.session`,
            newest first; not of what is liked no more.
        met: whatever there was, liked or not.
        described: whether each liked or disliked item has a text and categories.
    """

    liked: tuple[Interest, ...] = ()
    disliked: tuple[Interest, ...] = ()
    searches: tuple[str, ...] = ()
    shown: Mapping[str, float] = field(default_factory=dict)
    done: Mapping[str, float] = field(default_factory=dict)
    visits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    met: Met = NOTHING_MET
    described: bool = False
    _kept: dict[Hashable, tuple[object, Any]] = field(default_factory=dict, compare=False)

    def newest(self, most: int) -> Interests:
        """The same with no more than ``most`` liked items: those that count most by now."""
        if len(self.liked) <= most:
            return self
        newest = self.derived(most, lambda: self.but(self._heaviest_liked(most)))
        return newest if newest.done is self.done else replace(newest, done=self.done)

    def _heaviest_liked(self, most: int) -> tuple[Interest, ...]:
        weights = np.array([min(abs(one.strength), 1.0) * one.recency for one in self.liked])
        return tuple([self.liked[place] for place in heaviest(weights, most)])

    @cached_property
    def touched(self) -> tuple[Interest, ...]:
        """Liked items, then disliked ones."""
        return (*self.liked, *self.disliked)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of :attr:`touched`."""
        return self.derived("ids", lambda: tuple([one.item.id for one in self.touched]))

    @property
    def text_keys(self) -> list[bytes]:
        """By which caches know the texts of :attr:`touched`."""
        return self.derived(text_keys, lambda: text_keys(one.item.text for one in self.touched))

    def but(
        self, liked: tuple[Interest, ...], disliked: tuple[Interest, ...] | None = None
    ) -> Interests:
        """The same with other items, of which nothing follows yet."""
        disliked = self.disliked if disliked is None else disliked
        return replace(self, liked=liked, disliked=disliked, described=False, _kept={})

    def derived(self, what: Hashable, make: Callable[[], _T], *, beside: object = None) -> _T:
        """What follows from liked and disliked items, made once for each history.

        Args:
            what: names it; with whoever makes it, where another would make something else.
            make: makes it, a value; of arrays nobody changes one.
            beside: what else it follows from; beside another it is made anew.
        """
        known, found = self._kept.get(what, (None, None))
        if found is None or known is not beside:
            found = make()
            if isinstance(found, np.ndarray):
                found.setflags(write=False)
            self._kept[what] = beside, found
        return cast("_T", found)

    def __bool__(self) -> bool:
        return bool(self.liked or self.disliked or self.searches or self.shown)


def weights_of(interests: Sequence[Interest]) -> NDArray[np.float64]:
    """Sizes of strengths as far as they are recent, float64 of shape (n,)."""
    return np.array([abs(one.strength) * one.recency for one in interests])


def heaviest(weights: NDArray[np.float64], most: int) -> list[int]:
    """Places of the ``most`` largest of them, rising; of equal ones the last."""
    if len(weights) <= most:
        return list(range(len(weights)))
    kept = len(weights) - 1 - np.argsort(-weights[::-1], kind="stable")[:most]
    return sorted(kept.tolist())
