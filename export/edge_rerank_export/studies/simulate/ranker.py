"""What orders the simulated lists: a pack, frozen or learning, or the host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank import Event, HostGuard, Item, Reranker, Retention, Runtime
from edge_rerank_export.studies.simulate.plan import Order
from edge_rerank_export.studies.simulate.world import World

_CACHE = 20_000
"""Item vectors that fit beside the catalogue's: those of texts that were scrubbed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A list as it was shown.

    Attributes:
        order: which of the items stands at each place, intp of shape (n,).
        id: by which events name it.
    """

    order: NDArray[np.intp]
    id: str


class Ranker(Protocol):
    """Whatever orders lists and hears of clicks."""

    def meet(self, user: str) -> None:
        """Somebody is going to be shown lists."""
        ...

    def rank(
        self, items: Sequence[Item], user: str, *, surface: str, now: float, host_order: bool
    ) -> Shown:
        """Order ``items``.

        Args:
            items: in the host's order.
            user: for whom.
            surface: where it is shown.
            now: UTC seconds.
            host_order: whether the host's order means something.
        """
        ...

    def record(self, events: Sequence[Event], user: str) -> None:
        """Remember what ``user`` did."""
        ...

    def part(self, user: str) -> None:
        """Nobody asks for ``user`` again."""
        ...


class HostRanker:
    """The host's own order, which learns nothing."""

    def meet(self, user: str) -> None:
        """See :class:`Ranker`."""

    def rank(
        self, items: Sequence[Item], user: str, *, surface: str, now: float, host_order: bool
    ) -> Shown:
        """See :class:`Ranker`."""
        del user, surface, now, host_order
        return Shown(np.arange(len(items)), "host")

    def record(self, events: Sequence[Event], user: str) -> None:
        """See :class:`Ranker`."""

    def part(self, user: str) -> None:
        """See :class:`Ranker`."""


class PackRanker:
    """A reranker with a history in memory.

    Args:
        reranker: at work.
    """

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker

    def meet(self, user: str) -> None:
        """See :class:`Ranker`."""
        self._reranker.consent(user, True)

    def rank(
        self, items: Sequence[Item], user: str, *, surface: str, now: float, host_order: bool
    ) -> Shown:
        """See :class:`Ranker`."""
        ranking = self._reranker.rank(items, user, surface=surface, now=now, host_order=host_order)
        rows = {item.id: row for row, item in enumerate(items)}
        return Shown(np.array([rows[one.item.id] for one in ranking], dtype=np.intp), ranking.id)

    def record(self, events: Sequence[Event], user: str) -> None:
        """See :class:`Ranker`."""
        self._reranker.record(events, user=user)

    def part(self, user: str) -> None:
        """See :class:`Ranker`."""
        self._reranker.forget(user)


def open_rankers(
    orders: Sequence[Order],
    pack: Path,
    world: World,
    *,
    room: float,
    threads: int | None,
    opened: ExitStack,
) -> dict[Order, Ranker]:
    """One of each kind, with the vectors of the catalogue.

    Args:
        orders: which kinds.
        pack: a pack's folder.
        world: its items are going to be ranked.
        room: log-odds beside the host's order in the guarded and the bounded one, at first.
        threads: that compute at once; ``None`` for the default.
        opened: closes them.

    Raises:
        PackError: when the pack cannot be used.
    """
    guards = {Order.GUARDED: HostGuard(room=room), Order.BOUNDED: HostGuard(room=room, most=room)}
    rankers: dict[Order, Ranker] = {}
    for order in dict.fromkeys(orders):
        if order is Order.HOST:
            rankers[order] = HostRanker()
            continue
        reranker = opened.enter_context(
            Reranker.open(
                pack,
                runtime=Runtime(threads=threads, cache_items=len(world.items) + _CACHE),
                retention=Retention.UNLIMITED,
                learning=order is not Order.FROZEN,
                guard=guards.get(order),
            )
        )
        reranker.engine.warmup(world.items, vectors=world.vectors)
        rankers[order] = PackRanker(reranker)
    return rankers
