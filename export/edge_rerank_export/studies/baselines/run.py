"""Training the baselines on a data set folder, and writing their scores of its requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_rerank.formats.dataset import DataSet, Request
from edge_rerank_export.files import made_folder, write_whole
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.studies.baselines.bpr import train_bpr
from edge_rerank_export.studies.baselines.choices import Choices, Recommender, validation_ndcg
from edge_rerank_export.studies.baselines.names import Baseline
from edge_rerank_export.studies.baselines.sasrec import train_sasrec

TRAINERS: dict[Baseline, Callable[[Choices, int, Update], Recommender]] = {
    Baseline.BPR: lambda choices, seed, update: train_bpr(choices, seed=seed, progress=update),
    Baseline.SASREC: lambda choices, seed, update: train_sasrec(
        choices, seed=seed, progress=update
    ),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A baseline whose scores are written.

    Attributes:
        name: which.
        file: name of the file of scores.
        requests: how many were scored.
        valid_ndcg_10: mean NDCG@10 on the validation requests, 0 to 1.
        valid_requests: how many these are.
    """

    name: Baseline
    file: str
    requests: int
    valid_ndcg_10: float
    valid_requests: int


def train_baselines(
    folder: Path,
    output: Path,
    *,
    split: str = "test",
    only: Baseline | None = None,
    seed: int = 0,
    steps: Steps = silent,
) -> Iterator[Scored]:
    """Train one after the other, and write ``NAME.jsonl`` of each.

    Args:
        folder: a data set.
        output: where the files are written.
        split: which requests are scored.
        only: one of them; ``None`` for all.
        seed: the same one gives the same models.
        steps: told of each training.

    Raises:
        DataError: when a file of the folder is missing or malformed; nothing is written.
        RecipeError: when the output folder cannot be made.
    """
    data = DataSet.open(folder)
    choices = Choices.read(data)
    requests = list(data.requests(split))
    output = made_folder(output)
    for name in [only] if only else TRAINERS:
        with steps(name) as update:
            model = TRAINERS[name](choices, seed, update)
        target = output / f"{name}.jsonl"
        write_scores(model, requests, target)
        value = validation_ndcg(model, choices)
        yield Scored(name, target.name, len(requests), value, len(choices.valid))


def write_scores(model: Recommender, requests: Sequence[Request], target: Path) -> None:
    """Write a line of scores for each request, all of them or none."""
    lines = []
    for number, scores in enumerate(model.score(requests)):
        row = {"request": number, "scores": [round(float(one), 6) for one in scores]}
        lines.append(json.dumps(row) + "\n")
    write_whole(target, "".join(lines))
