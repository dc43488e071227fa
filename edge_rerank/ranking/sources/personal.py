"""Evidence by the personal head: what one person's choices from lists taught on this device.

Where a pack brings a prior, the head begins with what a fleet of devices found of people together;
that is a column of its own, and part of the scores that the head is learnt upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edge_rerank.errors import PackInvalid, PackUnsupported
from edge_rerank.formats.attributes import Values
from edge_rerank.learning.layout import (
    AXES,
    CATEGORY_SLOTS,
    CROSS_SLOTS,
    MOST_COLUMNS,
    Layout,
)
from edge_rerank.learning.lessons import Features, Shown
from edge_rerank.learning.prior import Prior
from edge_rerank.learning.variety import PLACES, Variety
from edge_rerank.packs.array_files import read_array
from edge_rerank.packs.pack import Pack
from edge_rerank.ranking.evidence import Column, Evidence, Source, falling
from edge_rerank.ranking.request import Explored, Request
from edge_rerank.types import ReasonCode

PERSONAL = Column("personal", 1.0, ReasonCode.LEARNT)
"""Log-odds by the head, against their mean over the candidates."""

FLEET = Column("fleet", 1.0, ReasonCode.LEARNT)
"""Log-odds by the prior, likewise. Its words are those of the person's own part, and are said where
that goes the same way."""

SHOWN_ITEMS = 100
"""Items of a list that are learnt from; nobody looks at many more."""

AXES_SCALE = 5.0
"""Of vectors of length 1 along an axis, so that the prior of a weight suits it."""

CATEGORY_SCALE = 2.0


class PersonalSource(Source):
    """The last source of all: it weighs the columns of those before anew.

    Args:
        pack: gives name, digest and axes.
        columns: of the sources before.
        prior: a pack with a prior, where there is one.

    Attributes:
        columns: what it fills in.
        layout: of the heads.
        axes: along which they read item vectors, float32 of shape (dim, ``layout.axes``).

    Raises:
        PackInvalid: when the pack's axes, or the prior, cannot be read.
        PackUnsupported: when the prior is of heads of another pack, or beside other packs.
    """

    def __init__(self, pack: Pack, columns: Iterable[Column], *, prior: Pack | None = None) -> None:
        before = [(place, column.name) for place, column in enumerate(columns) if column.adapts]
        self._places = [place for place, _ in before[:MOST_COLUMNS]]
        weighed = tuple(name for _, name in before[:MOST_COLUMNS])
        self.axes = read_axes(pack)
        self._fold = lru_cache(maxsize=4096)(fold)
        layout = Layout(pack.manifest.name, pack.digest, weighed, self.axes.shape[1])
        self.layout = layout if prior is None else begun(layout, prior)
        self.columns: tuple[Column, ...] = (PERSONAL,) if prior is None else (FLEET, PERSONAL)

    def fill(self, request: Request, evidence: Evidence) -> None:
        """Judge the candidates by what was learnt; nothing is said before anything was."""
        head, start = request.head, self.layout.start
        if head is None:
            return
        if start is not None:
            evidence[FLEET.name] = self._lift(start.mean.astype(np.float64), request, evidence)
            evidence.holds(ReasonCode.LEARNT, lifts=False, lowers=False)
        if not head.lists:
            return
        lift = self._lift(head.weights, request, evidence)
        evidence[PERSONAL.name] = lift
        if start is not None:
            evidence.holds(ReasonCode.LEARNT, lifts=lift > 0, lowers=lift < 0)

    def _lift(
        self, weights: NDArray[np.float64], request: Request, evidence: Evidence
    ) -> NDArray[np.float64]:
        """Log-odds by weights against their mean over the candidates, float64 of shape (n,)."""
        columns, texts, slots = self._split(weights)
        lift = self._weighed(evidence) @ columns
        if self.axes.shape[1]:
            direction = self.axes @ texts.astype(np.float32)
            lift += _along(request.comparisons.vectors, direction)
        moment = moment_of(request.context)
        lists = request.candidates.categories
        folded = np.array([float(self._fold(one, moment) @ slots) for one in lists.lists])
        lift += folded[lists.of_item]
        return np.asarray(lift - lift.mean())

    def forget(self, user: str | None = None) -> None:
        """Nothing is kept."""

    def shown(
        self,
        request: Request,
        evidence: Evidence,
        scores: NDArray[np.float64],
        *,
        rows: NDArray[np.intp],
        ranking: str,
        explored: Explored,
    ) -> Shown:
        """What the learner has to know of a list.

        Args:
            request: the call.
            evidence: as all sources filled it in.
            scores: what it adds up to, float64 of shape (n,).
            rows: places of the candidates in the request, in the order of the list, intp of shape
                (m,).
            ranking: its id.
            explored: what of the list was left to chance.
        """
        seen = rows[:SHOWN_ITEMS]
        lift = evidence[PERSONAL.name]
        base = scores - lift * PERSONAL.weight if lift.any() else scores
        candidates, vectors = request.candidates, request.comparisons.vectors
        listed = candidates.items
        items = [listed[row] for row in seen.tolist()]
        return Shown(
            ranking=ranking,
            at=request.now,
            ids=tuple([item.id for item in items]),
            base=base[seen].astype(np.float32),
            made=self._features(
                self._weighed(evidence)[seen],
                _along(vectors[seen], self.axes),
                [item.categories for item in items],
                moment_of(request.context),
            ),
            layout=self.layout,
            surface=request.surface or "",
            host=_places_of_host(request, seen),
            without=_places_without(base, scores, seen, explored.before),
            pairs=explored.pairs,
            order=explored.order,
            variety=Variety.of(items[:PLACES], candidates.offer, vectors[seen[:PLACES]]),
        )

    def _features(
        self,
        weighed: NDArray[np.float64],
        along: NDArray[np.float32],
        categories: Sequence[tuple[str, ...]],
        moment: tuple[str, ...],
    ) -> Features:
        """Features to be made when they are needed, of what takes less room than they will.

        Args:
            weighed: of the items, see :meth:`_weighed`.
            along: their vectors along the axes: a fifth of the vectors themselves.
            categories: of each item.
            moment: circumstances of the call.
        """

        def make() -> NDArray[np.float32]:
            slots = np.stack([self._fold(one, moment) for one in categories])
            return np.concatenate([weighed, along, slots], axis=1).astype(np.float32)

        return Features(make)

    def _weighed(self, evidence: Evidence) -> NDArray[np.float64]:
        """What the columns add that may be weighed anew, against their means, (n, columns)."""
        weighed = evidence.contributions_of(self._places)
        return np.asarray(weighed - weighed.mean(axis=0))

    def _split(self, weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Weights of columns, of axes, and of slots."""
        columns = len(self.layout.columns)
        return np.split(weights, [columns, columns + self.layout.axes])


def _along(vectors: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors along axes; a text that was not read is as the others are in the mean.

    Args:
        vectors: float32 of shape (n, dim).
        axes: float32 of shape (dim,) or (dim, axes).
    """
    along = vectors @ axes
    blank = vectors[:, 0] == 0
    if blank.any() and not blank.all():
        along[blank] = along[~blank].mean(axis=0)
    return along


def _places_of_host(request: Request, seen: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """Places from 1 that the host's scores, else its order, give the items; 0 for no score."""
    scores = request.candidates.scores
    known = ~np.isnan(scores)
    if not known.any():
        return seen.astype(np.int64) + 1 if request.host_order else None
    places = _places(np.where(known, scores, -np.inf))
    return np.where(known, places, 0)[seen]


def _places_without(
    base: NDArray[np.float64],
    scores: NDArray[np.float64],
    seen: NDArray[np.intp],
    unexplored: Sequence[int],
) -> NDArray[np.int64] | None:
    """Places from 1 without head and chance: moved as far as the head moves them by the scores.

    What policies did to the list is so left as it is; places are those before neighbours swapped.
    """
    if not unexplored and base is scores:
        return None
    order = list(unexplored) if unexplored else seen
    own = np.empty(len(base), dtype=np.int64)
    own[order] = np.arange(1, len(order) + 1)
    moved = _places(base) - _places(scores)
    return np.clip((own + moved)[seen], 1, len(base))


def _places(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places from 1 by falling score; equal ones keep their order."""
    places = np.empty(len(scores), dtype=np.int64)
    places[falling(scores)] = np.arange(1, len(scores) + 1)
    return places


def begun(layout: Layout, pack: Pack) -> Layout:
    """The layout, with the prior of a pack that has one.

    Raises:
        PackInvalid: when the file is no prior.
        PackUnsupported: when it is of another layout.
    """
    spec = pack.manifest.prior
    assert spec is not None  # noqa: S101 - the pack was chosen for it
    if spec.layout != layout.mark.hex():
        raise PackUnsupported(
            f"prior: expected one of heads of {layout.pack} beside the same packs, got another"
        )
    numbers = read_array(pack.read(spec.file), np.float32, what="prior")
    if numbers.shape != (2, layout.width):
        raise PackInvalid(f"prior: expected numbers of shape (2, {layout.width})")
    try:
        return replace(layout, start=Prior.of(*numbers))
    except ValueError as error:
        raise PackInvalid(f"prior: {error}") from None


def read_axes(pack: Pack) -> NDArray[np.float32]:
    """The pack's axes as a head reads them, float32 of shape (dim, axes); without any, axes is 0.

    Raises:
        PackInvalid: when the file is no such array.
    """
    encoder, spec = pack.manifest.encoder, pack.manifest.axes
    assert encoder is not None  # noqa: S101 - the pack with the encoder was chosen for it
    if spec is None:
        return np.zeros((encoder.dim, 0), dtype=np.float32)
    axes = read_array(pack.read(spec.file), np.float16, what="axes")
    if axes.ndim != 2 or axes.shape[0] != encoder.dim or not np.isfinite(axes).all():
        raise PackInvalid(f"axes: expected finite numbers of shape ({encoder.dim}, axes)")
    return AXES_SCALE * axes[:, :AXES].astype(np.float32)


def fold(categories: tuple[str, ...], moment: tuple[str, ...] = ()) -> NDArray[np.float32]:
    """Categories, and each of them in each circumstance, as numbers, float32 of shape (slots,).

    Folded by hashing with signs (Weinberger et al., "Feature hashing for large scale multitask
    learning", ICML 2009), and of one length however many there are.

    Args:
        categories: of an item.
        moment: circumstances of the call, see ``moment_of()``.
    """
    crossed = [f"{one}\n{name}" for one in moment for name in categories]
    folded = np.concatenate([_hashed(categories, CATEGORY_SLOTS), _hashed(crossed, CROSS_SLOTS)])
    folded.setflags(write=False)
    return folded


def moment_of(context: Values) -> tuple[str, ...]:
    """Circumstances of a call as words; of the hour, its quarter of the day."""
    parts = {name: int(value) // 6 if name == "hour" else value for name, value in context.items()}
    return tuple(f"{name}={parts[name]}" for name in sorted(parts))


def _hashed(names: Sequence[str], slots: int) -> NDArray[np.float32]:
    folded = np.zeros(slots, dtype=np.float32)
    for name in names:
        hashed = crc32(name.encode("utf-8", "replace"))
        folded[hashed % slots] += 1.0 if hashed >> 16 & 1 else -1.0
    length = float(np.linalg.norm(folded))
    return folded * np.float32(CATEGORY_SCALE / length) if length else folded
