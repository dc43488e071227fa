"""Expectations about strangers, hosts and repeatability: what holds before anything is learnt."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from edge_rerank.evaluation.expectations.catalogue import kind_of
from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP, count, ids
from edge_rerank.evaluation.expectations.visits import Host
from edge_rerank.types import Event, Item


def expectations() -> Iterator[Expectation]:
    """Both groups of this module."""
    yield from _of_hosts()
    group = Group.DEFAULTS
    yield Expectation(
        group,
        "A stranger gets what is popular: of the ten most popular in the top ten",
        at_least(7),
        _popular_first,
    )
    yield Expectation(
        group,
        "Somebody with five clicks who withdraws consent gets a stranger's list: in the same place",
        ALWAYS,
        _without_consent,
    )
    yield Expectation(
        group,
        "Somebody with five clicks who is forgotten gets a stranger's list: in the same place",
        ALWAYS,
        _forgotten,
    )
    yield Expectation(
        group,
        "A guest with five clicks gets the list that a person with them gets: in the same place",
        at_least(0.9),
        _guest,
    )
    for kinds in (("baking", "jazz"), ("登山", "programming")):
        yield Expectation(
            group,
            f"Clicks on {' and '.join(kinds)}, candidates shuffled: in the same of twenty places",
            at_least(0.95),
            partial(_shuffled, kinds=kinds),
        )
        yield Expectation(
            group,
            f"Clicks on {' and '.join(kinds)}, the same call twice: in the same place",
            ALWAYS,
            partial(_twice, kinds=kinds),
        )
    yield Expectation(
        group,
        "A query, candidates shuffled: in the same of twenty places",
        at_least(0.95),
        partial(_shuffled, kinds=("chess",), query="marathon"),
    )
    yield Expectation(
        group,
        "Ten asked for are the first ten of all",
        ALWAYS,
        _first_ten,
    )
    yield Expectation(
        group,
        "No items, one item, an item without text, one of signs alone: rankings that came",
        at_least(4),
        _odd_candidates,
    )
    yield Expectation(
        group,
        "Five clicks on items that are not shown any more: their kind is in the top ten",
        at_least(3),
        _gone_items,
    )
    for kind in ("cycling", "茶"):
        yield Expectation(
            group,
            f"Five clicks on {kind}, known by their ids alone: of the top ten {kind} has",
            at_least(3),
            partial(_ids_alone, kind=kind),
        )
    yield Expectation(
        group,
        "Five clicks on baking, full diversity: kinds in the top ten more than without, by",
        at_least(0),
        _diversity,
    )


def _of_hosts() -> Iterator[Expectation]:
    group = Group.HOST
    yield Expectation(
        group,
        "Scores of the host and a stranger: of the host's ten best in the top ten",
        at_least(9),
        _host_best_kept,
    )
    yield Expectation(
        group,
        "The host's order and a stranger, popularity unknown: of the host's first ten",
        at_least(9),
        _host_order_kept,
    )
    for kind in ("gardening", "茶"):
        yield Expectation(
            group,
            f"Scores of the host and five clicks on {kind}: of the top ten {kind} has more, by",
            at_least(2),
            partial(_person_beside_host, kind=kind),
        )
    yield Expectation(
        group,
        "Scores of the host and five clicks on 猫: the host's best is in the upper half",
        ALWAYS,
        partial(_host_beside_person, kind="猫"),
    )
    for kind in ("astronomy", "川菜"):
        yield Expectation(
            group,
            f"Among {kind} alone, after three clicks on it: the host's best stands at place",
            at_most(8),
            partial(_host_within_kind, kind=kind),
        )


def _positions_shared(one: Sequence[str], other: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _popular_first(host: Host) -> float:
    popular = sorted(host.catalogue.items, key=lambda item: -(item.popularity or 0.0))[:TOP]
    return len({item.id for item in popular} & {*ids(host.to_stranger()[:TOP])})


def _without_consent(host: Host) -> float:
    person = host.person().clicked(*host.catalogue.some("knitting", 5))
    host.reranker.consent(person.user, False)
    return _positions_shared(ids(person.list()), ids(host.to_stranger()))


def _forgotten(host: Host) -> float:
    person = host.person().clicked(*host.catalogue.some("finance", 5))
    host.reranker.forget(person.user)
    return _positions_shared(ids(person.list()), ids(host.to_stranger()))


def _guest(host: Host) -> float:
    items = host.catalogue.some("dogs", 5)
    person = host.person()
    with host.reranker.guest_session() as guest:
        guest.record(
            [
                Event("click", item, timestamp=person.now + 45.0 * turn)
                for turn, item in enumerate(items)
            ]
        )
        person.clicked(*items)
        ranking = guest.rank(host.catalogue.items, now=person.now)
        return _positions_shared(ids(ranking[:TOP]), ids(person.list()[:TOP]))


def _shuffled(host: Host, kinds: Sequence[str], query: str | None = None) -> float:
    person = host.person()
    for kind in kinds:
        person.clicked(*host.catalogue.some(kind, 3))
    items = [*host.catalogue.items]
    random.Random(15).shuffle(items)  # noqa: S311 - an order, not a secret
    one, other = person.list(query=query), person.list(items, query=query)
    return _positions_shared(ids(one[:20]), ids(other[:20]))


def _twice(host: Host, kinds: Sequence[str]) -> float:
    person = host.person()
    for kind in kinds:
        person.clicked(*host.catalogue.some(kind, 3))
    one, other = person.list(), person.list()
    return one == other and one.items == other.items


def _first_ten(host: Host) -> float:
    person = host.person().clicked(*host.catalogue.some("cycling", 3))
    person.clicked(*host.catalogue.some("书法", 3))
    return ids(person.list(top_k=TOP)) == ids(person.list()[:TOP])


def _odd_candidates(host: Host) -> float:
    person = host.person()
    odd = [[], [Item("one", "A lone title")], [Item("bare")], [Item("signs", "!!! … ★★★")]]
    return sum(len(person.list(items, query="anything")) == len(items) for items in odd)


def _gone_items(host: Host) -> float:
    gone = host.catalogue.some("baking", 5)
    left = [item for item in host.catalogue.items if item not in gone]
    return count(host.person().clicked(*gone).list(left), "baking")


def _ids_alone(host: Host, kind: str) -> float:
    clicked = [Item(item.id) for item in host.catalogue.some(kind, 5)]
    return count(host.person().clicked(*clicked).list(), kind)


def _diversity(host: Host) -> float:
    person = host.person().clicked(*host.catalogue.some("baking", 5))
    wide, plain = (
        {kind_of(ranked.item) for ranked in person.list(diversity=share)[:TOP]}
        for share in (1.0, 0.0)
    )
    return len(wide) - len(plain)


def _scored(host: Host) -> list[Item]:
    """The catalogue with scores that have nothing to do with kinds, popularity unknown."""
    rng = random.Random(3)  # noqa: S311 - scores of an invented host, not secrets
    return [replace(item, popularity=None, score=rng.random()) for item in host.catalogue.items]


def _best(items: Sequence[Item]) -> list[str]:
    return [item.id for item in sorted(items, key=lambda one: -(one.score or 0.0))]


def _host_best_kept(host: Host) -> float:
    items = _scored(host)
    return len({*_best(items)[:TOP]} & {*ids(host.nobody(items)[:TOP])})


def _host_order_kept(host: Host) -> float:
    items = [replace(item, popularity=None) for item in host.catalogue.items]
    ranking = host.nobody(items, host_order=True)
    return len({item.id for item in items[:TOP]} & {*ids(ranking[:TOP])})


def _person_beside_host(host: Host, kind: str) -> float:
    items = _scored(host)
    person = host.person().clicked(*host.catalogue.some(kind, 5))
    return count(person.list(items), kind) - count(host.nobody(items), kind)


def _host_beside_person(host: Host, kind: str) -> float:
    items = _scored(host)
    ranking = host.person().clicked(*host.catalogue.some(kind, 5)).list(items)
    return _best(items)[0] in ids(ranking[: len(items) // 2])


def _host_within_kind(host: Host, kind: str) -> float:
    clicked = host.catalogue.some(kind, 3)
    ids_of_kind = {item.id for item in host.catalogue.kinds[kind]}
    gone = {item.id for item in clicked}
    items = [item for item in _scored(host) if item.id in ids_of_kind - gone]
    ranking = host.person().clicked(*clicked).list(items)
    return ids(ranking).index(_best(items)[0]) + 1
