"""One call of ``rank()``: its options, declared and checked once."""

from __future__ import annotations

from typing import TypedDict


class RankOptions(TypedDict, total=False):
    """The keyword arguments of every ``rank()``.

    Attributes:
        query: what the person asked for just now; not recorded.
        top_k: how many to return, all if ``None``.
        diversity: 0 to 1, how much near-copies are pushed down.
        host_order: whether the order of the items is the host's own ranking and is to be
            blended in; an item's ``score`` says more and always is.
        budget_ms: milliseconds after which a scorer is to stop refining; the result is then
            marked as degraded. No limit if ``None``; the encoder always runs.
        now: UTC seconds; the clock if ``None``.
    """

    query: str | None
    top_k: int | None
    diversity: float
    host_order: bool
    budget_ms: float | None
    now: float | None
