"""Word vectors: texts as sparse vectors of their words, folded into short dense ones.

A sentence encoder blurs names; brands, authors, series and years are what binds many items
together. Rare words weigh more (inverse document frequency), and the weights come with the
pack. Words are folded by hashing with signs (Weinberger et al., "Feature hashing for large
scale multitask learning", ICML 2009), so that a cosine approximates the weighted overlap.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.errors import PackInvalid
from edge_rerank.packs.array_files import read_array, write_array

DIM = 512
BUCKETS = 1 << 15
"""Words share a weight where their hashes fall together; rare enough to do no harm."""

MAX_CHARS = 1_000
MAX_WORDS = 64

_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_BLOCK = 4_096
"""Texts whose rows are dense at the same time."""

_SPREAD = 2_654_435_761
"""Knuth's multiplicative hash: the fold must not follow the buckets."""


class Lexicon:
    """Weights of words, and the vectors made with them. Safe from several threads.

    Args:
        weights: float32 of shape (``BUCKETS``,), ≥ 0.
        split: gives a text's different words.
    """

    dim = DIM

    def __init__(
        self, weights: NDArray[np.float32], *, split: Callable[[str], list[str]] | None = None
    ) -> None:
        self._weights = weights
        self._split = split or words

    @classmethod
    def plain(cls, split: Callable[[str], list[str]]) -> Self:
        """Every word weighs the same, whatever its language."""
        return cls(np.ones(BUCKETS, dtype=np.float32), split=split)

    @classmethod
    def count(cls, texts: Iterable[str]) -> Self:
        """Weigh words by log(texts / (1 + texts with the word))."""
        found: Counter[int] = Counter()
        total = 0
        for text in texts:
            total += 1
            found.update({_hash(word) % BUCKETS for word in words(text)})
        counts = np.zeros(BUCKETS)
        counts[list(found)] = list(found.values())
        weights = np.log(max(total, 1) / (1 + counts)).clip(min=0)
        return cls(weights.astype(np.float16).astype(np.float32))

    def without(self, weightless: Iterable[str]) -> Self:
        """The same where some words weigh nothing, nor do those that share a weight with them."""
        weights = self._weights.copy()
        weights[[_hash(word) % BUCKETS for word in weightless]] = 0.0
        return type(self)(weights, split=self._split)

    def rarity(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Weights of words, float32 of shape (len(words),), ≥ 0."""
        return self._weights[[_hash(word) % BUCKETS for word in words]]

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            PackInvalid: when it is something else.
        """
        weights = read_array(raw, np.float16, what="lexicon")
        if weights.shape != (BUCKETS,) or not np.isfinite(weights).all():
            raise PackInvalid(f"lexicon: expected {BUCKETS} finite weights")
        return cls(weights.astype(np.float32))

    def to_bytes(self) -> bytes:
        """The weights as a ``.npy`` file of float16."""
        return write_array(self._weights.astype(np.float16))

    def encode(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Vectors of texts.

        Args:
            texts: any strings; of :func:`words` the first ``MAX_WORDS`` different ones count.
            progress: called once, at the end.

        Returns:
            float32 of shape (len(texts), ``DIM``), rows of length 1, or 0 without a word.
        """
        vectors = np.zeros((len(texts), DIM), dtype=np.float32)
        hashes = [[_hash(word) for word in self._split(text)] for text in texts]
        rows = np.repeat(np.arange(len(texts)), [len(one) for one in hashes])
        flat = np.array([value for one in hashes for value in one], dtype=np.uint64)
        folded = flat * np.uint64(_SPREAD) % np.uint64(1 << 32)
        signs = np.where(folded >> np.uint64(20) & np.uint64(1), 1.0, -1.0)
        weights = self._weights[(flat % np.uint64(BUCKETS)).astype(np.intp)]
        np.add.at(vectors, (rows, (folded % np.uint64(DIM)).astype(np.intp)), weights * signs)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, norms, out=vectors, where=norms > 0)
        if progress is not None:
            progress(len(texts), len(texts))
        return vectors


class SparseRows:
    """Rows most of which are zeros, as those of words are: one takes 100 bytes and not 2,048.

    Args:
        starts: where each row begins, int64 of shape (n + 1,).
        columns: of what is not 0, uint16 of shape (m,), rising within a row.
        values: float32 of shape (m,).
        width: columns of a row.
    """

    def __init__(
        self,
        starts: NDArray[np.int64],
        columns: NDArray[np.uint16],
        values: NDArray[np.float32],
        width: int,
    ) -> None:
        self._starts, self._columns, self._values, self._width = starts, columns, values, width

    @classmethod
    def of(
        cls, encode: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str]
    ) -> Self:
        """Rows of texts, made a block at a time.

        Args:
            encode: gives those of some texts, float32 of shape (texts, width).
            texts: n of them, at least one.
        """
        counts, columns, values, width = [], [], [], 0
        for start in range(0, len(texts), _BLOCK):
            rows = encode(texts[start : start + _BLOCK])
            row, column = np.nonzero(rows)
            counts.append(np.bincount(row, minlength=len(rows)))
            columns.append(column.astype(np.uint16))
            values.append(rows[row, column])
            width = rows.shape[1]
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        return cls(starts, np.concatenate(columns), np.concatenate(values), width)

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Some of the rows, float32 of shape (rows, width)."""
        begin = self._starts[rows]
        counts = self._starts[rows + 1] - begin
        # By place among what is asked for: its row there, and where its values lie here.
        row = np.repeat(np.arange(len(rows)), counts)
        lies = np.repeat(begin - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        dense = np.zeros((len(rows), self._width), dtype=np.float32)
        dense[row, self._columns[lies]] = self._values[lies]
        return dense


def words(text: str) -> list[str]:
    """Different words in lower case; scripts written without spaces give pairs of signs."""
    found: dict[str, None] = {}
    for word in _WORD.findall(text[:MAX_CHARS].lower()):
        unspaced = _UNSPACED.fullmatch(word) and len(word) > 2
        parts = (word[at : at + 2] for at in range(len(word) - 1)) if unspaced else (word,)
        found.update(dict.fromkeys(parts))
    return list(found)[:MAX_WORDS]


def _hash(word: str) -> int:
    return crc32(word.encode("utf-8", "replace"))
