"""Expectations about reasons: what is said of an item is true of it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from statistics import median

from edge_rerank.evaluation.expectations.catalogue import interleaved
from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP
from edge_rerank.evaluation.expectations.visits import Host, Person
from edge_rerank.ranked import RankedItem
from edge_rerank.result import Ranking
from edge_rerank.types import EventType, Item, Reason

QUERY_CODES = frozenset({"query", "search"})
"""Codes that say: this fits what you searched for."""

_LIKING_CODES = frozenset({"similar", "category", "together", "next", "model", "session", "repeat"})
"""Codes that say: this is like what you chose."""

_CARDS = 9
"""A screen of three rows of three."""


def lifting(ranked: RankedItem) -> list[Reason]:
    """The reasons that move an item up: what a card says."""
    return [reason for reason in ranked.reasons if reason.weight > 0]


def speaks_for(reason: Reason) -> bool:
    """Whether a reason says that an item stands high because of what the person chose."""
    return reason.weight > 0 and reason.code.value in _LIKING_CODES


def expectations() -> Iterator[Expectation]:
    """All of this group."""
    group = Group.REASONS
    for kind, other in (("astronomy", "baking"), ("猫", "jazz"), ("cycling", "书法")):
        yield Expectation(
            group,
            f"Bounces on {other} after clicks on {kind}: reasons that name one as liked",
            NEVER,
            partial(_name_bounced, kind=kind, other=other),
        )
    for kind in ("gardening", "茶"):
        yield Expectation(
            group,
            f"Nothing but a bounce on {kind}: items of the top ten said to be like what was chosen",
            NEVER,
            partial(_said_after_bounce, kind=kind),
        )
        yield Expectation(
            group,
            f"Nothing but two dislikes of {kind}: items said to be like what was chosen",
            NEVER,
            partial(_said_after_dislikes, kind=kind),
        )
    for kinds in ((), ("running", "钓鱼"), ("川菜", "chess", "finance")):
        whom = f"After clicks on {' and '.join(kinds)}" if kinds else "To a stranger"
        yield Expectation(
            group,
            f"{whom}: items called popular that fewer chose than chose most others",
            NEVER,
            partial(_popular_untruly, kinds=kinds),
        )
        yield Expectation(
            group,
            f"{whom}, on a page of some: items called popular that most of the page outdo",
            NEVER,
            partial(_popular_untruly, kinds=kinds, page=True),
        )
    yield Expectation(
        group,
        "To a stranger: items said to be like what they chose",
        NEVER,
        _said_to_stranger,
    )
    for seed in (1, 2):
        yield Expectation(
            group,
            f"Eight mixed visits ({seed}): reasons that name an item which was not chosen",
            NEVER,
            partial(_untrue_names, seed=seed),
        )
        yield Expectation(
            group,
            f"Eight mixed visits ({seed}): items said to be of a liked category that are not",
            NEVER,
            partial(_untrue_categories, seed=seed),
        )
    yield Expectation(
        group,
        "Four clicks, nothing searched, turned down or scored: reasons that say there was",
        NEVER,
        _of_what_never_was,
    )
    yield Expectation(
        group,
        "Popularity unknown: items called popular",
        NEVER,
        _popular_unknown,
    )
    for kind in ("woodworking", "猫"):
        yield Expectation(
            group,
            f"Six items shown once, then two clicks on {kind}: of the six said not to be shown",
            NEVER,
            partial(_shown_said_new, kind=kind),
        )
    for query, word, clicked in (
        ("telescope", "telescope", "running"),
        ("pizza", "pizza", "astronomy"),
        ("火锅", "火锅", "登山"),
    ):
        yield Expectation(
            group,
            f"“{query}” after five clicks on {clicked}: those with the word say that they fit it",
            ALWAYS,
            partial(_fits_said, query=query, word=word, clicked=clicked),
        )
        yield Expectation(
            group,
            f"“{query}” after five clicks on {clicked}: items of {clicked} said to fit it",
            NEVER,
            partial(_clicked_said_to_fit, query=query, clicked=clicked),
        )
    for kinds in (
        ("astronomy", "baking", "dogs"),
        ("茶", "猫", "编程"),
        ("jazz", "登山", "woodworking"),
    ):
        yield Expectation(
            group,
            f"Four clicks each on {', '.join(kinds)}: of nine cards the same badge is on",
            at_most(6),
            partial(_same_badge, kinds=kinds),
        )
    for kind in ("photography", "川菜"):
        yield Expectation(
            group,
            f"Five likes of {kind}: of its first five share of those that say so",
            at_least(0.8),
            partial(_liking_said, kind=kind),
        )


def _name_bounced(host: Host, kind: str, other: str) -> float:
    """Such reasons; not a number where nothing is said at all."""
    bounced = host.catalogue.some(other, 4)
    person = host.person().clicked(*host.catalogue.some(kind, 3)).bounced(*bounced)
    names = {item.id for item in bounced}
    said = _speaking(person.list())
    return sum(reason.item_id in names for reason in said) if said else math.nan


def _speaking(ranking: Ranking) -> list[Reason]:
    """Every reason of a list that speaks of what the person chose."""
    return [reason for ranked in ranking for reason in ranked.reasons if speaks_for(reason)]


def _said_after_bounce(host: Host, kind: str) -> float:
    return _said_to_be_chosen(host.person().bounced(*host.catalogue.some(kind, 1)).list())


def _said_after_dislikes(host: Host, kind: str) -> float:
    person = host.person().did(EventType.DISLIKE, *host.catalogue.some(kind, 2))
    return _said_to_be_chosen(person.list())


def _said_to_stranger(host: Host) -> float:
    return _said_to_be_chosen(host.to_stranger())


def _said_to_be_chosen(ranking: Ranking) -> int:
    return sum(any(map(speaks_for, ranked.reasons)) for ranked in ranking[:TOP])


def _popular_untruly(host: Host, kinds: tuple[str, ...], *, page: bool = False) -> float:
    items = host.catalogue.page(*kinds) if page else host.catalogue.items
    person = host.person()
    for kind in kinds:
        person.clicked(*host.catalogue.some(kind, 3))
    middle = median(item.popularity or 0.0 for item in items)
    return sum(
        (ranked.item.popularity or 0.0) < middle
        for ranked in person.list(items)
        for reason in lifting(ranked)
        if reason.code.value == "popular"
    )


def _of_what_never_was(host: Host) -> float:
    ranking = host.person().clicked(*host.catalogue.some("sailing", 4)).list()
    impossible = QUERY_CODES | {"disliked", "dismissed", "seen", "host"}
    return sum(reason.code.value in impossible for ranked in ranking for reason in lifting(ranked))


def _popular_unknown(host: Host) -> float:
    items = [replace(item, popularity=None) for item in host.catalogue.items]
    person = host.person().clicked(*host.catalogue.some("running", 3))
    return sum(
        reason.code.value == "popular" for ranked in person.list(items) for reason in ranked.reasons
    )


def _shown_said_new(host: Host, kind: str) -> float:
    person = host.person().saw(host.to_stranger(), top=6)
    shown = {ranked.item.id for ranked in host.to_stranger()[:6]}
    ranking = person.clicked(*host.catalogue.some(kind, 2)).list()
    return sum(
        ranked.item.id in shown and reason.code.value == "seen"
        for ranked in ranking
        for reason in lifting(ranked)
    )


def _untrue_names(host: Host, seed: int) -> float:
    """Such reasons; not a number where nothing is said at all."""
    untrue = 0
    for person, chosen in _mixed_visits(host, seed):
        names = {None, *(item.id for item in chosen)}
        said = _speaking(person.list())
        if not said:
            return math.nan
        untrue += sum(reason.item_id not in names for reason in said)
    return untrue


def _untrue_categories(host: Host, seed: int) -> float:
    untrue = 0
    for person, chosen in _mixed_visits(host, seed):
        liked = {category for item in chosen for category in item.categories}
        untrue += sum(
            not liked & {*ranked.item.categories}
            for ranked in person.list()
            for reason in lifting(ranked)
            if reason.code.value == "category"
        )
    return untrue


def _mixed_visits(host: Host, seed: int) -> Iterator[tuple[Person, list[Item]]]:
    """People who like, read, bounce, dislike and search, each with what they chose."""
    rng = random.Random(seed)  # noqa: S311 - invented visits, not secrets
    for _ in range(8):
        person, chosen = host.person(), []
        for kind in rng.sample([*host.catalogue.kinds], 4):
            liked, read, bounced, disliked, bought = host.catalogue.some(
                kind, 5, start=rng.randrange(15)
            )
            for deed in rng.sample(range(5), 3):
                if deed == 0:
                    person.did(EventType.LIKE, liked)
                    chosen.append(liked)
                elif deed == 1:
                    person.read(read)
                    chosen.append(read)
                elif deed == 2:
                    person.bounced(bounced)
                elif deed == 3:
                    person.clicked(disliked).did(EventType.DISLIKE, disliked)
                else:
                    person.did(EventType.PURCHASE, bought)
                    chosen.append(bought)
            if rng.random() < 0.3:
                person.later(hours=rng.choice((2.0, 30.0)))
        yield person, chosen


def _fits_said(host: Host, query: str, word: str, clicked: str) -> float:
    """Share of the items with the word whose reasons say so."""
    ranking = host.person().clicked(*host.catalogue.some(clicked, 5)).list(query=query)
    with_word = {item.id for item in host.catalogue.with_word(word)}
    said = [
        any(reason.code.value in QUERY_CODES for reason in lifting(ranked))
        for ranked in ranking
        if ranked.item.id in with_word
    ]
    return sum(said) / len(said)


def _clicked_said_to_fit(host: Host, query: str, clicked: str) -> float:
    ranking = host.person().clicked(*host.catalogue.some(clicked, 5)).list(query=query)
    return sum(
        any(reason.code.value in QUERY_CODES for reason in lifting(ranked))
        for ranked in ranking[:30]
        if ranked.item.fields["kind"] == clicked
    )


def _same_badge(host: Host, kinds: tuple[str, ...]) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, 4) for kind in kinds))
    cards = host.person().clicked(*clicks).list().to_cards()[:_CARDS]
    badges = Counter(card.reasons[0] if card.reasons else "" for card in cards)
    return max(badges.values())


def _liking_said(host: Host, kind: str) -> float:
    ranking = host.person().did(EventType.LIKE, *host.catalogue.some(kind, 5)).list()
    first = [ranked for ranked in ranking if ranked.item.fields["kind"] == kind][:5]
    return sum(any(map(speaks_for, ranked.reasons)) for ranked in first) / len(first)
