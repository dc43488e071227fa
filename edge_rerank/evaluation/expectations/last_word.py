"""Expectations about the last word: what was said last about an item holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import count, mean_place, place
from edge_rerank.evaluation.expectations.reasons import speaks_for
from edge_rerank.evaluation.expectations.visits import Host, Person
from edge_rerank.types import Item

Course = Callable[[Person, Item], object]

_TURNED_DOWN: tuple[tuple[str, Course, tuple[str, ...]], ...] = (
    (
        "Click, purchase, dislike",
        lambda person, item: person.clicked(item).did("purchase", item).did("dislike", item),
        ("astronomy", "茶", "knitting"),
    ),
    (
        "Like, then dislike",
        lambda person, item: person.did("like", item).did("dislike", item),
        ("sailing", "登山"),
    ),
    (
        "A long read, then dismissal",
        lambda person, item: person.read(item).did("dismiss", item),
        ("jazz", "川菜"),
    ),
    (
        "Click, a long read, then one star",
        lambda person, item: person.read(item).rated(item, 1.0),
        ("dogs", "钓鱼"),
    ),
    (
        "Dislike, then a bounce",
        lambda person, item: person.did("dislike", item).bounced(item),
        ("finance",),
    ),
    (
        "Purchase last week, dislike today",
        lambda person, item: person.did("purchase", item).later(hours=168).did("dislike", item),
        ("cycling", "猫"),
    ),
)
"""What a person did to one item, after which it should stand in the lower half."""

_WON_BACK: tuple[tuple[str, Course, tuple[str, ...]], ...] = (
    ("a like", lambda person, item: person.did("like", item), ("chess", "编程", "gardening")),
    ("five stars", lambda person, item: person.rated(item, 5.0), ("baking", "书法")),
    ("a purchase", lambda person, item: person.did("purchase", item), ("photography", "猫")),
)
"""What was done after a dislike, by which the kind should rise again."""


def expectations() -> Iterator[Expectation]:
    """All of this group."""
    group = Group.LAST_WORD
    for course, act, kinds in _TURNED_DOWN:
        for kind in kinds:
            yield Expectation(
                group,
                f"{course} of one of {kind}: it stands in the lower half, place as a share",
                at_least(0.5),
                partial(_depth, kind=kind, act=act),
            )
    for kind in ("running", "茶"):
        yield Expectation(
            group,
            f"Click, purchase, dislike of one of {kind}: reasons that say it is liked",
            NEVER,
            partial(_said_to_be_liked, kind=kind),
        )
        yield Expectation(
            group,
            f"Click, purchase, dislike of one of {kind}: the profile says disliked, not liked",
            ALWAYS,
            partial(_profile_after_dislike, kind=kind),
        )
        yield Expectation(
            group,
            f"Dislike, then like of one of {kind}: the profile says liked, not disliked",
            ALWAYS,
            partial(_profile_after_like, kind=kind),
        )
    for deed, act, kinds in _WON_BACK:
        for kind in kinds:
            yield Expectation(
                group,
                f"After a dislike {deed} of the same item lifts {kind} above a stranger's list",
                at_least(20),
                partial(_won_back, kind=kind, act=act),
            )
    for kind in ("sailing", "钓鱼"):
        yield Expectation(
            group,
            f"Dislike, then like of one of {kind}: it stands in the upper half, place as a share",
            at_most(0.5),
            partial(_height, kind=kind, act=_dislike_then_like),
        )
    for kind in ("finance", "编程"):
        yield Expectation(
            group,
            f"One of {kind} rated 1 and nothing else: the profile says disliked, not liked",
            ALWAYS,
            partial(_profile_after_one_star, kind=kind),
        )
    yield Expectation(
        group,
        "One of jazz rated 4 beside one of dogs rated 5: the profile says that both are liked",
        ALWAYS,
        _profile_after_four_stars,
    )
    yield Expectation(
        group,
        "A bounce on one of 猫 beside a long read: the profile does not call it the better liked",
        ALWAYS,
        _profile_after_bounce,
    )
    for kind in ("city breaks", "川菜"):
        yield Expectation(
            group,
            f"Eight clicks on {kind}, one of them disliked after: of the top ten {kind} still has",
            at_least(3),
            partial(_kind_stays, kind=kind),
        )
        yield Expectation(
            group,
            f"A dislike of one of {kind} twelve sessions ago weighs less than one today, in places",
            at_least(0.5),
            partial(_fades, kind=kind),
        )


def _depth(host: Host, kind: str, act: Course) -> float:
    """Where the kind's most popular item stands, 0 for the first place to 1 for the last.

    Two others of its kind were clicked before, so that all but the last word speaks for it.
    """
    item, *others = host.catalogue.most_popular(kind, 3)
    person = host.person().clicked(*others)
    act(person, item)
    ranking = person.list()
    return (place(ranking, item) - 1) / (len(ranking) - 1)


def _height(host: Host, kind: str, act: Course) -> float:
    """Where the kind's least popular item stands, as in :func:`_depth`."""
    item = host.catalogue.most_popular(kind, len(host.catalogue.kinds[kind]))[-1]
    person = host.person()
    act(person, item)
    ranking = person.list()
    return (place(ranking, item) - 1) / (len(ranking) - 1)


def _disliked_after_all(host: Host, kind: str) -> tuple[Person, Item]:
    item, *others = host.catalogue.some(kind, 3)
    person = host.person().clicked(*others, item).did("purchase", item).did("dislike", item)
    return person, item


def _said_to_be_liked(host: Host, kind: str) -> float:
    person, item = _disliked_after_all(host, kind)
    ranking = person.list()
    own = ranking[place(ranking, item) - 1].reasons
    named = [reason for ranked in ranking for reason in ranked.reasons if reason.item_id == item.id]
    # Another item may be said to be like one that was turned down; none to be lifted by it.
    return sum(map(speaks_for, own)) + sum(map(speaks_for, named))


def _profile_after_dislike(host: Host, kind: str) -> float:
    person, item = _disliked_after_all(host, kind)
    profile = person.profile()
    return item.id in profile.disliked and item.id not in profile.liked


def _profile_after_like(host: Host, kind: str) -> float:
    item = host.catalogue.some(kind, 1)[0]
    profile = host.person().did("dislike", item).did("like", item).profile()
    return item.id in profile.liked and item.id not in profile.disliked


def _dislike_then_like(person: Person, item: Item) -> None:
    person.did("dislike", item).did("like", item)


def _profile_after_one_star(host: Host, kind: str) -> float:
    item = host.catalogue.some(kind, 1)[0]
    profile = host.person().rated(item, 1.0).profile()
    return item.id in profile.disliked and item.id not in profile.liked


def _profile_after_four_stars(host: Host) -> float:
    five, four = host.catalogue.some("dogs", 1)[0], host.catalogue.some("jazz", 1)[0]
    return {five.id, four.id} <= {*host.person().rated(five, 5.0).rated(four, 4.0).profile().liked}


def _profile_after_bounce(host: Host) -> float:
    read, bounced = host.catalogue.some("猫", 2)
    profile = host.person().read(read).bounced(bounced).profile()
    return profile.liked[:1] == (read.id,) and bounced.id not in profile.disliked


def _won_back(host: Host, kind: str, act: Course) -> float:
    item = host.catalogue.some(kind, 1, start=4)[0]
    person = host.person().did("dislike", item)
    act(person, item)
    before = mean_place(host.to_stranger(), kind, besides=[item])
    return before - mean_place(person.list(), kind, besides=[item])


def _kind_stays(host: Host, kind: str) -> float:
    items = host.catalogue.some(kind, 8)
    return count(host.person().clicked(*items).did("dislike", items[3]).list(), kind)


def _fades(host: Host, kind: str) -> float:
    item = host.catalogue.some(kind, 1)[0]
    other = host.catalogue.some("dinosaurs", 12)
    long_ago = host.person().did("dislike", item)
    for one in other:
        long_ago.later().clicked(one)
    today = host.person()
    for one in other:
        today.clicked(one).later()
    today.did("dislike", item)
    return mean_place(today.list(), kind, besides=[item]) - mean_place(
        long_ago.list(), kind, besides=[item]
    )
