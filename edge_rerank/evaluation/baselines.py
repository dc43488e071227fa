"""Baselines: the classic orders that every pack is measured against.

A baseline only scores; who evaluates breaks ties, so that no baseline profits from the order
in which a file lists its candidates. The one that means that order says so in its name.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_rerank.formats.dataset import DataSet, Request, TrainSequence, Withheld, chosen
from edge_rerank.ranking.markov import MarkovChain
from edge_rerank.types import Item

RECENT_SHARE = 1 / 64
"""Of all choices, those that :class:`Recency` counts."""

RECENT_ITEMS = 10
"""How far back :class:`MaxSimilarity` looks."""

Vectors = Mapping[str, NDArray[np.float32]]
"""Unit text vectors by item id, float32 of shape (dim,); zeros for an item without text."""


class Baseline(Protocol):
    """A way to order candidates."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def scores(self, request: Request) -> NDArray[np.float64]:
        """One score for each of ``request.candidates``, float64 of shape (n,), higher is better."""


class Random:
    """An order by hash: the same in every run, whatever the order of the file."""

    name = "random"

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Uniform in 0..1."""
        return lottery(request, salt=b"random")


class HostOrder:
    """The candidates as the file lists them."""

    name = "host-order"

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Minus the place."""
        return -np.arange(len(request.candidates), dtype=np.float64)


class Popularity:
    """What most people chose in the training part."""

    name = "popularity"

    def scores(self, request: Request) -> NDArray[np.float64]:
        """The popularity; 0 where it is unknown."""
        return np.array([item.popularity or 0.0 for item in request.candidates])


class Recency:
    """What most people chose of late: popularity among the newest choices alone.

    Args:
        people: the training part; choices without a time do not count.
    """

    name = "recency"

    def __init__(self, people: Iterable[TrainSequence]) -> None:
        dated = sorted(
            (moment, item)
            for one in people
            for moment, item in zip(one.timestamps, one.items, strict=False)
        )
        self._times = [moment for moment, _ in dated]
        self._places: dict[str, list[int]] = {}
        for place, (_, item) in enumerate(dated):
            self._places.setdefault(item, []).append(place)
        self._window = math.ceil(len(dated) * RECENT_SHARE)

    def __bool__(self) -> bool:
        """Whether any choice has a time."""
        return bool(self._times)

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Choices of each candidate among the newest before the request."""
        end = len(self._times)
        if request.timestamp is not None:
            end = bisect_left(self._times, request.timestamp)
        start = max(end - self._window, 0)
        places = [self._places.get(item.id, ()) for item in request.candidates]
        return np.array(
            [bisect_left(one, end) - bisect_left(one, start) for one in places], dtype=np.float64
        )


class HadBefore:
    """What the person had before, however often, and then what most people chose."""

    name = "had-before"

    def scores(self, request: Request) -> NDArray[np.float64]:
        """1 for what was had before, plus a popularity from 0 to below 1."""
        before = {item.id for item in chosen(request.history)}
        had = np.array([item.id in before for item in request.candidates])
        popularity = Popularity().scores(request)
        return had + popularity / (1 + popularity)


class LastItemSimilarity:
    """What reads most like the last thing the person chose.

    Args:
        vectors: of all candidates and histories.
    """

    name = "last-item-similarity"

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Cosine; 0 for everything without a history."""
        return _largest_cosine(self._vectors, request, chosen(request.history)[-1:])


class MaxSimilarity:
    """What reads most like any of the last ten things the person chose.

    Args:
        vectors: of all candidates and histories.
    """

    name = "max-similarity"

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Largest cosine; 0 for everything without a history."""
        return _largest_cosine(self._vectors, request, chosen(request.history)[-RECENT_ITEMS:])


class SimilarityAndPopularity:
    """Both at once, with weights that were never fitted: what a pack has to beat unseen.

    Args:
        vectors: of all candidates and histories.
    """

    name = "max+pop"

    def __init__(self, vectors: Vectors) -> None:
        self._similarity = MaxSimilarity(vectors)

    def scores(self, request: Request) -> NDArray[np.float64]:
        """4 · largest cosine + ½ · log(1 + popularity)."""
        popularity = Popularity().scores(request)
        return 4 * self._similarity.scores(request) + 0.5 * np.log1p(popularity)


class Markov:
    """What most often came right after the last thing the person chose.

    Args:
        paths: what people chose in the training part, see :meth:`DataSet.paths`.
    """

    name = "markov"

    def __init__(self, paths: Iterable[Sequence[str]]) -> None:
        self._chain = MarkovChain()
        for path in paths:
            self._chain.observe(path)

    def scores(self, request: Request) -> NDArray[np.float64]:
        """P(candidate | last item); Q(candidate) without a history."""
        names = [item.id for item in request.candidates]
        before = chosen(request.history)
        if not before:
            return np.array([self._chain.chosen(name) for name in names])
        return self._chain.scores(before[-1].id, names)


class ItemKnn:
    """What people who chose the same things chose, too.

    Item-based collaborative filtering (Sarwar et al., WWW 2001) with the cosine of the sets
    of people who chose either item.

    Args:
        paths: what people chose in the training part; each item counts once a person.
    """

    name = "item-knn"

    def __init__(self, paths: Iterable[Sequence[str]]) -> None:
        self._people: dict[str, set[int]] = {}
        for person, path in enumerate(paths):
            for item in path:
                self._people.setdefault(item, set()).add(person)

    def scores(self, request: Request) -> NDArray[np.float64]:
        """Sum of the cosines with everything in the history."""
        before = {item.id for item in chosen(request.history)}
        return np.array(
            [
                sum(self._cosine(item.id, one) for one in sorted(before))
                for item in request.candidates
            ]
        )

    def _cosine(self, one: str, other: str) -> float:
        mine, theirs = self._people.get(one, set()), self._people.get(other, set())
        if one == other or not mine or not theirs:
            return 0.0
        return len(mine & theirs) / math.sqrt(len(mine) * len(theirs))


def default_baselines(
    data: DataSet, vectors: Vectors, requests: Iterable[Request]
) -> tuple[Baseline, ...]:
    """All of the above that the data set can feed, in the order of the report.

    Recency wants times in the training part, and is withheld with popularity; what was had before
    wants a request with a candidate that the person had.
    """
    people = tuple(data.people())
    paths = tuple(one.items for one in people)
    recency = Recency(people if Withheld.POPULARITY not in data.withheld else ())
    repeated = any(
        not {item.id for item in chosen(one.history)}.isdisjoint(item.id for item in one.candidates)
        for one in requests
    )
    return (
        Random(),
        HostOrder(),
        Popularity(),
        *((recency,) if recency else ()),
        *((HadBefore(),) if repeated else ()),
        LastItemSimilarity(vectors),
        MaxSimilarity(vectors),
        SimilarityAndPopularity(vectors),
        Markov(paths),
        ItemKnn(paths),
    )


def lottery(request: Request, *, salt: bytes) -> NDArray[np.float64]:
    """A number in 0..1 for each candidate that depends on ids alone, not on their order.

    Args:
        request: is known by its user and its candidates, so that no item is lucky everywhere.
        salt: one draw's name.
    """
    names = [item.id for item in request.candidates]
    draw = "\0".join([request.user or "", *sorted(names)]).encode()
    stem = blake2b(draw, digest_size=8, key=salt).digest()
    digests = (blake2b(stem + name.encode(), digest_size=8).digest() for name in names)
    return np.array([int.from_bytes(digest) / 2**64 for digest in digests])


def _largest_cosine(vectors: Vectors, request: Request, items: list[Item]) -> NDArray[np.float64]:
    if not items or not request.candidates:
        return np.zeros(len(request.candidates))
    own = np.stack([vectors[item.id] for item in request.candidates]).astype(np.float64)
    others = np.stack([vectors[item.id] for item in items]).astype(np.float64)
    return np.asarray((own @ others.T).max(axis=1))
