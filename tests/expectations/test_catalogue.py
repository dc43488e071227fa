from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from statistics import fmean

import edge_rerank.evaluation.expectations as room
from edge_rerank import Item
from edge_rerank.evaluation.expectations import queries, searches
from edge_rerank.evaluation.expectations.catalogue import (
    CHINESE,
    ENGLISH,
    Catalogue,
    Language,
    interleaved,
    kind_of,
)
from edge_rerank.evaluation.expectations.chinese import QUERIES

SHIPPED = Catalogue.shipped()
IN_CHINESE = Catalogue.shipped(Language.ZH)


def test_kinds_and_languages() -> None:
    assert {*SHIPPED.kinds} == {*ENGLISH, *CHINESE}
    assert len(SHIPPED.items) >= 320
    assert min(len(items) for items in SHIPPED.kinds.values()) >= 14
    chinese = sum(len(SHIPPED.kinds[kind]) for kind in CHINESE)
    assert 0.25 < chinese / len(SHIPPED.items) < 0.4
    assert all(not SHIPPED.kinds[kind][0].text.isascii() for kind in CHINESE)


def test_items_are_as_a_host_has_them() -> None:
    items = SHIPPED.items
    assert len({item.id for item in items}) == len({item.text for item in items}) == len(items)
    assert {len(item.categories) for item in items} == {0, 2}
    assert 10 <= sum(not item.categories for item in items) <= 40
    for item in items:
        title, description = item.text.split("\n")
        assert title == title.strip() != ""
        assert description == description.strip() != ""


def test_a_kind_is_known_by_its_second_category_alone() -> None:
    specific = {item.categories[1]: kind_of(item) for item in SHIPPED.items if item.categories}
    assert sorted(specific.values()) == sorted(SHIPPED.kinds)
    general = Counter(item.categories[0] for item in SHIPPED.items if item.categories)
    assert len(general) < len(SHIPPED.kinds)  # some share a shelf


def test_kinds_are_mixed_and_not_more_popular_than_others() -> None:
    first = SHIPPED.items[: len(SHIPPED.kinds) * 2]
    assert max(Counter(map(kind_of, first)).values()) <= 6
    means = [
        fmean(math.log1p(item.popularity or 0.0) for item in items)
        for items in SHIPPED.kinds.values()
    ]
    assert max(means) - min(means) < 2.0  # of a spread between items of about 8


def test_every_copy_is_of_an_item_of_its_kind() -> None:
    by_id = {item.id: item for item in SHIPPED.items}
    assert len(SHIPPED.copies) == len(SHIPPED.kinds)
    for copy, original in SHIPPED.copies.items():
        assert kind_of(by_id[copy]) == kind_of(by_id[original])
        assert original not in SHIPPED.copies


def test_choosing_items() -> None:
    assert [item.id for item in SHIPPED.some("chess", 2)] == ["chess-01", "chess-02"]
    assert SHIPPED.some("chess", 16)[15] == SHIPPED.some("chess", 1)[0]  # 15 are no copies
    assert not {item.id for item in SHIPPED.some("chess", 15)} & {*SHIPPED.copies}
    assert {kind_of(item) for item in SHIPPED.with_word("PIZZA")} == {"baking", "city breaks"}
    a, b = SHIPPED.some("chess", 2), SHIPPED.some("茶", 2)
    assert interleaved(a, b) == [a[0], b[0], a[1], b[1]]


def test_a_page_has_more_of_what_it_is_asked_for() -> None:
    page = SHIPPED.page("chess", "茶", each=5, others=1)
    counted = Counter(map(kind_of, page))
    assert counted.pop("chess") == counted.pop("茶") == 5
    assert {*counted.values()} == {1}
    assert [item for item in SHIPPED.items if item in page] == page
    assert not {item.id for item in page} & {*SHIPPED.copies}


def test_other_scripts_are_not_in_the_catalogue() -> None:
    scripts = Catalogue.in_other_scripts()
    assert not {item.id for item in scripts.items} & {item.id for item in SHIPPED.items}
    assert not {*scripts.kinds} & {*SHIPPED.kinds}
    assert all(not item.text.isascii() for item in scripts.items)


def test_in_chinese_it_is_the_same_catalogue() -> None:
    assert len(IN_CHINESE.items) == len({item.text for item in IN_CHINESE.items}) == 368
    for one, other in zip(SHIPPED.items, IN_CHINESE.items, strict=True):
        assert (one.id, one.popularity, one.fields) == (other.id, other.popularity, other.fields)
        assert len(one.categories) == len(other.categories)
        assert any("\u4e00" <= sign <= "\u9fff" for sign in other.text.split("\n")[0])
        title, description = other.text.split("\n")
        assert title == title.strip() != ""
        assert description == description.strip() != ""
        if kind_of(one) in CHINESE:
            assert (one.text, one.categories) == (other.text, other.categories)
    specific = {item.categories[1]: kind_of(item) for item in IN_CHINESE.items if item.categories}
    assert sorted(specific.values()) == sorted(IN_CHINESE.kinds)


def test_what_is_typed_in_chinese_is_there_for_every_english_query() -> None:
    typed = {query for query, _ in (*queries.ENGLISH, *queries._SENTENCES, *queries._MISTYPED)}
    typed |= {word for word, *_ in (*queries._WORDS, *queries._TWO_SIDED, *searches._SEARCHES)}
    for query in typed:
        assert not IN_CHINESE.asked(query).isascii() or query == "python", query
        assert SHIPPED.asked(query) == query
    assert {*QUERIES} <= typed | {"pizza", "Astronomy", "Knitting", "TELESCOPE", "anything"} | {
        "Sourdough Bread",
        "sourdough bread",
    }
    for word, _, fitting in queries._WORDS:
        assert {kind_of(item) for item in IN_CHINESE.with_word(word)} >= {*fitting}, word
    for word, *kinds in queries._TWO_SIDED:
        assert {kind_of(item) for item in IN_CHINESE.with_word(word)} >= {*kinds}, word


def test_the_files_are_small_and_what_they_say_is_read() -> None:
    folder = Path(room.__file__).parent
    files = [folder / name for name in ("catalogue.jsonl", "chinese.jsonl", "scripts.jsonl")]
    assert sum(file.stat().st_size for file in files) < 200_000
    lines = files[0].read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [item.id for item in SHIPPED.items]
    assert all(isinstance(item, Item) for item in SHIPPED.items)
