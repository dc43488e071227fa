"""Rows of a cache: what was put comes back to the last bit, and zeros take no memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edge_rerank.inference.encoders.cache import VectorCache
from edge_rerank.inference.encoders.rows import DenseRows, PackedRows, Rows
from edge_rerank.ranking.signals.words import BUCKETS, Lexicon

DIM = 512


def sparse(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, DIM)).astype(np.float32)
    rows[rng.random((count, DIM)) > 0.02] = 0
    return rows


@pytest.mark.parametrize("table", [DenseRows(DIM, 700), PackedRows(DIM)])
def test_what_was_put_comes_back_to_the_last_bit(table: Rows) -> None:
    vectors = sparse(700)
    vectors[3] = 0  # a text without words
    vectors[4] = np.random.default_rng(1).standard_normal(DIM)  # one without zeros
    for row, vector in enumerate(vectors):
        table.put(row, vector)
    order = np.random.default_rng(2).permutation(700).tolist()
    assert np.array_equal(table.take(order), vectors[order])
    assert table.take([]).shape == (0, DIM)
    assert table.take([3]).dtype == np.float32
    table.put(5, vectors[6])
    assert np.array_equal(table.take([4, 5, 6]), vectors[[4, 6, 6]])
    found = table.take([0])
    found[:] = 9
    assert np.array_equal(table.take([0])[0], vectors[0])


def test_a_cache_of_sparse_vectors_gives_what_a_dense_one_does() -> None:
    lexicon = Lexicon(np.random.default_rng(0).random(BUCKETS, dtype=np.float32))
    caches = [VectorCache(lexicon, capacity=50, sparse=sparse) for sparse in (False, True)]
    rng = np.random.default_rng(1)
    for _ in range(30):
        texts = [f"word{number} river garden{number % 7}" for number in rng.integers(90, size=20)]
        dense, packed = (cache.get(texts) for cache in caches)
        assert np.array_equal(dense, packed)
    for cache in caches:
        assert len(cache) == 50
        cache.clear()
        assert np.array_equal(cache.get(["a river"]), lexicon.encode(["a river"]))


def test_words_of_a_title_take_a_tenth_of_what_their_vector_would() -> None:
    lexicon = Lexicon.plain(str.split)
    texts = [
        " ".join(f"w{(number * 7919 + at) % 5_000}" for at in range(12)) for number in range(500)
    ]
    tracemalloc.start()
    cache = VectorCache(lexicon, capacity=500, sparse=True)
    for text in texts:
        cache.get([text])
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 0.2 * 500 * 4 * DIM  # keys are among it


def test_a_cleared_cache_lets_go_of_its_memory() -> None:
    lexicon = Lexicon.plain(str.split)
    tracemalloc.start()
    cache = VectorCache(lexicon, capacity=2_000)
    cache.get([f"word{number}" for number in range(2_000)])
    before, _ = tracemalloc.get_traced_memory()
    cache.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after < before - 3 * 2**20
