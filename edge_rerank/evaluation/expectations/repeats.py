"""Expectations about what is known already: bought, shown and passed over, or there twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from edge_rerank.evaluation.expectations.catalogue import kind_of
from edge_rerank.evaluation.expectations.expectation import (
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP, count, ids, place, shared
from edge_rerank.evaluation.expectations.visits import Host, Person
from edge_rerank.result import Ranking
from edge_rerank.types import EventType, Item

Course = Callable[[Person, Item], object]

_DONE_WITH: tuple[tuple[str, Course, tuple[str, ...]], ...] = (
    (
        "bought just now",
        lambda person, item: person.clicked(item).did(EventType.PURCHASE, item),
        ("photography", "茶", "knitting"),
    ),
    (
        "put into the cart and bought",
        lambda person, item: person.did("add_to_cart", item).did("purchase", item),
        ("cycling", "登山"),
    ),
    (
        "bought yesterday",
        lambda person, item: person.did(EventType.PURCHASE, item).later(hours=20.0),
        ("sailing", "猫"),
    ),
    (
        "read or watched to its end",
        lambda person, item: person.clicked(item).did(EventType.COMPLETE, item),
        ("jazz", "川菜"),
    ),
)


def expectations() -> Iterator[Expectation]:
    """Both groups of this module."""
    group = Group.REPEATS
    for course, act, kinds in _DONE_WITH:
        for kind in kinds:
            yield Expectation(
                group,
                f"One of {kind} {course}, after three clicks on others of {kind}: it stands at",
                at_least(4),
                partial(_place_after, kind=kind, act=act),
            )
    for kind in ("woodworking", "钓鱼"):
        yield Expectation(
            group,
            f"One of {kind} bought and nothing else: of the top ten others of {kind} have",
            at_least(2),
            partial(_others_after_purchase, kind=kind),
        )
    yield from _habits()
    yield from _fatigue()
    yield from _copies()


def _habits() -> Iterator[Expectation]:
    for kinds in (("sailing",), ("茶",), ("city breaks", "编程")):
        besides = f" and one of {kinds[1]}" if len(kinds) > 1 else ""
        yield Expectation(
            Group.REPEATS,
            f"One of {kinds[0]}{besides} opened on five days: it stands at",
            at_most(3),
            partial(_place_of_habit, kinds=kinds),
        )
    for kind, days, bound in (("dogs", 30.0, at_most(3)), ("dogs", 1.0, at_least(4))):
        yield Expectation(
            Group.REPEATS,
            f"One of {kind} bought four times, a month apart, and last {days:g} days ago: it "
            "stands at",
            bound,
            partial(_place_of_supply, kind=kind, days=days),
        )
    yield Expectation(
        Group.REPEATS,
        "One of jazz opened on five days, then turned down: its place as a share of the list",
        at_least(0.9),
        _place_of_lost_habit,
    )


def _fatigue() -> Iterator[Expectation]:
    for kinds, hours in ((("astronomy", "chess"), 0.05), (("茶", "jazz"), 24.0), ((), 24.0)):
        whom = f"after clicks on {' and '.join(kinds)}" if kinds else "a stranger's"
        pause = "minutes" if hours < 1 else "a day"
        yield Expectation(
            Group.REPEATS,
            f"Ten rounds of the top ten, {whom}, {pause} apart, shown and passed over: new of ten",
            at_least(3),
            partial(_new_after_rounds, kinds=kinds, rounds=10, hours=hours),
        )
    for kinds in (("running", "猫"), ("dogs", "finance")):
        yield Expectation(
            Group.REPEATS,
            f"One round of the top ten, after clicks on {' and '.join(kinds)}, passed over: "
            "new of ten",
            at_most(4),
            partial(_new_after_rounds, kinds=kinds, rounds=1, hours=0.05),
        )


def _copies() -> Iterator[Expectation]:
    for kind in ("sailing", "chess", "茶", "川菜", "photography", "dogs", "city breaks", "钓鱼"):
        yield Expectation(
            Group.COPIES,
            f"Five clicks on {kind}: near-copies side by side in the top ten",
            NEVER,
            partial(_side_by_side, kinds=(kind,), clicks=5),
        )
    for kinds in (("baking", "running"), ("猫", "编程"), ("finance", "书法")):
        yield Expectation(
            Group.COPIES,
            f"Four clicks each on {' and '.join(kinds)}: near-copies side by side in the top ten",
            NEVER,
            partial(_side_by_side, kinds=kinds, clicks=4),
        )
    for kind in ("dinosaurs", "登山"):
        yield Expectation(
            Group.COPIES,
            f"A like of one of two near-copies of {kind}: side by side in the top ten",
            NEVER,
            partial(_beside_the_liked, kind=kind),
        )


def _place_after(host: Host, kind: str, act: Course) -> float:
    """The item's place; nothing where another kind leads."""
    item, *others = host.catalogue.some(kind, 4, start=10)
    person = host.person().clicked(*others)
    act(person, item)
    ranking = person.list()
    return place(ranking, item) if kind_of(ranking[0].item) == kind else 0


def _place_of_habit(host: Host, kinds: tuple[str, ...]) -> float:
    """The worst place of those that were opened each day."""
    items = [host.catalogue.some(kind, 1, start=8)[0] for kind in kinds]
    person = host.person()
    for _ in range(5):
        for item in items:
            person.clicked(item).later(hours=24.0 / len(items))
    ranking = person.list()
    return max(place(ranking, item) for item in items)


def _place_of_supply(host: Host, kind: str, days: float) -> float:
    item = host.catalogue.some(kind, 1, start=8)[0]
    person = host.person().did(EventType.PURCHASE, item)
    for _ in range(3):
        person.later(hours=30 * 24.0).did(EventType.PURCHASE, item)
    return place(person.later(hours=days * 24.0).list(), item)


def _place_of_lost_habit(host: Host) -> float:
    item = host.catalogue.some("jazz", 1, start=8)[0]
    person = host.person()
    for _ in range(5):
        person.clicked(item).later(hours=24.0)
    ranking = person.did(EventType.DISMISS, item).list()
    return (place(ranking, item) - 1) / (len(ranking) - 1)


def _others_after_purchase(host: Host, kind: str) -> float:
    item = host.catalogue.some(kind, 1, start=9)[0]
    ranking = host.person().did(EventType.PURCHASE, item).list()
    return count(ranking, kind) - (place(ranking, item) <= TOP)


def _new_after_rounds(host: Host, kinds: tuple[str, ...], rounds: int, hours: float) -> float:
    """What is new in the top ten; not a number where the list did not follow the clicks."""
    person = host.person()
    for kind in kinds:
        person.clicked(*host.catalogue.some(kind, 5))
    first = ranking = person.list()
    if kinds and count(first, *kinds) < TOP // 2:
        return math.nan
    for _ in range(rounds):
        ranking = person.saw(ranking).later(hours=hours).list()
    return TOP - shared(first, ranking)


def _side_by_side(host: Host, kinds: tuple[str, ...], clicks: int) -> float:
    person = host.person()
    for kind in kinds:
        person.clicked(*host.catalogue.some(kind, clicks))
    return _neighbours(host, person.list(), kinds)


def _beside_the_liked(host: Host, kind: str) -> float:
    originals = {*host.catalogue.copies.values()}
    item = next(one for one in host.catalogue.kinds[kind] if one.id in originals)
    return _neighbours(host, host.person().did(EventType.LIKE, item).list(), (kind,))


def _neighbours(host: Host, ranking: Ranking, kinds: tuple[str, ...]) -> float:
    """Pairs of neighbours in the top ten of which one is a near-copy of the other.

    Not a number where fewer than three of the top ten are of the kinds.
    """
    if count(ranking, *kinds) < 3:
        return math.nan
    copies = host.catalogue.copies
    top = ids(ranking[:TOP])
    return sum(copies.get(one) == other or copies.get(other) == one for one, other in pairwise(top))
