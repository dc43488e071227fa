"""Training of a history encoder, from data set folders and a base pack to a new pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from edge_rerank.formats.dataset_media import media_folder
from edge_rerank.packs.array_files import write_array
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.shipped import shipped_pack
from edge_rerank.packs.specs import AxesSpec, HistoryEncoderSpec
from edge_rerank.ranking.signals.counts import Counts
from edge_rerank.ranking.signals.inputs import BY_NAME
from edge_rerank.ranking.signals.pairs import Pairs
from edge_rerank.ranking.signals.sequence import Successions
from edge_rerank.ranking.signals.table import Table
from edge_rerank.ranking.sources.history_model import HistoryModel as RuntimeModel
from edge_rerank_export.errors import RecipeError, VerificationFailed
from edge_rerank_export.packing.folder import (
    CARD_NAME,
    add_findings,
    file_entries,
    staged,
    write_manifest,
)
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.train.domain import Domain, check_folders, unread
from edge_rerank_export.train.history.axes import AXES_NAME, principal_axes
from edge_rerank_export.train.history.card import finetune_card, media_card
from edge_rerank_export.train.history.function_words import function_words
from edge_rerank_export.train.history.material import Material, prepare, read_domains
from edge_rerank_export.train.history.media import (
    add_media,
    media_packs,
)
from edge_rerank_export.train.history.media_weights import MediaFit, fit_media, weighed
from edge_rerank_export.train.history.model import (
    OPSET,
    HistoryModel,
    export_onnx,
    load_weights,
    weigh,
)
from edge_rerank_export.train.history.recipe import HistoryFinetuneRecipe, Tables
from edge_rerank_export.train.history.teacher import open_teacher, teacher_of
from edge_rerank_export.train.history.train import HistoryTask, Pool, calibrate
from edge_rerank_export.train.loop import Looked, Outcome, mark_of, train
from edge_rerank_export.train.requests import load_domain
from edge_rerank_export.verify.expectations import (
    EXPECTATIONS_MET,
    expectations_card,
    play_expectations,
)

MODEL_NAME = "history.onnx"
LEXICON_NAME = "lexicon.npy"
CHECKPOINT_NAME = "checkpoint.pt"

MAX_DIFFERENCE = 1e-3
"""Largest difference of a score between PyTorch and ONNX that is let pass."""

_BYTES_A_PAIR = 16


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """What a training is going to need, known before it starts.

    Attributes:
        folders: data sets.
        requests: training requests.
        request_bytes: what they take in memory.
        steps: batches at most.
        media_not_read: folders with pictures or sounds that no pack reads.
    """

    folders: int
    requests: int
    request_bytes: int
    steps: int
    media_not_read: int = 0


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """A finished training.

    Attributes:
        outcome: see there.
        digest: of the new pack.
    """

    outcome: Outcome
    digest: str


def plan(recipe: HistoryFinetuneRecipe, folders: Sequence[Path]) -> HistoryPlan:
    """Say what ``recipe`` needs for ``folders``.

    Raises:
        PackError: when a pack that folders with ``media/`` need cannot be read.
        RecipeError: when the two do not go together.
    """
    check_folders(folders)
    settings = recipe.training
    if settings.tables is Tables.KEEP and len(folders) != 1:
        raise RecipeError(
            f"training.tables: expected one folder of data to keep those of, got {len(folders)}"
        )
    requests = settings.requests * len(folders)
    # Folders of real requests are read with twice the candidates.
    size = requests * 2 * settings.candidates * settings.history * _BYTES_A_PAIR
    return HistoryPlan(
        len(folders), requests, size, settings.steps, _media_not_read(recipe, folders)
    )


def check(
    recipe: HistoryFinetuneRecipe, folders: Sequence[Path], *, steps: Steps = silent
) -> HistoryPlan:
    """Read base pack and data, but train nothing.

    Raises:
        DataError: at the first malformed line.
        PackError, RecipeError: when pack or recipe cannot be used.
    """
    planned = plan(recipe, folders)
    digests_used(recipe)
    for folder in folders:
        with steps(f"check {folder.name}"):
            load_domain(
                folder,
                unread,
                rng=np.random.default_rng(0),
                signed=True,
            )
    return planned


def finetune_history(
    recipe: HistoryFinetuneRecipe,
    folders: Sequence[Path],
    output: Path,
    *,
    work: Path,
    resume: bool = False,
    overwrite: bool = False,
    threads: int | None = None,
    expectations: bool = False,
    steps: Steps = silent,
) -> HistoryResult:
    """Train a history encoder and write the pack.

    Args:
        recipe: how.
        folders: data sets, see :mod:`edge_rerank.formats.dataset`; their test splits are
            not opened.
        output: folder of the new pack.
        work: where checkpoints and item vectors are kept from one run to the next.
        resume: whether to go on from a checkpoint in ``work``.
        overwrite: whether a pack at ``output`` may be replaced.
        threads: of PyTorch and onnxruntime; ``None`` for their own choice.
        expectations: whether they are played on the new pack, whose card then says how many
            are met.
        steps: told of each step.

    Raises:
        DataError: at the first malformed line of a folder.
        PackError, RecipeError: when base pack, recipe or checkpoint cannot be used.
        VerificationFailed: when the exported model differs from the trained one.
    """
    plan(recipe, folders)
    base = open_base(recipe)
    if recipe.teacher is not None:
        open_teacher(recipe.teacher)  # fails early where it cannot be used
    work.mkdir(parents=True, exist_ok=True)
    if threads is not None:
        torch.set_num_threads(threads)
    with staged(output, overwrite=overwrite) as stage:
        domains = read_domains(recipe, folders, base=base, work=work, threads=threads, steps=steps)
        result = train_on(
            recipe,
            domains,
            stage,
            base=base,
            work=work,
            resume=resume,
            threads=threads,
            steps=steps,
        )
        if expectations:
            with steps("expectations") as update:
                report = play_expectations(stage, progress=update)
            found = {EXPECTATIONS_MET: round(report.share, 6)}
            pack = add_findings(stage, expectations_card(report), found)
            result = replace(result, digest=pack.digest)
        return result


def train_on(
    recipe: HistoryFinetuneRecipe,
    domains: Sequence[Domain],
    stage: Path,
    *,
    base: Pack,
    work: Path,
    resume: bool = False,
    threads: int | None = None,
    steps: Steps = silent,
) -> HistoryResult:
    """Train on data in memory, and write a pack; for arguments and errors see finetune_history().

    Args:
        recipe: how.
        domains: what is learnt from.
        stage: an empty folder, which gets the pack.
        base: what :func:`open_base` gives.
        work: where checkpoints, and vectors of pictures and sounds, are kept.
        resume: whether to go on from a checkpoint there.
        threads: of onnxruntime; ``None`` for its own choice.
        steps: told of each step.
    """
    with teacher_of(recipe.teacher, work) as teacher:
        material = prepare(recipe, domains, teacher=teacher, steps=steps)
    with steps("train") as update:
        model, outcome = fit(
            recipe,
            material,
            base=base,
            checkpoint=work / CHECKPOINT_NAME,
            resume=resume,
            progress=update,
        )
    weigh(model, recipe.parts)
    media = media_packs(recipe, base)
    with steps("write"):
        pack = _write_pack(
            stage,
            recipe,
            domains,
            material,
            model=model,
            outcome=outcome,
            base=base,
            media=media,
        )
        _verify(model, RuntimeModel(pack), material.valid)
    if media:
        found = fit_media(stage, domains, work=work, threads=threads, steps=steps)
        pack = pack if found is None else _settled(stage, found)
    return HistoryResult(outcome, pack.digest)


def _write_pack(
    stage: Path,
    recipe: HistoryFinetuneRecipe,
    domains: Sequence[Domain],
    material: Material,
    *,
    model: HistoryModel,
    outcome: Outcome,
    base: Pack,
    media: Mapping[str, Pack],
) -> Pack:
    """Put what was trained, and what it stands on, into a folder as a pack."""
    slope, intercept = calibrate(model, list(material.valid.values()))
    export_onnx(model, stage / MODEL_NAME)
    # Not before: texts that were trained on are to be in another language, and have hardly any.
    lexicon = material.lexicon.without(function_words(recipe.function_words))
    (stage / LEXICON_NAME).write_bytes(lexicon.to_bytes())
    files = {}
    for name, table in _kept_tables(recipe, domains, material).items():
        files[name] = BY_NAME[name].file
        (stage / files[name]).write_bytes(table.to_bytes())
    _copy_encoder(base, stage)
    axes = principal_axes([one.vectors for one in domains], seed=recipe.training.seed)
    (stage / AXES_NAME).write_bytes(write_array(axes))
    card = finetune_card(recipe, base.manifest, [one.name for one in domains], outcome, media)
    (stage / CARD_NAME).write_text(card, encoding="utf-8")
    spec = HistoryEncoderSpec(
        model=MODEL_NAME,
        lexicon=LEXICON_NAME,
        opset=OPSET,
        slope=slope,
        intercept=intercept,
        tables=files,
    )
    begun = add_media(stage, base, media, domains)
    manifest = replace(
        begun,
        name=recipe.name,
        release=recipe.release,
        files=file_entries(stage),
        history_encoder=spec,
        axes=AxesSpec(AXES_NAME),
        verification={**_of_encoder(base), "valid_ndcg_10": outcome.best},
    )
    return write_manifest(stage, manifest)


def _kept_tables(
    recipe: HistoryFinetuneRecipe, domains: Sequence[Domain], material: Material
) -> dict[str, Table]:
    """Tables by item that go into the pack, by the signal that reads them."""
    if recipe.training.tables is not Tables.KEEP:
        return {}
    tables: dict[str, Table] = {Pairs.name: domains[0].pairs.table, Counts.name: domains[0].counts}
    if material.succession is not None:
        tables[Successions.name] = material.succession
    return tables


def fit(
    recipe: HistoryFinetuneRecipe,
    material: Material,
    *,
    base: Pack,
    checkpoint: Path,
    resume: bool = False,
    progress: Update | None = None,
    looked: Looked | None = None,
) -> tuple[HistoryModel, Outcome]:
    """Train a model from the recipe's seed on.

    Args:
        recipe: how.
        material: what :func:`~.material.prepare` made of the data.
        base: what :func:`open_base` gives, to begin with where the recipe says so.
        checkpoint: see :func:`edge_rerank_export.train.loop.train`.
        resume: likewise.
        progress: likewise.
        looked: likewise.

    Raises:
        RecipeError: when the base's history encoder, or the checkpoint, is not of this model.
    """
    torch.manual_seed(recipe.training.seed)
    model = HistoryModel()
    if recipe.training.warm_start:
        _warm_start(model, base)
    task = HistoryTask(model, material.pools, material.valid, recipe)
    outcome = train(
        task,
        recipe.training,
        checkpoint=checkpoint,
        mark=mark_of(recipe, task.data()),
        resume=resume,
        progress=progress,
        looked=looked,
    )
    return model, outcome


def _settled(stage: Path, fit: MediaFit) -> Pack:
    """Write what was fitted into a pack, and onto its card."""
    manifest = Pack.open(stage).manifest
    add_findings(
        stage,
        media_card(fit, manifest),
        {
            "valid_ndcg_10_without_media": round(fit.ndcg_without, 6),
            "valid_ndcg_10_with_media": round(fit.ndcg, 6),
        },
    )
    return write_manifest(stage, weighed(Pack.open(stage).manifest, fit))


def _media_not_read(recipe: HistoryFinetuneRecipe, folders: Sequence[Path]) -> int:
    having = sum(media_folder(folder) is not None for folder in folders)
    return having if having and not media_packs(recipe, open_base(recipe)) else 0


def _of_encoder(base: Pack) -> dict[str, float]:
    """The base pack's figures without those of its history encoder."""
    figures = base.manifest.verification.items()
    return {name: value for name, value in figures if name != EXPECTATIONS_MET}


def _copy_encoder(base: Pack, stage: Path) -> None:
    spec = base.manifest.encoder
    assert spec is not None  # noqa: S101 - open_base() has checked
    for name in (spec.model, spec.tokenizer):
        (stage / name).write_bytes(base.read(name))


def open_base(recipe: HistoryFinetuneRecipe) -> Pack:
    """The pack whose text encoder is used.

    Raises:
        PackError, RecipeError: when it cannot be used.
    """
    base = Pack.open(recipe.base or shipped_pack())
    if base.manifest.encoder is None:
        raise RecipeError("base: expected a pack with a text encoder")
    if recipe.training.warm_start and base.manifest.history_encoder is None:
        raise RecipeError("training.warm_start: the base pack has no history encoder")
    return base


def digests_used(recipe: HistoryFinetuneRecipe) -> dict[str, str]:
    """Digests of the packs that a recipe names, for marks of what was made from them.

    Raises:
        PackError, RecipeError: when one cannot be used.
    """
    digests = {"base": open_base(recipe).digest}
    for number, one in enumerate(recipe.media):
        digests[f"media {number}"] = Pack.open(one).digest
    if recipe.teacher is not None:
        digests["teacher"] = open_teacher(recipe.teacher).digest
    return digests


def _warm_start(model: HistoryModel, base: Pack) -> None:
    spec = base.manifest.history_encoder
    assert spec is not None  # noqa: S101 - open_base() has checked
    try:
        load_weights(model, base.read(spec.model))
    except ValueError as error:
        raise RecipeError(f"training.warm_start: {error}") from None


def _verify(model: HistoryModel, runtime: RuntimeModel, valid: dict[str, Pool]) -> None:
    """The runtime must give what was trained."""
    model.eval()
    for pool in valid.values():
        inputs = {name: pool[name][:1].float() for name in model.inputs}
        with torch.no_grad():
            expected = model(*(inputs[name] for name in model.inputs))[0].numpy()
        got = runtime.parts({name: one[0].numpy() for name, one in inputs.items()})
        difference = float(np.abs(expected - got).max())
        if difference > MAX_DIFFERENCE:
            raise VerificationFailed(
                f"history encoder: expected a difference of at most {MAX_DIFFERENCE}, "
                f"got {difference:.3g}"
            )
