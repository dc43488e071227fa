"""Expectations about a query: it says what is wanted now, the person orders what fits."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import fmean

from edge_rerank.evaluation.expectations.catalogue import CHINESE as CHINESE_KINDS
from edge_rerank.evaluation.expectations.catalogue import kind_of
from edge_rerank.evaluation.expectations.expectation import (
    ALWAYS,
    NEVER,
    Expectation,
    Group,
    at_least,
    at_most,
)
from edge_rerank.evaluation.expectations.measures import TOP, count, ids, place, shared
from edge_rerank.evaluation.expectations.reasons import QUERY_CODES, lifting
from edge_rerank.evaluation.expectations.visits import Host
from edge_rerank.render.cards import title_of
from edge_rerank.types import Item

Fits = tuple[str, tuple[str, ...]]

ENGLISH: Sequence[Fits] = (
    ("telescope", ("astronomy",)),
    ("pizza dough", ("baking",)),
    ("marathon", ("running",)),
    ("compost and raised beds", ("gardening",)),
    ("saxophone", ("jazz",)),
    ("chess endgames", ("chess",)),
    ("camera lens", ("photography",)),
    ("wool socks", ("knitting",)),
    ("bicycle chain", ("cycling",)),
    ("yacht anchor", ("sailing",)),
    ("fossil bones", ("dinosaurs",)),
    ("python", ("programming", "编程")),
    ("weekend in Lisbon", ("city breaks",)),
    ("chisel and plane", ("woodworking",)),
    ("puppy", ("dogs",)),
    ("mortgage", ("finance",)),
)
"""What was typed, and the kinds it fits."""

CHINESE: Sequence[Fits] = (
    ("毛笔", ("书法",)),
    ("火锅", ("川菜",)),
    ("登山鞋", ("登山",)),
    ("普洱茶", ("茶",)),
    ("数据库索引", ("编程", "programming")),
    ("鲫鱼饵料", ("钓鱼",)),
    ("幼猫疫苗", ("猫",)),
)

_SENTENCES: Sequence[Fits] = (
    ("what may my dog eat", ("dogs",)),
    ("how do I stop a jumper from unravelling after a dropped stitch", ("knitting",)),
    ("things to see in Vienna", ("city breaks", "cycling")),
    ("我想学写毛笔字", ("书法",)),
    ("怎么给小猫剪指甲", ("猫",)),
)

_MISTYPED: Sequence[Fits] = (
    ("telescpoe", ("astronomy",)),
    ("sourduogh", ("baking",)),
    ("marahton", ("running",)),
    ("saxaphone", ("jazz",)),
    ("dinosuar fosils", ("dinosaurs",)),
    ("mortagge", ("finance",)),
)

_WORDS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("pizza", "running", ("baking", "city breaks")),
    ("telescope", "baking", ("astronomy",)),
    ("tomatoes", "chess", ("gardening",)),
    ("tripod", "cycling", ("photography", "astronomy")),
    ("anchor", "茶", ("sailing",)),
    ("宣纸", "登山", ("书法",)),
    ("花椒", "编程", ("川菜",)),
    ("蚯蚓", "jazz", ("钓鱼",)),
)
"""A word, what the person clicked twenty times before, and the kinds that have the word."""

_TWO_SIDED: Sequence[tuple[str, str, str]] = (
    ("blade", "woodworking", "gardening"),
    ("harness", "dogs", "sailing"),
    ("winter", "cycling", "sailing"),
    ("children", "chess", "city breaks"),
    ("入门", "书法", "钓鱼"),
    ("凌晨", "编程", "登山"),
)
"""A word that items of both kinds have."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def expectations() -> Iterator[Expectation]:
    """All of this group."""

    def share(sentence: str, low: float, measure: Callable[[Host], float]) -> Expectation:
        return Expectation(Group.QUERY, sentence, at_least(low), measure)

    for language, queries, three in (("English", ENGLISH, 0.6), ("Chinese", CHINESE, 0.5)):
        ask = partial(_first_fits, queries=queries)
        keep = partial(_kept, queries=queries)
        yield share(f"{language} queries of a stranger: first places that fit", 0.95, ask)
        yield share(
            f"{language} queries of a stranger: first three places that fit",
            three,
            partial(_top_fits, queries=queries, top=3),
        )
        for clicks in (1, 5, 20):
            yield share(
                f"{language} queries after {clicks} clicks elsewhere: first places that fit",
                0.9,
                partial(ask, clicks=clicks),
            )
        for clicks in (5, 20):
            yield share(
                f"{language} queries after {clicks} clicks elsewhere: what the top ten keeps of "
                "what fits without history",
                0.8,
                partial(keep, clicks=clicks),
            )
    yield share(
        "English queries of a stranger: top tens that fit",
        0.6,
        partial(_top_fits, queries=ENGLISH, top=TOP),
    )
    yield share(
        "Queries that are whole sentences: first places that fit",
        0.8,
        partial(_first_fits, queries=_SENTENCES),
    )
    for word, elsewhere, fitting in _WORDS:
        yield Expectation(
            Group.QUERY,
            f"“{word}” after twenty clicks on {elsewhere}: an item with it is at place",
            at_most(1),
            partial(_first_with_word, word=word, elsewhere=elsewhere),
        )
        yield Expectation(
            Group.QUERY,
            f"“{word}” after twenty clicks on {elsewhere}: the last item with it is at",
            at_most(5),
            partial(_last_with_word, word=word, elsewhere=elsewhere, fitting=fitting),
        )
    yield from _typing(share)
    yield from _person_and_query()


def _typing(
    share: Callable[[str, float, Callable[[Host], float]], Expectation],
) -> Iterator[Expectation]:
    for typed, kinds in _MISTYPED:
        yield Expectation(
            Group.QUERY,
            f"“{typed}” is understood: the first place is about {' or '.join(kinds)}",
            ALWAYS,
            partial(_first_fits, queries=((typed, kinds),)),
        )
    yield share(
        "Three clicks elsewhere, then the six mistyped words above: first places that fit",
        0.8,
        partial(_first_fits, queries=_MISTYPED, clicks=3),
    )
    for language, chinese in (("English", False), ("Chinese", True)):
        yield share(
            f"{language} titles typed as they are: found in the first place",
            0.95,
            partial(_titles_found, chinese=chinese, top=1, typos=False),
        )
    yield share(
        "English titles with a typo in each word of five letters or more: among the first five",
        0.95,
        partial(_titles_found, chinese=False, top=5, typos=True),
    )
    yield share(
        "English titles with such typos after five clicks elsewhere: among the first five",
        0.9,
        partial(_titles_found, chinese=False, top=5, typos=True, clicks=5),
    )


def _person_and_query() -> Iterator[Expectation]:
    for word, a, b in _TWO_SIDED:
        yield Expectation(
            Group.QUERY,
            f"“{word}” fits {a} and {b}: the kind clicked before comes first, places ahead",
            at_least(1),
            partial(_own_side_first, word=word, kinds=(a, b)),
        )
    for word, kind in (("Astronomy", "astronomy"), ("Knitting", "knitting"), ("钓鱼", "钓鱼")):
        yield Expectation(
            Group.QUERY,
            f"“{word}” is a category: of the top ten it has",
            at_least(8),
            partial(_category_asked, word=word, kind=kind),
        )
    for query in ("qwxzv plmokn", "zzgrft"):
        yield Expectation(
            Group.QUERY,
            f"“{query}” fits nothing: what stays of the list without it after five clicks",
            at_least(7),
            partial(_nonsense_changes, query=query),
        )
        yield Expectation(
            Group.QUERY,
            f"“{query}” fits nothing: items of the top ten said to fit the search",
            NEVER,
            partial(_nonsense_fits, query=query),
        )
    for upper, lower in (("TELESCOPE", "telescope"), ("Sourdough Bread", "sourdough bread")):
        yield Expectation(
            Group.QUERY,
            f"“{upper}” and “{lower}” are one query: of the top ten they share",
            at_least(9),
            partial(_case, upper=upper, lower=lower),
        )


def _elsewhere(host: Host, place_of_query: int, kinds: Sequence[str], clicks: int) -> list[Item]:
    """Items of a kind that the query does not fit, another one for each query."""
    others = [kind for kind in host.catalogue.kinds if kind not in kinds]
    return host.catalogue.some(others[(7 * place_of_query + 3) % len(others)], clicks)


def _first_fits(host: Host, queries: Sequence[Fits], clicks: int = 0) -> float:
    return _top_fits(host, queries, top=1, clicks=clicks)


def _top_fits(host: Host, queries: Sequence[Fits], top: int, clicks: int = 0) -> float:
    shares = []
    for turn, (query, kinds) in enumerate(queries):
        if clicks:
            clicked = _elsewhere(host, turn, kinds, clicks)
            ranking = host.person().clicked(*clicked).list(query=query)
        else:
            ranking = host.to_stranger(query)
        shares.append(count(ranking, *kinds, top=top) / top)
    return fmean(shares)


def _kept(host: Host, queries: Sequence[Fits], clicks: int) -> float:
    """What the top ten keeps; nothing where without history hardly any fits."""
    before = _top_fits(host, queries, TOP)
    return _top_fits(host, queries, TOP, clicks) / before if before > 0.2 else 0.0


def _first_with_word(host: Host, word: str, elsewhere: str) -> float:
    ranking = host.person().clicked(*host.catalogue.some(elsewhere, 20)).list(query=word)
    return min(place(ranking, item) for item in host.catalogue.with_word(word))


def _last_with_word(host: Host, word: str, elsewhere: str, fitting: tuple[str, ...]) -> float:
    ranking = host.person().clicked(*host.catalogue.some(elsewhere, 20)).list(query=word)
    asked = [item for item in host.catalogue.with_word(word) if kind_of(item) in fitting]
    return max(place(ranking, item) for item in asked)


def _titles_found(host: Host, *, chinese: bool, top: int, typos: bool, clicks: int = 0) -> float:
    copied = {*host.catalogue.copies, *host.catalogue.copies.values()}
    rng = random.Random(15)  # noqa: S311 - typing errors, not secrets
    found = []
    for turn, (kind, items) in enumerate(host.catalogue.kinds.items()):
        for item in items[turn % 3 :: 6]:
            title = title_of(item)
            if item.id in copied or (kind in CHINESE_KINDS) is not chinese:
                continue
            query = mistype(title, rng) if typos else title
            person = host.person().clicked(*_elsewhere(host, turn, [kind], clicks))
            found.append(item.id in ids(person.list(query=query, top_k=top)))
    return fmean(found)


def mistype(text: str, rng: random.Random) -> str:
    """``text`` with one typing error in each word of five letters or more.

    Two letters swapped, one left out, doubled or replaced, never the first. In Chinese one in each
    run of five signs or more.
    """
    return re.sub(r"[A-Za-z]{5,}|[一-鿿]{5,}", lambda match: _mistyped(match.group(), rng), text)


def _mistyped(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    head, letter, tail = word[:at], word[at], word[at + 1 :]
    variants = (
        f"{head}{tail[0]}{letter}{tail[1:]}",
        f"{head}{tail}",
        f"{head}{letter}{letter}{tail}",
        f"{head}{rng.choice(_LETTERS.replace(letter.lower(), ''))}{tail}",
    )
    return rng.choice([one for one in variants if one != word])


def _own_side_first(host: Host, word: str, kinds: tuple[str, str]) -> float:
    """Places by which the clicked kind's best item with the word is ahead, the worse case."""
    with_word = host.catalogue.with_word(word)
    ahead = []
    for own, other in (kinds, kinds[::-1]):
        asked = {kind: [item for item in with_word if kind_of(item) == kind] for kind in kinds}
        clicks = [item for item in host.catalogue.some(own, 14) if item not in asked[own]][:5]
        ranking = host.person().clicked(*clicks).list(query=word)
        best = {kind: min(place(ranking, item) for item in asked[kind]) for kind in kinds}
        ahead.append(best[other] - best[own])
    return min(ahead)


def _category_asked(host: Host, word: str, kind: str) -> float:
    return count(host.to_stranger(query=word), kind)


def _nonsense_changes(host: Host, query: str) -> float:
    person = host.person().clicked(*host.catalogue.some("gardening", 5))
    return shared(person.list(query=query), person.list())


def _nonsense_fits(host: Host, query: str) -> float:
    person = host.person().clicked(*host.catalogue.some("gardening", 5))
    return sum(
        any(reason.code.value in QUERY_CODES for reason in lifting(ranked))
        for ranked in person.list(query=query)[:TOP]
    )


def _case(host: Host, upper: str, lower: str) -> float:
    return shared(host.to_stranger(query=upper), host.to_stranger(query=lower))
