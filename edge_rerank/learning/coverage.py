"""Coverage: how much of what was offered came to the first places, counted without naming it.

Items and categories are hashed into buckets that others share, and only buckets are counted, so
the size does not grow and no name is kept; who opened it could at most try a name that they know,
and be wrong where another shares its bucket. How many different ones there were follows from the
empty buckets: linear counting, Whang, Vander-Zanden and Taylor, "A linear-time probabilistic
counting algorithm for database applications", ACM TODS 1990.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

ITEMS, CATEGORIES = 1_024, 128
"""Buckets in which is counted what stood at the first places."""

OFFERED = 2_048
"""Buckets of which is known whether any item of theirs was offered."""

_FORM = struct.Struct(f"<{ITEMS}s{OFFERED // 8}s{CATEGORIES}s{CATEGORIES // 8}s")

SKETCH_BYTES = _FORM.size
_MOST = 255


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """What was offered: the same for every list of the same candidates.

    Attributes:
        items, kinds: see :attr:`Sketch.offered` and :attr:`Sketch.kinds`.
        categories: how many different ones.
    """

    items: bytes
    kinds: bytes
    categories: int

    @classmethod
    def of(cls, items: NDArray[np.uint32], kinds: NDArray[np.uint32]) -> Self:
        """By the hashes of ids, and of different categories, see :func:`hashed`."""
        return cls(_marked(items, OFFERED), _marked(kinds, CATEGORIES), len(kinds))


@dataclass(frozen=True, slots=True, repr=False)
class Sketch:
    """What was offered and what came to the first places, in buckets. A value.

    Sums do not depend on their order: a count that is full stays so.

    Attributes:
        items: by bucket, how often an item of it stood at the first places, at most 255, uint8.
        offered: by bucket, whether an item of it was offered, as bits.
        categories: as ``items``, once for each category of an item there.
        kinds: as ``offered``, of categories.
    """

    items: bytes = bytes(ITEMS)
    offered: bytes = bytes(OFFERED // 8)
    categories: bytes = bytes(CATEGORIES)
    kinds: bytes = bytes(CATEGORIES // 8)

    @classmethod
    def of(cls, shown: Sequence[str], categories: Sequence[str], offer: Offer) -> Self:
        """Of one list.

        Args:
            shown: ids of the items at the first places.
            categories: of these items, each as often as it is there.
            offer: all candidates.
        """
        both = hashed(itertools.chain(shown, categories))
        return cls(
            _counted(both[: len(shown)], ITEMS),
            offer.items,
            _counted(both[len(shown) :], CATEGORIES),
            offer.kinds,
        )

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch(
            _added(self.items, other.items),
            _either(self.offered, other.offered),
            _added(self.categories, other.categories),
            _either(self.kinds, other.kinds),
        )

    def to_bytes(self) -> bytes:
        """All buckets, in ``SKETCH_BYTES`` bytes."""
        return _FORM.pack(self.items, self.offered, self.categories, self.kinds)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        return cls(*_FORM.unpack(raw))

    def of_items(self) -> Covered:
        """How many different items were offered and shown."""
        return _covered(self.items, self.offered)

    def of_categories(self) -> Covered:
        """How many different categories were offered and shown."""
        return _covered(self.categories, self.kinds)


@dataclass(frozen=True, slots=True)
class Covered:
    """Coverage: how many of the items or categories offered were shown, within a few per cent.

    Catalogue coverage: Ge, Delgado-Battenfeld and Jannach, "Beyond accuracy", RecSys 2010.

    Attributes:
        shown: that came to the first ten places.
        offered: that could have.
        share: of those what was shown; ``None`` where nothing was offered.
        gini: how unevenly the places went to what was offered, from 0, where all had as many, to
            nearly 1, where one had them all; ``None`` where nothing was shown.
    """

    shown: int
    offered: int
    share: float | None
    gini: float | None


def gini(counts: NDArray[np.float64]) -> float | None:
    """Gini's coefficient of counts, float64 of shape (n,); ``None`` where all are 0.

    Σ (2 i − n − 1) x_i / (n Σ x) over the counts in rising order, i from 1.
    """
    total, n = float(counts.sum()), len(counts)
    if not total:
        return None
    ranks = 2 * np.arange(1, n + 1) - n - 1
    return max(float(ranks @ np.sort(counts)) / (n * total), 0.0)


def _covered(counts: bytes, offered: bytes) -> Covered:
    taken = np.frombuffer(counts, dtype=np.uint8)
    bits = np.unpackbits(np.frombuffer(offered, dtype=np.uint8))
    shown = _different(int(np.count_nonzero(taken)), len(taken))
    there = max(_different(int(bits.sum()), len(bits)), shown)
    exposed = taken[taken > 0].astype(np.float64)
    # What was never shown had no place; of what shares a bucket nobody knows which had them.
    all_counts = np.concatenate([np.zeros(max(there - len(exposed), 0)), exposed])
    return Covered(shown, there, shown / there if there else None, gini(all_counts))


def _different(full: int, buckets: int) -> int:
    """How many different ones fill so many buckets, in the likeliest case."""
    return round(buckets * math.log(buckets / max(buckets - full, 1)))


def _counted(hashed: NDArray[np.uint32], buckets: int) -> bytes:
    counts = bytearray(buckets)
    for bucket in (hashed % buckets).tolist():
        counts[bucket] = min(counts[bucket] + 1, _MOST)
    return bytes(counts)


def _marked(hashed: NDArray[np.uint32], buckets: int) -> bytes:
    marks = np.zeros(buckets, dtype=np.uint8)
    marks[hashed % buckets] = 1
    return np.packbits(marks).tobytes()


def hashed(names: Iterable[str]) -> NDArray[np.uint32]:
    """A checksum of each name, uint32 of shape (names,).

    They are mixed as MurmurHash3 ends: those of numbered names alone spread too evenly.
    """
    mixed = np.array([*map(crc32, map(str.encode, names))], dtype=np.uint32)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def _added(one: bytes, other: bytes) -> bytes:
    counts = np.frombuffer(one, np.uint8)
    sums = counts + np.frombuffer(other, np.uint8)
    sums[sums < counts] = _MOST  # it went past the most that a count holds
    return sums.tobytes()


def _either(one: bytes, other: bytes) -> bytes:
    return (np.frombuffer(one, np.uint8) | np.frombuffer(other, np.uint8)).tobytes()
