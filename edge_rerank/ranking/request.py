"""A call of ``rank()``: its options, declared once and checked once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import is_
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import (
    check_bool,
    check_date,
    check_fraction,
    check_integer,
    check_kind,
    check_number,
    check_text,
)
from edge_rerank._lazy import cached_property
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Values
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.learning.head import Head
from edge_rerank.ranking.candidates import Candidates, candidates_of
from edge_rerank.ranking.comparisons import Comparer, Comparisons
from edge_rerank.ranking.context import context_of, locale_of, surface_of
from edge_rerank.ranking.interest_reader import InterestReader
from edge_rerank.ranking.interests import Interest, Interests, weights_of
from edge_rerank.ranking.kinship import CategoryRows, kinship
from edge_rerank.ranking.list_policy import ListPolicy, exposures_in, exposures_of, policy_of
from edge_rerank.ranking.list_rules import Exposure
from edge_rerank.ranking.options import RankOptions, Repeats, repeats_of
from edge_rerank.ranking.signals.categories import CategoryLists
from edge_rerank.types import Event, Item


@dataclass(frozen=True, slots=True, repr=False)
class Explored:
    """What of a list was left to chance.

    Attributes:
        before: rows in the order before neighbours swapped; none where nothing was explored.
        placements: by place, the chance that its item stands there.
        pairs: by the upper place, the chance that two neighbours were tried.
        order: by place, the place before neighbours swapped, from 0.
    """

    before: tuple[int, ...] = ()
    placements: tuple[float, ...] = ()
    pairs: tuple[float, ...] = ()
    order: tuple[int, ...] = ()


NOTHING_EXPLORED = Explored()


@dataclass(frozen=True, repr=False)
class Request:
    """A call whose arguments are in order, and what follows from them.

    Attributes:
        candidates: n items, and their columns.
        history: the person's events with timestamps, oldest first, but for ratings of whole lists.
        interests: what the history says, with no more liked items than are looked at.
        query: what was asked for, if anything.
        keep: how many items to return, at most n.
        diversity: 0 to 1.
        host_order: see :class:`RankOptions`.
        stop_at: time by ``time.perf_counter()`` at which to be done; ``None`` for no limit.
        now: UTC seconds, never before the last event.
        repeats: what is wanted of things that the person had before.
        context: circumstances of the call by name, read-only.
        surface: which of the host's lists it is for, if it says so.
        locale: language of reasons, a BCP 47 tag; empty where the call does not say.
        head: what was learnt of the person on this device, if anything.
        policy: what makes a good list.
        exposures: how items were shown to the person so far, by id.
        shown: whether the person gets to see the list.
    """

    candidates: Candidates
    history: Sequence[Event]
    interests: Interests
    query: str | None
    keep: int
    diversity: float
    host_order: bool
    stop_at: float | None
    now: float
    repeats: Repeats
    context: Values
    surface: str | None
    locale: str
    policy: ListPolicy
    exposures: Mapping[str, Exposure]
    shown: bool
    _comparer: Comparer
    head: Head | None = None

    @classmethod
    def of(
        cls,
        items: Iterable[Item],
        *,
        history: Iterable[Event],
        comparer: Comparer,
        reader: InterestReader | None = None,
        liked: int | None = None,
        ratings: RatingScale | None = None,
        head: Head | None = None,
        **options: Unpack[RankOptions],
    ) -> Request:
        """Check a call's arguments.

        Args:
            items: candidates, at most 10,000, each id once; neither they nor an item is changed.
            history: the person's events with timestamps, oldest first.
            comparer: compares candidates, history and query when a source first asks.
            reader: condenses the history; a new one if ``None``.
            liked: most recent liked items that the sources look at; all if ``None``.
            ratings: the host's scale; guessed if ``None``.
            head: what was learnt of the person, of the layout of the engine's features.
            options: see :class:`RankOptions`.

        Raises:
            TypeError: when an option is not one of these.
            InvalidRequest: when an argument has the wrong type or is out of range.
        """
        started = time.perf_counter()
        _check_names(options)
        candidates = candidates_of(items)
        reader = reader or InterestReader()
        history = reader.tastes(history)
        policy = policy_of(options.get("policy"))
        exposures = exposures_of(options.get("exposures"))
        if not exposures and (policy.fatigue or policy.rotate):
            exposures = exposures_in(history)
        budget_ms = check_number(options.get("budget_ms"), "budget_ms", InvalidRequest, minimum=0.0)
        now = _moment(options.get("now"), history)
        interests = reader.read(history, now=now, ratings=ratings)
        interests = _completed(interests, candidates)
        return cls(
            candidates=candidates,
            history=history,
            interests=interests if liked is None else interests.newest(liked),
            query=_query(options.get("query")),
            keep=_top_k(options.get("top_k"), len(candidates)),
            diversity=check_fraction(options.get("diversity", 0.0), "diversity", InvalidRequest),
            host_order=check_bool(options.get("host_order", False), "host_order", InvalidRequest),
            stop_at=None if budget_ms is None else started + budget_ms / 1e3,
            now=now,
            repeats=repeats_of(options.get("repeats")),
            context=context_of(options.get("context")),
            surface=surface_of(options.get("surface")),
            locale=locale_of(options.get("locale")),
            policy=policy,
            exposures=exposures,
            shown=check_bool(options.get("shown", True), "shown", InvalidRequest),
            _comparer=comparer,
            head=head,
        )

    @cached_property
    def texts(self) -> dict[str, str]:
        """Texts of the candidates by id: imported logs may name an item by its id alone."""
        return {item.id: item.text for item in self.candidates}

    @cached_property
    def exposed(self) -> tuple[NDArray[np.intp], list[Exposure]]:
        """Rows of the candidates that were shown before, intp of shape (m,), and how each was.

        Raises:
            InvalidRequest: when what is told of one is something else.
        """
        told = self.exposures
        if len(told) > len(self.candidates):
            told = {item.id: told[item.id] for item in self.candidates if item.id in told}
        rows = self.rows_of(told)
        known = rows >= 0
        found = list(compress(told.values(), known.tolist()))
        for exposure in found:
            if type(exposure) is not Exposure:
                check_kind(exposure, "exposures", Exposure, example="Exposure(shown=3, last=now)")
        return rows[known], found

    def rows_of(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Rows of the candidates of some ids, intp of shape (names,); -1 for what is none."""
        return self.candidates.find.rows(names)

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same number for the same item among candidates and what was liked, then disliked.

        int64 of shapes (n,) and (liked + disliked,); -1 for what is no candidate.
        """
        before = self.rows_of(self.interests.ids)
        return np.arange(len(self.candidates)), before.astype(np.int64)

    @cached_property
    def sorts(self) -> tuple[CategoryRows, CategoryRows]:
        """Categories of the candidates, and of the liked and then the disliked items."""
        past, own = self.interests.derived("sorts", self._past_sorts)
        return CategoryRows.of(self.candidates.categories, past), own

    def _past_sorts(self) -> tuple[CategoryLists, CategoryRows]:
        """Of the history alone."""
        past = CategoryLists.of([one.item.categories for one in self.interests.touched])
        return past, CategoryRows.of(past, past)

    @cached_property
    def kin(self) -> NDArray[np.float64]:
        """How much candidates and liked items are of one kind, 0 to 1, shape (n, liked)."""
        return self._kin(slice(len(self.interests.liked)), self.comparisons.liked)

    @cached_property
    def disliked_kin(self) -> NDArray[np.float64]:
        """How much candidates and disliked items are of one kind, 0 to 1, shape (n, disliked)."""
        return self._kin(slice(len(self.interests.liked), None), self.comparisons.disliked)

    def _kin(self, part: slice, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        own, history = self.sorts
        numbers, before = self.numbers
        return kinship(own, history[part], cosines, numbers[:, None] == before[part])

    def kin_of(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """:attr:`kin` of some candidates alone, intp of shape (m,): shape (m, liked)."""
        if len(rows) == len(self.candidates) or "kin" in self.__dict__:
            return self.kin[rows]
        own, history = self.sorts
        numbers, before = self.numbers
        liked = slice(len(self.interests.liked))
        same = numbers[rows][:, None] == before[liked]
        return kinship(own[rows], history[liked], self.comparisons.liked[rows], same)

    @cached_property
    def support(self) -> NDArray[np.float64]:
        """What of each liked item's strength is left beside what was turned down of its kind.

        0 to 1, float64 of shape (liked,): the share of its kind's strength that is for it.
        """
        return self.interests.derived("support", self._support)

    def _support(self) -> NDArray[np.float64]:
        liked, disliked = self.interests.liked, self.interests.disliked
        if not disliked or not liked:
            return np.ones(len(liked))
        _, history = self.sorts
        count, mine = len(liked), history[: len(liked)]
        likeness = self.comparisons.likeness
        strange = np.zeros((count, len(disliked)), dtype=np.bool_)
        within = kinship(mine, mine, likeness[:count, :count], np.eye(count, dtype=np.bool_))
        against = kinship(mine, history[count:], self.comparisons.aversion, strange)
        by_liked = within @ weights_of(liked)
        return np.asarray(by_liked / (by_liked + against @ weights_of(disliked)))

    def likeness(self, words: str) -> NDArray[np.float64]:
        """How alike the candidates are to the words of a query, float64 of shape (n,)."""
        return self._comparer.asked(self.candidates, words)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Cosines of the candidates with the history."""
        return self._comparer.compare(self.candidates, self.interests, self.query)


def _check_names(options: Iterable[str]) -> None:
    """Refuse an option that is none, as Python does."""
    known = RankOptions.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(
                f"rank() got an unexpected keyword argument {name!r}; it takes {', '.join(known)}"
            )


def _completed(interests: Interests, candidates: Candidates) -> Interests:
    """What imported logs name by its id alone, as the candidates describe it."""

    def complete(one: Interest) -> Interest:
        if one.item.text and one.item.categories:
            return one
        row = candidates.find.row(one.item.id)
        if row < 0:
            return one
        filled = _filled_in(one.item, candidates[row])
        return one if filled is one.item else replace(one, item=filled)

    if interests.described:
        return interests
    liked = tuple(map(complete, interests.liked))
    disliked = tuple(map(complete, interests.disliked))
    same = all(map(is_, (*liked, *disliked), (*interests.liked, *interests.disliked)))
    return interests if same else interests.but(liked, disliked)


def _filled_in(item: Item, known: Item) -> Item:
    """The item with what it lacks; the very same where the other one does not have it either."""
    lacks = {
        name: getattr(known, name)
        for name in ("text", "categories")
        if getattr(known, name) and not getattr(item, name)
    }
    for name in ("popularity", "vector"):
        if getattr(item, name) is None and getattr(known, name) is not None:
            lacks[name] = getattr(known, name)
    return replace(item, **lacks) if lacks else item


def _query(query: object) -> str | None:
    if query is None:
        return None
    text = check_text(query, "query", InvalidRequest, wanted="a string or None")
    return text if text.strip() else None


def _top_k(top_k: object, count: int) -> int:
    if top_k is None:
        return count
    wanted = "an integer ≥ 1 or None"
    return min(check_integer(top_k, "top_k", InvalidRequest, minimum=1, wanted=wanted), count)


def _moment(now: object, history: Sequence[Event]) -> float:
    """The time of the call, never before the last event."""
    moment = check_date(now, "now", InvalidRequest)
    newest = history[-1].timestamp if history else None
    return max(time.time() if moment is None else moment, newest or 0.0)
