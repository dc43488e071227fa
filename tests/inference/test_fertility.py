"""Which lists in Latin letters are in another language than the default pack's vocabulary."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from edge_rerank.inference.encoders import fertility
from edge_rerank.inference.encoders.fertility import LEAST_WORDS, Fertility, FertilityReader
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from tests.languages import TITLES


@pytest.fixture(scope="module")
def reader() -> FertilityReader:
    return FertilityReader(TextEncoder(Pack.open(shipped_pack())).tokens_of)


@pytest.mark.parametrize("language", TITLES)
def test_ten_titles_tell_the_language(reader: FertilityReader, language: str) -> None:
    titles, draw = TITLES[language], random.Random(5)
    assert reader.of(titles).foreign is (language != "English")
    told = [reader.of(draw.sample(titles, 10)).foreign for _ in range(50)]
    if language == "English":
        assert not any(told)
    else:
        assert sum(told) >= 40


@pytest.mark.parametrize(
    "texts",
    [
        ["HP DX4500 LGA775 WD40EZRZ 4x8GB DDR4-3200", "ThinkPad T14s Gen3 21BRCTO1WW"] * 9,
        ["Café con leche", "Crème brûlée"],  # too few
        ["Crème brûlée", *[f"Chocolate cake with {fruit}" for fruit in ("cherry", "plum")] * 9],
        ["酸面包入门", "Сбор грибов", "🎈", "", " "] * 9,
        [],
    ],
    ids=["articles", "few", "a loan", "other scripts", "none"],
)
def test_what_is_no_other_language(reader: FertilityReader, texts: list[str]) -> None:
    assert not reader.of(texts).foreign


def test_words_are_counted_and_accents_added() -> None:
    asked: list[Sequence[str]] = []

    def count(words: Sequence[str]) -> list[int]:
        asked.append(words)
        return [{"straße": 2, "zug": 1, "nachtzug": 9, "unread": 0}[word] for word in words]

    reader = FertilityReader(count)
    found = reader.of(["zug a1b2 straße to 12", "nachtzug unread", "X-99"])
    assert asked == [["zug", "straße"], ["nachtzug", "unread"]]
    assert found == Fertility(words=3, tokens=1 + (2 + 3) + 5, squares=1 + 25 + 25)
    assert reader.of(["zug a1b2 straße to 12"]).words == 2
    assert len(asked) == 2, "what was read is not read again"
    assert not any(isinstance(key, str) for key in reader._known)


def test_doubt_is_for_the_vocabulary() -> None:
    """The mean less two standard errors has to reach what no English list has."""
    certain = Fertility(words=100, tokens=200, squares=400)
    assert certain.foreign
    assert not certain._replace(squares=3000).foreign
    assert not Fertility(LEAST_WORDS - 1, 2 * (LEAST_WORDS - 1), 4 * (LEAST_WORDS - 1)).foreign


def test_of_many_texts_some_are_read_and_few_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def count(words: Sequence[str]) -> list[int]:
        asked.extend(words)
        return [1] * len(words)

    monkeypatch.setattr(fertility, "_MOST_REMEMBERED", 40)
    reader = FertilityReader(count)
    names = ["".join(random.Random(place).choices("abcdefgh", k=9)) for place in range(1000)]
    assert reader.of(names).words == len(asked) == 50
    assert asked == names[::20]
    assert len(reader._known) <= 40
    assert reader.of(names[:51]).words == 26
