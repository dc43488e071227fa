"""Tuning a recipe: read the data once, search within the time limit, write the best recipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from edge_rerank_export.errors import RecipeError
from edge_rerank_export.files import write_whole
from edge_rerank_export.progress import Steps
from edge_rerank_export.studies.results.ledger import data_mark, mark_of
from edge_rerank_export.studies.tune.search import Found, Search, Trialled, search
from edge_rerank_export.studies.tune.space import space_of
from edge_rerank_export.train.history.material import prepare, read_domains
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, history_toml
from edge_rerank_export.train.history.run import digests_used, open_base, plan
from edge_rerank_export.train.history.teacher import teacher_of

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is asked for.

    Attributes:
        recipe: where to start from.
        folders: data sets.
        out: file of the best recipe, ``.toml``.
        minutes: of wall-clock time, reading the data included.
        study: file of the trials; ``None`` for ``out`` with the suffix ``.db``.
        trials: how many at most; ``None`` for as many as there is time for.
        base: base pack in place of the recipe's.
        seed: of the search.
        work: folder for item vectors; ``None`` for one beside ``out``.
        threads: that compute at once in one call; ``None`` for the libraries' own choice.
    """

    recipe: HistoryFinetuneRecipe
    folders: tuple[Path, ...]
    out: Path
    minutes: float
    study: Path | None = None
    trials: int | None = None
    base: Path | None = None
    seed: int = 0
    work: Path | None = None
    threads: int | None = None


def tune(tuning: Tuning, *, steps: Steps, tell: Callable[[str], None]) -> Found:
    """Search, then write.

    Args:
        tuning: see there.
        steps: told of each step.
        tell: told what is searched and what each trial came to, in words.

    Raises:
        RecipeError: when an option is out of range, or the study is of another search.
        DataError: at the first malformed line of a folder.
        PackError: when the base pack cannot be used.
    """
    deadline = time.monotonic() + _MINUTE_S * _positive(tuning.minutes, "--minutes")
    if tuning.trials is not None:
        _positive(tuning.trials, "--trials")
    out, folders, threads = tuning.out, tuning.folders, tuning.threads
    study = tuning.study or out.with_suffix(".db")
    if out.suffix != ".toml" or (out.exists() and not study.exists()):
        raise RecipeError("--out: expected a .toml file that is not there yet, or its study")
    recipe = tuning.recipe
    if tuning.base is not None:
        recipe = replace(recipe, base=str(tuning.base.resolve()))
    plan(recipe, folders)
    base = open_base(recipe)
    if threads is not None:
        torch.set_num_threads(threads)
    for one in space_of(recipe):
        scale = ", logarithmic" if one.log else ""
        tell(f"{one.name}: {one.low:g} to {one.high:g}{scale}")
    work = tuning.work or out.with_name(f"{out.stem}.work")
    work.mkdir(parents=True, exist_ok=True)
    domains = read_domains(recipe, folders, base=base, work=work, threads=threads, steps=steps)
    wanted = Search(
        recipe=recipe,
        base=base,
        study=study,
        mark=mark_of(
            {**asdict(recipe), **digests_used(recipe)}, [data_mark(folder) for folder in folders]
        ),
        deadline=deadline,
        trials=tuning.trials,
        seed=tuning.seed,
        work=work,
    )

    def finished(trial: Trialled) -> None:
        value = "given up" if trial.value is None else f"NDCG@10 {trial.value:.4f}"
        left = max(deadline - time.monotonic(), 0) / _MINUTE_S
        tell(f"trial {trial.number}: {value}, best {trial.best:.4f}; {left:.0f} minutes left")

    with teacher_of(recipe.teacher, work, threads=threads) as teacher:
        material = prepare(recipe, domains, teacher=teacher, steps=steps)
    with steps("search") as update:
        found = search(wanted, material, progress=update, finished=finished)
    write_whole(out, history_toml(found.recipe, out.resolve().parent))
    return found


def _positive(value: float, name: str) -> float:
    if not 0 < value < float("inf"):
        raise RecipeError(f"{name}: expected a number above 0, got {value}")
    return value
