from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rerank.errors import PackInvalid
from edge_rerank.ranking.signals.pairs import PairTable
from edge_rerank.ranking.signals.words import DIM, Lexicon, words

TEXTS = ("the red car", "the blue car", "the Hobbit", "the Hobbit returns")


def test_rare_words_in_common_count_more() -> None:
    vectors = Lexicon.count([*TEXTS, *["the car"] * 20]).encode(TEXTS)
    cars, hobbits = vectors[0] @ vectors[1], vectors[2] @ vectors[3]
    assert hobbits > cars
    assert vectors[0] @ vectors[2] < 0.2


def test_words_of_no_weight_make_nothing_alike() -> None:
    texts = ("der Zug nach Lissabon", "der Hund und die Katze", "der Zug", "der")
    every = Lexicon.count(TEXTS)
    without = every.without(["der", "die", "und", "nach"])
    before, after = every.encode(texts), without.encode(texts)
    assert before[0] @ before[1] > 0.15
    assert after[0] @ after[1] == 0.0
    assert after[0] @ after[2] == pytest.approx(0.5**0.5)  # "Zug" of "Zug" and "Lissabon"
    assert not after[3].any()
    assert np.array_equal(every.encode(texts), before), "a lexicon never changes"
    assert np.array_equal(Lexicon.from_bytes(without.to_bytes()).encode(texts), after)


def test_scripts_without_spaces_give_pairs_of_signs() -> None:
    assert words("城市规划 map MAP") == ["城市", "市规", "规划", "map"]


@given(st.lists(st.text(max_size=40), max_size=6))
def test_rows_have_length_one_and_do_not_depend_on_company(texts: list[str]) -> None:
    lexicon = Lexicon.count(TEXTS)
    together = lexicon.encode(texts)
    assert together.shape == (len(texts), DIM)
    for text, row in zip(texts, together, strict=True):
        norm = float(np.linalg.norm(row))
        assert norm == pytest.approx(1.0, abs=1e-5) or norm == 0.0
        assert np.array_equal(lexicon.encode([text])[0], row)


def test_round_trip() -> None:
    lexicon = Lexicon.count(TEXTS)
    again = Lexicon.from_bytes(lexicon.to_bytes())
    assert np.array_equal(again.encode(TEXTS), lexicon.encode(TEXTS))
    assert again.to_bytes() == lexicon.to_bytes()


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"\x93NUMPY\x01\x00"])
def test_what_is_no_file_of_ours_is_refused(raw: bytes) -> None:
    with pytest.raises(PackInvalid):
        Lexicon.from_bytes(raw)
    with pytest.raises(PackInvalid):
        PairTable.from_bytes(raw)
