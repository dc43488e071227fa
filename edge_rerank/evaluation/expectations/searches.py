"""Expectations about recorded searches: they lift what fits, say so, and fade."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from edge_rerank.evaluation.expectations.expectation import (
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP, count
from edge_rerank.evaluation.expectations.reasons import QUERY_CODES, lifting, speaks_for
from edge_rerank.evaluation.expectations.visits import Host

_SEARCHES: Sequence[tuple[str, str, str]] = (
    ("telescope", "astronomy", "running"),
    ("sourdough bread", "baking", "chess"),
    ("dinosaur fossils", "dinosaurs", "茶"),
    ("书法", "书法", "cycling"),
    ("登山", "登山", "猫"),
)
"""What was searched for, the kind it fits, and another kind."""


def expectations() -> Iterator[Expectation]:
    """All of this group."""
    group = Group.SEARCH
    for query, kind, other in _SEARCHES:
        yield Expectation(
            group,
            f"A search for “{query}” just now and nothing else: of the top ten {kind} has",
            at_least(3),
            partial(_lifted, query=query, kind=kind, other=other, clicks=0),
        )
        yield Expectation(
            group,
            f"A search for “{query}” just now after five clicks on {other}: the top ten has {kind}",
            at_least(3),
            partial(_lifted, query=query, kind=kind, other=other, clicks=5),
        )
    for query, kind, other in _SEARCHES[:4]:
        yield Expectation(
            group,
            f"A search for “{query}”, then ten clicks on {other}: the top ten has {kind}",
            at_most(2),
            partial(_after_clicks, query=query, kind=kind, other=other),
        )
        yield Expectation(
            group,
            f"A search for “{query}” after three clicks on {other} fades by tomorrow: "
            f"the top ten loses of {kind}",
            at_least(1),
            partial(_lost_overnight, query=query, kind=kind, other=other),
        )
    for query, kind, other in _SEARCHES[1:4]:
        yield Expectation(
            group,
            f"A search for “{query}” and a click on a find, then three clicks on {other} tomorrow: "
            f"the top ten has {kind}",
            at_least(1),
            partial(_click_stays, query=query, kind=kind, other=other),
        )
        yield Expectation(
            group,
            f"A search for “{query}” and nothing else: {kind} of the top ten said to fit it, share",
            at_least(0.7),
            partial(_said, query=query, kind=kind),
        )
        yield Expectation(
            group,
            f"A search for “{query}” and nothing else: items said to be like what was chosen",
            NEVER,
            partial(_said_to_be_chosen, query=query, kind=kind),
        )
    yield Expectation(
        group,
        "A search for “telescope”, then one for “书法”: 书法 has as much of the top ten, more by",
        at_least(0),
        partial(_later_search, first="telescope", then="书法", kinds=("astronomy", "书法")),
    )
    yield Expectation(
        group,
        "A search for “saxophone”, then one for “mortgage”: finance has more of the top ten, by",
        at_least(0),
        partial(_later_search, first="saxophone", then="mortgage", kinds=("jazz", "finance")),
    )


def _lifted(host: Host, query: str, kind: str, other: str, clicks: int) -> float:
    person = host.person().clicked(*host.catalogue.some(other, clicks))
    return count(person.searched(query).list(), kind)


def _after_clicks(host: Host, query: str, kind: str, other: str) -> float:
    """What the search still brings; not a number where the clicks are not followed."""
    person = host.person().searched(query).clicked(*host.catalogue.some(other, 10))
    ranking = person.list()
    return count(ranking, kind) if count(ranking, other) >= 5 else math.nan


def _lost_overnight(host: Host, query: str, kind: str, other: str) -> float:
    person = host.person().clicked(*host.catalogue.some(other, 3)).searched(query)
    now = count(person.list(), kind)
    return now - count(person.later(hours=20.0).list(), kind)


def _click_stays(host: Host, query: str, kind: str, other: str) -> float:
    find = host.catalogue.some(kind, 1)[0]
    person = host.person().searched(query).read(find).later(hours=20.0)
    return count(person.clicked(*host.catalogue.some(other, 3)).list(), kind)


def _said(host: Host, query: str, kind: str) -> float:
    """Share of the kind's items in the top ten with words about the search, 0 without any.

    One or two may stand there for being popular.
    """
    ranking = host.person().searched(query).list()[:TOP]
    found = [ranked for ranked in ranking if ranked.item.fields["kind"] == kind]
    said = [any(reason.code.value in QUERY_CODES for reason in lifting(ranked)) for ranked in found]
    return sum(said) / len(said) if said else 0.0


def _said_to_be_chosen(host: Host, query: str, kind: str) -> float:
    """Items of the top ten with such words; not a number where the search brings nothing."""
    ranking = host.person().searched(query).list()
    if count(ranking, kind) <= count(host.to_stranger(), kind):
        return math.nan
    return sum(any(map(speaks_for, ranked.reasons)) for ranked in ranking[:TOP])


def _later_search(host: Host, first: str, then: str, kinds: tuple[str, str]) -> float:
    ranking = host.person().searched(first).searched(then).list()
    return count(ranking, kinds[1]) - count(ranking, kinds[0])
