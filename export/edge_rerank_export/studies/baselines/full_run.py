"""The catalogue ranked as a whole by every baseline, and by packs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_rerank.errors import DataError
from edge_rerank.evaluation.baselines import ItemKnn, Markov, Popularity, Recency
from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank.packs.pack import Pack
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.studies.baselines.choices import Choices
from edge_rerank_export.studies.baselines.full import (
    PlaceFinder,
    asked_of,
    by_baseline,
    by_pack,
    by_scores,
    find_places,
    write_places,
)
from edge_rerank_export.studies.baselines.names import Baseline
from edge_rerank_export.studies.baselines.run import TRAINERS

SUMMARY = "full.json"


@dataclass(frozen=True, slots=True)
class Ranked:
    """How well a way of ranking finds what was chosen in the whole catalogue.

    Attributes:
        name: of a baseline, or the name and release of a pack.
        file: name of the file of places.
        requests: how many were judged.
        items: of the catalogue.
        ndcg_10: mean, 0 to 1.
        low, high: its 95 % interval.
        hit_10: share of the requests with something chosen among the first ten places.
    """

    name: str
    file: str
    requests: int
    items: int
    ndcg_10: float
    low: float
    high: float
    hit_10: float


@dataclass(frozen=True, slots=True)
class FullStudy:
    """What is asked for.

    Attributes:
        folder: a data set.
        output: where the files are written, and ``full.json`` with all of them.
        split: which requests.
        only: one of the trained baselines; ``None`` for all of them and those without training.
        packs: to be judged, too.
        limit: how many requests at most, drawn by chance; ``None`` for all.
        seed: of the trainings.
    """

    folder: Path
    output: Path
    split: str = "test"
    only: Baseline | None = None
    packs: tuple[Path, ...] = ()
    limit: int | None = None
    seed: int = 0


def rank_fully(study: FullStudy, *, steps: Steps = silent) -> Iterator[Ranked]:
    """Rank the catalogue for the requests of a split, and write ``full_NAME.jsonl`` of each.

    Args:
        study: see there.
        steps: told of each training and ranking.

    Raises:
        DataError: when a file of the folder is missing or malformed, or no request has a click.
        PackError, InferenceError: when a pack cannot be loaded or run.
        RecipeError: when the output folder cannot be made, or a pack has a scorer.
    """
    data = DataSet.open(study.folder)
    asked = asked_of(data, study.split, limit=study.limit)
    if not asked:
        wanted = "expected at least one request with a click"
        raise DataError(data.folder, f"{study.split}: {wanted}")
    choices = Choices.read(data, full=True)
    output = made_folder(study.output)
    numbers, requests = zip(*asked, strict=True)
    finished: list[Ranked] = []
    for name, opened in _finders(study, data, choices, requests, steps):
        with opened as find, steps(f"{name}: rank") as update:
            places = find_places(requests, find, update)
        target = output / f"full_{name.replace(' ', '_')}.jsonl"
        write_places(places, numbers, target)
        interval = places.interval()
        ranked = Ranked(
            name=name,
            file=target.name,
            requests=len(requests),
            items=len(data.items),
            ndcg_10=float(places.ndcg_10.mean()),
            low=interval.low,
            high=interval.high,
            hit_10=float(places.hit_10.mean()),
        )
        finished.append(ranked)
        summary = {"split": study.split, "orders": [asdict(one) for one in finished]}
        write_whole(output / SUMMARY, json.dumps(summary, indent=2) + "\n")
        yield ranked


def _finders(
    study: FullStudy,
    data: DataSet,
    choices: Choices,
    requests: Sequence[Request],
    steps: Steps,
) -> Iterator[tuple[str, AbstractContextManager[PlaceFinder]]]:
    """Whatever ranks, by name; trained and opened when its turn comes."""
    if study.only is None:
        people = tuple(data.people())
        paths = tuple(one.items for one in people)
        recency = Recency(people)
        untrained = (Popularity(), *((recency,) if recency else ()), Markov(paths), ItemKnn(paths))
        for one in untrained:
            yield one.name, nullcontext(by_baseline(data, one))
    for name in [study.only] if study.only else TRAINERS:
        with steps(name) as update:
            model = TRAINERS[name](choices, study.seed, update)
        yield name, nullcontext(by_scores(data, model.score_all))
    for pack in study.packs:
        manifest = Pack.open(pack).manifest
        yield f"{manifest.name} {manifest.release}", by_pack(data, pack, requests)
