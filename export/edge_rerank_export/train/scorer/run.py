"""Training of a scorer's head, from data set folders and a checkpoint to a new pack."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_rerank.inference.prompt import Prompt
from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import ScorerSpec
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.models.adapter import keep_layers
from edge_rerank_export.models.families import trunk_of
from edge_rerank_export.models.language_model import load_language_model, load_tokenizer
from edge_rerank_export.packing.build import build
from edge_rerank_export.packing.scorer import scorer_spec
from edge_rerank_export.packing.steps import Report, quietly
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.recipes.pack import Layout, ScorerPackRecipe, SourceRecipe
from edge_rerank_export.recipes.train import Precision
from edge_rerank_export.sources.fetch import fetch
from edge_rerank_export.sources.weights import file_sha256
from edge_rerank_export.train.checkpoint import card_line, train_from
from edge_rerank_export.train.domain import Domain, check_folders, unread
from edge_rerank_export.train.engine_odds import beside
from edge_rerank_export.train.loop import Outcome
from edge_rerank_export.train.requests import load_domain
from edge_rerank_export.train.scorer.examples import (
    Example,
    training_examples,
    validation_examples,
)
from edge_rerank_export.train.scorer.model import (
    WEIGHTS_NAME,
    RankingModel,
    add_adapters,
    save_adapter,
    save_checkpoint,
)
from edge_rerank_export.train.scorer.recipe import ScorerFinetuneRecipe
from edge_rerank_export.train.scorer.train import ScorerTask
from edge_rerank_export.train.scorer.weight import fitted_weight

CHECKPOINT_NAME = "scorer-checkpoint.pt"
TRAINED_FOLDER = "trained"
ADAPTER_NAME = "adapter.safetensors"

_BYTES_A_WEIGHT = 4
_TRAINED_COPIES = 4
"""Gradient, two moments of Adam, and the best weights so far."""


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """What a training is going to need.

    Attributes:
        weights: of the model.
        trained: of these, and of the adapters, how many change.
        requests: training requests.
        longest: tokens of the longest of them, with its candidates.
        bytes_needed: of memory, roughly: weights, optimiser, and one request's activations.
    """

    weights: int
    trained: int
    requests: int
    longest: int
    bytes_needed: int


@dataclass(frozen=True, slots=True, repr=False)
class Prepared:
    """All that a training starts from.

    Attributes:
        model: with adapters or without.
        tokenizer: of transformers.
        examples: training requests by domain.
        valid: validation requests by domain.
        plan: what it is going to need.
    """

    model: RankingModel
    tokenizer: Any
    examples: list[list[Example]]
    valid: dict[str, list[Example]]
    plan: ScorerPlan


@dataclass(frozen=True, slots=True)
class ScorerResult:
    """A finished training.

    Attributes:
        outcome: of the training.
        checkpoint: folder of the trained checkpoint, in the form of transformers.
    """

    outcome: Outcome
    checkpoint: Path


def prepare(
    recipe: ScorerFinetuneRecipe, folders: Sequence[Path], *, work: Path, steps: Steps = silent
) -> Prepared:
    """Read model and data, and say what the training needs; nothing is trained.

    Raises:
        DataError: at the first malformed line of a folder.
        RecipeError, SourceError, UnsupportedModel: when recipe or checkpoint cannot be used.
    """
    check_folders(folders)
    domains = [_read(folder, steps) for folder in folders]
    pack_recipe, settings = recipe.pack_recipe(), recipe.training
    source = pack_recipe.source
    with steps("fetch"):
        fetched = fetch(source.uri, sha256=source.sha256, work=work, subfolder=source.subfolder)
    with steps("load"):
        trunk = trunk_of(load_language_model(fetched.folder))
        tokenizer = load_tokenizer(fetched.folder)
        torch.manual_seed(settings.seed)
        if settings.layers:
            keep_layers(trunk, settings.layers)
        if recipe.adapter.rank:
            trunk = add_adapters(trunk, recipe.adapter)
        model = RankingModel(trunk, precision=settings.precision)
    with steps("make requests") as update:
        prompt = _prompt(pack_recipe, tokenizer.backend_tokenizer)
        examples, valid = [], {}
        with ExitStack() as stack:
            engine = stack.enter_context(RankingEngine.open()) if settings.beside else None
            for number, domain in enumerate(domains):
                others = None if engine is None else partial(beside, engine, domain.items)
                examples.append(
                    training_examples(domain, prompt, settings, number=number, others=others)
                )
                valid[domain.name] = validation_examples(domain, prompt, settings, others=others)
                update(number + 1, len(domains))
        if not all(examples) or not all(valid.values()):
            raise RecipeError("data: expected requests with a clicked and an unclicked candidate")
    return Prepared(model, tokenizer, examples, valid, _plan(model, examples, settings.precision))


def train_model(
    recipe: ScorerFinetuneRecipe,
    prepared: Prepared,
    *,
    work: Path,
    resume: bool = False,
    steps: Steps = silent,
) -> Outcome:
    """Train the prepared model in place, on a CUDA device where there is one.

    Args:
        recipe: how.
        prepared: see :func:`prepare`.
        work: where checkpoints are kept from one run to the next.
        resume: whether to go on from a checkpoint in ``work``.
        steps: told of each step.

    Raises:
        RecipeError: when the checkpoint in ``work`` is of another recipe or other data.
    """
    model = prepared.model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    outcome = train_from(
        recipe,
        ScorerTask(model, prepared.examples, prepared.valid, recipe.training),
        (one.to_bytes() for domain in prepared.examples for one in domain),
        work / CHECKPOINT_NAME,
        resume=resume,
        steps=steps,
    )
    model.cpu()
    return outcome


def finetune_scorer(
    recipe: ScorerFinetuneRecipe,
    folders: Sequence[Path],
    prepared: Prepared,
    output: Path,
    *,
    work: Path,
    resume: bool = False,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
) -> ScorerResult:
    """Train, write the trained checkpoint to ``work``, and build the pack from it.

    Where adapters were trained they are written there by themselves as well, for ``build``: see
    :mod:`edge_rerank_export.models.adapter`.

    What the scorer weighs beside the shipped pack's other evidence is fitted last, on the
    validation requests.

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
    outcome = train_model(recipe, prepared, work=work, resume=resume, steps=steps)
    trained = work / TRAINED_FOLDER
    how = _training(recipe, list(prepared.valid), outcome)
    if recipe.adapter.rank:
        save_adapter(prepared.model, work / ADAPTER_NAME, training=how)
    save_checkpoint(prepared.model, prepared.tokenizer, trained)

    def settle(pack: Pack) -> Manifest:
        with steps("weigh"):
            return fitted_weight(folders, limit=recipe.training.weight_requests)(pack)

    build(
        replace(
            recipe.pack_recipe(),
            name=recipe.name,
            release=recipe.release,
            summary=recipe.summary,
            source=SourceRecipe(
                f"path:{trained}", file_sha256(trained / WEIGHTS_NAME), layout=Layout.TRANSFORMERS
            ),
        ),
        output,
        overwrite=overwrite,
        steps=steps,
        report=report,
        training=how,
        settle=settle,
    )
    return ScorerResult(outcome, trained)


def _training(recipe: ScorerFinetuneRecipe, folders: Sequence[str], outcome: Outcome) -> str:
    """How it was trained, for the model card."""
    how = f"adapters of rank {recipe.adapter.rank}" if recipe.adapter.rank else "all weights"
    if recipe.training.layers:
        how += f" of the first {recipe.training.layers} blocks"
    return card_line(recipe, folders, f"{how}, listwise softmax; NDCG@10", outcome)


def _read(folder: Path, steps: Steps) -> Domain:
    with steps(f"read {folder.name}"):
        return load_domain(
            folder,
            unread,  # texts are read as tokens
            rng=np.random.default_rng([0, 1]),
        )


def _prompt(recipe: ScorerPackRecipe, backend: Any) -> Prompt:
    spec: ScorerSpec = scorer_spec(recipe, backend)
    return Prompt(spec, backend.to_str().encode())


def _plan(
    model: RankingModel, examples: Sequence[Sequence[Example]], precision: Precision
) -> ScorerPlan:
    weights = sum(value.numel() for value in model.parameters())
    trained = sum(value.numel() for value in model.trained().values())
    longest = max(example.tokens for domain in examples for example in domain)
    config = model.trunk.config
    # What one layer keeps for the way back: states and their products, and attention twice.
    states = 8 * config.hidden_size + 4 * config.intermediate_size
    attention = 2 * config.num_attention_heads * longest
    kept = config.num_hidden_layers * longest * (states + attention)
    kept *= 2 if precision is Precision.BFLOAT16 else 4
    return ScorerPlan(
        weights,
        trained,
        sum(map(len, examples)),
        longest,
        _BYTES_A_WEIGHT * (weights + _TRAINED_COPIES * trained) + kept,
    )
