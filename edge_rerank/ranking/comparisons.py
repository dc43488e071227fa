"""Cosines of the candidates with history and query, one place a modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Protocol
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.inference.encoders.cache import Encoder, VectorCache
from edge_rerank.inference.encoders.unrelated import Unrelated
from edge_rerank.inference.encoders.vector_file import kept_vectors
from edge_rerank.ranking.alignment import LEAST_PAIRS, Alignment
from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.interests import Interests
from edge_rerank.ranking.media_comparisons import MediaComparer
from edge_rerank.ranking.relevance.terms import terms
from edge_rerank.ranking.shown_comparisons import ShownComparer
from edge_rerank.ranking.signals.words import Lexicon
from edge_rerank.types import Item, Unread

CACHED_QUERIES = 256
_ALL_READ = Unread()


@dataclass(frozen=True, slots=True, repr=False)
class Comparisons:
    """What vectors say of n candidates, a history and a query.

    Attributes:
        vectors: of the candidates, unit rows, float32 of shape (n, dim); 0 without a text.
        cosines: with the liked, then the disliked items, float64 of shape (n, items); 0 for an
            item with itself.
        likes: how many of these are liked.
        likeness: among the liked items, float64 of shape (liked, liked).
        aversion: of the liked with the disliked items, float64 of shape (liked, disliked).
        unread: how much of all that could not be read.
    """

    vectors: NDArray[np.float32]
    cosines: NDArray[np.float64]
    likes: int
    likeness: NDArray[np.float64]
    aversion: NDArray[np.float64]
    unread: Unread = _ALL_READ

    @property
    def liked(self) -> NDArray[np.float64]:
        """With the liked items, float64 of shape (n, liked items)."""
        return self.cosines[:, : self.likes]

    @property
    def disliked(self) -> NDArray[np.float64]:
        """With the disliked items, float64 of shape (n, disliked items)."""
        return self.cosines[:, self.likes :]


class Comparer(Protocol):
    """Compares candidates with a history and a query."""

    def compare(
        self, candidates: Candidates, interests: Interests, query: str | None
    ) -> Comparisons:
        """Compare what takes part in a call."""
        ...

    def asked(self, candidates: Candidates, words: str) -> NDArray[np.float64]:
        """Compare candidates with the words of a query, float64 of shape (n,)."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class _Past:
    """What vectors say of a history alone.

    Attributes:
        texts: of the liked, then the disliked items.
        vectors: of these, float32 of shape (items, dim).
        likeness: see :class:`Comparisons`.
        aversion: likewise.
        unread: how many of the texts say something that no vector of the host's does, and how many
            of those could not be read.
        given: vectors of the host's by place.
    """

    texts: Sequence[str]
    vectors: NDArray[np.float32]
    likeness: NDArray[np.float64]
    aversion: NDArray[np.float64]
    unread: tuple[int, int]
    given: Mapping[int, NDArray[np.float32]]


class TextComparer:
    """Compares by vectors of texts. Safe from several threads.

    Args:
        encoder: makes the vectors.
        cache_items: item vectors kept in memory.
        queries: makes those of what people ask for; ``None`` for the same.
        looks: compares pictures; those of items without a text then give them vectors as texts
            have, see :mod:`~.alignment`.
        alignment: by which they do; if ``None``, by a catalogue's own items, and in catalogues
            alone.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        cache_items: int,
        queries: Encoder | None = None,
        looks: MediaComparer | None = None,
        alignment: Alignment | None = None,
    ) -> None:
        self._items = VectorCache(encoder, capacity=cache_items)
        # Apart from the items', because these words are personal: see forget().
        self._words = VectorCache(queries or encoder, capacity=CACHED_QUERIES)
        self._spelling = VectorCache(Lexicon.plain(terms), capacity=cache_items, sparse=True)
        self._unrelated = Unrelated(encoder, queries)
        self._looks, self._alignment = looks, alignment
        self._shown: ShownComparer | None = None
        if looks is not None and alignment is not None and alignment.shared:
            self._shown = ShownComparer(looks, self._unrelated)

    def compare(
        self, candidates: Candidates, interests: Interests, query: str | None
    ) -> Comparisons:
        """Compare what takes part in a call.

        Where both items of a pair carry a vector of the host's of one length, that counts and
        not their texts. A disliked item in a script that the encoder lacks is compared by words,
        or runs of signs, with others of that kind: a cosine of 0 would say that nothing was meant.
        Likes are not, for a history model judges words beside texts.
        """
        own, past = candidates.derived(self, self._vectors_of), self._of_past(candidates, interests)
        cosines = (own @ past.vectors.T).astype(np.float64)
        likes = len(interests.liked)
        if interests.disliked:
            left, right = (candidates.texts, own), (past.texts[likes:], past.vectors[likes:])
            self._compare_spelling(cosines[:, likes:], left, right)
        _compare_host_vectors(cosines, candidates, past.given)
        # An item resembles itself; that says nothing about its place.
        rows = candidates.find.rows(interests.ids)
        known = rows >= 0
        cosines[rows[known], known] = 0.0
        words = interests.searches
        asked = self._words.get([*words, query] if query else words)
        own_words = [_unread(_told(words), asked[: len(words)])] if words else ()
        return Comparisons(
            vectors=own,
            cosines=cosines,
            likes=likes,
            likeness=past.likeness,
            aversion=past.aversion,
            unread=Unread(
                candidates=candidates.together(self, self._unread),
                history=_share_unread(past.unread, *own_words),
                query=float(bool(query) and not asked[-1].any()),
            ),
        )

    def _unread(self, candidates: Candidates) -> float:
        """Share of the candidates that are to be compared by a text which was not read."""
        told = candidates.told & ~candidates.carrying
        return _share_unread(_unread(told, candidates.derived(self, self._vectors_of)))

    def _of_past(self, candidates: Candidates, interests: Interests) -> _Past:
        """The history's texts: of a catalogue's items those vectors that it has already."""
        whole = candidates.whole
        touched = interests.touched
        if self._alignment is not None and not all(one.item.text.strip() for one in touched):
            # More of their pictures may be known at the next call.
            return self._read_past(whole, interests)
        # Of a catalogue no more than that it is the one: it may be gone before the history is.
        beside = ref(whole) if whole.kept else None
        return interests.derived(self, lambda: self._read_past(whole, interests), beside=beside)

    def _read_past(self, catalogue: Candidates, interests: Interests) -> _Past:
        items = [one.item for one in interests.touched]
        texts = [item.text for item in items]
        if catalogue.kept:
            vectors = self._vectors_beside(catalogue, interests.ids, texts)
        else:
            vectors = self.vectors(texts, keys=interests.text_keys)
        vectors = self._past_aligned(catalogue, items, vectors)
        likes = len(interests.liked)
        liked, disliked = vectors[:likes], vectors[likes:]
        mine = liked.astype(np.float64)
        needed = [item.text if item.vector is None else "" for item in items]
        return _Past(
            texts=texts,
            vectors=vectors,
            likeness=mine @ mine.T,
            aversion=(liked @ disliked.T).astype(np.float64),
            unread=_unread(_told(needed), vectors),
            given=_host_vectors(items),
        )

    def _vectors_beside(
        self, catalogue: Candidates, ids: Sequence[str], texts: Sequence[str]
    ) -> NDArray[np.float32]:
        """Vectors of a history's texts, of those of a catalogue's items as it has them."""
        found = catalogue.find.rows(ids).tolist()
        same = [
            row >= 0 and catalogue[row].text == text for row, text in zip(found, texts, strict=True)
        ]
        known, rows = np.array(same, dtype=np.bool_), np.array(found, dtype=np.intp)
        vectors = np.empty((len(rows), self._items.dim), dtype=np.float32)
        vectors[known] = catalogue.derived(self, self._vectors_of)[rows[known]]
        vectors[~known] = self.vectors(list(compress(texts, ~known)))
        return vectors

    def _past_aligned(
        self, catalogue: Candidates, items: Sequence[Item], vectors: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The same with rows of items that have no text, and whose pictures are known."""
        looks, alignment = self._looks, self._alignment
        if looks is None or alignment is None:
            return vectors
        silent = [row for row, item in enumerate(items) if not item.text.strip()]
        silent = [row for row in silent if not vectors[row].any()]
        if silent:
            pictures = looks.vectors_of([items[row] for row in silent], catalogue)
            known = np.flatnonzero(pictures.any(axis=1))
            vectors[np.array(silent)[known]] = alignment.texts(pictures[known])
        return vectors

    def _compare_spelling(
        self,
        cosines: NDArray[np.float64],
        left: tuple[Sequence[str], NDArray[np.float32]],
        right: tuple[Sequence[str], NDArray[np.float32]],
    ) -> None:
        """Fill in cosines where neither side could be read.

        Args:
            cosines: float64 of shape (left, right), changed in place.
            left: texts and their vectors.
            right: likewise.
        """
        rows, columns = _blank(left[1]), _blank(right[1])
        if len(rows) and len(columns):
            spelt = self._spelling.get([left[0][row] for row in rows])
            others = self._spelling.get([right[0][column] for column in columns])
            cosines[np.ix_(rows, columns)] = spelt @ others.T

    def asked(self, candidates: Candidates, words: str) -> NDArray[np.float64]:
        """Compare candidates with the words of a query, see :meth:`likeness`.

        Where pictures lie in the space of texts, those of items without a text count themselves.
        """
        above = self.likeness(candidates.derived(self, self._vectors_of), words)
        if self._shown is not None:
            self._shown.compare(above, candidates, self._words.get([words])[0])
        return above

    def likeness(self, vectors: NDArray[np.float32], words: str) -> NDArray[np.float64]:
        """Compare vectors with the words of a query.

        Returns:
            How many standard deviations their cosines lie above those of unrelated texts,
            float64 of shape (n,); 0 where either could not be read.
        """
        cosines = np.asarray(vectors @ self._words.get([words])[0], dtype=np.float64)
        # Of vectors that were read no product is 0 to the last bit.
        return np.where(cosines == 0.0, 0.0, self._unrelated.above(cosines))

    def vectors(
        self,
        texts: Sequence[str],
        *,
        keys: Sequence[bytes] | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Vectors of texts, float32 of shape (n, dim); zero rows for empty ones.

        Args:
            texts: n of them.
            keys: by which the cache knows them, where they are known.
            progress: called with (texts done, texts to do).
        """
        vectors = self._items.get(texts, keys=keys, progress=progress)
        vectors[[row for row, text in enumerate(texts) if not text.strip()]] = 0.0
        return vectors

    def read(
        self,
        catalogue: Candidates,
        *,
        file: Path | None = None,
        name: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Make the vectors of a catalogue now, which it keeps.

        Args:
            catalogue: whose.
            file: has those that were made before, and gets those that are missing.
            name: of the encoder, in the file.
            progress: called with (texts done, texts to do).

        Raises:
            DataError: when something else lies there, or it cannot be read or written.
        """
        make = partial(self._vectors_of, progress=progress)
        if file is not None:
            make = partial(self._vectors_in, file=file, name=name, progress=progress)
        catalogue.derived(self, make)

    def _vectors_of(
        self, candidates: Candidates, *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Vectors of the candidates' texts, or as their texts may have."""
        every = range(len(candidates))
        return self._aligned(candidates, self._read(candidates, every, progress=progress))

    def _read(
        self, candidates: Candidates, rows: Sequence[int], *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Vectors of some of the candidates' texts."""
        texts, keys = candidates.texts, candidates.text_keys
        vectors = self._items.get(
            [texts[row] for row in rows],
            keys=[keys[row] for row in rows],
            keep=not candidates.kept,
            progress=progress,
        )
        vectors[~candidates.told[rows]] = 0.0
        return vectors

    def _aligned(self, candidates: Candidates, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same with rows of items that have a picture and no text."""
        looks, alignment = self._looks, self._alignment
        if looks is None or (alignment is None and not candidates.kept):
            return vectors
        pictured = looks.carried(candidates)
        wanted = pictured & ~candidates.told
        pairs = np.flatnonzero(pictured & candidates.told & (vectors[:, 0] != 0))
        if not wanted.any() or (alignment is None and len(pairs) < LEAST_PAIRS):
            return vectors
        pictures = looks.vectors(candidates)
        alignment = alignment or Alignment.of(pictures[pairs], vectors[pairs])
        if alignment is None:
            return vectors
        vectors = np.array(vectors)  # those of a file are read-only
        vectors[wanted] = alignment.texts(pictures[wanted])
        return vectors

    def _vectors_in(
        self, candidates: Candidates, *, file: Path, name: str, progress: Progress | None
    ) -> NDArray[np.float32]:
        """The same, from a file that then has them."""
        read = partial(self._read, candidates, progress=progress)
        keys, dim = candidates.text_keys, self._items.dim
        return self._aligned(candidates, kept_vectors(file, keys, read, encoder=name, dim=dim))

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Take vectors that the same encoder made earlier.

        Raises:
            InvalidRequest: when they have another shape.
        """
        self._items.put(texts, vectors)

    def prepare(self) -> None:
        """Do now what the first query would wait for."""
        self._unrelated.prepare()

    def forget(self, user: str | None = None) -> None:
        """Drop what was derived from people's words, whoever it is about."""
        del user
        self._words.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._items.clear()
        self._words.clear()
        self._spelling.clear()


def _told(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts are not blank, bool of shape (texts,)."""
    return np.array([bool(one.strip()) for one in texts], dtype=np.bool_)


def _unread(needed: NDArray[np.bool_], vectors: NDArray[np.float32]) -> tuple[int, int]:
    """How many texts are needed, and of how many of those the encoder could read nothing.

    Args:
        needed: bool of shape (n,).
        vectors: of the texts, float32 of shape (n, dim).
    """
    blank = _blank(vectors)
    return int(np.count_nonzero(needed)), int(np.count_nonzero(needed[blank]))


def _share_unread(*counts: tuple[int, int]) -> float:
    """Share of what is needed that could not be read, see :func:`_unread`."""
    needed, unread = map(sum, zip(*counts, strict=True))
    return unread / max(needed, 1)


def _blank(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Rows of zeros."""
    # A vector of a text that was read has length 1, and hardly ever begins with a zero.
    rows = np.flatnonzero(vectors[:, 0] == 0)
    return rows[~vectors[rows].any(axis=1)]


def _compare_host_vectors(
    cosines: NDArray[np.float64],
    candidates: Candidates,
    columns: Mapping[int, NDArray[np.float32]],
) -> None:
    """Where both items carry a vector of the host's of one length, let it replace the text."""
    if not columns:
        return
    carrying = np.flatnonzero(candidates.carrying).tolist()
    own = _host_vectors([candidates[row] for row in carrying])
    rows = {carrying[place]: vector for place, vector in own.items()}
    for dim in {vector.size for vector in rows.values()}:
        row_ids = [row for row, vector in rows.items() if vector.size == dim]
        column_ids = [column for column, vector in columns.items() if vector.size == dim]
        if column_ids:
            left = _unit_rows([rows[row] for row in row_ids])
            right = _unit_rows([columns[column] for column in column_ids])
            cosines[np.ix_(row_ids, column_ids)] = left @ right.T


def _host_vectors(items: Sequence[Item]) -> Mapping[int, NDArray[np.float32]]:
    return {place: item.vector for place, item in enumerate(items) if item.vector is not None}


def _unit_rows(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    matrix = np.stack(vectors).astype(np.float64)
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
    return unit
