"""Measures of a list: how many of a kind, where it stands, how much two lists share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from edge_rerank.evaluation.expectations.catalogue import kind_of
from edge_rerank.ranked import RankedItem
from edge_rerank.result import Ranking
from edge_rerank.types import Item

TOP = 10


def count(ranking: Ranking, *kinds: str, top: int = TOP) -> int:
    """How many of the first ``top`` are of one of the kinds."""
    return sum(kind_of(ranked.item) in kinds for ranked in ranking[:top])


def place(ranking: Ranking, item: Item) -> int:
    """The item's 1-based place.

    Raises:
        ValueError: when it is not in the list.
    """
    return ids(ranking).index(item.id) + 1


def mean_place(ranking: Ranking, kind: str, *, besides: Collection[Item] = ()) -> float:
    """Mean 1-based place of a kind's items, those of ``besides`` left out."""
    left_out = {item.id for item in besides}
    return fmean(
        ranked.rank
        for ranked in ranking
        if kind_of(ranked.item) == kind and ranked.item.id not in left_out
    )


def best_place(ranking: Ranking, kind: str) -> int:
    """The kind's first place, 1-based."""
    return next(ranked.rank for ranked in ranking if kind_of(ranked.item) == kind)


def ids(ranking: Iterable[RankedItem]) -> list[str]:
    """Ids in the order of the list."""
    return [ranked.item.id for ranked in ranking]


def shared(one: Ranking, other: Ranking, top: int = TOP) -> int:
    """How many of the first ``top`` of one are among the first ``top`` of the other."""
    return len({*ids(one[:top])} & {*ids(other[:top])})


def without(items: Sequence[Item], left_out: Collection[Item]) -> list[Item]:
    """Those that are not left out."""
    gone = {item.id for item in left_out}
    return [item for item in items if item.id not in gone]
