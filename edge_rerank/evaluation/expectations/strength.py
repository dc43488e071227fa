"""Expectations about strength: what a bounce, a long read, a like, a purchase, a rating weigh."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from edge_rerank.evaluation.expectations.expectation import (
    NEVER,
    Bound,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import count, mean_place, shared
from edge_rerank.evaluation.expectations.visits import BOUNCE_S, Host, Person
from edge_rerank.types import EventType, Item

Act = Callable[[Person, Item], object]

_TOLERANCE = 0.5
"""Places in the mean by which two lists may differ without anyone seeing it."""

_PURCHASE = EventType.PURCHASE
_CART = EventType.ADD_TO_CART
_LIKE = EventType.LIKE

_Contrast = tuple[str, Act, str, Act, float, Sequence[tuple[str, str]]]
_CONTRASTS: Sequence[_Contrast] = (
    (
        *("Ten minutes", lambda person, item: person.read(item)),
        *("half a second", lambda person, item: person.bounced(item, dwell_s=0.5)),
        *(15.0, (("astronomy", "baking"), ("茶", "猫"), ("sailing", "编程"))),
    ),
    (
        *("A view of ten minutes", lambda person, item: person.did("view", item, dwell_s=600.0)),
        *("one of half a second", lambda person, item: person.did("view", item, dwell_s=0.5)),
        *(15.0, (("city breaks", "finance"), ("书法", "sailing"))),
    ),
    (
        *("A click", lambda person, item: person.clicked(item)),
        *("a bounce", lambda person, item: person.bounced(item)),
        *(15.0, (("running", "chess"), ("川菜", "登山"))),
    ),
    (
        *("Ten minutes", lambda person, item: person.clicked(item, dwell_s=600.0)),
        *("ten seconds", lambda person, item: person.clicked(item, dwell_s=10.0)),
        *(2.0, (("gardening", "jazz"), ("钓鱼", "书法"))),
    ),
    (
        *("A like", lambda person, item: person.did(_LIKE, item)),
        *("a click", lambda person, item: person.clicked(item)),
        *(0.5, (("knitting", "dinosaurs"), ("猫", "川菜"))),
    ),
    (
        *("A purchase", lambda person, item: person.did(_PURCHASE, item)),
        *("a click", lambda person, item: person.clicked(item)),
        *(0.5, (("cycling", "photography"), ("登山", "finance"))),
    ),
    (
        *("Adding to the cart", lambda person, item: person.did(_CART, item)),
        *("a click", lambda person, item: person.clicked(item)),
        *(0.5, (("woodworking", "dogs"),)),
    ),
    (
        *("Clicking and buying", lambda person, item: person.clicked(item).did(_PURCHASE, item)),
        *("clicking and going back", lambda person, item: person.bounced(item)),
        *(15.0, (("photography", "running"), ("茶", "jazz"))),
    ),
    (
        *("Reading to the end", lambda person, item: person.did("click", item, scroll=1.0)),
        *("seeing the head of it", lambda person, item: person.did("click", item, scroll=0.03)),
        *(1.0, (("city breaks", "gardening"), ("编程", "钓鱼"))),
    ),
    (
        *("Five stars", lambda person, item: person.rated(item, 5.0)),
        *("one star", lambda person, item: person.rated(item, 1.0)),
        *(30.0, (("jazz", "cycling"), ("书法", "茶"), ("dogs", "astronomy"))),
    ),
)
"""The stronger deed, the weaker one, and by how many places in the mean it should lift more."""


def expectations() -> Iterator[Expectation]:
    """All of this group."""

    def expect(sentence: str, bound: Bound, measure: Callable[[Host], float]) -> Expectation:
        return Expectation(Group.STRENGTH, sentence, bound, measure)

    for a, b in (("astronomy", "baking"), ("茶", "登山"), ("jazz", "编程"), ("dogs", "川菜")):
        yield expect(
            f"A long read of {a}, four bounces on {b}: of the top ten {a} has more, by",
            at_least(2),
            partial(_long_read_against_bounces, a=a, b=b),
        )
    for a, b in (("knitting", "city breaks"), ("编程", "猫")):
        yield expect(
            f"A view of {a} for ten minutes, four of {b} for a second: of the top ten {a} has "
            "more, by",
            at_least(2),
            partial(_long_view_against_short, a=a, b=b),
        )
    for more, strong, less, weak, places, pairs in _CONTRASTS:
        for a, b in pairs:
            yield expect(
                f"{more} with one of {a} or {b} lifts its kind more than {less}, in places",
                at_least(places),
                partial(_contrast, a=a, b=b, strong=strong, weak=weak),
            )
    for a, b in (("finance", "city breaks"), ("猫", "钓鱼")):
        yield expect(
            f"A purchase lifts {a} and {b} no less than a like, in places",
            at_least(-_TOLERANCE),
            partial(
                _contrast_of_lifted,
                a=a,
                b=b,
                strong=lambda person, item: person.did(_PURCHASE, item),
                weak=lambda person, item: person.did(_LIKE, item),
            ),
        )
        yield expect(
            f"A like lifts {a} and {b} no less than a long read, in places",
            at_least(-_TOLERANCE),
            partial(
                _contrast_of_lifted,
                a=a,
                b=b,
                strong=lambda person, item: person.did(_LIKE, item),
                weak=lambda person, item: person.read(item),
            ),
        )
    for kind in ("chess", "knitting", "川菜"):
        yield expect(
            f"Nothing but a bounce on {kind}: as many of a stranger's top ten stay",
            at_least(8),
            partial(_stays, kind=kind, bounces=1),
        )
    yield expect(
        "Nothing but four bounces on 登山: as many of a stranger's top ten stay",
        at_least(7),
        partial(_stays, kind="登山", bounces=4),
    )
    for kind in ("baking", "jazz", "钓鱼"):
        for deed, seconds, part in (("A bounce", BOUNCE_S, 0.05), ("Six seconds", 6.0, 0.75)):
            yield expect(
                f"{deed} with one of {kind} and nothing else: its kind rises by a part of what a "
                "click lifts it, where popularity says little",
                at_most(part),
                partial(_part_of_click, kind=kind, dwell_s=seconds),
            )
    for kind in ("dinosaurs", "茶"):
        yield expect(
            f"Staying longer with one of {kind}, 1 s to 20 min: steps that lift it less",
            NEVER,
            partial(_steps_back, kind=kind),
        )
    for kind in ("running", "书法"):
        yield expect(
            f"One star for one of {kind} lowers its kind against a stranger's list, in places",
            at_least(3),
            partial(_lowered_by_rating, kind=kind, values=(1.0,)),
        )
    yield from _on_a_scale(expect)


def _on_a_scale(expect: Callable[..., Expectation]) -> Iterator[Expectation]:
    for a, b, values in (
        ("jazz", "baking", (5.0, 4.0)),
        ("登山", "猫", (5.0, 4.0)),
        ("cycling", "茶", (9.0, 8.0)),
        ("finance", "sailing", (95.0, 80.0)),
    ):
        yield expect(
            f"After {a} rated {values[0]:g}, {b} rated {values[1]:g} rises all the same, in places",
            at_least(20),
            partial(_lifted_by_second_rating, a=a, b=b, values=values),
        )
    for a, b in (("astronomy", "dogs"), ("编程", "gardening")):
        yield expect(
            f"After {a} rated 5 and 4, {b} rated 1: of the top ten it has",
            at_most(1),
            partial(_after_bad_rating, a=a, b=b),
        )


def _long_read_against_bounces(host: Host, a: str, b: str) -> float:
    person = host.person().read(*host.catalogue.some(a, 1))
    ranking = person.bounced(*host.catalogue.some(b, 4)).list()
    return count(ranking, a) - count(ranking, b)


def _long_view_against_short(host: Host, a: str, b: str) -> float:
    person = host.person().did(EventType.VIEW, *host.catalogue.some(a, 1), dwell_s=600.0)
    person.did(EventType.VIEW, *host.catalogue.some(b, 4), dwell_s=1.0)
    ranking = person.list()
    return count(ranking, a) - count(ranking, b)


def _contrast(host: Host, a: str, b: str, strong: Act, weak: Act) -> float:
    """Places that a kind gains by the stronger deed, the mean of both kinds.

    Each gets the stronger one once, so that neither kind's texts decide; the stronger one comes
    first, so that the order of time cannot.
    """
    gains = []
    for up, down in ((a, b), (b, a)):
        for_up, for_down = host.catalogue.some(up, 1)[0], host.catalogue.some(down, 1)[0]
        person = host.person()
        strong(person, for_up)
        weak(person, for_down)
        ranking = person.list()
        known = (for_up, for_down)
        gains.append(
            mean_place(ranking, down, besides=known) - mean_place(ranking, up, besides=known)
        )
    return sum(gains) / len(gains)


def _contrast_of_lifted(host: Host, a: str, b: str, strong: Act, weak: Act) -> float:
    """As :func:`_contrast`; nothing where the weaker deed lifts neither kind."""
    for kind in (a, b):
        item = host.catalogue.some(kind, 1)[0]
        person = host.person()
        weak(person, item)
        before = mean_place(host.to_stranger(), kind, besides=[item])
        if mean_place(person.list(), kind, besides=[item]) >= before:
            return math.nan
    return _contrast(host, a, b, strong, weak)


def _stays(host: Host, kind: str, bounces: int) -> float:
    person = host.person().bounced(*host.catalogue.some(kind, bounces))
    return shared(person.list(), host.to_stranger())


def _part_of_click(host: Host, kind: str, dwell_s: float) -> float:
    """Places that a kind gains by a short visit alone, of those that a click gains, if it does."""
    shown = [
        replace(item, popularity=20 + 7 * place % 41)
        for place, item in enumerate(host.catalogue.items)
    ]
    known = host.catalogue.some(kind, 1)
    before = mean_place(host.nobody(shown), kind, besides=known)
    visited, clicked = (
        before
        - mean_place(host.person().clicked(*known, dwell_s=s).list(shown), kind, besides=known)
        for s in (dwell_s, None)
    )
    return visited / clicked if clicked > 0 else math.inf


def _steps_back(host: Host, kind: str) -> float:
    """How often a longer stay lifts less; all of them where the longest lifts no more."""
    item = host.catalogue.some(kind, 1)[0]
    places = [
        mean_place(host.person().read(item, dwell_s=dwell_s).list(), kind, besides=[item])
        for dwell_s in (1.0, 8.0, 60.0, 1200.0)
    ]
    back = sum(longer > shorter + _TOLERANCE for shorter, longer in pairwise(places))
    return back if places[-1] < places[0] else len(places)


def _lowered_by_rating(host: Host, kind: str, values: Sequence[float]) -> float:
    items = host.catalogue.some(kind, len(values))
    person = host.person()
    for item, value in zip(items, values, strict=True):
        person.rated(item, value)
    after = mean_place(person.list(), kind, besides=items)
    return after - mean_place(host.to_stranger(), kind, besides=items)


def _lifted_by_second_rating(host: Host, a: str, b: str, values: tuple[float, float]) -> float:
    first, second = host.catalogue.some(a, 1)[0], host.catalogue.some(b, 1)[0]
    ranking = host.person().rated(first, values[0]).rated(second, values[1]).list()
    before = mean_place(host.to_stranger(), b, besides=[second])
    return before - mean_place(ranking, b, besides=[second])


def _after_bad_rating(host: Host, a: str, b: str) -> float:
    good, fair = host.catalogue.some(a, 2)
    bad = host.catalogue.some(b, 1)[0]
    return count(host.person().rated(good, 5.0).rated(fair, 4.0).rated(bad, 1.0).list(), b)
