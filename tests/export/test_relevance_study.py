"""The study that relevance was fitted by: its queries, lists, figures and fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy")

from edge_rerank._progress import Progress
from edge_rerank.errors import DataError
from edge_rerank.ranking.relevance.matching import typos
from edge_rerank.ranking.relevance.relevance import WEIGHTS, Judge, Level
from edge_rerank.ranking.relevance.sense import standing
from edge_rerank.ranking.relevance.terms import terms
from edge_rerank.types import Item
from edge_rerank_export.studies.relevance.figures import calibrated, figures
from edge_rerank_export.studies.relevance.fit import fit, fit_chance, fit_level
from edge_rerank_export.studies.relevance.lists import Catalogue, Listed, bm25, listed, read_pairs
from edge_rerank_export.studies.relevance.queries import (
    MEASURED,
    MIN_TYPO_LETTERS,
    Kind,
    asked,
    misspelt,
)
from edge_rerank_export.studies.relevance.room import Case, within
from edge_rerank_export.studies.relevance.room import figures as room_figures
from tests.export.records import write_records

SYLLABLES = ["ka", "mo", "ri", "ten", "lu", "pas", "vi", "dor", "nel", "su"]
ITEMS = [
    Item(
        str(n),
        " ".join(
            SYLLABLES[a] + SYLLABLES[b] + SYLLABLES[c]
            for a, b, c in np.random.default_rng(n).integers(10, size=(5, 3)).tolist()
        ),
        categories=[f"Kind {'abcdef'[n % 6] * 3}"],
    )
    for n in range(120)
]


class Letters:
    """An encoder by the letters of a text."""

    dim = 26

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        del progress
        counts = np.array([[1e-3 + text.count(chr(97 + n)) for n in range(26)] for text in texts])
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        return (counts / norms).astype(np.float32)


@pytest.mark.parametrize("kind", MEASURED)
def test_queries_are_made_of_what_is_to_be_found(kind: Kind) -> None:
    made = asked(kind, ITEMS, 20, np.random.default_rng(0))
    assert made
    again = asked(kind, ITEMS, 20, np.random.default_rng(0))
    assert [one.text for one in again] == [one.text for one in made]
    for one in made:
        words, found = terms(one.text), ITEMS[one.fits[0]]
        if kind in {Kind.CATEGORY, Kind.TOPIC}:
            assert one.text == found.categories[0].lower()
            assert len(one.fits) == 20
        elif kind is Kind.TYPOS:
            near = [min(typos(word, term) for term in terms(found.text)) for word in words]
            assert near == [int(len(word) >= MIN_TYPO_LETTERS - 1) for word in words]
        elif kind is Kind.ENDINGS:
            assert all(word.removesuffix("s") in found.text for word in words)
        else:
            assert set(words) <= set(terms(found.text))
            assert len(words) <= {Kind.ONE: 1, Kind.FIRST: 3}.get(kind, 4)


def test_nonsense_is_none_of_the_words() -> None:
    made = asked(Kind.NONSENSE, (), 50, np.random.default_rng(0))
    assert len({one.text for one in made}) == 50
    assert all(one.fits == () and one.text.isalpha() for one in made)


def test_a_typo_is_one_edit_in_a_long_word() -> None:
    rng = np.random.default_rng(1)
    assert {typos("telescope", misspelt("telescope", rng)) for _ in range(300)} == {1}
    assert misspelt("tea", rng) == "tea"
    assert misspelt("12345", rng) == "12345"


def judge() -> Judge:
    return Judge(cache_items=1_000, is_word=lambda _word: False)


def lists_of(kind: Kind, count: int = 15) -> list[Listed]:
    encoder = Letters()
    catalogue = Catalogue("made", tuple(ITEMS), encoder.encode([item.text for item in ITEMS]))
    rng = np.random.default_rng(3)
    queries = asked(kind, ITEMS, count, rng)
    return list(listed(catalogue, kind, queries, judge=judge(), encoder=encoder, rng=rng))


@pytest.mark.parametrize("kind", MEASURED)
def test_a_list_has_what_fits_among_others_once_each(kind: Kind) -> None:
    for one in lists_of(kind):
        assert one.features.shape == (len(one.fits), len(WEIGHTS))
        assert one.fits.any()
        assert not one.fits.all()
        assert np.isfinite(one.features).all()


def test_topics_are_hidden_from_the_words() -> None:
    words = list(WEIGHTS).index("bm25")
    assert all(not one.features[:, words].any() for one in lists_of(Kind.TOPIC))
    assert all(one.features[one.fits, words].all() for one in lists_of(Kind.CATEGORY))
    assert all(one.every[one.fits].all() for one in lists_of(Kind.EXACT))


def test_bm25_by_hand() -> None:
    items = [Item("a", "red tea"), Item("b", "red red shoe laces"), Item("c", "blue sea")]
    rarity = np.log(1 + (3 - 2 + 0.5) / 2.5)
    mean = (2 + 4 + 2) / 3
    norms = [1.2 * (0.25 + 0.75 * length / mean) for length in (2, 4)]
    expected = [rarity * 2.2 / (1 + norms[0]), rarity * 2 * 2.2 / (2 + norms[1])]
    assert bm25("red", items).tolist() == pytest.approx([*expected, 0.0])


def one_list(fits: Sequence[int], sense: Sequence[float], kind: Kind = Kind.EXACT) -> Listed:
    features = np.zeros((len(fits), len(WEIGHTS)))
    features[:, list(WEIGHTS).index("sense")] = sense
    features[:, list(WEIGHTS).index("bm25")] = fits
    return Listed(
        kind=kind,
        features=features,
        cosine=np.array(sense, dtype=np.float64),
        bm25=np.zeros(len(fits)),
        fits=np.array(fits, dtype=np.bool_),
        every=np.zeros(len(fits), dtype=np.bool_),
    )


def test_figures_by_hand() -> None:
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"sense": 1.0}
    ours, fused = figures([one_list([0, 1, 0, 1], [3.0, 2.0, 1.0, 0.0])], weights)
    gain = 1 / np.log2(3) + 1 / np.log2(5)
    assert ours.mrr == 0.5
    assert ours.recall == 1.0
    assert ours.ndcg == pytest.approx(gain / (1 + 1 / np.log2(3)))
    assert fused == ours  # BM25 has nothing to say
    # Equal scores share their mean rank.
    equal, _ = figures([one_list([1, 0, 0], [1.0, 1.0, 1.0])], weights)
    assert equal.mrr == 0.5


def test_weights_find_what_tells_apart() -> None:
    rng = np.random.default_rng(0)
    known = [one_list([1, 0, 0, 0], rng.standard_normal(4).tolist()) for _ in range(40)]
    topics = [
        one_list([1, 0, 0, 0], [1.5 + noise, 0, 0.5, 0.2], Kind.TOPIC)
        for noise in rng.standard_normal(40).tolist()
    ]
    weights = fit([*known, *topics], list(WEIGHTS), {"density": -1.0})
    assert weights["sense"] > 0.5
    assert weights["bm25"] > 2
    assert weights["density"] == -1.0
    assert weights["plural"] == pytest.approx(0.0, abs=1e-6)


def test_the_chance_is_that_which_was_drawn() -> None:
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(300):
        sense = rng.standard_normal(60) * 2
        odds = -3 + 1.0 * sense + 0.5 * standing(sense)
        fits = rng.random(60) < 1 / (1 + np.exp(-odds))
        lists.append(one_list(fits.astype(int).tolist(), sense.tolist()))
    chance = fit_chance(lists, list(WEIGHTS).index("sense"))
    drawn = 1 / (1 + np.exp(-(-3 + 1.0 * sense + 0.5 * standing(sense))))
    assert chance.of(sense) == pytest.approx(drawn, abs=0.05)


def test_the_level_is_that_which_was_drawn() -> None:
    rng = np.random.default_rng(0)
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"sense": 2.0}
    lists = []
    for size in (5, 60) * 300:
        sense = rng.standard_normal(size) * 2
        fits = rng.random(size) < 1 / (1 + np.exp(3.0 - 0.5 * 2.0 * sense))
        lists.append(one_list(fits.astype(int).tolist(), sense.tolist()))
    level = fit_level(lists, weights)
    assert level.constant == pytest.approx(-3.0, abs=0.3)
    assert level.slope == pytest.approx(0.5, abs=0.05)
    assert calibrated(lists, weights, level).error < 0.02
    assert calibrated(lists, weights, Level(0.0, 0.0)).error > 0.3


def test_calibration_by_hand() -> None:
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"sense": 1.0}
    lists = [one_list([1, 0], [3.0, -3.0]), one_list([0, 0, 0, 0], [-3.0] * 4)]
    found = calibrated(lists, weights, Level(0.0, 1.0))
    high, low = 1 / (1 + np.exp(-3.0)), 1 / (1 + np.exp(3.0))
    assert found.right == pytest.approx(high)
    assert found.wrong == pytest.approx(low)
    # A quarter of the weight is 1 - high off, three quarters are low off.
    assert found.error == pytest.approx((1 - high) / 4 + low * 3 / 4)


def test_pairs_are_read_with_their_queries(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    rows = [{"query": f"which is {item.id}", "text": item.text} for item in ITEMS[:5]]
    write_records(file, rows)
    catalogue, queries = read_pairs(file, Letters(), work=tmp_path)
    assert [item.text for item in catalogue.items] == [item.text for item in ITEMS[:5]]
    assert [(one.text, one.fits) for one in queries][4] == ("which is 4", (4,))
    again, _ = read_pairs(file, Letters(), work=tmp_path)
    assert (again.vectors == catalogue.vectors).all()
    encoder, rng = Letters(), np.random.default_rng(0)
    made = list(
        listed(catalogue, Kind.PASSAGE, queries, judge=judge(), encoder=encoder, rng=rng, size=2)
    )
    assert [one.fits.tolist() for one in made] == [[True, False, False]] * 5
    rows[0]["text"] = "something else"
    write_records(file, rows)
    changed, _ = read_pairs(file, Letters(), work=tmp_path)
    assert not (changed.vectors[0] == catalogue.vectors[0]).all()
    file.write_text('{"query": 5, "text": "a"}', encoding="utf-8")
    with pytest.raises(DataError, match="query: expected a string, got int"):
        read_pairs(file, Letters(), work=None)


def test_a_person_has_no_more_room_than_is_left() -> None:
    assert within(np.array([0.0, 8.0, 4.0]), 2.0).tolist() == [0.0, 2.0, 1.0]
    assert within(np.array([0.0, 1.0]), 2.0).tolist() == [0.0, 1.0]
    assert within(np.zeros(2), 0.0).tolist() == [0.0, 0.0]
    case = Case(
        relevance=np.array([5.0, 5.0, 0.0]),
        own=np.array([9.0, 0.0, 0.0]),
        strange=np.array([0.0, 0.0, 9.0]),
        fits=np.array([True, True, False]),
    )
    _, found, first, kept = room_figures([case], 2.0)
    assert (found, first, kept) == (1.0, 1.0, 1.0)
    _, _, first, _ = room_figures([case], np.inf)
    assert first == 0.0
