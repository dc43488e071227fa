"""Expectations about tastes: several share the list, and a switch is followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import fmean

from edge_rerank.evaluation.expectations.catalogue import interleaved, kind_of
from edge_rerank.evaluation.expectations.expectation import (
    Expectation,
    Group,
    at_least,
    at_most,
    between,
)
from edge_rerank.evaluation.expectations.measures import best_place, count, without
from edge_rerank.evaluation.expectations.visits import Host
from edge_rerank.types import EventType

_SWITCHES = ((3, 2), (10, 3), (30, 5))
"""So many clicks on one kind, after which so many on another should turn half of the list."""


def expectations() -> Iterator[Expectation]:
    """Both groups of this module."""
    yield from _shares()
    yield from _single_clicks()
    yield from _switches()
    yield from _sessions()


def _shares() -> Iterator[Expectation]:
    def expect(
        sentence: str, low: float, high: float, measure: Callable[[Host], float]
    ) -> Expectation:
        return Expectation(Group.TASTES, sentence, between(low, high), measure)

    for a, b, each in (
        ("astronomy", "baking", 3),
        ("茶", "cycling", 5),
        ("jazz", "dogs", 10),
        ("书法", "钓鱼", 5),
        ("sailing", "finance", 8),
    ):
        yield expect(
            f"Clicks on {a} and {b} in turns, {each} each: of the top ten {a} has",
            *(4, 6),
            partial(_equal, kinds=(a, b), each=each),
        )
        yield expect(
            f"Clicks on {b} and {a} in turns, {each} each: of the top ten {b} has",
            *(4, 6),
            partial(_equal, kinds=(b, a), each=each),
        )
    for a, b in (("running", "chess"), ("登山", "photography")):
        yield expect(
            f"Five clicks each on {a} and {b}: of ten not clicked before {a} has",
            *(4, 6),
            partial(_equal, kinds=(a, b), each=5, fresh=True),
        )
    for a, b in (("woodworking", "city breaks"), ("茶", "编程")):
        yield expect(
            f"Five clicks each on {a} and {b}, of 54 candidates six are of each: {a} has",
            *(4, 6),
            partial(_equal_on_a_page, kinds=(a, b)),
        )
    for five in (
        ("astronomy", "knitting", "cycling", "jazz", "woodworking"),
        ("茶", "编程", "猫", "书法", "川菜"),
        ("gardening", "登山", "chess", "钓鱼", "city breaks"),
    ):
        yield expect(
            f"Four clicks each on {', '.join(five)}: so many of the five are in the top ten",
            *(5, 5),
            partial(_present, kinds=five, each=4),
        )
    for three in (("baking", "dinosaurs", "猫"), ("川菜", "running", "jazz")):
        yield expect(
            f"Four clicks each on {', '.join(three)}: of the top ten the least has",
            *(2, 3),
            partial(_least, kinds=three, each=4),
        )
    for a, b in (("gardening", "programming"), ("猫", "登山"), ("dogs", "茶")):
        yield expect(
            f"Nine clicks on {a} with three on {b} among them: of the top ten {b} has",
            *(1, 4),
            partial(_three_to_one, a=a, b=b),
        )


def _single_clicks() -> Iterator[Expectation]:
    for kind in ("dinosaurs", "sailing", "川菜", "编程"):
        yield Expectation(
            Group.TASTES,
            f"A single click on {kind} is no taste: of the top ten {kind} has",
            between(1, 6),
            partial(_after_one_click, kind=kind),
        )
    for kind in ("photography", "finance", "钓鱼"):
        yield Expectation(
            Group.TASTES,
            f"A single click on {kind} is not ignored: {kind} comes first at place",
            at_most(3),
            partial(_first_after_one_click, kind=kind),
        )
    for kind in ("finance", "jazz", "川菜"):
        yield Expectation(
            Group.TASTES,
            f"One like of {kind}, then lists of two, {kind} or what is chosen 2.5 times as often: "
            f"{kind} comes first in",
            at_least(0.9),
            partial(_before_the_popular, kind=kind),
        )


def _switches() -> Iterator[Expectation]:
    pairs = (("running", "astronomy"), ("茶", "knitting"), ("baking", "编程"), ("chess", "猫"))
    for a, b in pairs:
        for before, after in _SWITCHES:
            yield Expectation(
                Group.SWITCH,
                f"Right after {before} clicks on {a}, {after} on {b}: of the top ten {b} has",
                at_least(5),
                partial(_switched, a=a, b=b, before=before, after=after),
            )
    for a, b in (("jazz", "gardening"), ("钓鱼", "书法")):
        for before, after in _SWITCHES:
            yield Expectation(
                Group.SWITCH,
                f"The day after {before} clicks on {a}, {after} on {b}: of the top ten {b} has",
                at_least(5),
                partial(_switched, a=a, b=b, before=before, after=after, pause_h=20.0),
            )


def _sessions() -> Iterator[Expectation]:
    for a, b in (("cycling", "city breaks"), ("猫", "川菜"), ("woodworking", "登山")):
        yield Expectation(
            Group.SWITCH,
            f"Five clicks on {b} today, five on {a} a month ago: {b} has more of the top ten, by",
            at_least(1),
            partial(_today_against_then, a=a, b=b),
        )
        yield Expectation(
            Group.SWITCH,
            f"Five clicks on {b} today, thirty on {a} over the month before: {a} still has",
            between(1, 5),
            partial(_old_love, a=a, b=b),
        )


def _equal(host: Host, kinds: tuple[str, ...], each: int, *, fresh: bool = False) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, each) for kind in kinds))
    shown = without(host.catalogue.items, clicks) if fresh else None
    return count(host.person().clicked(*clicks).list(shown), kinds[0])


def _equal_on_a_page(host: Host, kinds: tuple[str, ...]) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, 5) for kind in kinds))
    return count(host.person().clicked(*clicks).list(host.catalogue.page(*kinds)), kinds[0])


def _present(host: Host, kinds: tuple[str, ...], each: int) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, each) for kind in kinds))
    ranking = host.person().clicked(*clicks).list()
    return sum(count(ranking, kind) > 0 for kind in kinds)


def _least(host: Host, kinds: tuple[str, ...], each: int) -> float:
    clicks = interleaved(*(host.catalogue.some(kind, each) for kind in kinds))
    ranking = host.person().clicked(*clicks).list()
    return min(count(ranking, kind) for kind in kinds)


def _three_to_one(host: Host, a: str, b: str) -> float:
    person = host.person()
    often, seldom = host.catalogue.some(a, 9), host.catalogue.some(b, 3)
    for turn, item in enumerate(seldom):
        first, second, third = often[3 * turn : 3 * turn + 3]
        person.clicked(first, item, second, third)
    return count(person.list(), b)


def _after_one_click(host: Host, kind: str) -> float:
    return count(host.person().clicked(*host.catalogue.some(kind, 1, start=3)).list(), kind)


def _first_after_one_click(host: Host, kind: str) -> float:
    return best_place(host.person().clicked(*host.catalogue.some(kind, 1, start=6)).list(), kind)


def _before_the_popular(host: Host, kind: str) -> float:
    """Share of the lists of two, three for every other kind, in which the kind's item leads."""
    liked, *own = host.catalogue.some(kind, 4)
    person = host.person().did(EventType.LIKE, liked)
    lists = [
        [replace(popular, popularity=250.0), replace(one, popularity=100.0)]
        for other in host.catalogue.kinds
        if other != kind
        for popular in host.catalogue.most_popular(other, 1)
        for one in own
    ]
    return fmean(kind_of(person.list(items)[0].item) == kind for items in lists)


def _switched(
    host: Host, a: str, b: str, *, before: int, after: int, pause_h: float | None = None
) -> float:
    person = host.person().clicked(*host.catalogue.some(a, before))
    if pause_h is not None:
        person.later(hours=pause_h)
    return count(person.clicked(*host.catalogue.some(b, after)).list(), b)


def _today_against_then(host: Host, a: str, b: str) -> float:
    person = host.person().clicked(*host.catalogue.some(a, 5)).later(hours=24.0 * 30)
    ranking = person.clicked(*host.catalogue.some(b, 5)).list()
    return count(ranking, b) - count(ranking, a)


def _old_love(host: Host, a: str, b: str) -> float:
    """What the old interest still has; nothing where the new one is not followed."""
    person = host.person()
    for session in range(10):
        person.clicked(*host.catalogue.some(a, 3, start=3 * session)).later(hours=72.0)
    ranking = person.clicked(*host.catalogue.some(b, 5)).list()
    return count(ranking, a) if count(ranking, b) >= 3 else 0
