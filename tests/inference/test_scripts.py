"""Scripts that a tokeniser reads, and where an encoder's scale begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.inference.encoders.scripts import MANY_SIGNS, script_of, scripts_with_words
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.inference.encoders.unrelated import TEXTS, Unrelated
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(Pack.open(shipped_pack()))


@pytest.mark.parametrize(
    ("letter", "script"),
    [
        ("a", "LATIN"),
        ("é", "LATIN"),
        ("ж", "CYRILLIC"),
        ("λ", "GREEK"),
        ("漢", "CJK"),
        ("ひ", "CJK"),
        ("ー", "CJK"),
        ("한", "HANGUL"),
        ("ก", "THAI"),
        ("\ue000", ""),
    ],
)
def test_the_script_of_a_letter(letter: str, script: str) -> None:
    assert script_of(letter) == script


def test_letters_alone_are_no_words() -> None:
    spelt = ["ж", "##ж", "з", "и", "##и", "ка", "[PAD]", "-", "7"]
    assert scripts_with_words(spelt) == frozenset()
    words = ["жизнь", "##ник", "книга", "что", "как"]
    assert scripts_with_words([*spelt, *words]) == {"CYRILLIC"}


def test_where_a_sign_is_a_word_many_signs_are_words() -> None:
    signs = [chr(0x4E00 + n) for n in range(MANY_SIGNS)]
    assert scripts_with_words(signs[:-1]) == frozenset()
    assert scripts_with_words(signs) == {"CJK"}
    # Japanese writes its words with both.
    assert scripts_with_words([*signs, "の", "は"]) == {"CJK"}


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("How to bake rye bread", True),
        ("Crème brûlée à l'été", True),
        ("Việt Nam đất nước", True),
        ("Łódź żółć", True),
        ("100 % !?", True),
        ("Москва слезам не верит", False),
        ("Η μεγάλη ομορφιά", False),
        ("كتاب الطبخ العربي", False),
        ("서울에서 김치", False),
        ("机器学习导论", False),
        ("東京タワー", False),
        ("การเดินทาง", False),
        ("हिन्दी किताब", False),
        ("C++ для начинающих", False),
        ("Tolstoy's War and Peace (Война)", True),
    ],
)
def test_texts_that_are_only_spelt_out_get_no_vector(
    encoder: TextEncoder, text: str, *, is_read: bool
) -> None:
    assert bool(encoder.encode([text]).any()) is is_read


@pytest.mark.parametrize(
    ("word", "known"),
    [("telescope", True), ("telescpoe", False), ("книга", False), ("图", False)],
)
def test_words_that_people_write(encoder: TextEncoder, word: str, *, known: bool) -> None:
    assert encoder.is_word(word) is known


class Leaning:
    """An encoder whose vectors all lean one way, as those of some models do."""

    dim = 64

    def __init__(self, lean: float) -> None:
        self._lean = lean

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        del progress
        rng = np.random.default_rng(1)
        vectors = rng.standard_normal((len(texts), self.dim)) / 8
        vectors[:, 0] += self._lean
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("lean", [0.0, 1.0, 3.0])
def test_unrelated_texts_are_nothing_above_themselves(lean: float) -> None:
    encoder = Leaning(lean)
    vectors = encoder.encode(TEXTS).astype(np.float64)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(TEXTS), k=1)]
    above = Unrelated(encoder).above(cosines)
    assert above.mean() == pytest.approx(0.0, abs=1e-9)
    assert above.std() == pytest.approx(1.0)


@pytest.mark.parametrize("lean", [1.0, 3.0])
def test_queries_of_their_own_kind_are_compared_with_texts(lean: float) -> None:
    """Opposite leanings: what is usual for two texts is far above what is for query and text."""
    texts, queries = Leaning(lean), Leaning(-lean)
    vectors, asked = (one.encode(TEXTS).astype(np.float64) for one in (texts, queries))
    cosines = (asked @ vectors.T)[np.triu_indices(len(TEXTS), k=1)]
    above = Unrelated(texts, queries).above(cosines)
    assert above.mean() == pytest.approx(0.0, abs=1e-9)
    assert Unrelated(texts).above(cosines).mean() < -1


def test_the_texts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Leaning(1.0)
    unrelated = Unrelated(encoder)
    unrelated.prepare()
    monkeypatch.setattr(Leaning, "encode", None)
    first = unrelated.above(np.array([0.5]))
    assert unrelated.above(np.array([0.5])).tolist() == first.tolist()


def test_related_texts_stand_far_above(encoder: TextEncoder) -> None:
    bread, telescope, query = encoder.encode(["Rye bread", "A telescope", "baking bread"])
    near, far = Unrelated(encoder).above(np.array([query @ bread, query @ telescope])).tolist()
    assert near > 5
    assert abs(far) < 3
