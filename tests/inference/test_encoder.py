from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_rerank.errors import InvalidRequest
from edge_rerank.inference.encoders.cache import VectorCache
from edge_rerank.inference.encoders.text import TextEncoder
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack

TEXTS = [
    "a lamp",
    "A long description of a wooden desk lamp with a switch, " * 6,
    "",
    "\U0001f600 emoji and \ud800 half of one",
    "[SEP] [CLS] are words here",
    "football boots",
]


@pytest.fixture(scope="module")
def encoder() -> Iterator[TextEncoder]:
    yield TextEncoder(Pack.open(shipped_pack()))


def test_rows_are_unit_vectors(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_a_row_does_not_depend_on_its_neighbours(encoder: TextEncoder) -> None:
    together = encoder.encode(TEXTS * 5)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.abs(together - np.tile(alone, (5, 1))).max() < 1e-5


def test_meaning_shows_in_cosines(encoder: TextEncoder) -> None:
    lamp, light, boots = encoder.encode(["a bedside lamp", "night light", "football boots"])
    assert lamp @ light > lamp @ boots + 0.2


def test_special_tokens_in_a_text_are_text(encoder: TextEncoder) -> None:
    plain, injected = encoder.encode(["desk", "desk [SEP] [SEP] [CLS]"])
    ids = encoder._tokenizer.encode("desk [SEP]").ids
    assert ids.count(102) == 1  # only the one at the end
    assert plain @ injected < 0.999


@pytest.mark.parametrize("text", ["大数据与城市规划", "\U0001f600\U0001f600"])
def test_what_the_tokeniser_cannot_read_is_no_text(encoder: TextEncoder, text: str) -> None:
    assert not encoder.encode([text]).any()


def test_a_few_unknown_words_do_no_harm(encoder: TextEncoder) -> None:
    plain, marked = encoder.encode(["how to bake bread", "how to bake bread \U0001f956"])
    assert plain @ marked > 0.8


def test_long_texts_are_cut(encoder: TextEncoder) -> None:
    long = "word " * 2_000_000
    cut, same = encoder.encode([long, long + "another end"])
    assert cut @ same == pytest.approx(1.0, abs=1e-6)


def test_no_texts(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_progress_ends_at_the_total(encoder: TextEncoder) -> None:
    seen: list[tuple[int, int]] = []
    encoder.encode(TEXTS * 40, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (240, 240)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 1


def test_the_cache_gives_what_the_encoder_gives(encoder: TextEncoder) -> None:
    cache = VectorCache(encoder, capacity=4)
    direct = encoder.encode(TEXTS)
    for _ in range(3):
        assert cache.get(TEXTS) == pytest.approx(direct, abs=1e-6)
        assert len(cache) == 4
    assert cache.get(["a lamp", "a lamp"])[1] == pytest.approx(direct[0], abs=1e-6)


def test_the_least_recently_used_goes_first(encoder: TextEncoder) -> None:
    class Counting:
        dim = encoder.dim
        asked: list[str]

        def encode(self, texts: list[str], *, progress: object = None) -> object:
            self.asked = list(texts)
            return encoder.encode(texts)

    counting = Counting()
    cache = VectorCache(counting, capacity=2)  # type: ignore[arg-type]
    cache.get(["a", "b"])
    cache.get(["a"])
    cache.get(["c"])  # b goes
    cache.get(["a", "b"])
    assert counting.asked == ["b"]


def test_what_the_cache_returns_is_the_callers_own(encoder: TextEncoder) -> None:
    cache = VectorCache(encoder, capacity=4)
    cache.get(["a"])[:] = 0
    assert cache.get(["a"]).any()
    cache.clear()
    assert len(cache) == 0


def test_the_cache_takes_back_what_was_computed_before(encoder: TextEncoder) -> None:
    cache = VectorCache(encoder, capacity=4)
    kept = encoder.encode(["b", "a"])
    cache.put(["a", "b"], kept)
    assert cache.get(["a", "b"]).tolist() == kept.tolist()
    with pytest.raises(InvalidRequest, match=r"vectors: expected shape \(1, 384\), got \(2, 384\)"):
        cache.put(["a"], kept)


@pytest.mark.parametrize("capacity", [0, -1, True, 2.5, None])
def test_capacity_is_checked(encoder: TextEncoder, capacity: object) -> None:
    with pytest.raises(InvalidRequest):
        VectorCache(encoder, capacity=capacity)  # type: ignore[arg-type]
