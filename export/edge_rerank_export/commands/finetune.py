"""The command ``finetune``: a history encoder, a text encoder or a scorer, trained on data."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

from rich.console import Console

from edge_rerank.packs.pack import Pack
from edge_rerank_export.commands._arguments import (
    Commands,
    add_base,
    add_command,
    add_data,
    add_json,
    add_overwrite,
    add_recipe,
    add_threads,
    pack_folder,
    use_threads,
)
from edge_rerank_export.commands._output import say_json
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.progress import Steps, on_console
from edge_rerank_export.recipes.file import Kind, RecipeFile, find_recipe

if TYPE_CHECKING:
    from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
    from edge_rerank_export.train.history.run import HistoryPlan
    from edge_rerank_export.train.loop import Outcome
    from edge_rerank_export.train.scorer.recipe import ScorerFinetuneRecipe
    from edge_rerank_export.train.scorer.run import ScorerPlan
    from edge_rerank_export.train.text.recipe import TextFinetuneRecipe
    from edge_rerank_export.train.text.run import TextPlan

R = TypeVar("R", "HistoryFinetuneRecipe", "TextFinetuneRecipe", "ScorerFinetuneRecipe")

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Job:
    """A training that is ready to begin.

    Attributes:
        plan: what it is going to need.
        needs: the same in words.
        train: trains, writes the pack, and says what the training came to.
        measured: what its figures are measured by.
        leaves: what is kept beside the pack, in words; empty for nothing.
        settled: says what else was found of the new pack, in words; empty for nothing.
    """

    plan: HistoryPlan | TextPlan | ScorerPlan
    needs: str
    train: Callable[[], Outcome]
    measured: str = ""
    leaves: str = ""
    settled: Callable[[Pack], str] = lambda _pack: ""


class _Options(TypedDict):
    """What every training takes beside its recipe, its data and the pack to be."""

    work: Path
    resume: bool
    overwrite: bool
    steps: Steps


def register(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "finetune",
        run,
        "train a pack's history encoder, its text encoder, or a scorer, on data set folders",
    )
    add_recipe(parser)
    add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="the pack to be")
    add_base(parser)
    parser.add_argument(
        "--media",
        type=pack_folder,
        action="append",
        default=[],
        metavar="PACK",
        help="a pack that reads pictures or sounds, for data with media/; repeatable",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="checkpoints and item vectors (default: OUT.work)",
    )
    add_threads(parser)
    parser.add_argument("--dry-run", action="store_true", help="read everything, train nothing")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--no-expectations",
        action="store_true",
        help="leave out of a history encoder's card how many expectations the pack meets",
    )
    add_overwrite(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train as the recipe's kind says.

    Raises:
        EdgeRerankError: see :mod:`edge_rerank_export.train`.
    """
    if arguments.out is None and not arguments.dry_run:
        raise RecipeError("--out: expected the folder of the new pack, or --dry-run")
    file = RecipeFile.read(find_recipe(arguments.recipe))
    file.expect(*_JOBS, trains=True)
    use_threads(arguments)
    out = arguments.out or Path(file.path.stem)
    work = arguments.work or out.with_name(f"{out.name}.work")
    job = _JOBS[file.kind](file, arguments, work, on_console(console))
    console.print(job.needs)
    if arguments.dry_run:
        console.print("dry run: recipe, models and data are in order; nothing was trained")
        if arguments.json:
            say_json(asdict(job.plan))
        return
    outcome = job.train()
    for name, value in outcome.by_domain.items():
        console.print(f"{name}: NDCG@10 {value:.3f}{job.measured} on validation requests")
    pack = Pack.open(out)
    size = sum(entry.size for entry in pack.manifest.files)
    console.print(
        f"{out}: {size / _MIB:.1f} MiB after {outcome.steps} steps in {outcome.seconds:.0f} s, "
        f"digest {pack.digest}{job.leaves}"
    )
    if said := job.settled(pack):
        console.print(said)
    if arguments.json:
        say_json(
            {
                "steps": outcome.steps,
                "seconds": outcome.seconds,
                "valid_ndcg_10": outcome.best,
                "by_domain": outcome.by_domain,
                "size": size,
                "digest": pack.digest,
            }
        )


def _history(file: RecipeFile, arguments: argparse.Namespace, work: Path, steps: Steps) -> _Job:
    from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe
    from edge_rerank_export.train.history.run import check, finetune_history, plan

    recipe = _seeded(HistoryFinetuneRecipe.of(file), arguments)
    if arguments.base is not None:
        recipe = replace(recipe, base=str(arguments.base))
    if arguments.media:
        recipe = replace(recipe, media=tuple(map(str, arguments.media)))
    planned = plan(recipe, arguments.data)
    if arguments.dry_run:
        check(recipe, arguments.data, steps=steps)

    def train() -> Outcome:
        return finetune_history(
            recipe,
            arguments.data,
            arguments.out,
            **_options(arguments, work, steps),
            threads=arguments.threads,
            expectations=not arguments.no_expectations,
        ).outcome

    needs = (
        f"{planned.folders} folders, up to {planned.requests} training requests, at most "
        f"{planned.steps} steps; the requests take about {planned.request_bytes / _MIB:.0f} MiB"
    )
    if planned.media_not_read:
        needs += (
            f"; media/ of {planned.media_not_read} folders is not read: name packs that read "
            "pictures or sounds by --media"
        )
    return _Job(planned, needs, train, settled=_likenesses)


def _text(file: RecipeFile, arguments: argparse.Namespace, work: Path, steps: Steps) -> _Job:
    from edge_rerank_export.train.text.recipe import TextFinetuneRecipe
    from edge_rerank_export.train.text.run import finetune_text, prepare

    _refuse_history_only(arguments)
    recipe = _seeded(TextFinetuneRecipe.of(file), arguments)
    prepared = prepare(recipe, arguments.data, steps=steps)

    def train() -> Outcome:
        return finetune_text(
            recipe,
            arguments.data,
            prepared,
            arguments.out,
            **_options(arguments, work, steps),
        )

    planned = prepared.plan
    needs = (
        f"{planned.trained / 1e6:.2f} of {planned.weights / 1e6:.1f} million weights are trained, "
        f"on {planned.requests} requests, at most {recipe.training.steps} steps; about "
        f"{planned.bytes_needed / _MIB:.0f} MiB of memory"
    )
    return _Job(planned, needs, train, " by similarity,")


def _scorer(file: RecipeFile, arguments: argparse.Namespace, work: Path, steps: Steps) -> _Job:
    from edge_rerank_export.train.scorer.recipe import ScorerFinetuneRecipe
    from edge_rerank_export.train.scorer.run import TRAINED_FOLDER, finetune_scorer, prepare

    _refuse_history_only(arguments)
    recipe = _seeded(ScorerFinetuneRecipe.of(file), arguments)
    prepared = prepare(recipe, arguments.data, work=work, steps=steps)

    def train() -> Outcome:
        return finetune_scorer(
            recipe,
            arguments.data,
            prepared,
            arguments.out,
            **_options(arguments, work, steps),
        ).outcome

    planned = prepared.plan
    needs = (
        f"{planned.trained / 1e6:.2f} of {planned.weights / 1e6:.1f} million weights are trained, "
        f"on {planned.requests} requests of up to {planned.longest} tokens, at most "
        f"{recipe.training.steps} steps; about {planned.bytes_needed / _MIB:.0f} MiB of memory"
    )
    leaves = f"; the checkpoint is in {work / TRAINED_FOLDER}"
    return _Job(planned, needs, train, leaves=leaves)


_JOBS = {Kind.HISTORY: _history, Kind.TEXT: _text, Kind.SCORER: _scorer}


def _options(arguments: argparse.Namespace, work: Path, steps: Steps) -> _Options:
    return _Options(work=work, resume=arguments.resume, overwrite=arguments.overwrite, steps=steps)


def _seeded(recipe: R, arguments: argparse.Namespace) -> R:
    if arguments.seed is None:
        return recipe
    return replace(recipe, training=replace(recipe.training, seed=arguments.seed))


def _likenesses(pack: Pack) -> str:
    """What pictures and sounds weigh in a pack."""
    parts = (("picture", pack.manifest.image_encoder), ("sound", pack.manifest.audio_encoder))
    told = [f"of a {what} {spec.weight:.2f}" for what, spec in parts if spec is not None]
    return f"a whole likeness adds log-odds: {', '.join(told)}" if told else ""


def _refuse_history_only(arguments: argparse.Namespace) -> None:
    for name in ("base", "media", "no_expectations"):
        if getattr(arguments, name):
            flag = name.replace("_", "-")
            raise RecipeError(f"--{flag}: expected only with the recipe of a history encoder")
