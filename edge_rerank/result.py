"""A ranking and its forms: list, cards, banner, JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, overload

from edge_rerank.ranked import RankedItem
from edge_rerank.render.cards import Banner, Card, as_banner, as_cards, as_list
from edge_rerank.render.presentation import OURS, Presentation
from edge_rerank.types import Degradation, LeftOut, ListOrder, Unread

_ALL_READ = Unread()


@dataclass(frozen=True, slots=True)
class Ranking(Sequence[RankedItem]):
    """Items in final order; a sequence of :class:`RankedItem`.

    Two rankings are equal when their items, scores and reasons are.

    Attributes:
        items: the ranked items, best first; made, and their reasons found, when they are read.
        id: to be handed back in ``Event.ranking``.
        took_ms: milliseconds of wall time spent inside ``rank()``, with reading the history and
            noting what was shown.
        personalised: whether a history took part.
        degraded: what went wrong on the way, empty when nothing did:

            - ``HISTORY_UNAVAILABLE``: the history, or what was learnt, could not be read;
            - ``TIME_BUDGET``: ``budget_ms`` was over before a scorer or ``diversity`` was done;
            - ``TEXT_NOT_READ``: the query, or a fifth of the candidates or of the history, is in a
              script that the pack does not know;
            - ``LEARNING_RESET``: what was learnt was dropped, because the pack is another;
            - ``RULES_NOT_MET``: the candidates do not allow the list policy's caps or spreads;
            - ``HOST_ORDER``: your own order is better for this person, and was shown.
        unread: shares of the texts that the pack could not read.
        pack: name of the pack whose encoder read the texts.
        chances: propensities: by place, the chance that its item stands there, where the list
            policy explores; empty where it does not. For hosts that log lists for estimates of
            their own.
        left_out: items that the list policy left out, and by which rule; of those that would not
            have been among the ``top_k`` anyhow only the blocked ones.
        order: whose it is, see :class:`edge_rerank.ListOrder`: ours, or yours or both interleaved
            where you give an order of your own and :class:`edge_rerank.HostGuard` tests it.
        locale: language that cards, the banner and pages tell reasons in where they are given no
            other, a BCP 47 tag; English if empty.
    """

    items: Sequence[RankedItem]
    id: str = field(compare=False)
    took_ms: float = field(default=0.0, compare=False)
    personalised: bool = False
    degraded: tuple[Degradation, ...] = ()
    unread: Unread = _ALL_READ
    pack: str = field(default="", compare=False)
    chances: tuple[float, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    order: ListOrder = ListOrder.PERSONAL
    locale: str = field(default="", compare=False)

    @overload
    def __getitem__(self, index: int) -> RankedItem: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RankedItem, ...]: ...
    def __getitem__(self, index: int | slice) -> RankedItem | tuple[RankedItem, ...]:
        found = self.items[index]
        return found if isinstance(found, RankedItem) else tuple(found)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[RankedItem]:
        return iter(self.items)

    def to_list(self) -> list[dict[str, Any]]:
        """The ranking as JSON-ready dictionaries, best first.

        Each has ``rank``, ``score``, ``id``, ``text``, ``categories``, ``fields`` and
        ``reasons`` (a list of ``{"code", "weight", "item_id", "category"}``).
        """
        return as_list(self)

    def to_cards(
        self, titles: Mapping[str, str] | None = None, presentation: Presentation = OURS
    ) -> list[Card]:
        """The ranking as cards, see :class:`edge_rerank.Card`.

        Args:
            titles: titles of the history's items by id, for "because you liked ...".
            presentation: says which picture an item has, and has the words for reasons.
        """
        return as_cards(self, titles, presentation)

    def to_banner(
        self, titles: Mapping[str, str] | None = None, presentation: Presentation = OURS
    ) -> Banner | None:
        """The first item as a banner, ``None`` for an empty ranking; arguments as for cards."""
        return as_banner(self, titles, presentation)

    def to_json(self, *, indent: int | None = None) -> str:
        """The whole ranking as one JSON object: ``id``, ``took_ms``, ``items``, ..."""
        return json.dumps(
            {
                "id": self.id,
                "took_ms": round(self.took_ms, 3),
                "personalised": self.personalised,
                "degraded": [d.value for d in self.degraded],
                "unread": asdict(self.unread),
                "pack": self.pack,
                "order": self.order.value,
                "chances": list(self.chances),
                "left_out": [{"id": one.id, "code": one.code.value} for one in self.left_out],
                "items": self.to_list(),
            },
            ensure_ascii=False,
            indent=indent,
        )


def timed(ranking: Ranking, started: float, degraded: tuple[Degradation, ...] = ()) -> Ranking:
    """Internal: the ranking with all of the time that its caller waited.

    Args:
        ranking: as the engine made it.
        started: when the call began, by ``time.perf_counter``, seconds.
        degraded: what went wrong before the engine had its turn.
    """
    told = degraded + ranking.degraded
    return replace(ranking, degraded=told, took_ms=elapsed_ms(started))


def elapsed_ms(started: float) -> float:
    """Internal: milliseconds of wall time since ``started``, by ``time.perf_counter``."""
    return (time.perf_counter() - started) * 1e3
