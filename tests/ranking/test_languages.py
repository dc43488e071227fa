"""What the shipped packs read of languages in Latin letters, as their page says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_rerank import Event, Item, Reranker
from tests.languages import KINDS, QUERIES, TITLES

FOREIGN = [language for language in TITLES if language != "English"]


@pytest.fixture(scope="module", params=["shipped", "multilingual"])
def named(request: pytest.FixtureRequest) -> Iterator[tuple[str, Reranker]]:
    with Reranker.open(request.param) as reranker:
        yield request.param, reranker


def catalogue(language: str) -> list[Item]:
    return [Item(str(place), title) for place, title in enumerate(TITLES[language])]


@pytest.mark.parametrize("language", FOREIGN)
def test_a_title_is_nearest_to_its_translation_in_the_multilingual_pack_alone(
    named: tuple[str, Reranker], language: str
) -> None:
    pack, reranker = named
    alike = (
        reranker.engine.vectors(catalogue(language))
        @ reranker.engine.vectors(catalogue("English")).T
    )
    found = int((alike.argmax(axis=1) == np.arange(len(alike))).sum())
    if pack == "multilingual":
        assert found == 20
    else:
        assert found <= 11


@pytest.mark.parametrize("language", QUERIES)
def test_what_is_asked_for_in_other_words_is_found(
    named: tuple[str, Reranker], language: str
) -> None:
    pack, reranker = named
    items = catalogue(language)
    places = [
        [ranked.item.id for ranked in reranker.rank(items, query=query)].index(str(place)) + 1
        for place, query in enumerate(QUERIES[language])
    ]
    mean = float(np.mean([1 / place for place in places]))
    assert mean > 0.48 if pack == "multilingual" else mean < 0.37


def test_what_is_read_brings_its_kind_first_and_not_what_has_the_same_articles(
    named: tuple[str, Reranker],
) -> None:
    pack, reranker = named
    kinds = {title: kind for kind, titles in KINDS.items() for title in titles}
    shares = []
    for title, kind in kinds.items():
        with reranker.guest_session() as guest:
            guest.record(Event("view", Item(title, title), dwell_s=90))
            ranking = guest.rank([Item(other, other) for other in kinds if other != title])
        shares.append(np.mean([kinds[ranked.item.id] == kind for ranked in ranking[:5]]))
    mean = float(np.mean(shares))  # 0.14 by chance
    assert mean > 0.3 if pack == "multilingual" else mean < 0.2
