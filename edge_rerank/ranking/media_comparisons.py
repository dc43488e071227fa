"""Likeness of candidates to a history by pictures, and by sounds: one comparer each.

Nothing of a picture or sound is in a history. What the liked items look and sound like is known of
those that the engine has met: as candidates, in a prepared catalogue, in a warm-up. After a restart
a catalogue that is prepared again makes them known again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.errors import InvalidItem
from edge_rerank.inference.encoders.cache import VectorCache
from edge_rerank.inference.encoders.media_files import media_key
from edge_rerank.inference.encoders.vector_file import kept_vectors
from edge_rerank.ranking.candidates import Candidates
from edge_rerank.types import Item

KNOWN_BYTES = 32 << 20
"""For vectors of items that were met outside of catalogues: 6,500 of length 1,280."""


class Reader(Protocol):
    """An encoder of pictures or sounds.

    Attributes:
        dim: length of its vectors.
        name: by which files of vectors know it.
        weight: see :class:`edge_rerank.packs.specs.ImageEncoderSpec`.
    """

    dim: int
    name: str
    weight: float

    def encode(
        self, things: Sequence[Any], /, *, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Float32 of shape (len(things), dim), rows of length 1."""
        ...

    def feed(self, thing: Any, /) -> object:
        """What the model takes for one; raises InvalidItem where it cannot be decoded."""
        ...


class MediaComparer:
    """Compares by vectors of one kind of media. Safe from several threads.

    Args:
        reader: makes the vectors.
        part: "image" or "audio": where an item has it.
        cache_items: vectors kept in memory, by the hash of what is in a file.
    """

    def __init__(self, reader: Reader, part: str, *, cache_items: int) -> None:
        self.part = part
        self.weight = reader.weight
        self._reader = reader
        self._cache: VectorCache[Any] = VectorCache(
            reader, capacity=cache_items, keys_of=lambda things: [*map(media_key, things)]
        )
        self._known: dict[str, NDArray[np.float32]] = {}
        self._most = max(KNOWN_BYTES // (4 * reader.dim), 1)
        self._lock = threading.Lock()

    def carried(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Which candidates have some, bool of shape (n,)."""
        return candidates.carried(self.part)

    def vectors(self, candidates: Candidates) -> NDArray[np.float32]:
        """Unit rows, float32 of shape (n, dim); 0 where there is none.

        Raises:
            InvalidItem: when one cannot be decoded; the message says at which index.
            MissingExtra: when decoding takes an extra that is not installed.
            InferenceError: when the model fails.
        """
        return candidates.derived(self, self._vectors_of)

    def vectors_of(self, items: Sequence[Item], candidates: Candidates) -> NDArray[np.float32]:
        """Of other items, as far as they were met; float32 of shape (items, dim), 0 where not.

        Args:
            items: of a history, which carry nothing themselves, mostly.
            candidates: of the call; the catalogue that they are a part of knows its items.
        """
        made = np.zeros((len(items), self._reader.dim), dtype=np.float32)
        whole = candidates.whole
        if self.carried(whole).any():
            rows = whole.find.rows(item.id for item in items)
            met = np.flatnonzero(rows >= 0)
            made[met] = self.vectors(whole)[rows[met]]
        with self._lock:
            for place in np.flatnonzero(~made.any(axis=1)).tolist():
                made[place] = self._known.get(items[place].id, 0.0)
        own = [place for place, item in enumerate(items) if getattr(item, self.part) is not None]
        if own:
            made[own] = self._read([items[place] for place in own])
        return made

    def read(
        self,
        catalogue: Candidates,
        *,
        file: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Make the vectors of a catalogue now, which it keeps.

        Args:
            catalogue: whose.
            file: has those that were made before, and gets those that are missing.
            progress: called with (done, to do).

        Raises:
            DataError: when something else lies there, or it cannot be read or written.
            InvalidItem, MissingExtra, InferenceError: see :meth:`vectors`.
        """
        if self.carried(catalogue).any():
            catalogue.derived(self, partial(self._vectors_of, file=file, progress=progress))

    def warm(self, items: Iterable[Item], *, progress: Progress | None = None) -> None:
        """Get to know items that may be candidates later on, each id as often as it comes."""
        having = [item for item in items if getattr(item, self.part) is not None]
        if having:
            self._note(having, self._read(having, progress=progress))

    def clear(self) -> None:
        """Drop everything."""
        self._cache.clear()
        with self._lock:
            self._known.clear()

    def _vectors_of(
        self,
        candidates: Candidates,
        *,
        file: Path | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        rows = np.flatnonzero(self.carried(candidates))
        having = [candidates[row] for row in rows.tolist()]

        def read(places: Sequence[int]) -> NDArray[np.float32]:
            some = [having[place] for place in places]
            return self._read(some, progress=progress, keep=not candidates.kept)

        if file is None:
            made = read(range(len(having)))
        else:
            name, dim = self._reader.name, self._reader.dim
            made = kept_vectors(file, self._keys(having), read, encoder=name, dim=dim)
        self._note(having, made)
        if len(rows) == len(candidates):
            return made
        vectors = np.zeros((len(candidates), self._reader.dim), dtype=np.float32)
        vectors[rows] = made
        return vectors

    def _read(
        self, items: Sequence[Item], *, progress: Progress | None = None, keep: bool = True
    ) -> NDArray[np.float32]:
        things = [getattr(item, self.part) for item in items]
        try:
            return self._cache.get(things, keys=self._keys(items), keep=keep, progress=progress)
        except InvalidItem:
            self._blame(items, self._reader.feed)
            raise

    def _keys(self, items: Sequence[Item]) -> list[bytes]:
        try:
            return [media_key(getattr(item, self.part)) for item in items]
        except InvalidItem:
            self._blame(items, media_key)
            raise

    def _blame(self, items: Sequence[Item], look: Callable[[Any], object]) -> None:
        """Say which one it is that cannot be read."""
        for place, item in enumerate(items):
            try:
                look(getattr(item, self.part))
            except InvalidItem as error:
                of = f"index {place} of the items with {self.part}"
                raise InvalidItem(f"{error}; at {of}") from None

    def _note(self, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
        """Remember what items are like, the oldest forgotten first."""
        first = max(len(items) - self._most, 0)
        with self._lock:
            for item, vector in zip(items[first:], vectors[first:], strict=True):
                self._known.pop(item.id, None)
                self._known[item.id] = vector.copy()
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
