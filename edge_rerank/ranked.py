"""Places of a ranking: its items, made when they are read, and their reasons likewise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, overload

from edge_rerank.types import Item, Reason


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class RankedItem:
    """An item in its final place.

    Attributes:
        item: the very object that was handed to ``rank()``.
        rank: 1-based place.
        score: 0 to 1, no higher than that of the place above; a pinned item has at least that of
            the place below. With a query, the probability that the item answers it: near 1 for
            what does, near 0 where nothing fits. Without one, the click probability, which depends
            on what else is in the list.
    """

    __match_args__ = ("item", "rank", "score", "reasons")

    item: Item
    rank: int
    score: float
    _reasons: Sequence[Reason | tuple[Reason, ...]]

    def __init__(
        self,
        item: Item,
        rank: int,
        score: float,
        reasons: tuple[Reason, ...] | Sequence[tuple[Reason, ...]] = (),
    ) -> None:
        """A place of a list.

        Args:
            item: what stands there.
            rank: 1-based place.
            score: see above.
            reasons: of the item; or no tuple but a sequence, from which those of ``rank`` are taken
                when they are read.
        """
        put = object.__setattr__
        put(self, "item", item)
        put(self, "rank", rank)
        put(self, "score", score)
        put(self, "_reasons", reasons)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The largest contributions first, at most three, and one for each rule that moved it.

        They are found when they are first read.
        """
        told: Any = self._reasons
        return told if isinstance(told, tuple) else told[self.rank - 1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RankedItem):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Copied and pickled with its reasons, and without what they are found in."""
        return type(self), self._parts()

    def __repr__(self) -> str:
        item, rank, score, reasons = self._parts()
        return f"RankedItem(item={item!r}, rank={rank!r}, score={score!r}, reasons={reasons!r})"

    def _parts(self) -> tuple[Item, int, float, tuple[Reason, ...]]:
        return self.item, self.rank, self.score, self.reasons


class RankedItems(Sequence[RankedItem]):
    """The places of a list, made when they are first read. Equal to a tuple of the same.

    Args:
        told: gives items and their scores, best first; let go of once places are made.
        reasons: of each.
    """

    __slots__ = ("_count", "_made", "_reasons", "_told")

    def __init__(
        self,
        told: Callable[[], tuple[Sequence[Item], Sequence[float]]],
        reasons: Sequence[tuple[Reason, ...]],
    ) -> None:
        self._told: Callable[[], tuple[Sequence[Item], Sequence[float]]] | None = told
        self._reasons = reasons
        self._made: tuple[RankedItem, ...] = ()
        self._count = len(reasons)

    def read(self) -> tuple[RankedItem, ...]:
        """All of them."""
        told = self._told
        if told is not None:
            reasons = self._reasons
            placed = enumerate(zip(*told(), strict=True), start=1)
            self._made = tuple(
                RankedItem(one, rank, score, reasons) for rank, (one, score) in placed
            )
            self._told = None  # last: another thread that sees it has what was made
        return self._made

    def told(self) -> tuple[Sequence[Item], Sequence[float]]:
        """Items and their scores, of which no places are made."""
        told = self._told
        return told() if told is not None else _told(self._made)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> RankedItem: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RankedItem, ...]: ...
    def __getitem__(self, index: int | slice) -> RankedItem | tuple[RankedItem, ...]:
        return self.read()[index]

    def __iter__(self) -> Iterator[RankedItem]:
        return iter(self.read())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RankedItems):
            return self.read() == other.read()
        return self.read() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.read())

    def __reduce__(self) -> tuple[type[tuple[RankedItem, ...]], tuple[tuple[RankedItem, ...]]]:
        """Copied and pickled as the tuple that they are."""
        return tuple, (self.read(),)

    def __repr__(self) -> str:
        return repr(self.read())


def items_and_scores(
    places: Sequence[RankedItem],
) -> tuple[Sequence[Item], Sequence[float]]:
    """Items of a ranking and their scores, best first, for whoever needs nothing else of it."""
    return places.told() if isinstance(places, RankedItems) else _told(places)


def _told(places: Sequence[RankedItem]) -> tuple[list[Item], list[float]]:
    return [one.item for one in places], [one.score for one in places]
