"""A call of ``rank()``: its options, declared once and checked once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import count
from operator import attrgetter
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import (
    check_bool,
    check_fraction,
    check_integer,
    check_kind,
    check_moment,
    check_number,
    check_sequence,
    check_text,
)
from edge_rerank.errors import InvalidRequest
from edge_rerank.formats.attributes import Value, Values
from edge_rerank.learning.head import Head
from edge_rerank.ranking.comparisons import Comparer, Comparisons
from edge_rerank.ranking.context import context_of, locale_of, surface_of
from edge_rerank.ranking.interests import Interest, Interests, read_interests, weights_of
from edge_rerank.ranking.kinship import Sorted, kinship, sort_items
from edge_rerank.ranking.list_policy import ListPolicy, exposures_in, exposures_of, policy_of
from edge_rerank.ranking.list_rules import Exposure
from edge_rerank.ranking.signals.table import UNKNOWN, item_keys
from edge_rerank.types import Event, Item, RatingScale

MAX_CANDIDATES = 10_000


class Repeats(StrEnum):
    """What a host wants of things that a person had before.

    Attributes:
        NEVER: they stand behind all others.
        FRESH: that they were had before never speaks for them, and against what was just now.
        LEARN: as often as the person comes back to things, and to this one.
    """

    NEVER = "never"
    FRESH = "fresh"
    LEARN = "learn"


class ListOptions(TypedDict, total=False):
    """The keyword arguments of every ``rank_texts()``: see :class:`RankOptions`."""

    top_k: int | None
    diversity: float
    host_order: bool
    budget_ms: float | None
    now: float | datetime | None
    repeats: Repeats | str | None
    context: Mapping[str, Value | None] | None
    surface: str | None
    locale: str | None
    policy: ListPolicy | None
    exposures: Mapping[str, Exposure] | None


class RankOptions(ListOptions, total=False):
    """The keyword arguments of every ``rank()``.

    Attributes:
        query: what the person asked for just now; not recorded.
        top_k: how many to return, all if ``None``.
        diversity: 0 to 1, how much near-copies are pushed down within the first 100 places.
        host_order: whether the order of the items is the host's own ranking and is to be
            blended in; an item's ``score`` says more and always is.
        budget_ms: milliseconds after which a scorer is to stop refining; the result is then
            marked as degraded. No limit if ``None``; the encoder always runs.
        now: UTC seconds, or a datetime with a time zone; the clock if ``None``.
        repeats: what is wanted of things that the person had before, "never", "fresh" or "learn",
            see :class:`Repeats`; as the reranker was opened if ``None``. With a query "learn" is
            as "fresh".
        context: circumstances of the call, at most 16: strings of 1 to 128 characters or numbers
            by names of 1 to 64 of ``A-Z a-z 0-9 . _ -``, as ``{"hour": 20, "device": "kiosk"}``.
            ``hour`` goes from 0 to 23, ``weekday`` from 0 (Monday) to 6, ``month`` from 1 to 12.
            Not recorded; what a person chooses in which of them is learnt on the device.
        surface: which of your lists this is, as "home": a name like those. No part of a score.
        locale: language that the ranking's forms tell reasons in, a BCP 47 tag, as "zh"; we have
            English, which it is if ``None``, and Chinese. See :class:`edge_rerank.Words`.
        policy: what makes a good list, in place of the one that the reranker was opened with, see
            :class:`edge_rerank.ListPolicy`; that one if ``None``.
        exposures: how often items were shown to the person so far, by item id, for rules of the
            policy that count it: :class:`edge_rerank.Fatigue`, :class:`edge_rerank.Rotate`; where
            it is left out, as far as impressions were recorded.
    """

    query: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Explored:
    """What of a list was left to chance.

    Attributes:
        before: rows in the order before neighbours swapped; none where nothing was explored.
        placements: by place, the chance that its item stands there.
        chance: of the list, among all that swaps could have made.
        pairs: by the upper place, the chance that two neighbours were tried.
        order: by place, the place before neighbours swapped, from 0.
    """

    before: tuple[int, ...] = ()
    placements: tuple[float, ...] = ()
    chance: float = 1.0
    pairs: tuple[float, ...] = ()
    order: tuple[int, ...] = ()


NOTHING_EXPLORED = Explored()


@dataclass(frozen=True, repr=False)
class Request:
    """A call whose arguments are in order, and what follows from them.

    Attributes:
        candidates: n items.
        history: the person's events with timestamps, oldest first.
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
    """

    candidates: tuple[Item, ...]
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
    _comparer: Comparer
    head: Head | None = None

    @classmethod
    def of(
        cls,
        items: Iterable[Item],
        *,
        history: Iterable[Event],
        comparer: Comparer,
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
        candidates = _candidates(items)
        wanted = "a sequence of Event"
        history = check_sequence(history, "history", InvalidRequest, wanted=wanted, of=Event)
        policy = policy_of(options.get("policy"))
        exposures = exposures_of(options.get("exposures"))
        if not exposures and (policy.fatigue or policy.rotate):
            exposures = exposures_in(history)
        budget_ms = check_number(options.get("budget_ms"), "budget_ms", InvalidRequest, minimum=0.0)
        now = _moment(options.get("now"), history)
        interests = _completed(read_interests(history, now=now, ratings=ratings), candidates)
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
            _comparer=comparer,
            head=head,
        )

    @cached_property
    def texts(self) -> dict[str, str]:
        """Texts of the candidates by id: imported logs may name an item by its id alone."""
        return {item.id: item.text for item in self.candidates}

    @cached_property
    def rows(self) -> dict[str, int]:
        """Places of the candidates by id."""
        return dict(zip(map(attrgetter("id"), self.candidates), count()))

    @cached_property
    def exposed(self) -> dict[int, Exposure]:
        """How the candidates were shown before, by row; nothing of those that were not.

        Raises:
            InvalidRequest: when what is told of one is something else.
        """
        if not self.exposures:
            return {}
        told, rows = self.exposures, self.rows
        known = told if len(told) < len(rows) else rows
        found = {rows[name]: told[name] for name in known if name in told and name in rows}
        for exposure in found.values():
            if type(exposure) is not Exposure:
                check_kind(exposure, "exposures", Exposure, example="Exposure(shown=3)")
        return found

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """By which tables know the candidates, uint64 of shape (n,): hashed once for all."""
        return item_keys(item.id for item in self.candidates)

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """Popularity of the candidates, float64 of shape (n,); NaN where unknown."""
        counts = [item.popularity for item in self.candidates]
        return np.array(counts, dtype=np.float64)  # None becomes NaN

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same number for the same item among candidates and what was liked, then disliked.

        int64 of shapes (n,) and (liked + disliked,); -1 for what is no candidate.
        """
        numbers: dict[str, int] = {}
        own = [numbers.setdefault(item.id, len(numbers)) for item in self.candidates]
        touched = (*self.interests.liked, *self.interests.disliked)
        before = [numbers.get(one.item.id, UNKNOWN) for one in touched]
        return np.array(own, dtype=np.int64), np.array(before, dtype=np.int64)

    @cached_property
    def sorts(self) -> tuple[Sorted, Sorted]:
        """Categories of the candidates, and of the liked and then the disliked items."""
        touched = (*self.interests.liked, *self.interests.disliked)
        return sort_items(self.candidates, [one.item for one in touched])

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

    @cached_property
    def support(self) -> NDArray[np.float64]:
        """What of each liked item's strength is left beside what was turned down of its kind.

        0 to 1, float64 of shape (liked,): the share of its kind's strength that is for it.
        """
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
        """How alike the candidates' texts are to the words of a query, float64 of shape (n,)."""
        return self._comparer.likeness(self.comparisons.vectors, words)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Cosines of the candidates with the history."""
        return self._comparer.compare(self.candidates, self.interests, self.query)


def candidates_of(items: object) -> list[Item]:
    """``items`` as a list, read no further than one beyond what a ranking takes.

    Raises:
        InvalidRequest: see :func:`items_of`.
    """
    return items_of(items, most=MAX_CANDIDATES)


def items_of(items: object, *, most: int | None = None) -> list[Item]:
    """``items`` as a list.

    Args:
        items: what came.
        most: how many the caller takes; no more than one beyond are read.

    Raises:
        InvalidRequest: when they are no sequence, and nothing else that gives items in order.
    """
    wanted = "a sequence of Item"
    given = check_sequence(items, "items", InvalidRequest, wanted=wanted, of=Item, most=most)
    return list(given)


def repeats_of(value: object) -> Repeats:
    """What a host wants of things had before; "learn" where it is ``None``.

    Raises:
        InvalidRequest: when it is no name of one.
    """
    if value is None:
        return Repeats.LEARN
    wanted = f"one of {', '.join(Repeats)}, or None"
    try:
        return Repeats(check_text(value, "repeats", InvalidRequest, wanted=wanted))
    except ValueError:
        raise InvalidRequest(f"repeats: expected {wanted}; got another") from None


def _check_names(options: Iterable[str]) -> None:
    """Refuse an option that is none, as Python does."""
    known = RankOptions.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(
                f"rank() got an unexpected keyword argument {name!r}; it takes {', '.join(known)}"
            )


def _candidates(items: object) -> tuple[Item, ...]:
    candidates = candidates_of(items)
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidRequest(
            f"items: expected at most {MAX_CANDIDATES} candidates, got {len(candidates)}"
        )
    _check_each_once(candidates)
    return tuple(candidates)


def _check_each_once(candidates: Sequence[Item]) -> None:
    """Refuse an id that comes twice: which of the two is meant later on, nobody could say."""
    if len({item.id for item in candidates}) == len(candidates):
        return
    first: dict[str, int] = {}
    for place, item in enumerate(candidates):
        known = first.setdefault(item.id, place)
        if known != place:
            places = f"the same at index {known} and {place}"
            raise InvalidRequest(f"items: expected each id once, got {places}")


def _completed(interests: Interests, candidates: Sequence[Item]) -> Interests:
    """What imported logs name by its id alone, as the candidates describe it."""
    bare = [
        one.item.id
        for one in (*interests.liked, *interests.disliked)
        if not (one.item.text and one.item.categories)
    ]
    if not bare:
        return interests
    described = {item.id: item for item in candidates}

    def complete(some: tuple[Interest, ...]) -> tuple[Interest, ...]:
        return tuple(
            replace(one, item=_filled_in(one.item, described[one.item.id]))
            if one.item.id in described
            else one
            for one in some
        )

    return replace(
        interests, liked=complete(interests.liked), disliked=complete(interests.disliked)
    )


def _filled_in(item: Item, known: Item) -> Item:
    popularity = known.popularity if item.popularity is None else item.popularity
    return replace(
        item,
        text=item.text or known.text,
        categories=item.categories or known.categories,
        popularity=popularity,
        vector=known.vector if item.vector is None else item.vector,
    )


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
    moment = check_moment(now, "now", InvalidRequest)
    newest = history[-1].timestamp if history else None
    return max(time.time() if moment is None else moment, newest or 0.0)
