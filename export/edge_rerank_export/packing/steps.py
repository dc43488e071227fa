"""Steps from a recipe's model to a verified pack.

``convert`` writes the float32 ONNX, ``quantize`` the form that the recipe names, ``write_pack``
verifies it and packs it, and :func:`make_pack` is these in a row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_rerank.packs.manifest import Manifest
from edge_rerank.packs.pack import Pack
from edge_rerank_export.models import onnx_file
from edge_rerank_export.models.memory import give_back
from edge_rerank_export.packing.builder import PackBuilder
from edge_rerank_export.packing.cards.scorer import blend_section
from edge_rerank_export.packing.folder import CARD_NAME, file_entries, write_manifest
from edge_rerank_export.progress import Steps, Update, silent
from edge_rerank_export.quantize.integers import scheme_of
from edge_rerank_export.recipes.pack import (
    RECIPE_NAME,
    LanguagePackRecipe,
    PackRecipe,
    written,
)
from edge_rerank_export.verify.figures import Verification
from edge_rerank_export.verify.texts import Texts

Report = Callable[[Verification], None]
"""Told the figures before it is decided whether they suffice."""

Settle = Callable[[Pack], Manifest]
"""Puts into a verified pack's manifest what can only be measured on that."""


def quietly(verification: Verification) -> None:
    """Say nothing."""
    del verification


def giving_back(steps: Steps) -> Steps:
    """The same, but after each step what is not used any more is returned to the system."""

    @contextmanager
    def step(name: str) -> Iterator[Update]:
        with steps(name) as update:
            yield update
        give_back()

    return step


def make_pack(
    builder: PackBuilder[Any, Any],
    stage: Path,
    *,
    texts: Texts | None = None,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
    settle: Settle | None = None,
    recipe: PackRecipe | None = None,
) -> Verification:
    """Convert, quantise, verify and pack; for the arguments see :func:`write_pack`."""
    with tempfile.TemporaryDirectory() as folder:
        exported, quantised = Path(folder) / "float32.onnx", Path(folder) / "quantised.onnx"
        builder.convert(exported, steps=steps)
        builder.quantize(exported, quantised, steps=steps)
        onnx_file.remove(exported)
        return write_pack(
            builder,
            quantised,
            stage,
            texts=texts,
            steps=steps,
            report=report,
            training=training,
            settle=settle,
            recipe=recipe,
        )


def write_pack(
    builder: PackBuilder[Any, Any],
    model: Path,
    stage: Path,
    *,
    texts: Texts | None = None,
    steps: Steps = silent,
    report: Report = quietly,
    training: str = "",
    settle: Settle | None = None,
    recipe: PackRecipe | None = None,
) -> Verification:
    """Fill ``stage`` with a pack around the ONNX file ``model``, verified.

    Args:
        builder: the recipe and its model.
        model: a file of ``convert`` or ``quantize``; the pack says how it is quantised.
        stage: an empty folder.
        texts: what to verify with; ``None`` for those that come with the toolchain.
        steps: told of each step.
        report: called with the figures, good or bad.
        training: how the model was trained, for its card; empty for an original.
        settle: see :data:`Settle`; ``None`` where there is nothing to measure.
        recipe: makes the same pack again, for the pack to keep; ``None`` where none does.

    Raises:
        VerificationFailed: when it falls short of the original.
        PackError: when the runtime refuses it.
    """
    builder = builder.quantised_as(scheme_of(model))
    onnx_file.copy(model, stage / builder.model_name)
    pack = write_manifest(stage, builder.describe(stage))
    material = builder.material(texts, new=True)
    verification = builder.verify(pack, material, steps=steps)
    report(verification)
    if not verification.ok:
        verification.require(builder.advice(verification, pack, material, steps=steps))
    manifest = pack.manifest if settle is None else settle(pack)
    with steps("pack"):
        card = builder.card(verification, training=training)
        card += blend_section(manifest, fitted=settle is not None)
        (stage / CARD_NAME).write_text(card, encoding="utf-8")
        if recipe is not None:
            followed = recipe if settle is None else _weighed(recipe, manifest)
            followed = builder.followed(followed, model)
            (stage / RECIPE_NAME).write_text(written(followed), encoding="utf-8")
        final = replace(
            manifest, files=file_entries(stage), verification=verification.for_manifest()
        )
        write_manifest(stage, final)
    return verification


def _weighed(recipe: PackRecipe, manifest: Manifest) -> PackRecipe:
    """The recipe with the weight that was measured."""
    scorer = manifest.scorer or manifest.pair_scorer
    if scorer is None or not isinstance(recipe, LanguagePackRecipe):
        return recipe
    return recipe.weighed(scorer.weight)
