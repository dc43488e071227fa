"""Training of a text encoder, from data set folders and a checkpoint to a new pack."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from edge_rerank_export.packing.encoder import EncoderBuilder, Original, centre, original
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.packing.steps import Report, make_pack, quietly
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.train.checkpoint import card_line, train_from
from edge_rerank_export.train.domain import check_folders, unread
from edge_rerank_export.train.loop import Outcome
from edge_rerank_export.train.requests import load_domain
from edge_rerank_export.train.text.recipe import TextFinetuneRecipe
from edge_rerank_export.train.text.train import TextRequests, TextTask, mix, text_requests

CHECKPOINT_NAME = "text-checkpoint.pt"

_BYTES_A_WEIGHT = 4
_TRAINED_COPIES = 5
"""The original's, gradient, two moments of Adam, and the best weights so far."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """What a training is going to need.

    Attributes:
        weights: of the encoder.
        trained: of these, how many change.
        requests: training requests.
        bytes_needed: of memory for weights and optimiser.
    """

    weights: int
    trained: int
    requests: int
    bytes_needed: int


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """All that a training starts from.

    Attributes:
        start: the encoder as it was fetched.
        task: a copy of it, with its requests.
        plan: what it is going to need.
    """

    start: Original
    task: TextTask
    plan: TextPlan


def prepare(
    recipe: TextFinetuneRecipe, folders: Sequence[Path], *, steps: Steps = silent
) -> Prepared:
    """Read data and model, and say what the training needs; nothing is trained.

    Raises:
        DataError: at the first malformed line of a folder.
        RecipeError, SourceError, UnsupportedModel: when recipe or checkpoint cannot be used.
    """
    check_folders(folders)
    pack_recipe, settings = recipe.pack_recipe(), recipe.training
    domains = []
    for folder in folders:
        with steps(f"read {folder.name}"):
            domains.append(
                load_domain(
                    folder,
                    unread,
                    rng=np.random.default_rng([settings.seed, 1]),
                )
            )
    with tempfile.TemporaryDirectory() as fetched:
        start = original(pack_recipe, Path(fetched), steps=steps)
    training: list[TextRequests] = []
    valid = {}
    with steps("make requests") as update:
        for number, domain in enumerate(domains):
            made, valid[domain.name] = text_requests(
                domain, start.tokenizer, settings, number=number
            )
            training += made
            update(number + 1, len(domains))
    task = TextTask(copy.deepcopy(start.model), training, valid, settings)
    weights = sum(value.numel() for value in start.model.parameters())
    trained = sum(value.numel() for value in task.weights().values())
    requests = sum(len(one.batch.candidates) for one in training)
    needed = _BYTES_A_WEIGHT * (weights + _TRAINED_COPIES * trained)
    return Prepared(start, task, TextPlan(weights, trained, requests, needed))


def finetune_text(
    recipe: TextFinetuneRecipe,
    folders: Sequence[Path],
    prepared: Prepared,
    output: Path,
    *,
    work: Path,
    resume: bool = False,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
) -> Outcome:
    """Train, and build the pack from what was trained.

    Args:
        recipe: how.
        folders: those that ``prepared`` was made of.
        prepared: see :func:`prepare`; its model is used up.
        output: folder of the new pack.
        work: where checkpoints are kept from one run to the next.
        resume: whether to go on from a checkpoint in ``work``.
        overwrite: whether a pack at ``output`` may be replaced.
        steps: told of each step.
        report: called with the figures of the pack's verification.

    Raises:
        RecipeError: when the checkpoint in ``work`` is of another recipe or other data.
        VerificationFailed: when the pack falls short of what was trained.
    """
    settings, task, start = recipe.training, prepared.task, prepared.start
    pack_recipe = replace(
        recipe.pack_recipe(), name=recipe.name, release=recipe.release, summary=recipe.summary
    )
    with staged(output, overwrite=overwrite) as stage:
        outcome = train_from(
            recipe,
            task,
            task.data(),
            work / CHECKPOINT_NAME,
            resume=resume,
            steps=steps,
        )
        model = task.model.eval()
        mix(model, start.model, settings.share)
        with torch.no_grad():
            if pack_recipe.encoder.centre:
                centre(model, start.tokenizer, pack_recipe.encoder)
        trained = replace(start, model=model)
        with tempfile.TemporaryDirectory() as folder:
            make_pack(
                EncoderBuilder(pack_recipe, start.fetched, Path(folder), trained),
                stage,
                steps=steps,
                report=report,
                training=_training(recipe, [data.resolve().name for data in folders], outcome),
            )
    return outcome


def _training(recipe: TextFinetuneRecipe, folders: Sequence[str], outcome: Outcome) -> str:
    """How it was tuned, for the model card."""
    how = (
        f"items of one person to lie near each other, {recipe.training.share:g} of the way; "
        "by similarity alone NDCG@10"
    )
    return card_line(recipe, folders, how, outcome)
