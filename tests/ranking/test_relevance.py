"""Relevance of candidates to words: terms of any script, typos, sense, and what is said of it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank import Item
from edge_rerank.errors import InvalidRequest
from edge_rerank.ranking.relevance import relevance
from edge_rerank.ranking.relevance.matching import Match, _kind, find, popcount, typos
from edge_rerank.ranking.relevance.relevance import Judge, Relevance
from edge_rerank.ranking.relevance.sense import CHANCE, standing
from edge_rerank.ranking.relevance.terms import (
    MAX_TERMS,
    TermCache,
    TermTable,
    described,
    item_terms,
    terms,
)

WORDS = {"the", "house", "horse", "garden", "telescopes", "pizza", "and"}
"""What the judge of these tests takes for words that people write."""


def table_of(*texts: str) -> tuple[TermTable, list[str]]:
    read = [terms(text) for text in texts]
    return TermTable.of(described([dict.fromkeys(one, 1) for one in read])), [
        term for one in read for term in one
    ]


def kinds(word: str, *texts: str) -> list[Match]:
    table, flat = table_of(*texts)
    (found,) = find([word], table, flat.__getitem__)
    return [Match(kind) for kind in found.kinds.tolist()]


def judged(
    query: str,
    items: Sequence[Item | str],
    *,
    likeness: Sequence[float] | None = None,
    asked: list[str] | None = None,
    common: str = "",
) -> Relevance:
    def rarity(words: Sequence[str]) -> NDArray[np.float32]:
        return np.array([1.0 if word == common else 9.0 for word in words], dtype=np.float32)

    judge = Judge(cache_items=100, is_word=WORDS.__contains__, rarity=rarity if common else None)
    candidates = [Item(one, one) if isinstance(one, str) else one for one in items]

    def alike(words: str) -> NDArray[np.float64]:
        if asked is not None:
            asked.append(words)
        return np.zeros(len(items)) if likeness is None else np.array(likeness, dtype=np.float64)

    return judge.judge(query, candidates, alike)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A T-shirt, 100% cotton", ["a", "t", "shirt", "100", "cotton"]),
        ("Café CAFÉ café", ["cafe"]),
        ("Straße", ["strasse"]),
        ("Ёлка", ["елка"]),
        ("机器学习 with Python编程", ["机器", "器学", "学习", "with", "python", "编程"]),
        ("茶", ["茶"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("서울에", ["서울", "울에"]),
        ("ทางเดิน", ["ทาง", "างเ", "งเด", "เดิ", "ดิน"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("كِتَاب", ["كتاب"]),
        ("!? \U0001f600", []),
        ("", []),
        ("half an emoji \ud83d", ["half", "an", "emoji"]),
    ],
)
def test_terms_of_any_script(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_a_long_text_costs_no_more_than_its_beginning() -> None:
    assert len(terms(" ".join(f"w{n}" for n in range(10_000)))) <= MAX_TERMS
    assert terms("word " * 10_000 + "end") == ["word"]


def test_an_item_has_the_words_of_its_categories_too() -> None:
    item = Item("x", "Margherita", categories=["Food", "Stone-baked pizza"])
    assert item_terms(item) == ["margherita", "food", "stone", "baked", "pizza"]


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("", "", 0),
        ("tea", "tea", 0),
        ("telescpoe", "telescope", 1),
        ("house", "hose", 1),
        ("house", "mouse", 1),
        ("telescpoe", "telescopes", 2),
        ("ca", "abc", 3),
        ("kitten", "sitting", 3),
        ("", "abc", 3),
    ],
)
def test_edits_between_two_words(one: str, other: str, edits: int) -> None:
    assert typos(one, other) == typos(other, one) == edits


@pytest.mark.parametrize(
    ("word", "text", "kind"),
    [
        ("telescope", "A telescope for the garden", Match.EXACT),
        ("telescope", "Telescopes compared", Match.PLURAL),
        ("cats", "My cat", Match.PLURAL),
        ("painting", "Paint your wall", Match.NONE),
        ("paint", "Painted walls", Match.ENDING),
        ("книга", "С книгой в руке", Match.ENDING),
        ("telescoep", "Telescopes compared", Match.TYPO),
        ("telescpoe", "Telescopes compared", Match.TYPO),
        ("hose", "A house", Match.TYPO),
        ("photograhpy", "Potography", Match.TYPOS),
        ("car", "My cat", Match.NONE),
        ("2019", "The year 2018", Match.NONE),
        ("茶", "绿茶", Match.EXACT),
        ("ดิน", "ทางเดิน", Match.EXACT),
        ("ดิ", "ทางเดิน", Match.EXACT),
        ("книга", "Новая кнгиа", Match.TYPO),
    ],
)
def test_how_a_word_is_found(word: str, text: str, kind: Match) -> None:
    (term,) = terms(word)
    assert kinds(term, text, "something else") == [kind, Match.NONE]


def test_the_best_of_several_terms_counts() -> None:
    assert kinds("house", "hose houses house", "houses hose", "hose") == [
        Match.EXACT,
        Match.PLURAL,
        Match.TYPO,
    ]


def test_what_is_most_likely_meant_is_the_commonest_of_the_nearest() -> None:
    table, flat = table_of("telescope", "telescopic", "telescope", "microscope")
    (found,) = find(["telescpoe"], table, flat.__getitem__)
    assert found.meant == "telescope"
    (found,) = find(["garden"], table, flat.__getitem__)
    assert found.meant is None


def test_numbers_leave_out_no_term_that_letters_would_find() -> None:
    rng = random.Random(5)
    letters = "abcdeéжяλ"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(1, 11))) for _ in range(600)]
    for _ in range(400):  # so that some are near to each other
        word = list(rng.choice(vocabulary))
        at = rng.randrange(len(word))
        word[at : at + rng.randint(0, 2)] = rng.choices(letters, k=rng.randint(0, 2))
        vocabulary.append("".join(word) or "a")
    texts = [[word] for word in dict.fromkeys(vocabulary)]
    table = TermTable.of(described([dict.fromkeys(one, 1) for one in texts]))
    for word in rng.sample(vocabulary, 60):
        (found,) = find([word], table, lambda place: texts[place][0])
        short = len(word) < 3
        expected = [
            Match.EXACT * (term == word) if short else _kind(word, term) for (term,) in texts
        ]
        assert found.kinds.tolist() == expected


def test_bits_are_counted_as_by_python() -> None:
    values = np.random.default_rng(0).integers(0, 1 << 63, 200, dtype=np.uint64)
    values[:3] = [0, 1, (1 << 64) - 1]
    assert popcount(values).tolist() == [value.bit_count() for value in values.tolist()]


def test_terms_are_kept_within_bounds_and_come_back_the_same() -> None:
    items = [Item(str(n), f"title number {n}", categories=["C"]) for n in range(30)]
    cache = TermCache(capacity=10)
    first = cache.get(items)
    assert len(cache) == 10
    assert first.codes.tolist() == cache.get(items).codes.tolist()
    assert first.count == 30
    cache.clear()
    assert len(cache) == 0
    with pytest.raises(InvalidRequest, match="cache_items"):
        TermCache(capacity=0)


def test_equal_texts_with_other_categories_are_not_mixed_up() -> None:
    cache = TermCache(capacity=10)
    plain, filed = Item("a", "tea"), Item("b", "tea", categories=["Drinks"])
    assert cache.get([plain, filed]).rows.tolist() == [0, 1, 1]
    assert cache.get([filed, plain]).rows.tolist() == [0, 0, 1]


def test_more_words_fit_better_and_rare_ones_count_more() -> None:
    items = ["red house by the sea", "red garden", "red door", "red tent", "blue house"]
    scores = judged("red house", items).log_odds.tolist()
    assert scores[0] > scores[4] > scores[1]
    assert judged("red house", items).fits.tolist() == [True, False, False, False, True]


def test_a_word_that_says_nothing_does_not_make_a_short_text_fit() -> None:
    items = ["Canoe for families", "Kayak with one seat", "Boat trips", "Cups for tea"]
    scores = judged("boat for one", items, common="for").log_odds.tolist()
    assert scores[2] > scores[1] > scores[0] == scores[3]
    assert scores[0] < scores[1] / 10


def test_signs_without_spaces_are_as_rare_as_each_other() -> None:
    found = [
        judged("内核配置", ["编译内核的方法", "配置网络的方法"], common=common).log_odds
        for common in ("内核", "配置", "the")
    ]
    assert np.ptp(found, axis=0) == pytest.approx(0)
    assert found[0][0] == pytest.approx(found[0][1])


def test_a_category_is_found_by_its_name() -> None:
    items = [Item("a", "Margherita", categories=["Pizza"]), Item("b", "Sushi", categories=["Fish"])]
    found = judged("pizza", items)
    assert found.log_odds[0] > found.log_odds[1]
    assert found.fits.tolist() == [True, False]


@pytest.mark.parametrize(
    ("query", "read_as"), [("telescpoe", "telescopes"), ("the telescpoe", "the telescopes")]
)
def test_a_typo_is_read_as_what_is_there_by_letters_and_by_sense(query: str, read_as: str) -> None:
    asked: list[str] = []
    items = ["Telescopes compared", "Lisbon in three days", "Vim in a week"]
    found = judged(query, items, asked=asked, common="the")
    assert found.log_odds.argmax() == 0
    assert found.fits.tolist() == [True, False, False]
    assert asked == [read_as]


def test_a_word_that_people_write_is_not_taken_for_another() -> None:
    asked: list[str] = []
    found = judged("house", ["A horse", "Sea"], asked=asked)
    assert asked == ["house"]
    assert not found.fits.any()
    assert found.sure < 0.2
    # Though if anything fits it is that.
    assert found.log_odds[0] > found.log_odds[1]


def test_a_word_that_is_there_as_written_is_not_taken_for_another() -> None:
    found = judged("vimm", ["vimm", "vims"])
    assert found.fits.tolist() == [True, False]


def test_another_ending_needs_the_sense_to_agree() -> None:
    items = ["Painted plates", "Paintings", "Plan of a city", "Planet Mars"]
    assert judged("plan", items[2:], likeness=[4.0, -0.5]).fits.tolist() == [True, False]
    assert judged("paint", items[:1], likeness=[7.0]).fits.tolist() == [True]
    # Where vectors say nothing, as in scripts that the encoder does not read, letters do.
    assert judged("книга", ["Книгой по голове"]).fits.tolist() == [True]


def test_sense_orders_what_has_none_of_the_words() -> None:
    items = [f"title {n}" for n in range(20)]
    likeness = [0.1 * n for n in range(19)] + [8.0]
    found = judged("looking at planets", items, likeness=likeness)
    assert found.log_odds.argmax() == 19
    assert found.fits.tolist() == [False] * 19 + [True]
    assert found.sure == 1.0


def test_nonsense_fits_nothing() -> None:
    likeness = np.random.default_rng(0).standard_normal(100).tolist()
    found = judged("qwxz", [f"title {n}" for n in range(100)], likeness=likeness)
    assert not found.fits.any()
    assert found.sure < 0.2


@pytest.mark.parametrize("query", ["!?", "\U0001f600", "\ud83d"])
def test_a_query_without_a_word_is_judged_by_sense_alone(query: str) -> None:
    assert judged(query, ["a", "b"]).log_odds.tolist() == [0, 0]
    found = judged(query, ["a", "b"], likeness=[6.0, 0.5])
    assert found.log_odds[0] > found.log_odds[1]


def test_items_without_a_word_fit_nothing() -> None:
    found = judged("pizza", [Item("a"), Item("b", "pizza"), Item("c", "!")])
    assert found.fits.tolist() == [False, True, False]


def test_equal_queries_get_equal_answers() -> None:
    items = [f"number {n} of a garden in spring" for n in range(50)]
    first, second = (judged("gardn springs", items).log_odds.tolist() for _ in range(2))
    assert first == second


def test_the_judge_keeps_items_terms_and_nobodys_words() -> None:
    judge = Judge(cache_items=10, is_word=WORDS.__contains__)
    items = [Item("a", "red house"), Item("b", "blue garden")]
    judge.judge("secret wish", items, lambda _words: np.zeros(2))
    kept = judge._terms._entries
    assert len(kept) == 2
    secret = hash("secret")
    assert not any(secret in entry[:, 0].tolist() for entry in kept.values())


def test_more_likeness_never_means_less_chance() -> None:
    likeness = np.linspace(-2, 9, 60)
    chance = CHANCE.of(likeness)
    assert (np.diff(chance) > 0).all()
    assert CHANCE.of(np.zeros(3)).tolist() == [0, 0, 0]


def test_many_that_fit_do_not_count_as_usual() -> None:
    rng = np.random.default_rng(3)
    few = np.concatenate([rng.standard_normal(95), np.full(5, 6.0)])
    third = np.concatenate([rng.standard_normal(70), np.full(30, 6.0)])
    assert standing(few)[-1] == pytest.approx(6.0, abs=1.2)
    assert standing(third)[-1] > 4.0
    assert standing(np.array([6.0, 0.1]))[0] > 3.0


def test_weights_say_what_they_should() -> None:
    weigh = relevance.WEIGHTS
    assert weigh["bm25"] > weigh["plural"] > weigh["ending"] > 0
    assert weigh["bm25"] > weigh["typo"] > weigh["typo-of-word"] > weigh["typo-of-found"] > 0
    assert weigh["sense"] > -weigh["sense-of-found"] > 0
