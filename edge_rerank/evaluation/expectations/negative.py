"""Expectations about dislikes and dismissals: they count, for what they were said of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from edge_rerank.evaluation.expectations.catalogue import interleaved, kind_of
from edge_rerank.evaluation.expectations.expectation import (
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP, count, mean_place, place
from edge_rerank.evaluation.expectations.visits import Host, Person
from edge_rerank.types import EventType

_KINDS_OF_STRANGERS = ("photography", "钓鱼", "running", "川菜")
"""Kinds that a stranger has in the top ten, being popular there."""


def expectations() -> Iterator[Expectation]:
    """All of this group."""
    group = Group.NEGATIVE
    for kinds in (
        ("astronomy", "baking", "running"),
        ("猫", "茶", "登山"),
        ("jazz", "川菜", "chess"),
    ):
        kind, *others = kinds
        yield Expectation(
            group,
            f"Thirty clicks on {kind}, {' and '.join(others)}, then six dismissals of {kind}: "
            f"of the top ten {kind} has",
            at_most(1),
            partial(_after_dismissals, kinds=kinds),
        )
        yield Expectation(
            group,
            f"Thirty clicks on {kind}, {' and '.join(others)}, then six dismissals of {kind}: "
            "places it falls",
            at_least(10),
            partial(_fall_after_dismissals, kinds=kinds),
        )
    for kinds in (("gardening", "dogs", "编程"), ("书法", "sailing", "finance")):
        yield Expectation(
            group,
            f"Nine clicks on {', '.join(kinds)}, then two dislikes of {kinds[0]}: "
            "of the top ten it loses",
            at_least(1),
            partial(_lost_by_dislikes, kinds=kinds),
        )
    for kind in _KINDS_OF_STRANGERS:
        yield Expectation(
            group,
            f"Three dislikes of {kind} and nothing else: of the top ten {kind} has",
            NEVER,
            partial(_disliked_kind, kind=kind),
        )
    for kind in ("photography", "猫"):
        yield Expectation(
            group,
            f"Two dislikes of {kind} and nothing else: what stays of a stranger's first ten "
            f"besides {kind}",
            at_least(8),
            partial(_rest_undisturbed, kind=kind),
        )
    for kind in ("woodworking", "登山"):
        yield Expectation(
            group,
            f"A dislike of one of {kind} and nothing else: its place as a share of the list",
            at_least(0.9),
            partial(_depth, kind=kind, what=EventType.DISLIKE),
        )
        yield Expectation(
            group,
            f"A dismissal of one of {kind} and nothing else: its place as a share of the list",
            at_least(0.5),
            partial(_depth, kind=kind, what=EventType.DISMISS),
        )
    for liked, turned_down in (("chess", "city breaks"), ("书法", "猫")):
        yield Expectation(
            group,
            f"Five clicks on {liked}, a dislike of one of {turned_down}: "
            f"of the top ten {liked} loses",
            at_most(1),
            partial(_other_undisturbed, liked=liked, turned_down=turned_down),
        )


def _thirty(host: Host, kinds: tuple[str, ...]) -> Person:
    return host.person().clicked(*interleaved(*(host.catalogue.some(kind, 10) for kind in kinds)))


def _after_dismissals(host: Host, kinds: tuple[str, ...]) -> float:
    turned_down = host.catalogue.some(kinds[0], 6, start=9)
    return count(_thirty(host, kinds).did("dismiss", *turned_down).list(), kinds[0])


def _fall_after_dismissals(host: Host, kinds: tuple[str, ...]) -> float:
    turned_down = host.catalogue.some(kinds[0], 6, start=9)
    person = _thirty(host, kinds)
    before = mean_place(person.list(), kinds[0], besides=turned_down)
    after = person.did("dismiss", *turned_down).list()
    return mean_place(after, kinds[0], besides=turned_down) - before


def _lost_by_dislikes(host: Host, kinds: tuple[str, ...]) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, 3) for kind in kinds))
    person = host.person().clicked(*clicks)
    before = count(person.list(), kinds[0])
    turned_down = host.catalogue.some(kinds[0], 2, start=5)
    return before - count(person.did("dislike", *turned_down).list(), kinds[0])


def _disliked_kind(host: Host, kind: str) -> float:
    return count(host.person().did("dislike", *host.catalogue.some(kind, 3)).list(), kind)


def _rest_undisturbed(host: Host, kind: str) -> float:
    """What stays; nothing where the disliked kind does not sink."""
    ranking = host.person().did("dislike", *host.catalogue.some(kind, 2)).list()
    first, stranger = (
        [ranked.item.id for ranked in one if kind_of(ranked.item) != kind][:TOP]
        for one in (ranking, host.to_stranger())
    )
    sunk = mean_place(ranking, kind) - mean_place(host.to_stranger(), kind)
    return len({*first} & {*stranger}) if sunk > 0 else 0


def _depth(host: Host, kind: str, what: EventType) -> float:
    item = host.catalogue.some(kind, 1, start=5)[0]
    ranking = host.person().did(what, item).list()
    return (place(ranking, item) - 1) / (len(ranking) - 1)


def _other_undisturbed(host: Host, liked: str, turned_down: str) -> float:
    """What the liked kind loses; not a number where it had nothing."""
    person = host.person().clicked(*host.catalogue.some(liked, 5))
    before = count(person.list(), liked)
    if before == 0:
        return math.nan
    person.did("dislike", *host.catalogue.some(turned_down, 1))
    return before - count(person.list(), liked)
