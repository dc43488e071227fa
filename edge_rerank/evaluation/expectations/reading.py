"""Expectations about texts that a pack may not be able to read: it says so, the rest works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean

from edge_rerank.evaluation.expectations.catalogue import Language
from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import best_place, ids, place, shared, without
from edge_rerank.evaluation.expectations.visits import Host
from edge_rerank.render.cards import title_of
from edge_rerank.result import Ranking
from edge_rerank.types import Degradation, EventType, Item

_QUERIES: Sequence[tuple[str, str, str]] = (
    ("Thai", "กล้องดูดาว", "ดูดาว"),
    ("Georgian", "ხინკალი", "ქართული სამზარეულო"),
    ("Cyrillic", "телескоп", "астрономия"),
    ("Greek", "προζύμι", "ψωμί"),
    ("Arabic", "تلسكوب", "فلك"),
)
"""A script, a word in it, and the kind it fits among the items in other scripts."""

_ALIKE: Sequence[tuple[str, str, str, tuple[str, ...]]] = (
    ("Chinese", "大学物理（力学）", "大学物理实验", ("现代礼仪", "花卉鉴赏", "中国古代史")),
    ("Thai", "แกงเขียวหวานไก่", "แกงเขียวหวานลูกชิ้น", ("ดาวพฤหัสบดี", "ปั่นจักรยาน", "สวนบนระเบียง")),
    ("Cyrillic", "Яблочный пирог", "Пирог с вишней", ("Телескоп", "Вязание", "Бег трусцой")),
    ("Greek", "Ψωμί με προζύμι", "Το πρώτο προζύμι", ("Κρόνος", "Σκάκι για παιδιά", "Κήπος")),
)
"""A script, a title, another of its kind that shares its words, and some that share none."""


def expectations() -> Iterator[Expectation]:
    """All of this group."""
    group = Group.READING
    for script, query, kind in _QUERIES:
        yield Expectation(
            group,
            f"A query in {script} letters finds what has the word: {kind} comes first at place",
            at_most(1),
            partial(_found, query=query, kind=kind),
        )
    yield Expectation(
        group,
        "Titles in five scripts typed as they are: found in the first place",
        at_least(0.9),
        _titles_found,
    )
    for script, query in (("Thai", "สวัสดีตอนเช้า"), ("Georgian", "დილა მშვიდობისა")):
        yield Expectation(
            group,
            f"A {script} query that fits nothing in an English catalogue is said not to be read",
            ALWAYS,
            partial(_said_or_known, query=query),
        )
        yield Expectation(
            group,
            f"A {script} query that fits nothing: what stays of the list without it",
            at_least(8),
            partial(_unread_query_changes, query=query),
        )
    for kind in ("อาหารไทย", "ქართული სამზარეულო"):
        yield Expectation(
            group,
            f"Two clicks on {kind}: the third of its category stands at place",
            at_most(2),
            partial(_third_of_category, kind=kind),
        )
        yield Expectation(
            group,
            f"A history of {kind} alone is followed, or said not to be read",
            ALWAYS,
            partial(_history_said, kind=kind),
        )
    for script, disliked, alike, others in _ALIKE:
        yield Expectation(
            group,
            f"A dislike of {disliked}: of four {script} titles without categories {alike} is last",
            ALWAYS,
            partial(_disliked_by_words, disliked=disliked, texts=(alike, *others)),
        )
    yield Expectation(
        group,
        "An English query over English items: nothing is said not to be read",
        ALWAYS,
        _english_read,
    )
    yield Expectation(
        group,
        "Thai items among English ones: a click on English chess still brings chess first, place",
        at_most(3),
        _english_among_others,
    )


def _all(host: Host) -> list[Item]:
    return [*host.catalogue.items, *host.scripts.items]


def _found(host: Host, query: str, kind: str) -> float:
    return best_place(host.nobody(_all(host), query=query), kind)


def _titles_found(host: Host) -> float:
    items = _all(host)
    return fmean(
        ids(host.nobody(items, query=title_of(item), top_k=1)) == [item.id]
        for item in host.scripts.items
    )


def _said_or_known(host: Host, query: str) -> float:
    ranking = host.nobody(host.catalogue.told(), query=query)
    if ranking.unread.query == 0:  # a pack that knows these letters
        return Degradation.TEXT_NOT_READ not in ranking.degraded
    return Degradation.TEXT_NOT_READ in ranking.degraded


def _unread_query_changes(host: Host, query: str) -> float:
    person = host.person().clicked(*host.catalogue.some("jazz", 4))
    items = host.catalogue.told()
    return shared(person.list(items, query=query), person.list(items))


def _third_of_category(host: Host, kind: str) -> float:
    first, second, third = host.scripts.kinds[kind]
    person = host.person().clicked(first, second)
    return place(person.list(without(_all(host), [first, second])), third)


def _history_said(host: Host, kind: str) -> float:
    first, second, third = host.scripts.kinds[kind]
    ranking = host.person().clicked(first, second).list(without(_all(host), [first, second]))
    return _says_unread(ranking) if ranking.unread.history else place(ranking, third) <= 2


def _disliked_by_words(host: Host, disliked: str, texts: Sequence[str]) -> float:
    """Whether the first of the texts comes last."""
    person = host.person().did(EventType.DISLIKE, Item("disliked", disliked))
    ranking = person.list([Item(text, text) for text in texts])
    return ranking[-1].item.text == texts[0]


def _says_unread(ranking: Ranking) -> bool:
    return Degradation.TEXT_NOT_READ in ranking.degraded and ranking.unread.history > 0


def _english_read(host: Host) -> float:
    english = host.catalogue.language is Language.EN
    items = [item for item in host.catalogue.told() if item.text.isascii() is english]
    return not host.nobody(items, query="telescope").degraded


def _english_among_others(host: Host) -> float:
    chess = host.catalogue.some("chess", 1)
    return best_place(host.person().clicked(*chess).list(_all(host)), "chess")
