"""Evaluation of a pack and the baselines over a split, as a user's calls would run.

The order in which a file lists its candidates never counts (except for the baseline that is
that order): candidates go to the pack shuffled, and ties are broken by lot.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_rerank._check import check_integer
from edge_rerank._progress import Progress, StepProgress
from edge_rerank._resampling import bootstrap
from edge_rerank.errors import DataError, InvalidItem, InvalidRequest
from edge_rerank.evaluation.baselines import (
    RECENT_ITEMS,
    Baseline,
    Popularity,
    default_baselines,
)
from edge_rerank.evaluation.broken_media import broken_media
from edge_rerank.evaluation.calibration import calibration
from edge_rerank.evaluation.fairness import Fairness, fairness
from edge_rerank.evaluation.learning_curve import LearningCurve, learning_curve
from edge_rerank.evaluation.metrics import catalogue_coverage
from edge_rerank.evaluation.outcomes import (
    FIGURES,
    Outcomes,
    ask,
    by_baseline,
    by_pack,
    self_information,
)
from edge_rerank.evaluation.replay import CHOICES, Person, draw_people, replay
from edge_rerank.evaluation.results import PACK, Detail, Evaluation, Latency, Quality
from edge_rerank.evaluation.scores import Prescored
from edge_rerank.evaluation.slices import slices
from edge_rerank.evaluation.statistics import Comparison, compare
from edge_rerank.formats.attributes import Attributes
from edge_rerank.formats.dataset import USERS, DataSet, Request, Withheld, chosen
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.inference.runtime import Runtime
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.interest_reader import read_interests
from edge_rerank.ranking.strength import guess_scale
from edge_rerank.types import Item

SEED = 0
"""Of resamples and permutations: the same figures give the same intervals."""

_DIGITS = 8
"""Of a pack's digest, in its name."""


def evaluate(
    pack: str | Path | None,
    folder: str | Path,
    split: str,
    *,
    beside: Sequence[str | Path] = (),
    scores: Mapping[str, Path] | None = None,
    limit: int | None = None,
    without: Collection[Withheld] = (),
    vectors: MutableMapping[str, NDArray[np.float32]] | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    tables: str | Path | None = None,
    learning: int = 0,
    progress: StepProgress | None = None,
) -> Evaluation:
    """Evaluate a pack beside the baselines on one split.

    Args:
        pack: a pack folder; ``None`` for the shipped one.
        folder: see :mod:`edge_rerank.formats.dataset`.
        split: name of a file of requests, as "test".
        beside: more packs, which are compared like baselines, by name and release.
        scores: files of more baselines' scores, by name; see
            :class:`~edge_rerank.evaluation.scores.Prescored`.
        limit: how many requests at most.
        without: what is withheld from the pack and from every baseline.
        vectors: text vectors by item id, kept from one evaluation to the next of packs with
            the same text encoder on the same folder; those that are missing are added.
        providers: see :class:`~edge_rerank.inference.runtime.Runtime`.
        threads: likewise.
        tables: of a log, which the pack ranks with, and those beside it without; it must not
            have seen what is asked for.
        learning: how many people of the training part are replayed, choice by choice, to see what
            the personal head gains; 0 for nobody. They are without ``tables``, which have seen
            their choices.
        progress: is told how far each step has come.

    Raises:
        DataError: when a file is missing or malformed, no request has a click, nobody of the
            training part can be replayed, or a picture or sound cannot be read.
        PackError, InferenceError: when the pack cannot be loaded or run.
        InvalidRequest: when an argument is malformed, or a pack is there twice.
    """
    wanted = "an integer ≥ 0"
    learning = check_integer(learning, "learning", InvalidRequest, minimum=0, wanted=wanted)
    data = DataSet.open(folder).without(without)
    requests = list(data.requests(split, limit=limit))
    if not any(request.clicked for request in requests):
        raise DataError(data.folder, f"{split}: expected at least one request with a click")
    # Before the long work: a file that does not fit is told at once.
    people = data.attributes() if data.has(USERS) else None
    prescored = [Prescored(name, path, requests) for name, path in (scores or {}).items()]
    replayed = draw_people(data, people=learning, choices=CHOICES, seed=SEED) if learning else []
    # The catalogue's scale, and not each person's own.
    ratings = guess_scale(event for request in requests for event in request.history)
    items = _needed(requests, ratings)
    room = len({item.id for item in items} | {name for one in replayed for name in one.items})
    vectors = {} if vectors is None else vectors
    surprise = self_information(list(data.items.values()))
    judge = partial(ask, requests, vectors=vectors, surprise=surprise)
    open_pack = partial(
        RankingEngine.open,
        runtime=Runtime(providers, threads, cache_items=max(room, 1)),
        ratings=ratings,
    )
    with _readable(data), open_pack(pack, tables=tables) as engine:
        began = time.perf_counter()
        _encode(engine, items, vectors, progress)
        encoding_s = time.perf_counter() - began
        outcomes = {PACK: judge(by_pack(engine), progress=_named(progress, "requests"))}
        manifest = engine.pack.manifest
    learnt = None
    if replayed:
        with open_pack(pack) as engine:
            learnt = _learning(engine, data, replayed, vectors, progress)
    own = default_baselines(data, vectors, requests)
    _check_names(prescored, own)
    for other in beside:
        with _readable(data), open_pack(other) as engine:
            name = _name_of(engine, {*outcomes, *(one.name for one in prescored)})
            _encode(engine, items, {}, _prefixed(progress, name))
            outcomes[name] = judge(by_pack(engine), progress=_named(progress, name))
    for one in (*own, *prescored):
        order = by_baseline(one, timed=one not in prescored)
        outcomes[one.name] = judge(order, progress=_named(progress, one.name))
    comparisons = _compare(outcomes)
    qualities = {name: _quality(one, requests) for name, one in outcomes.items()}
    return Evaluation(
        folder=str(folder),
        split=split,
        requests=len(requests),
        model=f"{manifest.name} {manifest.release}",
        pack=qualities.pop(PACK),
        baselines=MappingProxyType(qualities),
        details=MappingProxyType(
            {name: _detail(one, requests, comparisons.get(name)) for name, one in outcomes.items()}
        ),
        slices=slices(requests, outcomes, np.random.default_rng(SEED)),
        fairness=_fairness(people, requests, outcomes),
        learning=learnt,
        without=tuple(sorted(without)),
        texts=len(items),
        encoding_s=encoding_s,
    )


@contextmanager
def _readable(data: DataSet) -> Iterator[None]:
    """Say of a picture or sound that cannot be read whose it is.

    Raises:
        DataError: in place of InvalidItem.
    """
    try:
        yield
    except InvalidItem as error:
        raise broken_media(data) or error from None


def _encode(
    engine: RankingEngine,
    items: Sequence[Item],
    known: MutableMapping[str, NDArray[np.float32]],
    progress: StepProgress | None,
) -> None:
    """Make the engine know the vectors of ``items``, and ``known`` those it lacked."""
    before = [item for item in items if item.id in known]
    if before:
        engine.warmup(before, vectors=np.stack([known[item.id] for item in before]))
    engine.warmup(items, progress=_named(progress, "item texts"))
    rows = zip(items, engine.vectors(items), strict=True)
    known.update((item.id, vector) for item, vector in rows)


def _learning(
    engine: RankingEngine,
    data: DataSet,
    people: Sequence[Person],
    known: MutableMapping[str, NDArray[np.float32]],
    progress: StepProgress | None,
) -> LearningCurve:
    """What the head gains; ``known`` gets the vectors of what was asked for."""
    names = dict.fromkeys(name for one in people for name in one.items)
    _encode(engine, [data.items[name] for name in names], known, _prefixed(progress, "learning"))
    told = _named(progress, "learning") or _untold
    return learning_curve(replay(engine, data, people, progress=told), seed=SEED)


def _untold(_done: int, _total: int) -> None:
    """Progress that nobody asked for."""


def _needed(requests: Iterable[Request], ratings: RatingScale) -> list[Item]:
    """Every item whose text some order depends on: candidates, and the last of each history."""
    items: dict[str, Item] = {}
    for request in requests:
        interests = read_interests(request.history, now=request.now, ratings=ratings)
        touched = [one.item for one in (*interests.liked, *interests.disliked)]
        recent = chosen(request.history)[-RECENT_ITEMS:]
        items.update((item.id, item) for item in (*request.candidates, *touched, *recent))
    return list(items.values())


def _name_of(engine: RankingEngine, taken: Collection[str]) -> str:
    """What a pack beside another is called: by its digest, too, where that is needed."""
    manifest = engine.pack.manifest
    plain = f"{manifest.name} {manifest.release}"
    exact = f"{plain} {engine.pack.digest[:_DIGITS]}"
    name = exact if plain in taken else plain
    if name in taken:
        raise InvalidRequest(f"beside: expected each pack once, got {name} again")
    return name


def _prefixed(progress: StepProgress | None, name: str) -> StepProgress | None:
    if progress is None:
        return None
    return lambda what, done, total: progress(f"{name}: {what}", done, total)


def _check_names(prescored: Sequence[Baseline], own: Sequence[Baseline]) -> None:
    taken = {PACK, *(one.name for one in own)}
    for one in prescored:
        if one.name in taken:
            raise InvalidRequest(f"scores: expected a name of its own, got {one.name!r}")


def _compare(outcomes: Mapping[str, Outcomes]) -> dict[str, Comparison]:
    """The pack against each of the others in NDCG@10."""
    values = np.stack([one.column("ndcg@10") for one in outcomes.values()], axis=1)
    judged = values[~np.isnan(values[:, 0])]
    made = compare(judged[:, 0], judged[:, 1:], np.random.default_rng(SEED))
    return dict(zip(list(outcomes)[1:], made, strict=True))


def _fairness(
    people: Mapping[str, Attributes] | None,
    requests: Sequence[Request],
    outcomes: Mapping[str, Outcomes],
) -> Fairness | None:
    if people is None:
        return None
    judged = {name: outcomes[name] for name in (PACK, Popularity.name)}
    return fairness(people, requests, judged, np.random.default_rng(SEED))


def _quality(outcomes: Outcomes, requests: Sequence[Request]) -> Quality:
    means = {
        name.replace("@", "_"): outcomes.mean(name) or 0.0
        for name in FIGURES[: FIGURES.index("auc")]
    }
    area = outcomes.mean("auc")
    return Quality(
        **means,
        auc=0.5 if area is None else area,
        coverage=catalogue_coverage(
            outcomes.tops, (item.id for request in requests for item in request.candidates)
        ),
        diversity=outcomes.mean("diversity") or 0.0,
    )


def _detail(
    outcomes: Outcomes, requests: Sequence[Request], comparison: Comparison | None
) -> Detail:
    intervals = bootstrap(outcomes.figures, np.random.default_rng(SEED))
    return Detail(
        intervals={
            name: interval
            for name, interval in zip(FIGURES, intervals, strict=True)
            if not np.isnan(interval.low)
        },
        category_coverage=_category_coverage(outcomes, requests),
        novelty_bits=outcomes.mean("novelty_bits"),
        dwell_ndcg_10=outcomes.mean("dwell_ndcg@10"),
        long_click_1=outcomes.mean("long_click@1"),
        latency=_latency(outcomes),
        calibration=None
        if outcomes.probabilities is None or not outcomes.probabilities.size
        else calibration(outcomes.probabilities, outcomes.clicked),
        comparison=comparison,
    )


def _category_coverage(outcomes: Outcomes, requests: Sequence[Request]) -> float | None:
    categories = {item.id: item.categories for request in requests for item in request.candidates}
    available = {category for names in categories.values() for category in names}
    if not available:
        return None
    shown = {category for top in outcomes.tops for name in top for category in categories[name]}
    return len(shown) / len(available)


def _latency(outcomes: Outcomes) -> Latency | None:
    if not outcomes.seconds.size:
        return None
    times = outcomes.seconds * 1e3
    median, p95 = np.quantile(times, [0.5, 0.95])
    return Latency(float(median), float(p95), float(times.mean()))


def _named(progress: StepProgress | None, what: str) -> Progress | None:
    return None if progress is None else partial(progress, what)
