"""Evidence by pictures and sounds: what looks or sounds like what a person chose.

One source and one column for each kind that a pack reads. It takes part in a call where a candidate
carries something and something is known of an item that the person liked or turned down; else the
columns are not there, and every number is what it would be without such a pack, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_rerank._progress import Progress
from edge_rerank.ranking.candidates import Candidates
from edge_rerank.ranking.evidence import Column, Evidence
from edge_rerank.ranking.interests import Interest
from edge_rerank.ranking.media_comparisons import MediaComparer
from edge_rerank.ranking.request import Request
from edge_rerank.ranking.sources.rules import pull_of
from edge_rerank.ranking.strength import CHOSEN
from edge_rerank.types import Item, ReasonCode

SPREAD = 0.05
"""Cosines of all pairs that differ by less than this, as a standard deviation, do not differ."""

LEAST_ABOVE, MOST_ABOVE = 0.7, 4.0
"""Standard deviations above the mean of the candidates up to which a cosine says nothing, and from
which on a likeness is whole. Of two candidates one is 1 above: below that, even the better one of
two says nothing. On the lists by which the weight was chosen NDCG@10 is 0.546 so, 0.535 from 0 to
3, 0.555 from 1 to 4."""

ALIKE = 1.0
"""Likewise, from which on it is called one."""

AGAINST = 0.5
"""What likeness to what was turned down counts, by likeness to what was liked: a thing is seldom
turned down for its looks alone."""

CODES = {"image": ReasonCode.LOOKS, "audio": ReasonCode.SOUNDS}
NAMES = {"image": "looks", "audio": "sounds"}


@dataclass(frozen=True, slots=True, repr=False)
class _Known:
    """What is known for a call.

    Attributes:
        rows: of the candidates that carry something, intp of shape (m,).
        own: their vectors, float32 of shape (m, dim).
        liked: of the liked items that are known, with their vectors.
        disliked: likewise.
    """

    rows: NDArray[np.intp]
    own: NDArray[np.float32]
    liked: tuple[Sequence[Interest], NDArray[np.float32]]
    disliked: tuple[Sequence[Interest], NDArray[np.float32]]


class MediaSource:
    """Likeness by one kind of media, in log-odds.

    A candidate's likeness to a liked item is how far their cosine lies above the mean of all
    candidates, which takes off what pictures have in common whatever they show.

    Args:
        comparer: compares.
    """

    def __init__(self, comparer: MediaComparer) -> None:
        code = CODES[comparer.part]
        self.columns = (Column(NAMES[comparer.part], comparer.weight, code),)
        self._comparer = comparer
        self._code = code

    def known(self, request: Request) -> _Known | None:
        """What is known for a call; ``None`` where that is nothing."""
        candidates, interests = request.candidates, request.interests
        touched = (*interests.liked, *interests.disliked)
        carried = self._comparer.carried(candidates)
        if not carried.any():
            return None
        vectors = self._comparer.vectors(candidates)  # which makes them known, for later calls
        if not touched:
            return None
        past = self._comparer.vectors_of([one.item for one in touched], candidates)
        there = past.any(axis=1)
        if not there.any():
            return None
        likes = np.arange(len(touched)) < len(interests.liked)
        rows = np.flatnonzero(carried)
        sides = [
            ([touched[at] for at in np.flatnonzero(there & side)], past[there & side])
            for side in (likes, ~likes)
        ]
        return _Known(rows, vectors[rows], sides[0], sides[1])

    def fill(self, request: Request, evidence: Evidence, known: _Known) -> None:
        """Fill in the column."""
        count = len(request.candidates)
        values = np.zeros(count)
        liked, nearest = self._likeness(request, known, known.liked)
        disliked, against = self._likeness(request, known, known.disliked)
        values[known.rows] = _most(liked, known.liked[0])
        values[known.rows] -= AGAINST * _most(disliked, known.disliked[0])
        evidence[self.columns[0].name] = values
        chosen = np.array([one.strength >= CHOSEN for one in known.liked[0]], dtype=np.bool_)
        lifts, lowers = np.zeros((2, count), dtype=np.bool_)
        likest = np.full(count, -1)
        if chosen.any():
            among = np.where(chosen, nearest, -np.inf)
            lifts[known.rows] = among.max(axis=1) >= ALIKE
            likest[known.rows] = among.argmax(axis=1)
        if against.shape[1]:
            lowers[known.rows] = against.max(axis=1) >= ALIKE
        evidence.holds(self._code, lifts=lifts, lowers=lowers)
        names = tuple(one.item.id for one in known.liked[0])
        evidence.likens(self._code, names, np.where(lifts, likest, -1))

    def _likeness(
        self, request: Request, known: _Known, past: tuple[Sequence[Interest], NDArray[np.float32]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Likeness of the candidates that carry something to items of the history.

        Returns:
            0 to 1, and in standard deviations, both float64 of shape (m, items).
        """
        interests, vectors = past
        if not interests:
            nothing = np.zeros((len(known.rows), 0))
            return nothing, nothing
        cosines = (known.own @ vectors.T).astype(np.float64)
        # An item resembles itself; that says nothing about its place.
        before = request.rows_of(one.item.id for one in interests)
        same = known.rows[:, None] == before
        cosines[same] = np.nan
        others = np.maximum((~same).sum(axis=0), 1)
        above = cosines - np.nansum(cosines, axis=0) / others
        spread = np.sqrt(np.nansum(above**2) / others.sum())
        above = np.nan_to_num(above / max(spread, SPREAD))
        whole = (above - LEAST_ABOVE) / (MOST_ABOVE - LEAST_ABOVE)
        return whole.clip(0.0, 1.0), above


def _most(likeness: NDArray[np.float64], interests: Sequence[Interest]) -> NDArray[np.float64]:
    """The most that any of the items says of each candidate, by its strength and recency."""
    if not interests:
        return np.zeros(len(likeness))
    pull = pull_of([replace(one, strength=abs(one.strength)) for one in interests])
    return np.asarray((likeness * pull).max(axis=1))


class MediaSources:
    """All sources of a call by what packs can see and hear.

    Args:
        comparers: one for each kind that a pack reads.
    """

    def __init__(self, comparers: Iterable[MediaComparer]) -> None:
        self._comparers = tuple(comparers)
        self._sources = tuple(map(MediaSource, self._comparers))

    @property
    def looks(self) -> MediaComparer | None:
        """Compares pictures, where a pack does."""
        return next((one for one in self._comparers if one.part == "image"), None)

    def known(self, request: Request) -> list[tuple[MediaSource, _Known]]:
        """The sources that take part in a call, with what they know for it."""
        found = ((source, source.known(request)) for source in self._sources)
        return [(source, known) for source, known in found if known is not None]

    def read(self, catalogue: Candidates, *, file: Path | None, progress: Progress | None) -> None:
        """Make the vectors of a catalogue; in files beside ``file``, if there is one."""
        for comparer in self._comparers:
            beside = file and file.with_name(f"{file.name}.{comparer.part}")
            comparer.read(catalogue, file=beside, progress=progress)

    def warm(self, items: Sequence[Item], *, progress: Progress | None) -> None:
        """Get to know items ahead of time."""
        for comparer in self._comparers:
            comparer.warm(items, progress=progress)

    def clear(self) -> None:
        """Drop everything."""
        for comparer in self._comparers:
            comparer.clear()
