"""What the likeness of pictures and of sounds weighs beside a trained history model.

What looks or sounds like what a person chose is a column of its own, see
:mod:`edge_rerank.ranking.sources.media`. Its weight is fitted on the validation requests, through
the very engine that is going to rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from edge_rerank.evaluation.metrics import ndcg
from edge_rerank.inference.runtime import Runtime
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.trust import ANY_PACK
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.evidence import Evidence
from edge_rerank.ranking.opening import Models
from edge_rerank.ranking.sources.media import NAMES
from edge_rerank_export.progress import Steps, Update
from edge_rerank_export.train.domain import Domain
from edge_rerank_export.train.engine_odds import as_requests
from edge_rerank_export.train.history.media import told
from edge_rerank_export.train.history.train import fit_sigmoid
from edge_rerank_export.train.media_vectors import AUDIO, IMAGE, PARTS, KeptReader, spec_of

MAX_WEIGHT = 8.0
"""Log-odds of a whole likeness, at most: nothing says more."""

SPREAD = 1.0
"""Standard deviation of a weight about the one that the encoder's pack has (a normal prior), so
that a few requests move it little."""

LEAST_LISTS = 20
"""Fewer validation requests in which the column says something move no weight."""

_MOST_LISTS = 1_000


@dataclass(frozen=True, slots=True, repr=False)
class MediaLists:
    """Validation requests in which pictures or sounds say something.

    Attributes:
        own: log-odds of the candidates by all else, float64 of shape (n, c); -inf for none.
        media: values of the columns, float64 of shape (n, c, parts).
        clicked: bool of shape (n, c).
    """

    own: NDArray[np.float64]
    media: NDArray[np.float64]
    clicked: NDArray[np.bool_]

    def loss(self, weights: NDArray[np.float64]) -> float:
        """Of the listwise softmax: minus the mean log-likelihood of what was clicked.

        Args:
            weights: of the columns, float64 of shape (parts,), as for the other methods.
        """
        scores = self.scores(weights)
        hits = self.clicked.sum(axis=1)
        clicked = np.where(self.clicked, scores, 0.0).sum(axis=1) / hits
        return float((logsumexp(scores, axis=1) - clicked).mean())

    def scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds with the columns, float64 of shape (n, c)."""
        return self.own + self.media @ weights

    def ndcg(self, weights: NDArray[np.float64]) -> float:
        """Mean NDCG@10, 0 to 1; equal scores go against what was clicked."""
        scores = self.scores(weights)
        order = np.lexsort((self.clicked, -scores), axis=1)
        ranked = np.take_along_axis(self.clicked, order, axis=1)
        return float(np.mean([ndcg(row, 10) for row in ranked]))

    def sigmoid(self, weights: NDArray[np.float64]) -> tuple[float, float]:
        """Slope and intercept of Platt's sigmoid over scores that are centred by request."""
        scores = self.scores(weights)
        there = np.isfinite(scores)
        means = np.where(there, scores, 0.0).sum(axis=1) / there.sum(axis=1)
        return fit_sigmoid((scores - means[:, None])[there], self.clicked[there])


@dataclass(frozen=True, slots=True)
class MediaFit:
    """What pictures and sounds came to weigh.

    Attributes:
        weights: by part.
        lists: validation requests in which they said something.
        ndcg_without, ndcg_before, ndcg: NDCG@10 of those without them, with the weights of the
            encoders' packs, and with these.
        slope, intercept: of the sigmoid that makes a score a probability.
    """

    weights: Mapping[str, float]
    lists: int
    ndcg_without: float
    ndcg_before: float
    ndcg: float
    slope: float
    intercept: float


def fit_media(
    pack: Path,
    domains: Sequence[Domain],
    *,
    work: Path,
    threads: int | None,
    steps: Steps,
) -> MediaFit | None:
    """Fit what the likeness of pictures and of sounds weighs.

    The weights with which all that the engine says predicts choices best: the listwise softmax's
    likelihood of what was clicked, and a normal prior about the weights that the pack has.

    Args:
        pack: with encoders of pictures or sounds.
        domains: those without a validation split say nothing, for what stands in is counted in
            the pack's own tables.
        work: where vectors are kept.
        threads: that compute at once.
        steps: told of the step.

    Returns:
        ``None`` where fewer than :data:`LEAST_LISTS` requests say anything.
    """
    judging = [domain for domain in domains if not domain.valid.counted and _carrying(domain)]
    if not judging:
        return None
    room = sum(len(domain.items) for domain in judging)
    runtime = Runtime(threads=threads, cache_items=room)
    opened = Pack.open(pack)
    parts = [part for part in PARTS if spec_of(opened.manifest, part) is not None]
    kept = {part: KeptReader(opened, part, work, threads=threads) for part in parts}
    models = Models.open(pack, runtime=runtime, trust=ANY_PACK, seen_releases=None, tables=None)
    models = replace(models, images=kept.get(IMAGE), sounds=kept.get(AUDIO))
    with steps("weigh media") as update, RankingEngine(models, cache_items=room) as engine:
        lists = _lists(engine, judging, parts, update)
    if lists is None:
        return None
    before = np.array([kept[part].weight for part in parts])
    weights = _fitted(lists, before)
    slope, intercept = lists.sigmoid(weights)
    return MediaFit(
        weights=dict(zip(parts, weights.tolist(), strict=True)),
        lists=len(lists.own),
        ndcg_without=lists.ndcg(np.zeros(len(parts))),
        ndcg_before=lists.ndcg(before),
        ndcg=lists.ndcg(weights),
        slope=slope,
        intercept=intercept,
    )


def weighed(manifest: Manifest, fit: MediaFit) -> Manifest:
    """The manifest with what was fitted."""
    history = manifest.history_encoder
    assert history is not None  # noqa: S101 - it was trained
    looks, sounds = manifest.image_encoder, manifest.audio_encoder
    if looks is not None:
        looks = replace(looks, weight=fit.weights[IMAGE])
    if sounds is not None:
        sounds = replace(sounds, weight=fit.weights[AUDIO])
    return replace(
        manifest,
        image_encoder=looks,
        audio_encoder=sounds,
        history_encoder=replace(history, slope=fit.slope, intercept=fit.intercept),
    )


def _fitted(lists: MediaLists, before: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(lists.own)

    def loss(weights: NDArray[np.float64]) -> float:
        away = float(((weights - before) ** 2).sum()) / (2 * SPREAD**2 * count)
        return lists.loss(weights) + away

    bounds = [(0.0, MAX_WEIGHT)] * len(before)
    found = minimize(loss, before.clip(0.0, MAX_WEIGHT), method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, dtype=np.float64)


def _lists(
    engine: RankingEngine, domains: Sequence[Domain], parts: Sequence[str], update: Update
) -> MediaLists | None:
    """What the engine says of validation requests, spread evenly over those of each folder."""
    columns = [NAMES[part] for part in parts]
    owns, medias, hits = [], [], []
    for domain in domains:
        worded = np.flatnonzero(told(domain)[:-1]).tolist()
        engine.warmup([domain.items[row] for row in worded], vectors=domain.vectors[worded])
        engine.warmup(domain.items)
        step = -(-len(domain.valid.candidates) // _MOST_LISTS)
        asked = list(as_requests(domain.items, domain.valid))[::step]
        for done, request in enumerate(asked, start=1):
            evidence = engine.evidence(
                request.candidates, request.history, {"now": request.now, "query": request.query}
            )
            media, own = _parted(evidence, columns)
            clicked = np.array([item.id in request.clicked for item in request.candidates])
            if media.any() and 0 < clicked.sum() < len(clicked):
                owns.append(own)
                medias.append(media)
                hits.append(clicked)
            update(done, len(asked))
    if len(owns) < LEAST_LISTS:
        return None
    shape = (len(owns), max(map(len, owns)))
    lists = MediaLists(
        np.full(shape, -np.inf), np.zeros((*shape, len(parts))), np.zeros(shape, dtype=np.bool_)
    )
    for row, (own, media, clicked) in enumerate(zip(owns, medias, hits, strict=True)):
        there = slice(len(own))
        lists.own[row, there], lists.clicked[row, there] = own, clicked
        lists.media[row, there] = media
    return lists


def _parted(
    evidence: Evidence, columns: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of the columns, float64 of shape (c, columns), and the scores without them."""
    values = np.zeros((len(evidence.values), len(columns)))
    scores = evidence.scores()
    weights = {column.name: column.weight for column in evidence.columns}
    for place, name in enumerate(columns):
        if evidence.has(name):
            values[:, place] = evidence[name]
            scores -= weights[name] * values[:, place]
    return values, scores


def _carrying(domain: Domain) -> bool:
    return any(item.image is not None or item.audio is not None for item in domain.items)
